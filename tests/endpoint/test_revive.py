"""The kit's own service under faults, for real, on the tiny model: the run goes on, or ends in words that say how."""

import os
import signal
from collections import Counter

import pytest

from slmbench.endpoint import find, revive, service
from slmbench.errors import KitError
from slmbench.measure import holding
from slmbench.measure.flight import Flight
from slmbench.records import OK
from support.killing import kept
from support.reviving import ENDED, TINY, at, kill, restarts
from support.tiny import free_port

pytestmark = pytest.mark.timeout(120)


@pytest.mark.fault
def test_killed_between_two_requests(tiny, measure, fault):
    run, said = measure(at(5, kill), rounds=4, max_tokens=8)
    timed = [r for r in run.rows if r.phase == "timed"]
    assert Counter(r.status in ENDED for r in timed) == {False: 15, True: 1}  # one row says it; the others are asked
    lost = next(r for r in timed if r.status != OK)
    assert lost.order == 6
    again = [(r.model, r.phase) for r in run.rows if lost.order < r.order <= lost.order + 2]
    assert again == [("tiny", "warmup"), ("tiny-b", "warmup")]  # for the new load of each
    [record] = restarts(run)
    assert record["model"] == lost.model and f"(pid {tiny.pid}) was ended by signal 9; started again" in record["error"]
    assert record["error"] in said[-2] and service.status().port == tiny.port
    assert said[-1].startswith("1 timed requests failed or were left out. To go on with them: slmbench run")
    run, said = measure(resume=True, rounds=4, max_tokens=8)
    assert [r.attempt for r in run.rows if r.cell == lost.cell] == [1, 2]
    assert len({r.cell for r in run.rows if r.phase == "timed" and r.status == OK}) == 16
    assert not any("To go on" in line for line in said)
    fault("the service is killed between two requests", 1, measure.acknowledged, kept(run.path))


@pytest.mark.fault
@pytest.mark.usefixtures("tiny")
def test_killed_in_a_stream(measure, monkeypatch, fault):
    read, killed = Flight._read, []

    def reading(flight, *times):
        if b"".join(flight.ending.pieces).count(b'"content"') >= 4 and not killed:  # the first are of the role chunk
            killed.append(kill())
        return read(flight, *times)

    monkeypatch.setattr(Flight, "_read", reading)
    run, _ = measure(rounds=2, warmup=0, max_tokens=2000)
    lost = [r for r in run.rows if r.status != OK]
    assert [r.status for r in lost] == ["truncated"]
    assert lost[0].text  # what had come is kept
    assert len(run.rows) == 8 and len(restarts(run)) == 1
    fault("the service is killed in a stream", 1, measure.acknowledged, kept(run.path))


@pytest.mark.fault
@pytest.mark.usefixtures("tiny")
def test_killed_under_several_streams(measure, fault):
    run, _ = measure(at(6, kill), rounds=10, warmup=1, max_tokens=64, concurrency=4, models=("tiny",))
    timed = [r for r in run.rows if r.phase == "timed"]
    lost = [r for r in timed if r.status != OK]
    assert len(timed) == 20 and 1 <= len(lost) <= 8  # what was under way, and at most what took its place at once
    assert {r.status for r in lost} <= set(ENDED)
    assert len(restarts(run)) == 1 and not any(r.status == "skipped" for r in run.rows)
    fault("the service is killed under four streams", 1, measure.acknowledged, kept(run.path))


@pytest.mark.fault
def test_started_again_on_another_port_it_is_found(tiny, measure, fault):
    def move():
        kill()
        service.start(free_port(), say=lambda _: None)

    run, _ = measure(at(5, move), rounds=3, max_tokens=8)
    [record] = restarts(run)
    assert service.status().port != tiny.port and record["url"] == service.status().url
    assert "it had been started again" in record["error"]
    assert Counter(r.status for r in run.rows if r.phase == "timed")[OK] == 11
    fault("the service is started again on another port", 1, measure.acknowledged, kept(run.path))


def test_moved_twice_it_is_found_twice(tiny, measure):
    def move():
        kill()
        service.start(free_port(), say=lambda _: None)

    run, _ = measure(lambda n, _: move() if n in (4, 9) else None, rounds=3, max_tokens=8)
    assert len({r["url"] for r in restarts(run)} | {tiny.url}) == 3
    assert Counter(r.status for r in run.rows if r.phase == "timed")[OK] == 10


