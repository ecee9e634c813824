"""What a client reported against what was written: errors, and the bounds that the kit keeps. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from clients import ClientFailed, Ran, Reported

from slmbench import truth
from slmbench.truth import Record

FLOOR = "bare socket"
TTFT_MS = {1: (0.3, 1.0), 8: (0.4, 2.5), 64: (1.0, 10.0)}  # of the errors of p50 and p99, by streams
TPOT_PCT = 0.3
CPU_S = {1: 0.25, 64: 0.10}  # per 1,000 tokens, by streams
OVER_S = 0.6
LENIENT_FROM, LENIENT = 64, 1.2  # streams from which a bound is at least so many times the bare socket's own figure


@dataclass(frozen=True, slots=True)
class Result:
    """One client at one load. Errors are never negative.

    ttft_p50_ms, ttft_p99_ms: |percentile of what was reported - percentile of what was true|.
    row_p50_ms, row_p99_ms, row_max_ms: of the errors of single requests; NaN where a client keeps no texts to tell
    requests apart by. tpot_pct: error of the mean, %, by the gap between tokens in ms. wrong: requests that are
    missing or have another token count than the true one. cpu_s: per 1,000 tokens, start-up included. over_s: wall
    time over what the schedule takes. late_ms: p99 of how late the server itself was. client_bound: rows so marked.
    """

    client: str
    streams: int
    n: int
    ttft_p50_ms: float
    ttft_p99_ms: float
    row_p50_ms: float
    row_p99_ms: float
    row_max_ms: float
    tpot_pct: Mapping[float, float]
    wrong: int
    cpu_s: float
    over_s: float
    late_ms: float
    client_bound: int


def compare(
    client: str, streams: int, ran: Ran, records: Sequence[Record], *, asked: int, gap_ms: float, ideal_s: float
) -> Result:
    """records: of the requests of this client's run. asked: how many it was to make. gap_ms, ideal_s: of the schedule.

    raises: ClientFailed if there is nothing to compare.
    """
    rows = [row for row in ran.rows if row.ok and row.ttft_s is not None]
    true = [r for r in records if r.ended]
    if not rows or not true:
        raise ClientFailed(f"{client} reported {len(rows)} requests, and {len(true)} were answered")
    reported_ms, true_ms = ([1e3 * one.ttft_s for one in some] for some in (rows, true))
    single_ms = [1e3 * abs(row.ttft_s - r.ttft_s) for row, r in pairs(rows, true)] or [math.nan]
    late_ms = [(w.ns - w.due_ns) / 1e6 for r in true for w in r.writes]
    return Result(
        client=client,
        streams=streams,
        n=len(rows),
        ttft_p50_ms=abs(_percentile(reported_ms, 50) - _percentile(true_ms, 50)),
        ttft_p99_ms=abs(_percentile(reported_ms, 99) - _percentile(true_ms, 99)),
        row_p50_ms=_percentile(single_ms, 50),
        row_p99_ms=_percentile(single_ms, 99),
        row_max_ms=max(single_ms),
        tpot_pct={gap_ms: tpot_error_pct(rows, true)},
        wrong=wrong_counts(rows, true) + max(0, asked - len(true)),
        cpu_s=1000 * ran.cpu_s / sum(r.tokens for r in true),
        over_s=ran.wall_s - ideal_s,
        late_ms=_percentile(late_ms, 99),
        client_bound=sum("client_bound" in row.flags for row in rows),
    )


def pairs(rows: Iterable[Reported], records: Iterable[Record]) -> list[tuple[Reported, Record]]:
    """Each reported request with its record, by the tag in its text; without those that have none."""
    by_number = {r.number: r for r in records}
    return [(row, by_number[n]) for row in rows if (n := truth.number_of(row.text)) in by_number]


def tpot_error_pct(rows: Iterable[Reported], records: Iterable[Record]) -> float:
    """How far the mean of the reported times per token is from the mean of the true ones, in %."""
    reported = [row.tpot_s for row in rows if row.tpot_s is not None]
    true = [r.tpot_s for r in records if r.tpot_s is not None]
    return 100 * abs(float(np.mean(reported)) / float(np.mean(true)) - 1) if reported and true else math.nan


def wrong_counts(rows: Sequence[Reported], records: Sequence[Record]) -> int:
    """Requests whose token count is missing or wrong; by counts alone where nothing tells the requests apart."""
    paired = pairs(rows, records)
    if paired:
        return sum(row.tokens != r.tokens for row, r in paired) + len(records) - len(paired)
    return (Counter(r.tokens for r in records) - Counter(row.tokens for row in rows)).total()


def limits(result: Result, floor: Result | None) -> dict[str, float]:
    """The bounds for the kit at this load, by the fields of `Result`. floor: the bare socket in the same run."""
    p50_ms, p99_ms = TTFT_MS.get(result.streams, (math.inf, math.inf))
    found = {"ttft_p50_ms": p50_ms, "ttft_p99_ms": p99_ms, "over_s": OVER_S, "wrong": 0}
    if result.streams in CPU_S:
        found["cpu_s"] = CPU_S[result.streams]
    if floor is not None and result.streams >= LENIENT_FROM:
        found |= {name: max(found[name], LENIENT * getattr(floor, name)) for name in ("ttft_p50_ms", "ttft_p99_ms")}
    return found


def missed(results: Sequence[Result], bounded: Mapping[str, bool]) -> list[str]:
    """A sentence for each bound missed. bounded: the clients to hold; True where CPU and wall time count too."""
    floors = {r.streams: r for r in results if r.client == FLOOR}
    said = []
    for r in (r for r in results if r.client in bounded):
        at, promise = f"{r.client}, {r.streams} at once", "and at most {:.3g} was promised"
        for name, limit in limits(r, floors.get(r.streams)).items():
            if name in ("cpu_s", "over_s") and not bounded[r.client]:
                continue
            if not getattr(r, name) <= limit and not (name == "cpu_s" and math.isnan(r.cpu_s)):
                said.append(f"{at}: {name} is {getattr(r, name):.3g}, {promise.format(limit)}")
        for gap_ms, error_pct in r.tpot_pct.items():
            if not error_pct <= TPOT_PCT:
                pct = f"{error_pct:.2g} at gaps of {gap_ms:g} ms"
                said.append(f"{at}: tpot_pct is {pct}, {promise.format(TPOT_PCT)}")
    return said


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table, by streams; errors in ms as p50 / p99, of single requests p50 / p99 / max."""
    head = ("streams", "client", "n", "TTFT error, ms", "single requests, ms", "TPOT error, % (gap, ms)")
    head += ("wrong counts", "CPU s per 1,000 tokens", "s over ideal", "client_bound", "server late, ms")
    lines = [
        (
            str(r.streams),
            r.client,
            str(r.n),
            f"{_short(r.ttft_p50_ms)} / {_short(r.ttft_p99_ms)}",
            " / ".join(map(_short, (r.row_p50_ms, r.row_p99_ms, r.row_max_ms))),
            ", ".join(f"{_short(pct)} ({gap_ms:g})" for gap_ms, pct in r.tpot_pct.items()),
            str(r.wrong),
            f"{r.cpu_s:.3f}",
            f"{r.over_s:.2f}",
            str(r.client_bound),
            _short(r.late_ms),
        )
        for r in results
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines))


def _short(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _percentile(values: Sequence[float], p: float) -> float:
    return float(np.percentile(values, p))
