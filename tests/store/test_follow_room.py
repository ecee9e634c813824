"""A room followed while another process writes it: states that change, stations that come, and files that are not
whole."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from slmbench.store import rooms
from slmbench.store.follow_room import GONE, RoomFollower
from support import made_boards
from support.made_boards import station


@pytest.fixture
def path(tmp_path):
    return tmp_path / "monday"


@pytest.fixture
def room(path):
    made_boards.write(path, [station("lap01", "joined"), station("lap02", "joined")])
    found = RoomFollower(path)
    assert found.poll() is True
    return found


def states(room):
    return {one.name: one.state for one in room.stations}


def test_a_room_that_is_not_there_yet_is_waited_for(path):
    room = RoomFollower(path)
    assert room.poll() is False
    assert (room.is_there, room.problem, room.stations) == (False, "", [])
    made_boards.write(path, [station("lap01")])
    assert room.poll() is True
    assert (room.room, room.asked, states(room)) == ("monday", made_boards.PLAN, {"lap01": "measuring"})
    assert room.changes == []  # to have begun is none


def test_changes_are_told_until_the_next_ones(path, room):
    assert room.poll() is False
    made_boards.write(path, [station("lap01"), station("lap02", "joined"), station("lap03", "joined")])
    assert room.poll() is True
    assert room.changes == [("lap01", "measuring"), ("lap03", "joined")]
    made_boards.write(path, [station("lap01", done=14), station("lap02", "joined"), station("lap03", "joined")])
    assert room.poll() is True
    assert room.changes == [("lap01", "measuring"), ("lap03", "joined")]


def test_records_come_when_a_station_is_gathered(path, room):
    assert list(room.frame()["station"]) == []
    made_boards.gather(path, "lap02")
    made_boards.write(path, [station("lap01"), station("lap02", "gathered")])
    assert room.poll() is True
    made_boards.gather(path, "lap01", number=2)
    assert room.poll() is True
    frame = room.frame()
    assert frame["station"].value_counts().to_dict() == {"lap02": 16, "lap01": 4}
    assert frame["text"].isna().all()  # 200 stations are kept
    assert frame["decode_tps"].notna().all()
    made_boards.gather(path, "lap01", number=3)
    room.poll()
    assert len(room.frame()) == 22


@pytest.mark.parametrize("text", ["", '{"room": "monday", "sta', "\0", "[]", '{"room": 7}', "{" * 5000])
def test_what_is_torn_for_a_moment_is_passed_over_and_what_stays_so_is_told(path, room, text):
    before, file = states(room), path / rooms.ROOM
    whole = file.read_text(encoding="ascii")
    file.write_text(text, encoding="ascii")
    assert room.poll() is False
    assert (room.problem, states(room)) == ("", before)
    file.write_text(whole.replace("joined", "measuring"), encoding="ascii")
    assert room.poll() is True
    assert (room.problem, room.changes) == ("", [("lap01", "measuring"), ("lap02", "measuring")])
    file.write_text(text, encoding="ascii")
    assert [room.poll(), room.poll(), room.poll()] == [False, True, False]
    assert rooms.ROOM in room.problem and states(room) == dict.fromkeys(before, "measuring")
    file.write_text(whole, encoding="ascii")
    assert room.poll() is True
    assert room.problem == ""


def test_a_room_that_begins_as_garbage_is_told_at_once(path):
    path.mkdir()
    (path / rooms.ROOM).write_text('{"room": "monday", "asked": {}, "stations": {"../x": {"state": "joined"}}}')
    room = RoomFollower(path)
    assert room.poll() is True
    assert "small letters" in room.problem and not room.is_there


def test_a_room_that_is_taken_away_is_shown_as_it_was_and_made_again(path, room):
    made_boards.gather(path, "lap01")
    room.poll()
    shutil.rmtree(path)
    room.poll()
    room.poll()
    assert (room.problem, list(states(room))) == (GONE, ["lap01", "lap02"])
    made_boards.write(path, [station("lap09", "joined")], name="tuesday")
    assert room.poll() is True
    assert (room.problem, room.room, states(room)) == ("", "tuesday", {"lap09": "joined"})
    assert len(room.frame()) == 0


def test_a_station_with_damaged_records_is_failed_and_the_others_go_on(path, room):
    for name in ("lap01", "lap02"):
        made_boards.gather(path, name)
    made_boards.write(path, [station("lap01", "gathered"), station("lap02", "gathered")])
    with (path / rooms.STATIONS / "lap01" / "rows.jsonl").open("a", encoding="ascii") as file:
        file.write("nothing\n")
    room.poll()
    assert states(room) == {"lap01": "failed", "lap02": "gathered"}
    assert "line 17: not a record" in room.stations[0].reason
    assert set(room.frame()["station"]) == {"lap01", "lap02"}


def test_a_folder_that_room_json_does_not_know_is_not_looked_into(path, room):
    made_boards.gather(path, "stranger")
    room.poll()
    assert room.runs == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(path, room):
    file = path / rooms.ROOM
    file.unlink()
    os.mkfifo(file)
    room.poll()
    room.poll()
    assert room.problem and len(room.stations) == 2


def test_it_writes_nothing(path, room):
    made_boards.gather(path, "lap01")
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    room.poll()
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before
    assert json.loads((path / rooms.ROOM).read_text())["room"] == "monday"
