"""The tiles of a room on the board: sizes that a room can read, signs for all eyes, and many stations."""

import itertools
import re

import pytest
from matplotlib.figure import Figure
from test_pictures_fit import check, drawn_texts

from slmbench.show import room_tiles, theme
from slmbench.store import rooms
from support import made_boards
from support.made_boards import PROJECTOR, REASONS, WINDOW, station
from support.seeing import EYES, contrast, difference, lab

TROUBLE = [*REASONS]


def tiles(stations, size=PROJECTOR, look=("light", "projector")):
    """The axes with the tiles, and what is said besides."""
    with theme.use(*look):
        figure = Figure(figsize=(size[0] / theme.DPI, size[1] / theme.DPI))
        notes = room_tiles.draw(stations, figure)
    [ax] = figure.axes
    return ax, notes


def told(ax):
    """What the words in the tiles are, without what is cut."""
    return [text.get_text() for text in drawn_texts(ax.figure)]


@pytest.mark.parametrize("n", [1, 5, 12, 30])
@pytest.mark.parametrize("size", [PROJECTOR, WINDOW])
def test_thirty_stations_have_their_name_state_and_sign_at_a_size_that_a_room_can_read(n, size):
    stations = made_boards.many(n)
    ax, notes = tiles(stations, size)
    assert notes == []
    check(ax)
    assert min(text.get_fontsize() for text in drawn_texts(ax.figure)) >= 18
    words = told(ax)
    assert {one.name for one in stations} <= set(words)
    for one in stations:
        assert any(text == one.state or text.startswith(f"{one.state}: ") for text in words)
    failed = [one for one in stations if one.failed]
    assert len([text for text in words if re.fullmatch(r"\d+( failed|✖)", text)]) == len(failed)
    frames = next(c for c in ax.collections if c.get_gid() == "tile")
    assert len(frames.get_paths()) == n


@pytest.mark.parametrize("n", [31, 60, 120, 200])
@pytest.mark.parametrize("size", [PROJECTOR, WINDOW])
def test_more_stations_are_counted_and_say_so_where_names_find_no_room(n, size):
    stations = made_boards.many(n)
    ax, notes = tiles(stations, size, ("dark", "projector"))
    check(ax)
    assert min(text.get_fontsize() for text in drawn_texts(ax.figure)) >= 18
    words = told(ax)
    names = {one.name for one in stations} & set(words)
    assert names in ({one.name for one in stations}, set())
    assert (notes == [room_tiles.ALONE]) == (not names)
    if not names or "gathered" not in words:
        assert f"{[one.state for one in stations].count('gathered')} gathered" in words
    assert len(next(c for c in ax.collections if c.get_gid() == "tile").get_paths()) == n
    signs = [len(c.get_offsets()) for c in ax.collections if str(c.get_gid()).startswith("sign")]
    assert sum(signs) >= n


def test_of_too_many_stations_those_with_problems_are_drawn():
    ax, notes = tiles(made_boards.many(900))
    assert notes[-1] == "400 of 900 stations are drawn, those not as they should be first."
    assert len(next(c for c in ax.collections if c.get_gid() == "tile").get_paths()) == 400
    assert sum(len(c.get_offsets()) for c in ax.collections if c.get_gid() == "sign failed") > 20


@pytest.mark.parametrize("state", TROUBLE)
def test_a_reason_stands_in_the_tile(state):
    ax, _ = tiles([station("lap01"), station("lap02", state)])
    words = " ".join(told(ax))
    assert " ".join(REASONS[state].split()[:4]) in words


def test_the_bar_is_as_long_as_the_share_that_is_done():
    ax, _ = tiles([station("a", done=10), station("b", done=90, total=40), station("c", total=None)])
    widths = {
        kind: [p.get_extents().width for p in c.get_paths()]
        for c in ax.collections
        if (kind := c.get_gid()) in ("bar", "done")
    }
    assert len(widths["bar"]) == 3 and len(widths["done"]) == 2
    assert widths["done"][0] == pytest.approx(widths["bar"][0] / 4)
    assert widths["done"][1] == pytest.approx(widths["bar"][1])


def test_every_state_has_a_sign_of_its_own_shape():
    assert set(rooms.STATES) <= set(room_tiles.SIGNS)
    assert len({sign.marker for sign in room_tiles.SIGNS.values()}) == len(room_tiles.SIGNS)
    assert len({sign.text for sign in room_tiles.SIGNS.values()}) == len(room_tiles.SIGNS)
    assert {state for state, sign in room_tiles.SIGNS.items() if sign.trouble} == set(TROUBLE)


@pytest.mark.parametrize("look", theme.THEMES)
def test_signs_stand_out_and_the_common_ones_are_apart_for_all_eyes(look):
    with theme.use(look):
        colors = {state: room_tiles.color_of(state) for state in room_tiles.SIGNS}
    assert min(contrast(color, theme.INK[look][0]) for color in colors.values()) >= 3
    for eyes in EYES:
        seen = [lab(colors[state], eyes) for state in ("gathered", "measuring", "failed")]
        assert min(difference(one, two) for one, two in itertools.combinations(seen, 2)) >= 12


def test_a_state_of_a_later_version_is_drawn_as_a_question():
    ax, _ = tiles([station("lap01", "asleep")])
    assert "asleep" in told(ax)


def test_a_name_that_is_too_long_is_cut_and_lies_on_nothing():
    names = [f"{'a-very-long-name-'[: 12 + i % 5]}{i:02}-of-the-school" for i in range(30)]
    for size in (PROJECTOR, WINDOW):
        ax, _ = tiles([station(name[:32], failed=12) for name in names], size)
        check(ax)
