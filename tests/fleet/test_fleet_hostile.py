"""What a room refuses: strangers, plain connections, stations that ask for more, and whatever is not JSON."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path

import dask.config
import pytest
from distributed import Client
from distributed.comm import connect
from distributed.core import rpc

from slmbench import truth
from slmbench.fleet import certificates, desk, invitation, worker
from slmbench.fleet.invitation import Desk, Invitation
from support.boards import until
from support.fleets import room, states

pytestmark = [pytest.mark.timeout(400), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SCRIPT = Path(__file__).parents[1] / "support" / "hostile_station.py"
HOSTILE = {  # how: state in the end, words of the reason
    "pickled-text": ("left", "not back within"),
    "serialized-text": ("failed", "JSON text was expected"),
    "error": ("failed", "Evil"),
    "result": ("failed", "no answer"),
    "no-json": ("failed", "no JSON was sent"),
    "no-object": ("failed", "no JSON was sent"),
    "other-topic": ("left", "not back within"),
    "as-a-client": ("left", "not back within"),
    "no-rows": ("failed", "prompts"),
    "others-answer": ("failed", "prompts"),
    "odd-heartbeat": ("failed", "none"),
    "other-version": ("other version", "distributed 2020.1.0"),
}
PLAN = ("--models", "quick", "--rounds", "2", "--no-memory")


@pytest.fixture(scope="module")
def server():
    with truth.process({"quick": truth.Schedule(ttft_s=0.01, gap_s=0.001, tokens=8)}) as one:
        yield one


@pytest.fixture(scope="module")
def opened(tmp_path_factory, server):
    with room(tmp_path_factory.mktemp("hostile"), wait_s=3) as one:
        one.join("lap01", server.base_url)
        yield one


@pytest.fixture(scope="module")
def desk_papers(opened):
    return Desk(**json.loads((opened.folder / "desk-home" / "fleet" / "monday" / "desk.json").read_text()))


@pytest.fixture(scope="module")
def station_papers(opened):
    return Invitation(**json.loads(opened.join_file.read_text()))


def in_room(opened):
    return {one["station"] for one in json.loads(opened.say("fleet", "status", "--json").stdout)["stations"]}


def asked(what):
    with dask.config.set(worker.SETTINGS):
        return asyncio.run(what)


def test_stations_that_mean_harm_are_lines_of_the_table(opened, tmp_path):
    marker, hostile = tmp_path / "evil", []
    for how in HOSTILE:
        script = tmp_path / f"{how}.py"
        script.write_text(SCRIPT.read_text(), encoding="utf-8")
        hostile.append(opened.script(script, str(opened.join_file), how, how, str(marker)))
    assert all(one.says("In the room as") for one in hostile), [one.said() for one in hostile]
    done = opened.run(*PLAN, "--out", str(tmp_path / "out"))
    for one in hostile:
        one.end()
    assert done.returncode == 0, done.stderr
    assert not marker.exists()
    about = states(tmp_path / "out")
    assert about.pop("lap01") == ("gathered", "")
    assert about.keys() == HOSTILE.keys()
    for how, (state, words) in HOSTILE.items():
        assert about[how][0] == state and words in about[how][1], (how, about[how])
    assert "\x1b" not in done.stdout + done.stderr


def test_who_takes_what_is_asked_of_another_station_is_not_let_in(opened, tmp_path):
    script = tmp_path / "two.py"
    script.write_text(SCRIPT.read_text(), encoding="utf-8")
    two = opened.script(script, str(opened.join_file), "two", "two-names", str(tmp_path / "evil"))
    assert two.says("it says that it is several stations"), two.said()
    two.end()
    assert "In the room" not in two.said() and in_room(opened) == {"lap01"}


def test_what_would_be_done_by_an_unguarded_desk(tmp_path):
    """The harm that is looked for above is real."""
    import pickle

    from slmbench.fleet import plain

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "evil"),)

    data = pickle.dumps(Evil())
    with plain.guarded(), pytest.raises(pickle.UnpicklingError, match="mkdir"):
        pickle.loads(data)  # noqa: S301 the point
    assert not (tmp_path / "evil").exists()
    pickle.loads(data)  # noqa: S301 the point
    assert (tmp_path / "evil").exists()


def test_a_foreign_certificate_is_refused(opened, station_papers, tmp_path, server):
    """Papers of another room of the same name, with this one's address."""
    ours, theirs, until_ = certificates.papers("monday", 1)
    here = {"room": "monday", "address": station_papers.address, "versions": invitation.versions()}
    mine = {"certificate": theirs.certificate, "key": theirs.key, "until": until_.isoformat()}
    joined = {
        "foreign": Invitation(**here, **mine, desk_authority=ours.authority),
        "half-foreign": Invitation(**here, **mine, desk_authority=station_papers.desk_authority),
    }
    why = {"foreign": "who answers at", "half-foreign": "the room does not take the certificate"}
    before, opened.join_file = opened.join_file, tmp_path / "foreign.json"
    try:
        for name, one in joined.items():
            invitation.write_private(opened.join_file, one)
            foreign = opened.join(name, server.base_url, wait=False)
            assert foreign.says("trying again"), foreign.said()
            assert f"Not let in: {why[name]}" in foreign.said() and "In the room" not in foreign.said()
            foreign.end()
    finally:
        opened.join_file = before
    assert in_room(opened) == {"lap01"}


