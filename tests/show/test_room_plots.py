"""The picture of a room: readable with 1 to 200 stations, as told in words, and nothing cut off."""

import itertools

import pytest
from test_pictures_fit import check, drawn_texts

from slmbench.analyse import stations
from slmbench.records import to_frame
from slmbench.show import room_plots, theme
from slmbench.show.room_plots import listed
from support import hostile
from support.made_hostile import CORPUS, NAME_MAX
from support.made_rooms import rows, skipped
from support.seeing import EYES, difference, lab

LOOKS = (("light", "normal"), ("dark", "projector"))
LONG = "deepseek-r1-distill-qwen-7b-generic-gpu-int4-rtn-block-32:3"


def made(n, model="m", wide="", rounds=6):
    return [row for i in range(n) for row in rows(f"lap{i:03}{wide}", 1 + i / 20, model=model, rounds=rounds)]


def marks(figure, gid):
    return [c for ax in figure.axes for c in ax.collections if c.get_gid() == gid]


USUAL = {(n, scale) for scale in ("normal", "projector") for n in (41, 200)} | {(1, "normal")}
USUAL |= {(17, "projector"), (32, "projector")}  # in two panels


@pytest.mark.parametrize(
    ("n", "ground", "scale"),
    [
        pytest.param(n, *look, marks=[pytest.mark.soak] * ((n, look[1]) not in USUAL))
        for n in (1, 3, 16, 17, 30, 32, 33, 40, 41, 200)
        for look in LOOKS
    ],
)
def test_any_number_of_stations_fits(n, ground, scale):
    frame = to_frame(made(n, rounds=3))
    found = stations.comparison(frame, "m")
    with theme.use(ground, scale):
        figure = room_plots.stations(found, frame)
        picture = check(figure.axes[0])
    texts = drawn_texts(figure)
    if scale == "projector":
        assert picture.size == (1200, 675)
        assert min(text.get_fontsize() for text in texts) >= 18
    names = {text.get_text() for text in texts} & {f"lap{i:03}" for i in range(n)}
    most = room_plots.ROWS_PROJECTOR if scale == "projector" else room_plots.ROWS_NORMAL
    assert len(names) == (n if n <= most else 5)  # else two at either end, and the reference
    assert len(figure.axes) == (2 if scale == "projector" and 16 < n <= 32 else 1)
    medians = sum(len(c.get_offsets()) for c in marks(figure, "median"))
    assert medians == n


@pytest.mark.parametrize(
    ("column", "ground", "scale"),
    [
        pytest.param(column, *look, marks=[pytest.mark.soak] * (look[1] == "normal" and column != "latency_s"))
        for column in stations.METRICS
        for look in LOOKS
    ],
)
def test_long_names_and_stations_that_lack_something_fit(column, ground, scale):
    frame = to_frame(
        [
            *made(18, LONG, "-" + "x" * 25),
            *rows("two", 1.0, model=LONG)[:2],
            *rows("four-of-a-long-name-of-32-letters", 1.0, model=LONG)[:4],
            *(skipped(f"gone-with-a-rather-long-name-{i:02}", LONG) for i in range(20)),
        ]
    )
    found = stations.comparison(frame, LONG, column, apart={"lap000-" + "x" * 25: "max_tokens: 1 -> 2"})
    with theme.use(ground, scale):
        figure = room_plots.stations(found, frame, "16 requests at once")
        check(figure.axes[0])
    said = " ".join(text.get_text() for text in drawn_texts(figure))
    assert "(n = 2)" in said and "not compared" in said and "Not measured: gone-with" in said


def test_what_n_allows_is_what_is_drawn():
    frame = to_frame([*rows("six", 1.0)[:6], *rows("three", 1.0)[:3], *rows("two", 1.0)[:2]])
    with theme.use():
        figure = room_plots.stations(stations.comparison(frame, "m"), frame)
    assert [len(c.get_offsets()) for c in marks(figure, "requests")] == [6, 3, 2]
    assert len(marks(figure, "median")) == len(marks(figure, "interval")) == 2
    whole, seen = (c.get_linewidth()[0] for c in marks(figure, "interval"))
    assert whole > 2 * seen


