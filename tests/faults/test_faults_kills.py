"""A real run, killed at random moments: what it had said to be kept is there, and nothing is asked twice."""

import os
import signal
import time

import pytest

from slmbench import store, truth
from slmbench.records import OK
from support.killing import finished, kept, kill_again_and_again, start, twice
from support.tiny import service_with_tiny

FEW, MANY = 10, 100
CROSSED = (4, "SIGINT"), (1, "SIGTERM")
kills = pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])
asked_to_end = pytest.mark.parametrize(
    ("streams", "name"),
    [(1, "SIGINT"), (4, "SIGTERM"), *(pytest.param(*one, marks=pytest.mark.soak) for one in CROSSED)],
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    with service_with_tiny(tmp_path_factory.mktemp("home"), "tiny", "tiny-b") as running:
        yield running


def plan(tiny, rounds, **more):
    return {"endpoint": tiny.base_url, "models": ["tiny", "tiny-b"], "rounds": rounds, "max_tokens": 8, **more}


@pytest.mark.fault
@pytest.mark.timeout(1200)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
@pytest.mark.parametrize("streams", [1, 4])
@kills
def test_kill_9(tiny, tmp_path, kills, streams, fault):
    rounds = (12 if streams == 1 else 20) * kills  # more than so many lives get done
    found = kill_again_and_again(tmp_path / "run", plan(tiny, rounds, concurrency=streams), kills, seed=streams)
    assert (found.lost, found.rerun, twice(tmp_path / "run"), found.orphans) == (set(), 0, [], 0)
    assert found.kills >= 0.9 * kills
    assert len(finished(tmp_path / "run")) == 2 * 4 * rounds
    fault(f"kill -9, {streams} at once", found.kills, found.acknowledged, kept(tmp_path / "run"))


@pytest.mark.fault
@pytest.mark.timeout(1200)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@asked_to_end
def test_signals_that_ask_it_to_end(tiny, tmp_path, name, streams, fault):
    given = plan(tiny, 60, concurrency=streams)
    found = kill_again_and_again(tmp_path / "run", given, 4, seed=2, how=getattr(signal, name))
    assert (found.lost, found.rerun, twice(tmp_path / "run"), found.orphans, found.torn) == (set(), 0, [], 0, 0)
    assert found.kills == 4
    statuses = {row.status for row in store.read(tmp_path / "run").rows}
    assert statuses <= {OK, "interrupted"}
    said = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM"}[name]
    fault(f"{said}, {streams} at once", found.kills, found.acknowledged, kept(tmp_path / "run"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@asked_to_end
def test_what_is_under_way_then_has_a_row(tmp_path, name, streams):
    """Replies take half a second, so that some are under way; every request that the server saw is a row."""
    slow = truth.Schedule(ttft_s=0.1, gap_s=0.02, tokens=20)
    with truth.process({"slow": slow}) as server:
        given = {"endpoint": server.base_url, "models": ["slow"], "rounds": 9, "warmup": 0, "concurrency": streams}
        with start(tmp_path / "run", given) as process:
            process.stdout.readline()
            time.sleep(0.05)
            process.send_signal(getattr(signal, name))
            process.stdout.read()
            said = process.stderr.read()
        rows = store.read(tmp_path / "run").rows
        assert len(server.records()) <= len(rows)
    assert {row.status for row in rows} == {OK, "interrupted"}
    assert "To go on: slmbench run" in said and "--resume" in said
