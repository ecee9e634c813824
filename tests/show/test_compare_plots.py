"""Models side by side: ratios with the zone of a tie, and a panel a prompt."""

import pytest

from slmbench.analyse import compare, outliers, stats
from slmbench.records import to_frame
from slmbench.show import alt, plots, theme
from support.made_rows import request


def collections(ax, gid):
    return [c for c in ax.collections if c.get_gid() == gid]


def caption(ax):
    return ax.figure.get_supxlabel().replace("\n", " ")


def runs(n=12, **factors):
    """Models at 1 s times their factor, with 1 % of noise that is not the same for two of them."""
    return to_frame(
        [
            request(model, number=i, latency=factor * (1 + ((7 * i + 3 * place) % 5) / 100))
            for place, (model, factor) in enumerate(factors.items())
            for i in range(n)
        ]
    )


def test_every_pair_has_its_ratio_interval_and_verdict_in_words():
    frame = runs(a=1.0, b=2.0, c=1.0)
    ax, found = plots.ratios(frame), compare.models(frame)
    assert [c.get_offsets()[0].tolist() for c in collections(ax, "ratio")] == [
        [pytest.approx(ratio), lane] for lane, ratio in enumerate(found["ratio"])
    ]
    bars = [end for c in collections(ax, "interval") for end in c.get_segments()[0][:, 0]]
    assert bars == pytest.approx(found[["ratio_low", "ratio_high"]].to_numpy().ravel())
    assert [t.get_text() for t in ax.texts] == ["slower (12 pairs)", "tie (12 pairs)", "faster (12 pairs)"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b\n/ a", "c\n/ a", "c\n/ b"]


def test_the_tie_zone_is_shaded_on_a_logarithmic_axis_around_one():
    ax = plots.ratios(runs(a=1.0, b=2.0))
    (zone,) = [p for p in ax.patches if p.get_gid() == "tie zone"]
    assert (zone.get_x(), zone.get_x() + zone.get_width()) == pytest.approx((1 / 1.05, 1.05))
    assert ax.get_xscale() == "log"
    low, high = ax.get_xlim()
    assert low * high == pytest.approx(1) and high > 2
    shown = [float(t.get_text()) for t in ax.get_xticklabels() if low <= float(t.get_text()) <= high]
    assert shown == [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 2]
    assert "logarithmic" in ax.get_xlabel()


def test_verdicts_differ_by_shape_and_what_is_not_decided_is_hollow():
    frame = runs(a=1.0, b=2.0, c=1.0, d=0.5)
    few = runs(4, a=1.0, b=1.2)
    marks = {c.get_paths()[0].vertices.tobytes() for c in collections(plots.ratios(frame, base="a"), "ratio")}
    assert len(marks) == 3
    (open_mark,) = collections(plots.ratios(few), "ratio")
    assert open_mark.get_facecolor()[0][:3].tolist() == [1, 1, 1]
    (said,) = [t.get_text() for t in plots.ratios(few).texts]
    assert said.startswith("can't tell (4 pairs)\nabout ") and said.endswith("more rounds")
    assert not collections(plots.ratios(few), "interval")  # 4 pairs have none


def test_a_base_has_a_line_for_each_other_model():
    ax = plots.ratios(runs(a=1.0, b=2.0, c=1.0), base="c")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a\n/ c", "b\n/ c"]


def test_which_side_is_faster_depends_on_the_column():
    frame = runs(a=1.0, b=2.0)
    assert caption(plots.ratios(frame)).startswith("Left of 1 the upper name is faster.")
    assert caption(plots.ratios(frame, "decode_tps")).startswith("Right of 1 the upper name is faster.")
    assert stats.SESSION in caption(plots.ratios(frame))
    assert plots.ratios(frame, "decode_tps").texts[0].get_text() == "slower (12 pairs)"


def test_an_interval_without_end_leaves_the_points_in_sight():
    rows = [request("a", number=i) for i in range(6)]
    rows += [request("b", number=i, latency=(1.0, 400.0)[i % 2]) for i in range(6)]
    ax = plots.ratios(to_frame(rows))
    assert 20 < ax.get_xlim()[1] < 120  # the ratio is 20, its interval far wider
    theme.png(ax.figure)


def test_of_many_pairs_the_first_are_shown_and_it_says_so():
    frame = runs(6, **{f"m{k}": 1.0 + k for k in range(6)})
    ax = plots.ratios(frame)
    assert len(ax.get_yticklabels()) == 12
    assert caption(ax).endswith("First 12 of 15 pairs.")


def test_words_for_ratios_are_those_of_the_comparison():
    frame = runs(a=1.0, b=2.0)
    said = alt.describe(frame, "ratios")
    assert said == "Latency of models in pairs: ratios with their 95 % intervals. " + compare.sentence(
        compare.models(frame).iloc[0].to_dict()
    )


def test_per_prompt_has_a_median_for_each_prompt_and_model(frame):
    ax = plots.per_prompt(frame)
    summary = stats.summarise(frame[frame["phase"] == "timed"], by=("model", "prompt_id"))
    enough = summary[summary["latency_s_n"] >= stats.INDICATIVE_FROM]
    medians = [c.get_segments()[0][0][0] for c in collections(ax, "median")]
    assert sorted(medians) == pytest.approx(sorted(enough["latency_s_p50"]))
    assert sum(len(c.get_offsets()) for c in collections(ax, "requests")) == 35
    words = [t.get_text().replace("\n", " ") for t in ax.get_yticklabels()]
    assert words == [p for p in frame["prompt_id"].dropna().unique() if p != "warm-up"]
    assert "नेपाली-सारांश" in words


def test_every_other_panel_is_shaded_and_the_dots_stay_in_theirs(frame):
    ax = plots.per_prompt(frame)
    shades = [(p.get_y(), p.get_height()) for p in ax.patches if p.get_gid() == "panel"]
    assert shades == [(-0.5, 1), (1.5, 1)]
    heights = [y for c in collections(ax, "requests") for _, y in c.get_offsets()]
    assert all(abs(y - round(y)) < 0.45 for y in heights)


def test_outliers_are_ringed_in_their_panel_too():
    rows = [request("a", p, i, 1 + i % 3 / 100) for p in ("p", "q") for i in range(10)]
    rows += [request("a", "q", 10, 9.0)]
    ax = plots.per_prompt(to_frame(rows))
    rings = [tuple(point) for c in collections(ax, "outliers") for point in c.get_offsets()]
    assert [x for x, _ in rings] == [9.0]
    assert 0.5 < rings[0][1] < 1.5
    assert caption(ax).endswith(outliers.OUTLIER_RULE)


def test_per_prompt_says_what_it_leaves_out():
    rows = [request("a", f"p{i}", 0) for i in range(25)]
    ax = plots.per_prompt(to_frame(rows))
    assert len(ax.get_yticklabels()) == 20
    assert "First 20 of 25 prompts." in caption(ax)
