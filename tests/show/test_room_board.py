"""A room on the instructor's board: its tiles, speeds, machines and problems as they change, and folders that turn out
to be one."""

import io
import re

import pytest
from PIL import Image
from test_pictures_fit import check
from test_room_tiles import tiles

from slmbench import store
from slmbench.errors import UsageError
from slmbench.records import to_frame
from slmbench.show import board, room_board, room_views, theme
from slmbench.show.board import Board
from slmbench.store import rooms
from support import hostile, made_boards
from support.made_boards import PROJECTOR, REASONS, WINDOW, pressed, station


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "monday"


@pytest.fixture
def room(path):
    made_boards.write(path, [station("lap01"), station("lap02", "gathered"), station("lap10", "failed", failed=3)])
    return path


def shown(path, view="tiles", **given):
    made = Board([path], view=view, **given)
    made.tick()
    return made._shown()


def test_the_lines_say_how_many_stand_where(room):
    made = Board([room])
    made.tick()
    [line] = made.lines()
    assert re.fullmatch(
        r"monday: 3 stations · 1 gathered, 1 measuring, 1 failed · 77 of 120 requests · 3 failed · last news \d\d:00",
        line,
    )
    assert made._content.progress() == (77, 120)


@pytest.mark.filterwarnings("ignore:Glyph")  # no font of ours has all that is written on earth
@pytest.mark.parametrize("size", [PROJECTOR, (640, 300)])
def test_hostile_reasons_and_processors_are_shown_as_text(path, size):
    texts = [h.text[:2000] for h in hostile.corpus()]
    stations = [
        station(f"s{i:03}", "failed", reason=text, cpu=text[:200], at=text[:64]) for i, text in enumerate(texts)
    ]
    for some in (stations[:6], *(stations[first : first + 30] for first in range(6, len(stations), 30))):
        ax, _ = tiles(some, size)
        ax.figure.draw_without_rendering()
        for text in ax.texts:
            assert hostile.commands(text.get_text(), keep="") == []
            assert not text.get_parse_math() or "$" not in text.get_text()
    made_boards.write(path, [one for one in stations if "\ud83d" not in one.reason])
    for view in room_views.VIEWS:
        assert shown(path, view).title in ("", room_views.NO_SPEED)


def test_the_words_of_the_picture_tell_all_of_it(room):
    found = shown(room)
    assert found.png and found.title == ""
    assert found.alt == (
        f"3 stations, a tile each. gathered 1: lap02. measuring 1: lap01. failed 1: lap10 ({REASONS['failed']})."
    )


def test_of_many_stations_the_words_name_some(path):
    made_boards.write(path, [station(f"s{i:03}") for i in range(200)])
    assert "measuring 200: s000, s001" in shown(path).alt and "s019, and 180 more." in shown(path).alt


def test_speed_comes_as_stations_are_gathered(room):
    assert shown(room, "speed").title == room_views.NO_SPEED
    made_boards.gather(room, "lap02")
    made_boards.gather(room, "lap01", speed=2.0)
    found = shown(room, "speed")
    assert found.notes[0].startswith("Records of 2 of 3 stations are here.")
    assert "quick on 2 stations: fastest lap01 19.3 tokens/s, slowest lap02 9.66, middle 14.5." in found.alt
    assert Image.open(io.BytesIO(found.png)).size == PROJECTOR


@pytest.mark.parametrize("size", [PROJECTOR, WINDOW, (800, 450)])
@pytest.mark.parametrize("n", [1, 12, 40])
def test_speeds_of_many_stations_fit(path, n, size):
    names = [f"lap{i:02}" for i in range(n)]
    made_boards.write(path, [station(name, "gathered") for name in names])
    for place, name in enumerate(names):
        made_boards.gather(path, name, speed=1 + place / 10)
    made = Board([path])
    made.tick()
    look = ("light", "normal" if size[0] == 800 else "projector")
    with theme.use(*look):
        figure = room_views.speed(made.runs[0].frame(), size)
        check(figure.axes[0])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == names[-1]  # the fastest
    medians = [c for c in figure.axes[0].collections if c.get_gid() == "median"]
    assert [len(c.get_offsets()) for c in medians] == [n, n]


def test_a_station_that_has_not_measured_every_model_is_placed_by_those_that_it_has():
    rows = [row for row in made_boards.rows("a", 1.0) if row.model == "slow"] + made_boards.rows("b", 0.8)
    found = room_views.medians(to_frame(rows))
    assert list(dict.fromkeys(found["station"])) == ["a", "b"]


def test_machines_are_listed_as_far_as_they_told(room):
    made_boards.write(room, [station("lap10", cpu=None, cores=None, memory_mb=None), station("lap2", "joined")])
    assert shown(room, "machines").table == [
        ("Station", "Processor", "Cores", "Memory", "State"),
        ("lap2", "Intel Core i7-1260P", "16", "16 GB", "● joined"),
        ("lap10", "", "", "", "▶ measuring"),
    ]


def test_problems_have_their_whole_reasons(room):
    made_boards.write(
        room, [station("lap01"), station("lap02", "gathered", failed=1), station("lap03", "absent", reason="why " * 99)]
    )
    found = shown(room, "problems")
    assert found.table == [
        ("Station", "State", "Reason"),
        ("lap03", "▬ absent", "why " * 99),
        ("lap02", "■ gathered", "1 failed request"),
    ]
    made_boards.write(room, [station("lap01")])
    assert (shown(room, "problems").title, shown(room, "problems").table) == (room_views.ALL_WELL, ())


