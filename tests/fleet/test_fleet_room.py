"""A room as people use it: real Dask workers in processes of their own, TLS on, servers whose truth is known."""

from __future__ import annotations

import asyncio
import getpass
import json
import socket
from pathlib import Path

import psutil
import pytest

from slmbench import store, truth
from slmbench.fleet.desk import session
from slmbench.fleet.invitation import Desk
from slmbench.fleet.private import NOT_SENT, SENT
from slmbench.records import OK
from slmbench.store import rooms
from support.boards import until
from support.fleets import room, states

pytestmark = pytest.mark.timeout(400)
QUICK = truth.Schedule(ttft_s=0.02, gap_s=0.002, tokens=16)
PLAN = ("--models", "quick", "--rounds", "3", "--no-memory")
PER_STATION = 4 * 3 + 1  # prompts, rounds, a warm-up


@pytest.fixture(scope="module")
def server():
    with truth.process({"quick": QUICK}) as one:
        yield one


@pytest.fixture(scope="module")
def opened(tmp_path_factory, server):
    with room(tmp_path_factory.mktemp("room"), wait_s=4) as one:
        one.join("lap01", server.base_url)
        one.join("lap02", server.base_url)
        yield one


@pytest.fixture(scope="module")
def out(opened):
    return opened.folder / "evening"


