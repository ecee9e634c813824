"""Run folders from a share or a stick, merged into a room without a network."""

from __future__ import annotations

import json

import pytest

from slmbench import paths, store
from slmbench.cli import main
from slmbench.errors import UsageError
from slmbench.fleet import gathering, invitation, running
from slmbench.store import StoreError, rooms


def exits(*words):
    with pytest.raises(SystemExit) as ended:
        main(["fleet", *map(str, words)])
    return ended.value.code


def test_folders_are_merged_with_names_from_everywhere(tmp_path, capsys):
    example = paths.data_file("example_run")
    share = tmp_path / "share"
    for name in ("Lap 07", "lap08"):
        (share / name).mkdir(parents=True)
        for file in example.glob("*.json*"):
            (share / name / file.name).write_bytes(file.read_bytes())
    (share / "broken").mkdir()
    (share / "broken" / "plan.json").write_text("{}")
    out = tmp_path / "room"
    assert exits("collect", share, f"desk={example}", "--out", out) == 0
    found = rooms.read_room(out)
    n = len(store.read(example).rows)
    assert {one.name: (one.state, one.rows) for one in found.stations} == {
        "broken": ("failed", 0),
        "desk": ("gathered", n),
        "lap-07": ("gathered", n),
        "lap08": ("gathered", n),
    }
    assert set(found.frame()["station"]) == {"desk", "lap-07", "lap08"}
    assert "prompts" in next(one.reason for one in found.stations if one.name == "broken")
    before = capsys.readouterr().out
    assert exits("collect", share, "--out", out) == 0  # again, and nothing twice
    assert capsys.readouterr().out.splitlines()[:2] == before.splitlines()[:2]
    assert len(rooms.read_room(out).frame()) == 3 * n


def test_a_run_of_another_plan_is_a_line_with_its_reason(tmp_path):
    example, other = paths.data_file("example_run"), tmp_path / "lap09"
    other.mkdir()
    for file in example.glob("*.json*"):
        (other / file.name).write_bytes(file.read_bytes())
    plan = json.loads((other / "plan.json").read_text())
    (other / "plan.json").write_text(json.dumps({**plan, "max_tokens": 7}))
    stations = gathering.collect([f"a={example}", str(other)], tmp_path / "room", "collected")
    assert [(one.name, one.state) for one in stations] == [("a", "gathered"), ("lap09", "failed")]
    assert "max_tokens" in stations[1].reason


def test_one_name_for_two_folders_and_none_at_all(tmp_path):
    example = paths.data_file("example_run")
    with pytest.raises(UsageError, match="two run folders"):
        gathering.collect([f"a={example}", f"a={paths.data_file('quality_run')}"], tmp_path / "room", "x")
    with pytest.raises(UsageError, match="no run folder"):
        gathering.collect([str(tmp_path)], tmp_path / "room", "x")
    with pytest.raises(UsageError, match="is no folder"):
        gathering.collect([str(tmp_path / "none")], tmp_path / "room", "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(StoreError, match="not empty"):
        gathering.collect([f"a={example}"], tmp_path / "full", "x")


def copied(to, **machine):
    """The example run, as another machine's."""
    example = paths.data_file("example_run")
    to.mkdir(parents=True)
    for file in example.glob("*.json*"):
        (to / file.name).write_bytes(file.read_bytes())
    whole = json.loads((to / "machine.json").read_text())
    (to / "machine.json").write_text(json.dumps({**whole, **machine}))
    return to


def test_a_share_names_its_stations_and_a_room_that_was_left_names_its_own(tmp_path):
    copied(tmp_path / "share" / "lap07" / "20260301T100000-abcdef")
    copied(tmp_path / "share" / "lap08" / "20260301T100500-abcdef")
    copied(tmp_path / "stick" / "monday-1", station="lap09")
    copied(tmp_path / "other" / "monday-1", station="lap10")
    words = [str(tmp_path / name) for name in ("share", "stick", "other")]
    found = gathering.collect(words, tmp_path / "room", "x")
    assert [(one.name, one.state) for one in found] == [(f"lap{n:02}", "gathered") for n in (7, 8, 9, 10)]


def test_two_folders_of_one_name_are_told_apart_by_their_paths(tmp_path):
    words = [str(copied(tmp_path / lap / "runs" / "monday-1").parent) for lap in ("lap01", "lap02")]
    with pytest.raises(UsageError) as refused:
        gathering.collect(words, tmp_path / "room", "x")
    cure = refused.value.cure.split(" ")
    assert [word.partition("=")[0] for word in cure] == ["lap01", "lap02"]
    assert [(one.name, one.state) for one in gathering.collect(cure, tmp_path / "room", "x")] == [
        ("lap01", "gathered"),
        ("lap02", "gathered"),
    ]


def test_of_several_run_folders_of_a_laptop_one_is_named(tmp_path):
    for lap in ("lap01", "lap02"):
        for run in ("monday-1", "monday-2"):
            copied(tmp_path / "share" / lap / "runs" / run, station=lap)
    with pytest.raises(UsageError) as refused:
        gathering.collect([str(tmp_path / "share")], tmp_path / "room", "x")
    assert refused.value.cure.startswith("--run monday-2 ")
    assert exits("collect", tmp_path / "share", "--run", "monday-2", "--out", tmp_path / "room") == 0
    assert [one.name for one in rooms.read_room(tmp_path / "room").stations] == ["lap01", "lap02"]


def test_a_file_is_no_place_for_a_room(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="no room"):
        gathering.collect([f"a={paths.data_file('example_run')}"], tmp_path / "file", "x")


def test_records_of_another_run_are_not_mixed_with_those_that_are_here(tmp_path):
    first, second = copied(tmp_path / "a"), copied(tmp_path / "b")
    plan = json.loads((second / "plan.json").read_text())
    (second / "plan.json").write_text(json.dumps({**plan, "run": "of-another-day"}))
    before = gathering.collect([f"lap07={first}"], tmp_path / "room", "x")
    (after,) = gathering.collect([f"lap07={second}"], tmp_path / "room", "x")
    assert after.state == "failed" and "of-another-day came" in after.reason and after.rows == before[0].rows > 0
    assert len(rooms.read_room(tmp_path / "room").frame()) == before[0].rows


def test_a_room_that_was_collected_is_not_asked(tmp_path):
    gathering.collect([f"lap07={paths.data_file('example_run')}"], tmp_path / "room", "x")
    desk = invitation.Desk("monday", "tls://127.0.0.1:9", "", "", "", "", 5.0)
    with pytest.raises(StoreError, match="collected from folders"):
        running.Asking(desk, rooms.about(tmp_path / "room").asked, tmp_path / "room", label="x")


def test_no_two_runs_of_a_room_have_one_name():
    made = {rooms.new_run("a-very-long-name-of-a-room.") for _ in range(20)}
    assert len(made) > 1 and all(rooms.check_name(name) for name in made)
