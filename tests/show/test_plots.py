"""Artists, labels and data, not pixels; and no glyph that the fonts lack."""

import itertools
import warnings

import pytest

from slmbench.analyse import outliers, stats
from slmbench.errors import UsageError
from slmbench.records import to_frame
from slmbench.show import alt, plots, theme
from support.made_rows import request, sample_rows

LONG = "deepseek-r1-distill-qwen-7b-generic-gpu-int4-rtn-block-32:3"
KINDS = [*plots.KINDS]


def options(kind, base="qwen2.5-0.5b", other="smollm2-135m-int4"):
    return {"base": base, "other": other} if kind == "acceleration" else {}


def collections(ax, gid):
    return [c for c in ax.collections if c.get_gid() == gid]


def words(ax):
    return [t.get_text().replace("\n", " ") for t in ax.get_yticklabels()]


def legend(ax):
    return [t.get_text().replace("\n", " ") for t in ax.get_legend().get_texts()]


def caption(ax):
    return ax.figure.get_supxlabel().replace("\n", " ")


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_latency_shows_every_request_and_every_model(frame):
    ax = plots.latency_by_model(frame)
    assert sum(len(c.get_offsets()) for c in collections(ax, "requests")) == 35
    assert words(ax) == [
        "qwen2.5-0.5b (n = 12)",
        "smollm2-135m-int4 (n = 12)",
        "phi-4-mini-instruct- generic-cpu:3 (n = 11, 1 failed)",
        "gemma-2-2b (skipped)",
    ]
    assert [t.get_text().replace("\n", " ") for t in ax.texts] == ["not in the catalogue, nearest: gemma-4-e2b-it"]
    assert ax.get_xlabel() == "latency (s)"


def test_outliers_are_ringed_where_they_lie_and_the_rule_is_said(frame):
    ax = plots.latency_by_model(frame)
    rings = [tuple(p) for c in collections(ax, "outliers") for p in c.get_offsets()]
    (slow,) = frame.loc[outliers.outliers(frame), "latency_s"]
    assert [x for x, _ in rings] == [slow]
    assert rings[0] in [tuple(p) for c in collections(ax, "requests") for p in c.get_offsets()]
    assert caption(ax).endswith(outliers.OUTLIER_RULE)


def test_a_box_needs_six_requests_and_a_bar_three():
    counts = {"a": 2, "b": 5, "c": 6}
    rows = [request(m, number=i, latency=1 + i / 10) for m, n in counts.items() for i in range(n)]
    ax = plots.latency_by_model(to_frame(rows))
    bars = [c.get_segments()[0].tolist() for c in collections(ax, "interval")]
    assert bars == [[[1.0, 1.37], [1.4, 1.37]], [[1.0, 2.37], [1.5, 2.37]]]  # b: lowest to highest; c: the interval
    assert {round(y) for line in ax.lines for y in line.get_ydata()} == {2}  # the box: only c
    assert "Line: median. Bar: its 95 % interval or lowest to highest (n = 5)." in caption(ax)


def test_from_three_loads_on_the_bars_are_across_loads():
    rows = [request("a", number=i, load_index=k, latency=1 + k / 10) for k in range(3) for i in range(4)]
    ax = plots.speed(to_frame(rows))
    (bar,) = collections(ax, "interval")
    numbers = stats.summarise(to_frame(rows)).iloc[0]
    assert numbers["basis"] == "across 3 loads"
    assert bar.get_segments()[0][:, 0].tolist() == [numbers["decode_tps_p50_low"], numbers["decode_tps_p50_high"]]
    assert "Bar: its 95 % interval across 3 loads." in caption(ax)
    assert "95 % interval of the median" in alt.describe(to_frame(rows), "speed")


def test_speed_has_medians_with_intervals(frame):
    ax = plots.speed(frame)
    summary = stats.summarise(frame).iloc[:3]
    assert [c.get_segments()[0][0][0] for c in collections(ax, "median")] == list(summary.decode_tps_p50)
    ends = [tuple(c.get_segments()[0][:, 0]) for c in collections(ax, "interval")]
    assert ends == list(zip(summary.decode_tps_p50_low, summary.decode_tps_p50_high, strict=True))
    assert ax.get_xlabel() == "decode speed (tokens/s)"


def test_speed_says_when_tokens_are_not_the_servers():
    rows = [request("a", number=i, token_source="chunks") for i in range(3)]
    assert "Tokens counted by: chunks." in caption(plots.speed(to_frame(rows)))


def test_ecdf_reaches_one_at_the_highest_value():
    ax = plots.ecdf(to_frame([request("a", number=i, latency=x) for i, x in enumerate((1.0, 2.0, 4.0))]))
    (line,) = ax.lines
    assert list(line.get_xdata())[-1] == pytest.approx(0.4)
    assert list(line.get_ydata())[-1] == 1.0
    assert ax.get_xlabel() == "time to first token (s)"
    assert legend(ax) == ["a (n = 3)"]