def test_the_fastest_is_on_top_of_times_and_of_speeds():
    frame = to_frame([*rows("slow", 3.0), *rows("fast", 1.0), *rows("usual", 2.0)])
    for column in stations.METRICS:
        with theme.use():
            ax = room_plots.stations(stations.comparison(frame, "m", column), frame).axes[0]
        assert [t.get_text() for t in ax.get_yticklabels()] == ["fast", "usual", "slow"]
        assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_both_panels_have_one_scale():
    frame = to_frame(made(20))
    with theme.use("light", "projector"):
        left, right = room_plots.stations(stations.comparison(frame, "m"), frame).axes
    assert left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()


def test_stations_a_hundredfold_apart_get_a_logarithmic_axis():
    frame = to_frame([*rows("a", 1.0), *rows("b", 100.0)])
    with theme.use():
        [ax] = room_plots.stations(stations.comparison(frame, "m"), frame).axes
    assert ax.get_xscale() == "log" and "logarithmic" in ax.get_xlabel()


def test_a_verdict_has_a_shape_of_its_own_and_a_colour_for_all_eyes():
    shapes = list(room_plots.SHAPES.values())
    assert len(set(shapes)) == len(shapes) == 6
    for name in theme.THEMES:
        with theme.use(name):
            colours = [room_plots._look(verdict)[0] for verdict in ("faster", "slower", "can't tell")]
        for eyes in EYES:
            seen = [lab(colour, eyes) for colour in colours]
            assert min(difference(a, b) for a, b in itertools.combinations(seen, 2)) > 12


def test_a_model_that_nobody_has():
    frame = to_frame([skipped("a"), skipped("b")])
    found = stations.comparison(frame, "m")
    with theme.use():
        figure = room_plots.stations(found, frame)
        check(figure.axes[0])
    assert "nothing measured" in figure.get_suptitle()
    assert room_plots.words(found) == "Latency of m by station. No request was measured. Not measured: a and b."


def test_the_words_have_the_numbers():
    frame = to_frame([*rows("a", 1.0, noise=0), *rows("b", 2.0, noise=0), skipped("c")])
    assert room_plots.words(stations.comparison(frame, "m", base="a"), "4 requests at once") == (
        "Latency of m by station, 4 requests at once: a line a station, the fastest on top, with medians. "
        "a: median 1.30 s, 95 % interval 1 to 1.60, n = 12, reference. "
        "b: median 2.60 s, 95 % interval 2 to 3.20, n = 12, slower. Against a: slower 1. Not measured: c."
    )
    said = room_plots.words(stations.comparison(to_frame(made(60, rounds=3)), "m"))
    assert "60 stations, of which the 3 fastest and the 3 slowest follow. lap000: " in said
    assert "share of stations at or below" in said and said.count("median") == 7 and "lap059" in said


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize(
    "bad", [h.text[:NAME_MAX] for h in CORPUS if h.name in {*hostile.TERMINAL, "script", "surrogates", "latex"}]
)
def test_a_hostile_model_is_text(bad):
    frame = to_frame([*rows("a", 1.0, model=bad), *rows("b", 2.0, model=bad)])
    found = stations.comparison(frame, bad)
    with theme.use():
        figure = room_plots.stations(found, frame)
        theme.png(figure)
    texts = list(drawn_texts(figure))
    assert [t.get_text() for t in texts if hostile.commands(t.get_text())] == []
    assert [t.get_text() for t in texts if t.get_parse_math() and "$" in t.get_text()] == []
    assert hostile.commands(room_plots.words(found), keep="") == []


def test_lists_of_names():
    assert [listed(list("abcd")[:n], 3) for n in range(5)] == ["", "a", "a and b", "a, b and c", "a, b and 2 more"]
