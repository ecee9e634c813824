"""Ctrl-C, and going on with a run: what is unfinished is asked, and nothing else."""

from collections import Counter

import pytest

from slmbench import store
from slmbench.endpoint.target import Target
from slmbench.measure import bench
from slmbench.records import OK
from support.plans import Loader, broken, cells
from support.replies import behaved


def interrupting(monkeypatch, at):
    """Ctrl-C during the request number `at`, from 1."""
    ask, count = bench.stream.ask, Counter()

    def interrupted(*arguments, **more):
        count["asked"] += 1
        if count["asked"] == at:
            raise KeyboardInterrupt
        return ask(*arguments, **more)

    monkeypatch.setattr(bench.stream, "ask", interrupted)


def test_an_interrupt_is_a_row_and_is_passed_on(measure, tmp_path, monkeypatch):
    interrupting(monkeypatch, at=4)
    with pytest.raises(KeyboardInterrupt):
        measure(behaved("a"), "a", rounds=5)
    kept = store.read(tmp_path / "run").rows
    assert [(r.phase, r.status) for r in kept] == [("warmup", OK), *[("timed", OK)] * 2, ("timed", "interrupted")]
    assert kept[-1].prompt_id is not None and kept[-1].started_at


def test_resume_runs_what_is_unfinished_and_nothing_else(measure, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        interrupting(patched, at=5)
        measure(behaved("a", "b"), "a", "b", warmup=1)
    rows, requests = measure(behaved("a", "b"), "a", "b", warmup=1, resume=True)
    kept = store.read(tmp_path / "run").rows
    timed = [r for r in kept if r.phase == "timed" and r.status == OK]
    assert len(cells(timed)) == len(set(cells(timed))) == 8  # each of the plan, and none twice
    assert len(requests) == len(rows) == 2 + 6  # warm-ups for the new load, and what was left
    again = next(r for r in kept if r.status == "interrupted")
    assert [r.attempt for r in kept if r.cell == again.cell] == [1, 2]
    assert [r.order for r in kept] == list(range(5 + 8))


def test_resuming_a_finished_run_asks_nothing(measure):
    gone = Target("gone", reason="not here")
    measure(behaved("a"), "a", more=[gone])
    loader = Loader()
    assert measure(behaved("a"), "a", more=[gone], resume=True, loader=loader) == ([], [])
    assert loader.calls == []


def test_resume_loads_only_models_with_something_left(measure):
    measure(behaved("a"), "a")
    loader = Loader()
    rows, _ = measure(behaved("a", "b"), "a", "b", resume=True, loader=loader)
    assert loader.calls == [("load", "b")]
    assert {r.model for r in rows} == {"b"}


def test_more_rounds_extend_a_run(measure):
    measure(behaved("a"), "a", rounds=2, warmup=0)
    rows, _ = measure(behaved("a"), "a", rounds=3, warmup=0, resume=True)
    assert sorted(cells(rows)) == [("a", "p1", 2, 0), ("a", "p2", 2, 0)]


@pytest.mark.parametrize(("status", "again"), [("500 Oops", 1), ("429 Too Many Requests", 0), ("404 Not Found", 0)])
def test_resume_tries_again_what_may_succeed(measure, status, again):
    """http_4xx is finished: the same request would be refused again."""
    measure(broken("a", status), "a", rounds=1, warmup=0)
    rows, requests = measure(behaved("a"), "a", rounds=1, warmup=0, resume=True)
    assert len(requests) == len(rows) == 2 * again