@pytest.fixture(scope="module", autouse=True)
def done(opened, out, server):
    before = len(server.records())
    done = opened.run(*PLAN, "--stations", "lap01,lap02,ghost", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert len(server.records()) - before == 2 * PER_STATION
    return done


def test_who_joins_has_read_what_is_sent(opened):
    said = opened.parts[0].said()
    assert said.index(SENT[0]) < said.index(NOT_SENT) < said.index("In the room as lap01")


def test_who_joined_reads_that_all_was_handed_over(opened):
    assert opened.parts[0].says(f"Handed over to the instructor: {PER_STATION} of {PER_STATION} requests, of monday-")


def test_every_row_of_every_station_is_here_and_on_the_station(opened, out):
    found = rooms.read_room(out)
    assert {one.name: one.rows for one in found.stations} == {"lap01": PER_STATION, "lap02": PER_STATION, "ghost": 0}
    for name in ("lap01", "lap02"):
        own = opened.runs(name) / rooms.about(out).run
        here, there = found.runs[name], store.read(own)
        assert [r.cell for r in here.rows] == [r.cell for r in there.rows]
        assert [r.latency_s for r in here.rows] == [r.latency_s for r in there.rows]
        assert {r.station for r in here.rows} == {name} == {here.machine["station"]}
        assert {r.status for r in here.rows} == {OK}
        assert there.machine["station"] == name  # for a stick
        assert own.name.startswith("monday-") and here.plan["hash"] == there.plan["hash"]
    frame = found.frame()
    assert frame.groupby("station").size().to_dict() == {"lap01": PER_STATION, "lap02": PER_STATION}


def test_who_is_absent_is_named_and_stops_nobody(out, done):
    assert states(out)["ghost"] == ("absent", "not joined within 4 s")
    assert states(out)["lap01"] == ("gathered", "")
    lines = done.stderr.splitlines()
    assert lines.index("ghost: expected") < lines.index("ghost: absent (not joined within 4 s)")


def test_asked_again_it_asks_no_model_and_keeps_nothing_twice(opened, out, server):
    before = len(server.records())
    again = opened.run(*PLAN, "--out", str(out), "--resume", "--json")
    assert again.returncode == 0 and len(server.records()) == before
    told = {one["name"]: one["rows"] for one in json.loads(again.stdout)["stations"]}
    assert told == {"lap01": PER_STATION, "lap02": PER_STATION, "ghost": 0}
    said = again.stderr
    assert "measured (nothing was left to do)" in said and "measuring" not in said and "ghost: expected\n" in said


def test_the_same_plan_with_another_out_is_measured_anew(opened, out, server):
    before, anew = len(server.records()), opened.folder / "anew"
    done = opened.run(*PLAN, "--out", str(anew))
    assert done.returncode == 0, done.stderr
    assert len(server.records()) - before == 2 * PER_STATION
    new, old = rooms.read_room(anew), rooms.read_room(out)
    assert {one.rows for one in new.stations} == {PER_STATION}
    first = min(row.started_at for run in new.runs.values() for row in run.rows)
    assert first > max(row.started_at for run in old.runs.values() for row in run.rows)
    assert {len(list(opened.runs(name).iterdir())) for name in ("lap01", "lap02")} == {2}


def test_another_plan_does_not_go_into_the_same_room(opened, out):
    other = opened.run("--models", "quick", "--rounds", "2", "--out", str(out), "--resume")
    assert other.returncode == 2 and "holds another plan" in other.stderr
    assert opened.run(*PLAN, "--out", str(out)).returncode == 2  # without --resume


def test_a_plan_that_was_run_before_is_run_again(opened):
    plan = min(opened.runs("lap01").iterdir())
    again = opened.run(str(plan), "--out", str(opened.folder / "again"), "--no-memory")
    assert again.returncode == 0, again.stderr
    assert {state for state, _ in states(opened.folder / "again").values()} == {"gathered"}


def test_no_name_of_the_machine_or_its_user_leaves_it(opened, out):
    texts = [path.read_text(encoding="utf-8") for path in out.rglob("*.json*")]
    status = opened.say("fleet", "status", "--json")
    assert {one["station"] for one in json.loads(status.stdout)["stations"]} == {"lap01", "lap02"}
    for name in {socket.gethostname(), str(Path.home()), str(opened.folder)} - {"localhost"}:
        assert not any(name in text for text in [*texts, status.stdout]), name
    words = {word for text in texts for word in json.dumps(text).replace('"', " ").split()}
    assert getpass.getuser() not in words


def test_dask_tells_no_name_either(opened):
    """All that the scheduler knows of its workers."""
    papers = Desk(**json.loads((opened.folder / "desk-home" / "fleet" / "monday" / "desk.json").read_text()))

    async def known():
        async with session(papers) as found:
            return json.dumps(await found._client.scheduler.identity(n_workers=-1), default=str)

    told = asyncio.run(known())
    assert '"station": "lap01"' in told and "host_net" not in told
    for name in (socket.gethostname(), str(Path.home()), str(opened.folder), opened.folder.anchor + "tmp"):
        assert name not in told


def test_nobody_needs_to_reach_a_laptop(opened):
    """All of it went over the connections that the worker has opened itself."""
    for part in opened.parts[:2]:
        connections = part.part("slmbench.fleet.worker").net_connections("tcp")
        (door,) = {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
        assert [c for c in connections if c.laddr.port == door and c.status != psutil.CONN_LISTEN] == []
        assert {c.laddr.ip for c in connections} == {"127.0.0.1"}  # also of the door


def test_a_name_that_another_machine_has_is_let_in_once_that_has_left(opened, server):
    first = opened.join("lap04", server.base_url)
    second = opened.join("lap04", server.base_url, wait=False)
    assert second.says("Not let in: another machine in this room has the name lap04. Leave, and join under another")
    assert "In the room" not in second.said() and "distributed" not in second.said()
    assert opened.desk.says("lap04 is not let in: another machine in this room has the name lap04.")
    first.end()
    assert second.says("In the room as lap04"), second.said()
    second.end()


def test_a_model_that_nobody_has_is_told_once_and_no_report_is_promised(opened):
    found = opened.run("--models", "strange", "--no-memory", "--out", str(opened.folder / "strange"))
    assert found.returncode == 1
    reason = states(opened.folder / "strange")["lap01"][1]
    assert found.stderr.count(reason) <= 2 and found.stdout.count(reason) == 1 and "(as lap01)" in found.stdout
    assert opened.parts[0].says(f"Not finished: {reason[:20]}")
    assert "strange" in reason and ": measured" not in found.stderr and "Make the report" not in found.stderr
    assert "--resume" in found.stderr.splitlines()[-1]


def test_a_station_that_can_not_measure_is_failed_with_its_reason(opened):
    broken = opened.join("lap03", "http://127.0.0.1:9")
    found = opened.run(*PLAN, "--out", str(opened.folder / "broken"))
    broken.end()
    assert found.returncode == 0
    about = states(opened.folder / "broken")
    assert about["lap03"][0] == "failed" and "refused" in about["lap03"][1]
    assert "lap03: measured" not in found.stderr and "lap01: measured\n" in found.stderr
    assert about["lap01"] == about["lap02"] == ("gathered", "")


def test_who_is_late_is_gathered_as_far_as_it_is_and_goes_on(opened):
    slow = ("--models", "quick", "--rounds", "40", "--no-memory")
    late = opened.run(*slow, "--limit-s", "4", "--out", str(opened.folder / "late"))
    found = rooms.read_room(opened.folder / "late")
    assert {one.state for one in found.stations} == {"late"} and late.returncode == 0
    assert all(0 < one.rows < 4 * 40 for one in found.stations)
    rest = opened.run(*slow, "--out", str(opened.folder / "late"), "--resume")
    assert rest.returncode == 0, rest.stderr
    found = rooms.read_room(opened.folder / "late")
    assert {one.name: (one.state, one.rows) for one in found.stations} == dict.fromkeys(
        ("lap01", "lap02"), ("gathered", 4 * 40 + 1)
    )


def test_a_plan_is_called_off_and_the_next_one_begins(opened):
    endless = opened.start("--models", "quick", "--rounds", "4000", "--no-memory", "--out", str(opened.folder / "off"))
    assert endless.says("lap01: measuring"), endless.said()
    endless.end()  # as with Ctrl-C
    assert "slmbench fleet stop" in endless.said() and "--resume" in endless.said()
    next_ = opened.start(*PLAN, "--out", str(opened.folder / "next"))
    assert next_.says("joined (busy with a plan of before; slmbench fleet stop ends that)"), next_.said()
    stopped = opened.say("fleet", "stop")
    assert stopped.returncode == 0 and "lap01, lap02" in stopped.stdout
    assert next_.says("Make the report"), next_.said()
    assert {one.rows for one in rooms.read_room(opened.folder / "next").stations} == {PER_STATION}
    kept = opened.runs("lap01") / rooms.about(opened.folder / "off").run
    assert 0 < len(store.read(kept).rows) < 4 * 4000
    assert "it was stopped; what was measured is kept" in opened.parts[0].said()


@pytest.mark.fault
def test_a_worker_that_is_killed_comes_back_and_loses_nothing(opened, server, fault):
    before, out = len(server.records()), opened.folder / "killed"
    plan = ("--models", "quick", "--rounds", "20", "--no-memory", "--label", "killed")
    running = opened.start(*plan, "--out", str(out))
    assert running.says("lap01: measuring"), running.said()
    (own,) = opened.runs("lap01").glob("killed-*")
    assert until(lambda: len(store.read(own).rows) > 10)
    kept = [row.to_json() for row in store.read(own).rows]
    opened.parts[0].part("slmbench.fleet.worker").kill()
    assert running.says("Make the report"), running.said()
    found = rooms.read_room(out)
    assert {state for state, _ in states(out).values()} == {"gathered"}
    for run in found.runs.values():
        timed = [row.cell for row in run.rows if row.status == OK and row.phase == "timed"]
        assert len(timed) == len(set(timed)) == 4 * 20
        assert len({row.to_json() for row in run.rows}) == len(run.rows)
    assert "Traceback" not in opened.parts[0].said()
    there = [row.to_json() for row in store.read(own).rows]
    fault("the worker of a station is killed while it measures", 1, kept, there)
    rows = [row for run in found.runs.values() for row in run.rows]
    unsent = sum(row.status == "interrupted" for row in rows)  # at most: it may have been stopped before it was sent
    assert len(rows) - unsent <= len(server.records()) - before <= len(rows)


def test_a_room_that_is_closed_while_it_measures_says_how_to_go_on(tmp_path, server):
    with room(tmp_path) as one:
        lap = one.join("lap01", server.base_url)
        running = one.start("--models", "quick", "--rounds", "50", "--no-memory", "--out", str(tmp_path / "out"))
        assert running.says("lap01: measuring"), running.said()
        one.desk.end()
        assert running.says("--resume"), running.said()
    assert "Left the room. What was measured is in" in lap.said() and "Traceback" not in lap.said()
    assert "was closed; what was gathered is kept" in running.said() and "Traceback" not in running.said()
    assert states(tmp_path / "out")["lap01"][0] == "measuring"


def test_the_room_ends_with_what_belongs_to_it(tmp_path, server):
    with room(tmp_path) as one:
        joined = one.join("lap01", server.base_url)
        one.desk.end()
        assert joined.says("trying again")
        assert "lap01 has joined." in one.desk.said() and "The room monday is closed, and" in one.desk.said()
        assert not list((tmp_path / "desk-home" / "fleet" / "monday").iterdir())
        assert one.say("fleet", "status").returncode == 1
    assert [path for path in one.temporary.rglob("*") if path.is_file() and path.stat().st_size] == []  # no key


def test_a_room_that_nobody_joins_says_what_to_hand_out_and_leaves_nothing(tmp_path):
    with room(tmp_path, wait_s=1) as one:
        alone = one.run(*PLAN, "--out", str(tmp_path / "alone"))
    assert alone.returncode == 1 and not (tmp_path / "alone").exists()
    assert "Nobody is in the room yet" in alone.stderr
    assert "Nobody has joined the room at tls://127.0.0.1:" in alone.stderr and str(one.join_file) in alone.stderr