@pytest.mark.parametrize("view", room_views.VIEWS)
def test_a_room_that_nobody_has_joined_has_words_in_every_view(path, view):
    made_boards.write(path, [])
    found = shown(path, view)
    assert found.title and found.png is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("lap01", "failed")], "failed: lap01"),
        ([("lap01", "gathered"), ("lap02", "failed"), ("lap03", "gathered")], "gathered: lap01, lap03; failed: lap02"),
        (
            [(f"lap{i:02}", "gathered") for i in range(30)],
            "gathered: lap00, lap01, lap02, lap03, lap04, lap05, lap06, lap07 and 22 more",
        ),
    ],
)
def test_changes_are_one_short_line(changes, said):
    assert room_board.news(changes) == said


def test_who_takes_no_part_is_not_waited_for():
    stations = [station("a", done=10), station("b", "joined"), station("c", "absent"), station("d", "left", done=4)]
    assert room_board.progress(stations) == (10, 80)
    assert room_board.progress([station("a", "joined")]) == (0, None)


def test_a_damaged_room_is_told_and_the_board_goes_on(room, clock):
    made = Board([room], clock=clock)
    made.tick()
    (room / rooms.ROOM).write_text("{", encoding="ascii")
    made.tick()
    assert "not valid JSON" not in made.lines()[0]  # it may be about to be written
    clock.now += 10
    assert made.tick() is True
    assert "not valid JSON" in made.lines()[0] and "3 stations" in made.lines()[0]
    assert made._shown().png
    made.view = "problems"
    assert "not valid JSON" in made._shown().notes[0]


def test_it_draws_only_what_has_changed_and_at_most_once_a_second(room, clock):
    made = Board([room], clock=clock)
    assert made.tick() is True
    assert made.tick() is False
    made_boards.write(room, [station("lap01", done=14)])
    assert made.tick() is False  # less than a second later
    clock.now += 1.0
    assert made.tick() is True
    clock.now += 100
    assert made.tick() is False


def test_a_folder_to_come_turns_out_as_a_room(path, clock):
    made = Board([path], clock=clock)
    made.tick()
    assert made.lines() == ["monday: waiting for it"]
    made_boards.write(path, [station("lap01")])
    clock.now += 10
    assert made.tick() is True
    assert made.lines()[0].startswith("monday: 1 station · 1 measuring")
    assert made._shown().alt.startswith("1 station, a tile each.")


def test_a_folder_to_come_turns_out_as_a_run_and_a_room_may_give_way_to_one(path, clock):
    made_boards.write(path, [station("lap01")])
    made = Board([path], clock=clock)
    made.tick()
    (path / rooms.ROOM).unlink()
    store.write_json(path / "plan.json", made_boards.PLAN)
    clock.now += 10
    made.tick()
    assert made.lines()[0].startswith("monday: 0 ")
    assert made._view() == "race"


def test_a_room_is_shown_alone(room, tmp_path):
    with pytest.raises(UsageError, match="2 folders were found, one of them a room"):
        Board([room, tmp_path / "other"])
    made = Board([tmp_path / "later", tmp_path / "other"])
    made_boards.write(tmp_path / "later", [station("lap01")])
    made.tick()
    assert made.lines() == [
        "later: it is a room, and a room is shown alone: slmbench board ROOM",
        "other: waiting for it",
    ]


def test_it_writes_nothing(room):
    made_boards.gather(room, "lap01")
    before = {p: p.stat().st_mtime_ns for p in room.rglob("*")}
    for view in room_views.VIEWS:
        shown(room, view)
    assert {p: p.stat().st_mtime_ns for p in room.rglob("*")} == before


@pytest.fixture
def page(monkeypatch, room, clock):
    """A board in Voilà, without a browser."""
    made_boards.in_voila(monkeypatch)
    made = Board([room], clock=clock)
    made.show()
    yield made
    made.close()


def test_keys_step_through_the_views_of_a_room(page):
    assert pressed(page) == ["tiles"]
    assert {b["key"] for b in page._stage.view["buttons"]} == {*"1234", "ArrowLeft", "ArrowRight", "t", "z"}
    page._stage._hear(None, {"press": "previous"})
    assert pressed(page) == ["problems"]
    assert page._stage.view["pictured"] is False
    assert page._stage.view["table"][1][0] == "lap10"
    page._stage._hear(None, {"press": "next"})
    page._stage._hear(None, {"press": "theme"})
    assert (pressed(page), page._stage.view["look"], page._stage.view["table"]) == (["tiles"], "dark", [])
    assert page._stage.view["pictured"] is True


def test_a_change_is_said_in_words(page, room, clock):
    assert page._stage.view["said"] == "No change yet."
    made_boards.write(room, [station("lap01", "late"), station("lap02", "gathered"), station("lap10", "failed")])
    clock.now += 10
    page.tick()
    assert page._stage.view["said"] == "late: lap01 (it was still measuring when the time was up: 12 of 40 do…)"
    assert (page._stage.view["done"], page._stage.view["total"]) == (64, 120)
    assert "late 1: lap01 (it was still measuring" in page._stage.view["alt"]


def test_where_nobody_looks_it_says_where_the_stations_stand(room, capsys):
    board.show([room], view="problems")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("monday: 3 stations · 1 gathered, 1 measuring, 1 failed")
    assert said[1:] == ["Station · State · Reason", f"lap10 · ✖ failed · {REASONS['failed']} · 3 failed requests"]


def test_a_still_has_its_words(room):
    made = Board([room], scale="normal")
    made.tick()
    still = made.picture()
    assert still.data.startswith(b"\x89PNG") and "lap10" in still.alt
