"""Rows by place, colours by model, and no more in words than was called."""

import pytest
from test_pictures_fit import check

from slmbench.analyse import race as racing
from slmbench.records import to_frame
from slmbench.show import alt, plots, theme
from slmbench.show.levels import labelled
from support.made_rows import request


def run(number=12, **seconds):
    return to_frame(
        [request(m, f"p{i % 4}", i // 4, s * (1 + i / 100)) for i in range(number) for m, s in seconds.items()]
    )


def names(ax):
    return [text.get_text().split("\n")[0] for text in ax.get_yticklabels()]


def places(ax):
    return [text.get_text() for text in ax.texts if text.get_gid() == "place"]


def title(ax):
    return ax.get_title(loc="left").replace("\n", " ")


def test_the_leader_is_on_top_and_keeps_its_look():
    with theme.use():
        ax = plots.draw(run(a=2.0, b=1.0), "race")
        looks = [theme.look(1).color, theme.look(0).color]
    assert names(ax) == ["b", "a"]
    assert places(ax) == ["ahead of 1", "behind 1"]
    assert title(ax) == "Latency so far: b is ahead"
    bars = [c for c in ax.collections if c.get_gid() == "interval"]
    assert [tuple(bar.get_color()[0]) for bar in bars] == [pytest.approx(rgba(color)) for color in looks]


def rgba(color):
    from matplotlib.colors import to_rgba

    return to_rgba(color)


def test_rows_stay_where_they_are_while_nobody_is_called():
    for seconds in ({"a": 1.0, "b": 0.999, "c": 1.001}, {"a": 1.001, "b": 1.0, "c": 0.999}):
        ax = plots.draw(run(**seconds), "race")
        assert names(ax) == ["a", "b", "c"]
        assert places(ax) == ["can't tell yet"] * 3
        assert title(ax) == "Latency so far: can't tell yet who is ahead"


def test_medians_and_intervals_are_those_of_the_standings():
    frame = run(a=2.0, b=1.0, c=3.0)
    ax, table = plots.draw(frame, "race"), racing.standings(frame)
    ends = [tuple(c.get_segments()[0][:, 0]) for c in ax.collections if c.get_gid() == "interval"]
    assert ends == list(zip(table["p50_low"], table["p50_high"], strict=True))
    assert [c.get_offsets()[0, 0] for c in ax.collections if c.get_gid() == "median"] == list(table["p50"])
    assert sum(len(c.get_offsets()) for c in ax.collections if c.get_gid() == "requests") == 36


@pytest.mark.parametrize(
    ("number", "bars", "note"),
    [(1, 0, "Ahead:"), (3, 1, "Mark: median. Bar: lowest to highest"), (6, 1, "Mark: median. Bar: its 95 %")],
)
def test_what_is_drawn_is_what_the_number_of_requests_allows(number, bars, note):
    ax = plots.draw(run(number, a=1.0, b=2.0), "race")
    assert len([c for c in ax.collections if c.get_gid() == "interval"]) == 2 * bars
    assert ax.figure.get_supxlabel().replace("\n", " ").startswith(note)
    assert title(ax).endswith("can't tell yet who is ahead")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ({"a": 1.0}, "Latency so far: no two to compare"),
        ({"a": 1.0, "b": 2.0, "c": 3.0}, "Latency so far: a is ahead of both others"),
        ({"a": 1.0, "b": 1.001, "c": 3.0}, "Latency so far: a is ahead of 1 of 2 others"),
        ({"x" * 40: 1.0, "b": 2.0}, "Latency so far: the top one is ahead"),
    ],
)
def test_the_title_says_who_is_ahead(seconds, words):
    assert title(plots.draw(run(**seconds), "race")) == words


def test_levels_of_load_race_among_themselves():
    rows = [request(m, "p", i, c * s, concurrency=c) for i in range(9) for c in (1, 4) for m, s in (("a", 2), ("b", 1))]
    ax = plots.draw(labelled(to_frame(rows)), "race")
    assert names(ax) == ["1 × b", "4 × b", "1 × a", "4 × a"]
    assert places(ax) == ["ahead of 1", "ahead of 1", "behind 1", "behind 1"]
    assert title(ax) == "Latency so far: 1 × b is ahead"
    ax = plots.draw(labelled(to_frame([row for row in rows if row.model == "a"])), "race")
    assert places(ax) == ["no rival yet"] * 2


def test_of_a_speed_the_fastest_is_on_top():
    ax = plots.draw(run(a=1.0, b=2.0), "race", column="output_tps")
    assert names(ax) == ["a", "b"]
    assert title(ax) == "Output speed so far: a is ahead"
    assert ax.get_xlabel() == "output speed (tokens/s)"


def test_models_that_are_still_to_come_have_their_rows():
    ax = plots.draw(run(a=1.0), "race", models=["z", "a", "b"])
    assert names(ax) == ["z", "a", "b"]
    assert places(ax) == ["no reply yet", "can't tell yet", "no reply yet"]


def test_words_have_the_evidence():
    said = alt.describe(run(a=2.0, b=1.0), "race")
    assert "b is ahead of a: it won 12 of 12 requests, latency × 0.50 [0.50, 0.50]." in said
    assert (
        "b: median 1.06 s, lowest 1, highest 1.11, 95 % interval of the median 1.02 to 1.09, n = 12; ahead of 1."
        in said
    )
    said = alt.describe(run(a=2.0), "race", models=["a", "b"])
    assert "Can't tell yet: no request has been answered by two models." in said
    assert said.endswith("Not measured: b.")


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("number", [1, 3, 12, 100])
def test_long_names_and_many_requests_fit_a_projector(count, number):
    frame = run(
        number, **{f"deepseek-r1-distill-qwen-7b-generic-gpu-int4-rtn-block-32:{k}": 1 + k / 4 for k in range(count)}
    )
    with theme.use("dark", "projector"):
        assert check(plots.draw(frame, "race")).size == (1200, 675)
        check(plots.draw(frame, "race", column="ttft_s"))