def test_models_differ_by_colour_marker_and_line():
    rows = [request(f"m{k}", number=i, latency=1 + i) for k in range(8) for i in range(3)]
    lines = plots.ecdf(to_frame(rows)).lines
    for trait in ("get_color", "get_marker", "get_linestyle"):
        assert len({str(getattr(line, trait)()) for line in lines}) >= (4 if trait == "get_linestyle" else 8)


def test_failures_at_the_end_of_a_run_lie_within_the_axes():
    rows = [request("a", number=i, order=i) for i in range(9)]
    rows += [request("a", number=i, order=i, status="refused") for i in range(9, 30)]
    assert plots.run_order(to_frame(rows)).get_xlim()[1] > 29


def test_run_order_marks_warm_up_failures_and_outliers(frame):
    ax = plots.run_order(frame)
    spans = [p for p in ax.patches if p.get_gid() == "warmup"]
    assert [(p.get_x(), p.get_width()) for p in spans] == [(-0.5, 3.0)]  # three in a row: one shade
    (failed,) = collections(ax, "failed")
    assert failed.get_offsets()[:, 0].tolist() == frame.loc[frame.status == "timeout", "order"].tolist()
    assert legend(ax)[-3:] == ["warm-up, hollow (n = 3)", "failed (n = 1)", "outlier (n = 1)"]
    assert ax.get_ylim()[1] > frame.loc[frame.phase == "warmup", "latency_s"].max()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("position in the run", "latency (s)")
    assert caption(ax).endswith("Not measured: gemma-2-2b.")
    (said,) = [t for t in ax.texts if t.get_gid() == "causes"]
    assert said.get_text() == "unknown"


def test_warm_ups_apart_are_shaded_apart():
    rows = [request("a", phase="warmup"), request("a"), request("b", phase="warmup"), request("b", phase="warmup")]
    ax = plots.run_order(to_frame(rows))
    spans = [p for p in ax.patches if p.get_gid() == "warmup"]
    assert [(p.get_x(), p.get_width()) for p in spans] == [(-0.5, 1.0), (1.5, 2.0)]


def test_many_outliers_have_their_causes_counted_in_the_caption():
    rows = [request("a", number=i, latency=1 + i % 3 / 100) for i in range(60)]
    rows += [request("a", number=60 + i, latency=4.0, flags=["client_bound"] * (i < 2)) for i in range(6)]
    ax = plots.run_order(to_frame(rows))
    assert "Probable causes: unknown 4, client lag 2." in caption(ax)
    assert not [t for t in ax.texts if t.get_gid() == "causes"]
    assert "Probable causes: unknown 4, client lag 2." in alt.describe(to_frame(rows), "run_order")


def test_acceleration_has_the_ratio_in_its_title():
    latency = {"1 CPU thread": 2.0, "2 CPU threads": 1.0}
    rows = [request(m, p, i, x) for m, x in latency.items() for p in ("p", "q") for i in range(3)]
    ax = plots.acceleration(to_frame(rows), "1 CPU thread", "2 CPU threads")
    assert ax.get_title(loc="left") == "2 CPU threads / 1 CPU thread\nlatency × 0.50 (6 pairs, 0.50 to 0.50)"
    assert [c.get_offsets()[:, 0].tolist() for c in ax.collections[1:]] == [[2.0, 2.0], [1.0, 1.0]]
    assert legend(ax) == ["1 CPU thread (n = 6)", "2 CPU threads (n = 6)"]


def test_acceleration_by_device():
    rows = [request("m", number=i, latency=x, device=d) for d, x in (("cpu", 4.0), ("gpu", 1.0)) for i in range(2)]
    ax = plots.acceleration(to_frame(rows), "cpu", "gpu", by="device")
    assert "gpu / cpu\nlatency × 0.25 (2 pairs, 0.25 to 0.25)" in ax.get_title(loc="left")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [request("a", status="timeout", error="no reply within 60 s")],
        [request("b", None, None, status="skipped", error="not here")],
        [request("b", phase="warmup")],
    ],
    ids=["empty", "failed", "skipped", "warm-up only"],
)
def test_nothing_measured_draws_axes_that_say_so(kind, rows):
    frame = to_frame(rows)
    ax = plots.draw(frame, kind, **options(kind))
    warm = kind == "run_order" and bool(rows) and rows[0].phase == "warmup"  # the one picture that shows warm-ups
    what = "pair" if kind == "ratios" else "request"
    assert ax.get_title(loc="left").endswith(f"no {what} was measured") != warm
    assert theme.png(ax.figure).startswith(b"\x89PNG")
    said = alt.describe(frame, kind, **options(kind))
    assert f"o {'pair' if kind == 'acceleration' else what} was measured." in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", theme.SCALES)
