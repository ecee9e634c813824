"""The concurrency curve: throughput against the wait, a point a level."""

import pytest

from slmbench.analyse import traffic
from slmbench.records import to_frame
from slmbench.show import alt, plots
from support.made_rows import request, sweep_rows


def curves(ax):
    return [line for line in ax.lines if line.get_gid() == "curve"]


def gids(ax):
    return [c.get_gid() for c in ax.collections]


def caption(ax):
    return ax.figure.get_supxlabel().replace("\n", " ")


def words(ax):
    return [t.get_text() for t in ax.texts if t.get_gid() == "levels"]


@pytest.fixture
def sweep():
    return to_frame(sweep_rows())


def test_a_line_a_model_a_point_a_level_with_its_number(sweep):
    ax = plots.concurrency_curve(sweep)
    points = traffic.load_points(sweep)
    drawn = [tuple(map(list, line.get_data())) for line in curves(ax)]
    for model, (waits, speeds) in zip("ab", drawn, strict=True):
        mine = points[points["model"] == model]
        assert (waits, speeds) == (mine["ttft_s_p50"].tolist(), mine["system_tps"].tolist())
    assert words(ax) == ["1", "2", "4"] * 2
    assert ax.get_ylabel() == "throughput of all streams (tokens/s)"
    assert ax.get_xlabel() == "median time to first token (s)"
    assert (ax.get_xlim()[0], ax.get_ylim()[0]) == (0, 0)
    assert [t.get_text().replace("\n", " ") for t in ax.get_legend().get_texts()] == ["a (n = 36)", "b (n = 36)"]
    assert caption(ax) == "At each point: requests at once. Bar: 95 % interval of the median."


def test_models_differ_by_colour_marker_and_line(sweep):
    one, two = curves(plots.concurrency_curve(sweep))
    for trait in ("get_color", "get_marker", "get_linestyle"):
        assert getattr(one, trait)() != getattr(two, trait)()


def test_intervals_are_bars(sweep):
    ax = plots.concurrency_curve(sweep, column="latency_s")
    bars = [end for c in ax.collections if c.get_gid() == "interval" for end in c.get_segments()[0][:, 0]]
    points = traffic.load_points(sweep)
    assert bars == pytest.approx(points[["latency_s_p50_low", "latency_s_p50_high"]].to_numpy().ravel())
    assert ax.get_xlabel() == "median latency (s)"


def test_goodput_stands_at_the_points_where_limits_are_given(sweep):
    limits = (("latency_s", 1.001), ("ttft_s", 0.5))
    ax = plots.concurrency_curve(sweep, limits)
    assert words(ax) == ["1: 67 %", "2: 0 %", "4: 0 %", *("1: 0 %", "2: 0 %", "4: 0 %")]  # a at 1: 8 of 12 in 1.001 s
    assert "%: share of requests with latency ≤ 1.001 s and time to first token ≤ 0.5 s." in caption(ax)
    assert "8 of 12 inside the limits" in alt.describe(sweep, "concurrency_curve", limits=limits)


def test_points_the_client_could_not_keep_up_with_are_hollow_and_the_caption_says_so():
    ax = plots.concurrency_curve(to_frame(sweep_rows(bound={("b", 4)})))
    assert gids(ax).count("client bound") == 1 and gids(ax).count("point") == 5
    (hollow,) = [c for c in ax.collections if c.get_gid() == "client bound"]
    (full,) = [c for c in ax.collections if c.get_gid() == "point"][:1]
    assert hollow.get_facecolor().tolist() != hollow.get_edgecolor().tolist()
    assert full.get_facecolor().tolist() == full.get_edgecolor().tolist()
    assert "Hollow: client bound" in caption(ax) and "1 of 12 at 4 (b)" in caption(ax)


def test_an_open_loop_has_its_rate_at_the_point():
    rows = [
        request(
            "a",
            number=i,
            latency=0.5,
            started_at=f"2026-01-01T00:00:{i:02d}+00:00",
            intended_at=f"2026-01-01T00:00:{i:02d}+00:00",
        )
        for i in range(20)
    ]
    ax = plots.concurrency_curve(to_frame(rows))
    assert words(ax) == ["1/s"]
    assert caption(ax).startswith("At each point: requests arriving each second.")


def test_without_a_stream_the_latency_is_the_wait():
    frame = to_frame(sweep_rows()).assign(ttft_s=float("nan"))
    assert plots.concurrency_curve(frame).get_title("left").endswith("no request was measured")
    assert len(curves(plots.concurrency_curve(frame, column="latency_s"))) == 2
