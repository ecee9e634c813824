"""A room's folder: what came from stations, kept once, read back, refused by name."""

from __future__ import annotations

import dataclasses
import json

import pytest

from slmbench.errors import UsageError
from slmbench.records import Row
from slmbench.store import StoreError, rooms

PLAN = {"prompts": [{"id": "p1", "text": "Hello"}], "models": ["m"], "rounds": 2}
ROW = Row(run="r", cell="c1", model="m", prompt_id="p1", order=0, round=0, ttft_s=0.1, latency_s=0.5, text="é\u2028")
OTHER = dataclasses.replace(ROW, cell="c2", order=1, round=1)


def take(path, station="lap07", rows=(ROW, OTHER), **more):
    what = {"plan": PLAN, "machine": {"cpu": "x"}, "resources": [{"kind": "load", "model": "m"}], **more}
    return rooms.take(path, station, rows=rows, **what)


def room(path, *stations):
    rooms.write(path, "monday", PLAN, stations or [rooms.Station("lap07", "gathered", rows=2, done=2, total=2)])


def test_what_is_sent_twice_is_kept_once(tmp_path):
    assert take(tmp_path, rows=[ROW]) == 1
    assert take(tmp_path, rows=[ROW, OTHER]) == 2
    assert take(tmp_path, rows=[OTHER]) == 2
    room(tmp_path)
    found = rooms.read_room(tmp_path)
    assert [r.cell for r in found.runs["lap07"].rows] == ["c1", "c2"]
    assert found.runs["lap07"].resources == [{"kind": "load", "model": "m"}]
    assert found.runs["lap07"].machine == {"cpu": "x", "station": "lap07"}


def test_the_desk_says_who_a_row_is_of(tmp_path):
    take(tmp_path, rows=[dataclasses.replace(ROW, station="somebody-else")])
    take(tmp_path, "lap08", rows=[ROW])
    room(tmp_path, rooms.Station("lap08", "gathered"), rooms.Station("lap07", "gathered"))
    frame = rooms.read_room(tmp_path).frame()
    assert list(frame["station"]) == ["lap07", "lap08"]
    assert (frame["text"] == ROW.text).all()


def test_each_station_has_its_own_first_of_a_prompt(tmp_path):
    take(tmp_path)
    take(tmp_path, "lap08")
    room(tmp_path, rooms.Station("lap07", "gathered"), rooms.Station("lap08", "gathered"))
    frame = rooms.read_room(tmp_path).frame()
    assert list(frame["first_of_prompt"]) == [True, False, True, False]


def test_a_row_under_a_strange_name_is_of_the_station_that_it_came_from(tmp_path):
    take(tmp_path)
    room(tmp_path)
    file = tmp_path / "stations" / "lap07" / "rows.jsonl"
    file.write_text(file.read_text().replace('"lap07"', '"=cmd()"'))
    assert list(rooms.read_room(tmp_path).frame()["station"]) == ["lap07", "lap07"]


def test_a_torn_line_is_cut_off_and_sent_again(tmp_path):
    take(tmp_path, rows=[ROW])
    file = tmp_path / "stations" / "lap07" / "rows.jsonl"
    file.write_bytes(file.read_bytes() + OTHER.to_json().encode()[:50])
    assert take(tmp_path) == 2


def test_a_station_whose_records_are_damaged_is_failed_and_the_others_are_read(tmp_path):
    take(tmp_path)
    take(tmp_path, "lap08")
    room(tmp_path, rooms.Station("lap07", "gathered"), rooms.Station("lap08", "gathered"))
    file = tmp_path / "stations" / "lap08" / "rows.jsonl"
    file.write_bytes(b"no record\n" + file.read_bytes())
    found = rooms.read_room(tmp_path)
    assert list(found.runs) == ["lap07"]
    assert found.stations[1].state == "failed" and "line 1" in found.stations[1].reason


@pytest.mark.parametrize("name", ["", "Lap07", "../x", "a/b", "a\\b", ".x", "con", "nul.txt", "a" * 33, "x.", "ä", 7])
def test_names_that_are_no_folders_everywhere_are_refused(name):
    with pytest.raises(UsageError, match="small letters"):
        rooms.check_name(name)


def test_names_that_are():
    assert [rooms.check_name(n) for n in ("lap07", "a", "7", "a.b-c_d", "console")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stations": {"../x": {"state": "joined"}}}, "small letters"),
        ({"stations": {"x": {"state": "asleep"}}}, "asleep"),
        ({"stations": {"x": {"state": "joined", "strange": 1}}}, "strange"),
        ({"room": 7}, "room"),
        ({"asked": {"prompts": 5}}, "asked|prompts"),
    ],
)
def test_a_strange_room_is_refused_with_its_place(tmp_path, change, words):
    room(tmp_path)
    file = tmp_path / rooms.ROOM
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(StoreError, match=words):
        rooms.read_room(tmp_path)


def test_no_room(tmp_path):
    assert not any(map(rooms.is_room, (tmp_path, "\0", "x" * 5000)))
    with pytest.raises(StoreError, match=r"no room: it has no room\.json"):
        rooms.read_room(tmp_path)
