"""`slmbench fleet …`: what is refused before anything starts, with what helps; and who is asked before joining."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest

from slmbench import config, paths
from slmbench.fleet import certificates, invitation, joining, private, running, scheduler
from slmbench.fleet.invitation import Desk
from slmbench.store import rooms

REFUSED = {
    "no verb": ([], "invite | join | run | status | stop | collect"),
    "another verb": (["invit"], "invit"),
    "no host": (["invite"], "--host: nothing was found, an address of this machine was expected"),
    "a name for a host": (["invite", "--host", "localhost"], "--host: 'localhost' was found"),
    "all addresses": (["invite", "--host", "0.0.0.0"], "--host: '0.0.0.0' was found"),
    "a strange host": (["invite", "--host", "192.0.2.77"], "--host: '192.0.2.77' was found"),
    "a room": (["invite", "--host", "127.0.0.1", "--room", "A b"], '--room: "A b" was found'),
    "a time": (["invite", "--host", "127.0.0.1", "--wait-s", "soon"], '--wait-s (option): "soon" was found, a number'),
    "days": (["invite", "--host", "127.0.0.1", "--days", "1.5"], '--days (option): "1.5" was found, a whole number'),
    "too many days": (["invite", "--host", "127.0.0.1", "--days", "400"], "from 1 to 30"),
    "no file": (["join"], "FILE: nothing was found"),
    "a file that is not there": (["join", "x.json"], "there is no such file"),
    "no folder": (["collect", "--out", "x"], "FOLDER: nothing was found"),
    "no run in it": (["collect", ".", "--out", "x"], "FOLDER: no run folder was found"),
    "no place": (["collect", "example"], "--out: nothing was found"),
    "an option": (["run", "--ruonds", "3"], 'unknown option "--ruonds"; did you mean "--rounds"?'),
    "rounds": (["run", "--rounds", "0"], "--rounds (option): 0 was found"),
    "an endpoint": (["run", "--endpoint", "http://127.0.0.1:1"], 'unknown option "--endpoint"'),
    "nothing to go on with": (["run", "--resume"], "--resume: no --out was found"),
    "a name in capitals": (["collect", "Ana=example", "--out", "x"], 'NAME=FOLDER: "Ana" was found'),
    "a limit": (["run", "--limit-s", "0"], "--limit-s (option): 0"),
    "a station": (["run", "--stations", "Lap 7"], '--stations: "Lap 7" was found'),
    "a plan beside options": (
        ["run", "PLAN", "--rounds", "3", "--models", "a"],
        "--models, --rounds: found beside PLAN",
    ),
    "a plan that is not there": (["run", "PLAN/none"], "does not exist"),
}
CLOSED = (["run", "--rounds", "1"], ["status"], ["stop"])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(("words", "says"), REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_starts(slmbench, tmp_path, words, says):
    words = [str(paths.data_file("example_run")) if word == "PLAN" else word for word in words]
    ended = slmbench("fleet", *words)
    assert (ended.code, ended.out) == (2, "") and says in ended.err and "\n  -> " in ended.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("words", CLOSED)
def test_without_a_room_there_is_nobody_to_ask(slmbench, words):
    ended = slmbench("fleet", *words)
    assert ended.code == 1
    assert "There is no room open" in ended.err and "slmbench fleet invite" in ended.err


def test_without_the_extra_it_says_what_to_install(slmbench, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "distributed" else find(name, *a))
    ended = slmbench("fleet", "status")
    assert ended.code == 2 and "distributed, which the fleet needs" in ended.err and '".[fleet]"' in ended.err
    assert slmbench("fleet", "collect", f"a={paths.data_file('example_run')}", "--out", "room").code == 0


def joinable(path, **change):
    _, papers, until = certificates.papers("monday", 1)
    here = {"room": "monday", "address": "tls://127.0.0.1:9", "versions": invitation.versions()}
    whole = {**here, "desk_authority": papers.authority, "certificate": papers.certificate, "key": papers.key}
    path.write_text(json.dumps({**whole, "until": until.isoformat(), **change}))
    return str(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"until": (datetime.now(UTC) - timedelta(1)).isoformat()}, "the room was open until"),
        ({"address": "tcp://127.0.0.1:9"}, "tls://… expected"),
        ({"strange": 1}, "strange"),
        ({"key": 7}, "key"),
        ({"versions": {"slmbench": "9", "distributed": "1"}}, "slmbench 9, and here is"),
    ],
)
def test_a_join_file_that_is_none(slmbench, tmp_path, change, says):
    ended = slmbench("fleet", "join", joinable(tmp_path / "j.json", **change), "--name", "lap07", "--yes")
    assert (ended.code, ended.out) == (2, "") and says in ended.err


@pytest.fixture
def stays(monkeypatch):
    """Who would have joined."""
    seen = []

    def stay(found, name, base, endpoint, **_):
        seen.append((found.room, name, base, endpoint))
        raise KeyboardInterrupt

    monkeypatch.setattr(joining, "stay", stay)
    return seen


def person(monkeypatch, *answers):
    said = iter(answers)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: next(said))


def test_nobody_joins_who_did_not_agree(slmbench, tmp_path, monkeypatch, stays):
    file = joinable(tmp_path / "j.json")
    ended = slmbench("fleet", "join", file, "--name", "lap07")
    assert ended.code == 2 and "--yes" in ended.err and private.NOT_SENT in ended.out and stays == []
    person(monkeypatch, "n")
    ended = slmbench("fleet", "join", file, "--name", "lap07")
    assert ended.code == 2 and "nothing was sent" in ended.err and stays == []


def test_who_agrees_joins_under_the_chosen_name(slmbench, tmp_path, monkeypatch, stays):
    person(monkeypatch, "lap07", "y")
    ended = slmbench("fleet", "join", joinable(tmp_path / "j.json"), "--endpoint", "http://127.0.0.1:8000/v1")
    assert ended.code == 0 and "Left the room" in ended.out
    assert stays == [("monday", "lap07", tmp_path.__class__("runs"), "http://127.0.0.1:8000/v1")]
    assert all(line in ended.out for line in private.SENT)


def test_a_place_that_can_not_be_written_is_told(slmbench, tmp_path, stays):
    (tmp_path / "file").touch()
    ended = slmbench("fleet", "join", joinable(tmp_path / "j.json"), "--name", "lap07", "--yes", "--out", "file/runs")
    assert ended.code == 2 and "--out: file/runs can't be written" in ended.err and stays == []


@pytest.mark.parametrize("name", ["", "Ana", "a b", "../x"])
def test_a_name_that_is_none(slmbench, tmp_path, stays, name):
    ended = slmbench("fleet", "join", joinable(tmp_path / "j.json"), "--yes", *([f"--name={name}"] if name else []))
    assert ended.code == 2 and stays == []


def test_how_a_run_ends_is_its_exit_code(slmbench, monkeypatch):
    desk = Desk("monday", "tls://127.0.0.1:9", "", "", "", "", 5.0)
    monkeypatch.setattr(invitation, "read_desk", lambda _: desk)
    asked = []

    def run(asking):
        asked.append(asking)
        return [rooms.Station("lap07", "gathered", rows=rows), rooms.Station("lap08", "absent", "not there")]

    monkeypatch.setattr(running, "run", run)
    for rows, code in ((13, 0), (0, 1)):
        ended = slmbench("fleet", "run", "--models", "a", "--out", f"room-{rows}", "--json")
        assert ended.code == code
        (out,) = [json.loads(ended.out)["stations"]]
        assert [(one["name"], one["state"], one["rows"]) for one in out] == [
            ("lap07", "gathered", rows),
            ("lap08", "absent", 0),
        ]
    plan = config.settings(models=["a"], environ={}).to_dict()
    assert asked[0]._asked["rounds"] == plan["rounds"] and asked[0]._asked["models"] == ["a"]
    assert asked[0]._run.startswith("monday-") and asked[0]._run != asked[1]._run


def test_a_file_is_no_place_for_a_room(slmbench, tmp_path, monkeypatch):
    monkeypatch.setattr(invitation, "read_desk", lambda _: Desk("monday", "tls://127.0.0.1:9", "", "", "", "", 5.0))
    (tmp_path / "file").touch()
    ended = slmbench("fleet", "run", "--models", "a", "--out", "file")
    assert ended.code == 2 and "--out: file is a file" in ended.err


def test_a_port_that_is_taken_is_told(slmbench):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = slmbench("fleet", "invite", "--host", "127.0.0.1", "--port", str(port))
    assert ended.code == 2 and f"--port: {port} can't be had" in ended.err


def test_this_machines_addresses_are_told_loopback_last():
    found = scheduler.addresses()
    assert "127.0.0.1" in found
    assert all(one.startswith("127.") or one == "::1" for one in found[found.index("127.0.0.1") :])
