"""The session's own JSON form of a result: one object a model, under the names its script has always used."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from slmbench.analyse.stats import INVALID_FLAGS
from slmbench.records import OK, Row

SAMPLE_CHARS = 200


def summary_list(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """A result as the session's script prints it: a list with an object a model, in the order of first appearance; in a
    run at several numbers of requests at once an object for each of them, which it names as `concurrency`.

    rows: of one run; only timed ones count. None stands where nothing was measured.
    returns: model, rounds, latency_avg and latency_p95 (s), tokens_per_sec_avg (total tokens over latency, mean),
        sample (the start of the first reply); added here: status, n_ok, n_failed, error, ttft_avg (s).
        latency_p95 is numpy's percentile: inside the observed range, and below n = 59 a bound for nothing.
    """
    rows = list(rows)
    by_model: dict[str, list[Row]] = {row.model: [] for row in rows}  # a warm-up is a first appearance, too
    for row in _standing(rows):
        if row.phase == "timed":
            by_model[row.model].append(row)
    levels = sorted({row.concurrency for of_model in by_model.values() for row in of_model if row.prompt_id})
    if len(levels) <= 1:
        return [_one(model, of_model) for model, of_model in by_model.items() if of_model]
    found = []
    for model, of_model in by_model.items():
        asked = [n for n in levels if any(row.prompt_id and row.concurrency == n for row in of_model)]
        for n in asked or levels[:1]:  # what was not asked at all is said once
            at_once = [row for row in of_model if row.concurrency == n or not row.prompt_id]
            found += [{"concurrency": n, **_one(model, at_once)}] if at_once else []
    return found


def _standing(rows: list[Row]) -> list[Row]:
    """The rows without those that `stats.superseded` would find: said of a model that replied later in the run."""
    replied: set[tuple[str, int | None]] = set()
    standing = []
    for row in reversed(rows):
        if row.prompt_id is None and (row.model, row.load_index) in replied:
            continue
        if row.prompt_id is not None and row.status == OK:
            replied |= {(row.model, row.load_index), (row.model, None)}
        standing.append(row)
    return standing[::-1]


def _one(model: str, rows: list[Row]) -> dict[str, Any]:
    ok = [r for r in rows if r.status == OK and not INVALID_FLAGS.intersection(r.flags)]
    latency_s = [r.latency_s for r in ok if r.latency_s is not None]
    ttft_s = [r.ttft_s for r in ok if r.ttft_s is not None]
    counted = [r for r in ok if None not in (r.prompt_tokens, r.output_tokens) and r.latency_s]
    totals = [(r.prompt_tokens + r.output_tokens) / r.latency_s for r in counted]
    bad = next((r for r in rows if r.status != OK), None)
    return {
        "model": model,
        "rounds": len({r.round for r in ok}),
        "latency_avg": _mean(latency_s),
        "latency_p95": _percentile(latency_s, 0.95),
        "tokens_per_sec_avg": _mean(totals),
        "sample": next(((r.text or "")[:SAMPLE_CHARS] for r in ok), None),
        "status": OK if ok else bad.status if bad else "skipped",
        "n_ok": len(ok),
        "n_failed": sum(r.status not in (OK, "skipped") for r in rows),
        "error": bad.error if bad else None,
        "ttft_avg": _mean(ttft_s),
    }


# numpy has both, and takes a tenth of a second to import: as much CPU as many a run's own.
def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _percentile(values: list[float], share: float) -> float | None:
    """numpy's linear percentile: between the two nearest values, and so never outside the range."""
    if not values:
        return None
    ordered, place = sorted(values), share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
