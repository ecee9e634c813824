"""Rounds that go on until a median is known closely enough."""

import dataclasses
import random

import pytest

from slmbench import store
from slmbench.measure import bench, precision
from slmbench.records import OK, Row
from support.plans import cells
from support.replies import behaved


@pytest.fixture
def latencies(monkeypatch):
    """Replies take what is said here: alias -> function of the request's number, s."""
    asked = {}

    def set_to(**by_model):
        counts = dict.fromkeys(by_model, 0)
        real = bench.stream.ask

        def ask(url, payload, **more):
            import json

            model = json.loads(payload)["model"].split(":")[0]
            counts[model] += 1
            reply = real(url, payload, **more)
            return dataclasses.replace(reply, latency_s=by_model[model](counts[model]))

        monkeypatch.setattr(bench.stream, "ask", ask)
        asked.update(counts=counts)
        return counts

    return set_to


def noisy(share, seed=1):
    draw = random.Random(seed)
    return lambda _: draw.lognormvariate(0, share)


def records(path):
    return [r for r in store.read(path).resources if r["kind"] == "precision"]


def test_a_steady_cell_ends_at_twelve_and_never_below_what_was_asked(measure, tmp_path, latencies):
    latencies(a=lambda n: 1.0 + n / 1e4)
    rows, _ = measure(behaved("a"), "a", rounds=2, warmup=0, precision_pct=5.0)
    assert len(rows) == 2 * 12
    assert sorted(cells(rows)) == sorted(("a", p, n, 0) for p in ("p1", "p2") for n in range(12))
    assert [(r["prompt_id"], r["n"], r["stopped_by"], r["asked_pct"]) for r in records(tmp_path / "run")] == [
        ("p1", 12, "precision", 5.0),
        ("p2", 12, "precision", 5.0),
    ]
    assert all(0 < r["half_width_pct"] < 1 for r in records(tmp_path / "run"))


def test_rounds_that_were_asked_for_are_all_made(measure, latencies):
    latencies(a=lambda _: 1.0)
    rows, _ = measure(behaved("a"), "a", rounds=15, warmup=0, precision_pct=5.0)
    assert len(rows) == 2 * 15


def test_only_the_noisy_model_goes_on(measure, tmp_path, latencies):
    counts = latencies(a=lambda _: 1.0, b=noisy(0.15))
    measure(behaved("a", "b"), "a", "b", rounds=3, warmup=0, precision_pct=5.0)
    assert counts["a"] == 24
    assert counts["b"] > 40
    for record in records(tmp_path / "run"):
        assert record["stopped_by"] == "precision"
        assert record["half_width_pct"] <= 5.0
        assert record["n"] >= 12


def test_the_budget_ends_it_and_says_so(measure, tmp_path, latencies, monkeypatch):
    latencies(a=noisy(1.0))
    clock = iter(range(10_000))
    monkeypatch.setattr(bench.time, "monotonic", lambda: next(clock))
    rows, _ = measure(behaved("a"), "a", rounds=3, warmup=0, precision_pct=0.1, budget_s=10.0)
    assert 6 <= len(rows) < 6 + 12  # the rounds that were asked for, and what the budget had room for
    assert [r["stopped_by"] for r in records(tmp_path / "run")] == ["budget"] * 2
    assert [r["half_width_pct"] is None or r["half_width_pct"] > 0.1 for r in records(tmp_path / "run")] == [True] * 2


def test_without_a_budget_the_rounds_have_an_end(measure, tmp_path, latencies, monkeypatch):
    latencies(a=noisy(1.0))
    monkeypatch.setattr(precision, "ROUNDS_MAX", 14)
    rows, _ = measure(behaved("a"), "a", rounds=3, warmup=0, precision_pct=0.1)
    assert len(rows) == 2 * 14
    assert [r["stopped_by"] for r in records(tmp_path / "run")] == ["rounds"] * 2


def test_a_resumed_run_goes_on_where_it_stopped(measure, latencies):
    latencies(a=lambda _: 1.0)
    measure(behaved("a"), "a", rounds=4, warmup=0)
    rows, _ = measure(behaved("a"), "a", rounds=4, warmup=0, precision_pct=5.0, resume=True)
    assert sorted({r.round for r in rows}) == list(range(4, 12))
    again, requests = measure(behaved("a"), "a", rounds=4, warmup=0, precision_pct=5.0, resume=True)
    assert (again, requests) == ([], [])


def test_cells_are_counted_by_load_and_leave_out_what_is_no_time():
    def row(number, **more):
        base = Row("r", f"c{number}", "a", prompt_id="p1", round=number, load_index=0, latency_s=1.0 + number)
        return dataclasses.replace(base, **more)

    rows = [
        row(0),
        row(1, status="timeout", latency_s=None),
        row(2, flags=["clock_jump"]),
        row(3, load_index=1),
        row(4, phase="warmup"),
        row(5, prompt_id=None, status="skipped"),
        row(6),
    ]
    assert precision.cells(rows, 0) == {("a", "p1"): precision.Cell([1.0, 7.0], 7)}
    assert {r.status for r in rows} >= {OK}
    assert precision.cells(rows, 2) == {}