def test_without_tls_nobody_is_heard(opened, station_papers):
    host, _, port = station_papers.address.removeprefix("tls://").rpartition(":")

    async def plainly():
        return await connect(f"tcp://{host}:{port}", timeout=2)

    with dask.config.set({"distributed.comm.require-encryption": False}), pytest.raises((OSError, TimeoutError)):
        asyncio.run(plainly())
    for noise in (b"", b"\x00" * 100, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(1000)):
        with socket.create_connection((host, int(port)), timeout=5) as one:
            one.sendall(noise)
    assert in_room(opened) == {"lap01"}


def test_a_stations_papers_open_no_door_of_the_desk(opened, station_papers):
    """With them one can't be a client, who could have all stations do something."""
    mine = station_papers.desk_authority, station_papers.certificate, station_papers.key

    async def as_client():
        await Client(
            station_papers.address, security=certificates.security("client", *mine), asynchronous=True, timeout=3
        )

    with pytest.raises((OSError, TimeoutError)):
        asked(as_client())

    async def call(door, **what):
        how = certificates.security("worker", *mine).get_connection_args("worker")
        async with rpc(station_papers.address, connection_args=how) as scheduler:
            return await getattr(scheduler, door)(**what)

    for door in ("identity", "run_function", "feed", "broadcast", "terminate", "get_cluster_state", "register_nanny"):
        with pytest.raises((OSError, ValueError, AttributeError)):
            asked(call(door))
    assert in_room(opened) == {"lap01"}


def test_the_desk_itself_can_do_no_more_than_ask(opened, desk_papers, tmp_path):
    """Whoever stole its papers could have stations measure; not run code there, nor on the scheduler."""
    with dask.config.set(desk.SETTINGS):
        how = certificates.security(
            "client", desk_papers.authorities, desk_papers.certificate, desk_papers.key
        ).get_connection_args("client")

        async def call(door, **what):
            async with rpc(desk_papers.address, connection_args=how) as scheduler:
                return await getattr(scheduler, door)(**what)

        assert asyncio.run(call("identity"))["type"] == "RoomScheduler"
        for door in ("run_function", "feed", "broadcast", "proxy", "register_worker_plugin", "benchmark_hardware"):
            assert asyncio.run(call(door)) is None  # there is no such door

        async def other_task():
            async with desk.session(desk_papers) as found:
                offer = worker.resource("measure", "lap01", invitation.versions())
                future = found._client.submit(os.mkdir, str(tmp_path / "evil"), resources={offer: 1})
                await asyncio.wait_for(future._state.wait(), 20)
                return future.status, str(await future.exception())

        status, why = asyncio.run(other_task())
        assert status == "error" and "only plain data is taken" in why
        assert not (tmp_path / "evil").exists()
    assert in_room(opened) == {"lap01"}


def test_stations_do_not_hear_each_other(opened, station_papers):
    """The certificate of a station does not open another one: those trust the desk's authority alone."""
    (listening,) = [
        c.laddr for c in opened.parts[0].part("slmbench.fleet.worker").net_connections("tcp") if c.status == "LISTEN"
    ]
    mine = station_papers.desk_authority, station_papers.certificate, station_papers.key

    async def call():
        how = certificates.security("worker", *mine).get_connection_args("worker")
        async with rpc(f"tls://127.0.0.1:{listening.port}", connection_args=how, timeout=3) as other:
            return await other.identity()

    with pytest.raises((OSError, TimeoutError)):
        asked(call())


def test_a_join_file_of_another_version_is_refused_in_a_sentence(opened, station_papers, tmp_path):
    value = json.loads(opened.join_file.read_text())
    value["versions"]["distributed"] = "2025.1.0"
    (tmp_path / "old.json").write_text(json.dumps(value))
    done = opened.say("fleet", "join", str(tmp_path / "old.json"), "--name", "lap09", "--yes")
    assert done.returncode == 2
    assert f"distributed 2025.1.0, and here is {station_papers.versions['distributed']}" in done.stderr
    assert "pip install distributed==2025.1.0" in done.stderr


def test_files_with_keys_are_for_their_owner_alone(opened):
    files = [opened.join_file, *(opened.folder / "desk-home" / "fleet").rglob("*.json")]
    assert len(files) == 3
    if os.name == "posix":
        assert {file.stat().st_mode & 0o077 for file in files} == {0}
    assert until(lambda: in_room(opened) == {"lap01"})