def test_eight_long_names_stay_inside_the_picture(kind, scale):
    names = [f"{LONG}-{k}" for k in range(7)] + ["$tricky_name_{x}^2$"]
    rows = [request(m, p, 0, 1.0 + k) for k, m in enumerate(names) for p in ("rag", "a_very-long-prompt-name" * 3)]
    with theme.use(scale=scale):
        ax = plots.draw(to_frame(rows), kind, **options(kind, names[0], names[1]))
        theme.png(ax.figure)
        figure, drawn = ax.figure.bbox, ax.figure.get_tightbbox().transformed(ax.figure.dpi_scale_trans)
    assert drawn.x0 >= -1 and drawn.y0 >= -1
    assert drawn.x1 <= figure.width + 1 and drawn.y1 <= figure.height + 1
    assert ax.get_position().width > 0.3  # the names leave room for the data
    labels = ax.get_yticklabels()
    boxes = [t.get_window_extent() for t in labels]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


@pytest.mark.parametrize("kind", KINDS)
def test_names_from_data_are_no_mathematics_and_have_glyphs(frame, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph warns
        ax = plots.draw(frame, kind, **options(kind))  # under matplotlib's own settings, without the theme
        theme.png(ax.figure)
    texts = [*ax.get_yticklabels(), *ax.texts, *(ax.get_legend().get_texts() if ax.get_legend() else [])]
    assert not any(t.get_parse_math() for t in texts if any(c.isalpha() for c in t.get_text()))


def test_the_numbers_of_a_logarithmic_axis_stand_apart():
    rows = [request(m, f"p{i}", latency=s * (1 + i / 9)) for m, s in (("a", 0.002), ("b", 40.0)) for i in range(8)]
    ax = plots.draw(to_frame(rows), "latency_by_model")
    theme.png(ax.figure)
    low, high = ax.get_xlim()
    labels = [t for t in ax.get_xticklabels() if low <= t.get_position()[0] <= high and t.get_text()]
    boxes = sorted((t.get_window_extent(theme.renderer(ax.figure)) for t in labels), key=lambda box: box.x0)
    assert len(boxes) >= 3 and all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
    assert not any("e" in t.get_text() for t in labels)


def test_values_a_hundred_times_apart_get_a_logarithmic_axis():
    rows = [request(m, number=i, latency=x) for m, x in (("a", 0.1), ("b", 10.0)) for i in range(3)]
    ax = plots.latency_by_model(to_frame(rows))
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "latency (s), logarithmic"
    theme.png(ax.figure)
    assert not any("$" in t.get_text() for t in ax.get_xticklabels())


def test_linear_axes_begin_at_zero(frame):
    assert plots.latency_by_model(frame).get_xlim()[0] == 0
    assert plots.run_order(frame).get_ylim()[0] == 0


def test_a_given_axes_is_drawn_on(frame):
    from matplotlib.figure import Figure

    left, right = Figure().subplots(1, 2)
    assert plots.speed(frame, left) is left
    assert plots.ecdf(frame, "latency_s", right) is right
    assert left.figure.get_supxlabel() == ""  # a caption over two pictures would be wrong for one


def test_no_pyplot_state_is_made(frame):
    import sys

    plots.latency_by_model(frame)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize("kind", KINDS)
def test_describe_has_the_numbers(frame, kind):
    said = alt.describe(frame, kind, **options(kind))
    assert any(words in said for words in ("n = 12", "12 pairs", "64 chunks")) or kind == "concurrency_curve"
    if kind in ("latency_by_model", "run_order"):
        assert "Outliers: 1 of qwen2.5-0.5b." in said
    if kind not in ("acceleration", *alt.MORE):
        assert "Not measured: gemma-2-2b." in said


def test_describe_by_hand():
    frame = to_frame([request("a", number=i, latency=x) for i, x in enumerate((1.0, 2.0, 6.0))])
    assert alt.describe(frame, "ecdf", column="latency_s") == (
        "Share of requests at or below each latency, one step line a model. a: median 2 s, lowest 1, highest 6, n = 3."
    )


def test_picture_carries_its_alternative_text(frame):
    image = plots.picture(frame, "ecdf", column="latency_s")
    data, metadata = image._repr_mimebundle_()
    assert set(data) == {"image/png"}
    assert metadata["image/png"]["alt"] == alt.describe(frame, "ecdf", column="latency_s")


def test_an_unknown_picture_is_refused_by_name(frame):
    with pytest.raises(UsageError, match="kind='pie'"):
        plots.draw(frame, "pie")
    with pytest.raises(UsageError, match="kind='pie'"):
        alt.describe(frame, "pie")


def test_rows_of_two_runs_are_numbered_through():
    rows = sample_rows()
    both = to_frame(rows + rows)
    assert alt.positions(both).tolist() == list(range(len(both)))
    assert alt.positions(to_frame(rows)).tolist() == [row.order for row in rows]