@pytest.mark.fault
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGSTOP")
@pytest.mark.usefixtures("tiny")
def test_a_service_that_hangs_is_started_again(measure, monkeypatch, fault):
    monkeypatch.setattr(revive, "WAIT_S", 0.1)
    monkeypatch.setattr(service, "STOP_S", 1.0)  # a stopped process takes no SIGTERM
    run, _ = measure(at(5, lambda: kill(signal.SIGSTOP)), rounds=3, max_tokens=8, deadline_s=1.0)
    assert Counter(r.status for r in run.rows if r.phase == "timed") == {OK: 11, "timeout": 1}
    assert "did not answer any more; started again" in restarts(run)[0]["error"]
    fault("the service hangs", 1, measure.acknowledged, kept(run.path))


def test_a_busy_service_is_left_alone(tiny, measure):
    """A deadline that is too short for a reply is the client's affair."""
    run, _ = measure(rounds=1, warmup=0, max_tokens=2000, deadline_s=0.05)
    assert {r.status for r in run.rows} == {"timeout"}
    assert restarts(run) == [] and service.status().pid == tiny.pid


@pytest.mark.fault
@pytest.mark.usefixtures("tiny")
def test_stopped_by_hand_the_run_ends_and_can_go_on(measure, monkeypatch, tmp_path, fault):
    monkeypatch.setattr(revive, "WAIT_S", 0.3)
    with pytest.raises(KitError) as ended:
        measure(at(5, service.stop), rounds=4, max_tokens=8)
    assert "stopped while a run used it. 7 rows are kept in" in ended.value.message
    assert f"--out {tmp_path / 'run'} --resume" in ended.value.cure and ended.value.exit_code == 1
    assert service.status() is None  # it stays stopped
    run, _ = measure(resume=True, rounds=4, max_tokens=8)
    assert len({r.cell for r in run.rows if r.phase == "timed" and r.status == OK}) == 16
    fault("the service is stopped by hand", 1, measure.acknowledged, kept(run.path))


@pytest.mark.fault
@pytest.mark.usefixtures("tiny")
def test_a_model_that_ends_the_service_each_time_is_given_up(measure, monkeypatch, fault):
    """As one for which the memory does not suffice: the system kills the service whenever it is asked."""
    opened = Flight.open

    def opening(flight):
        if b'"tiny-b:1"' in bytes(flight._unsent):
            kill()
        opened(flight)

    monkeypatch.setattr(Flight, "open", opening)
    run, _ = measure(rounds=4, warmup=0, max_tokens=8)
    rows = {name: [r for r in run.rows if r.model == name] for name in TINY}
    *failed, skipped = [r.status for r in rows["tiny-b"]]
    assert len(failed) == 3 and set(failed) <= set(ENDED) and skipped == "skipped"
    assert "the service ended 3 times while it was asked" in rows["tiny-b"][-1].error
    assert {r.status for r in rows["tiny"]} == {OK} and len(rows["tiny"]) == 8
    assert len(restarts(run)) == 3
    fault("one model ends the service whenever it is asked", 3, measure.acknowledged, kept(run.path))


@pytest.mark.fault
@pytest.mark.usefixtures("tiny")
def test_a_model_that_ends_the_service_while_it_is_loaded_is_skipped(measure, monkeypatch, fault):
    load = find.Endpoint.load

    def loading(endpoint, target):
        if target.alias == "tiny-b":
            kill()
        return load(endpoint, target)

    monkeypatch.setattr(find.Endpoint, "load", loading)
    run, _ = measure(rounds=2, warmup=0, max_tokens=8)
    assert [(r.status, r.error) for r in run.rows if r.model == "tiny-b"] == [
        ("skipped", "it can't be loaded: the service ended 3 times")
    ]
    assert [r.status for r in run.rows if r.model == "tiny"] == [OK] * 4
    fault("one model ends the service while it is loaded", 3, measure.acknowledged, kept(run.path))


@pytest.mark.usefixtures("tiny")
def test_a_service_that_does_not_start_again_ends_the_run(measure, monkeypatch):
    def broken(*_, **__):
        raise service.ServiceError("The Foundry Local service ended.", "read the log")

    def end():
        kill()
        monkeypatch.setattr(service, "start", broken)

    with pytest.raises(KitError, match=r"The Foundry Local service ended\. 7 rows are kept in") as ended:
        measure(at(5, end), rounds=4, max_tokens=8)
    assert ended.value.cure.startswith("read the log; then go on: slmbench run ")


@pytest.mark.usefixtures("tiny")
def test_a_service_that_ends_again_and_again_ends_the_run(measure, monkeypatch):
    monkeypatch.setattr(holding, "RETURNS_MAX", 2)
    with pytest.raises(KitError, match="has ended 3 times in this run"):
        measure(lambda _, row: kill() if row.status == OK and row.phase == "timed" else None, rounds=15, max_tokens=8)
