"""`slmbench report` of a room's folder, as it lies on disk."""

import json

from slmbench.store import rooms
from support.made_rooms import ASKED, MACHINE, rows, skipped


def folder(path, ratios, others=()):
    for name, ratio in ratios.items():
        rooms.take(path, name, plan=ASKED, machine=MACHINE, resources=[], rows=[*rows(name, ratio), skipped(name, "n")])
    here = [rooms.Station(name, "gathered", rows=13, done=12, total=12) for name in ratios]
    rooms.write(path, "monday", ASKED, [*here, *others])
    return path


def test_a_room_is_reported_as_one(slmbench, tmp_path):
    path = folder(tmp_path / "room", {"lap01": 1.0, "lap02": 3.0}, [rooms.Station("lap03", "absent", "never there")])
    ended = slmbench("report", path)
    assert ended.code == 0
    written = [line.rsplit("/", 1)[-1] for line in ended.out.split()]
    assert written[:2] == ["room_report.md", "room_report.html"] and "rows.csv" in written
    assert all((path / name).is_file() for name in written)
    page = (path / "room_report.md").read_text(encoding="utf-8")
    assert "**2 of 3 stations delivered all that was asked. 1 delivered nothing: lap03 (absent).**" in page
    assert "Against lap01: slower 1." in page
    assert not (path / "benchmark_report.md").exists()


def test_a_station_of_a_room_is_a_run_and_both_can_be_asked_for_at_once(slmbench, tmp_path):
    path = folder(tmp_path / "room", {"lap01": 1.0})
    ended = slmbench("report", path / "stations" / "lap01", path)
    assert ended.code == 0
    assert (path / "stations" / "lap01" / "benchmark_report.md").is_file() and (path / "room_report.md").is_file()


def test_a_room_can_be_reported_again_and_again(slmbench, tmp_path):
    path = folder(tmp_path / "room", {"lap01": 1.0, "lap02": 3.0})
    first = slmbench("report", path), (path / "room_report.json").read_bytes()
    again = slmbench("report", path), (path / "room_report.json").read_bytes()
    assert first[1] == again[1] and (first[0].code, again[0].code) == (0, 0)


def test_no_report_is_written_of_a_room_that_is_none(slmbench, tmp_path):
    path = folder(tmp_path / "room", {"lap01": 1.0})
    good = folder(tmp_path / "good", {"lap01": 1.0})
    about = json.loads((path / "room.json").read_text())
    (path / "room.json").write_text(json.dumps(about | {"stations": {"../x": {"state": "joined"}}}))
    ended = slmbench("report", good, path)
    assert ended.code == 2 and "small letters" in ended.err and "Traceback" not in ended.err
    assert not (good / "room_report.md").exists()


def test_a_damaged_station_is_told_and_the_others_are_compared(slmbench, tmp_path):
    path = folder(tmp_path / "room", {"lap01": 1.0, "lap02": 3.0, "lap03": 2.0})
    (path / "stations" / "lap02" / "rows.jsonl").write_text("no record\n")
    assert slmbench("report", path).code == 0
    page = (path / "room_report.md").read_text(encoding="utf-8")
    assert "1 delivered nothing: lap02 (failed)" in page and "fastest lap01" in page and "slowest lap03" in page
