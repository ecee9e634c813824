"""This machine's own timing error: the kit's reader against a server that stamps what it writes.

    found = calibrate()          # a quarter of a minute; kept in the kit's folder
    print(sentence(found))       # what a report may say about its own numbers

Nothing leaves the machine. Other programs that run meanwhile are measured along with it, as they would be in a run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slmbench import __version__, machine, paths, truth
from slmbench.errors import NothingMeasured
from slmbench.measure import stream
from slmbench.truth import Record, Schedule

STEADY = Schedule(ttft_s=0.04, gap_s=0.004, tokens=16)
STEADY_S = STEADY.ttft_s + (STEADY.tokens - 1) * STEADY.gap_s
GAPS_MS = (10, 5, 2, 1, 0.5, 0.2, 0.1)
TPOT_PCT = 1.0  # a rate is trusted while the mean time per token is within so many %, and no row is `client_bound`
TRIES = 3  # of a rate, before it is given up: a disturbance is no limit
TOKENS_MIN, TOKENS_MAX = 20, 1000  # of a reply that tries a rate
PER_RATE = 2  # replies on each stream
TAIL_FROM = 100  # requests from which p99 is more than another name for the maximum
FASTER = 1.1  # the server's own limit is reached when a shorter gap is not so many times faster any more
SHARES = (0.25, 0.15)  # of the time, for the errors of one stream and of several; the rest is for the rates
DEADLINE_S = 60.0
Server = truth.TruthProcess | truth.TruthServer


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Errors at `streams` requests at once, over n requests: |reported - true|, of each request.

    ttft_p50_ms: their median. ttft_tail_ms: what `tail` says, "p99", or "max" below 100 requests.
    tpot_pct: of the mean time per token, in %. wrong_counts: requests with a wrong number of tokens, or that failed.
    """

    streams: int
    n: int
    ttft_p50_ms: float
    ttft_tail_ms: float
    tail: str
    tpot_pct: float
    wrong_counts: int


@dataclass(frozen=True, slots=True)
class Limit:
    """Up to which rate numbers can be trusted at `streams` requests at once, in tokens/s of all of them together.

    trusted_tps: None if not even the slowest rate that was tried. why: that the next faster one could not be trusted,
    which was next_tps (None if no reply told); "" if all that were tried could, up to what the server can write.
    """

    streams: int
    trusted_tps: float | None
    next_tps: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `calibrate` found, and on what. at: UTC, ISO 8601."""

    at: str
    where: Mapping[str, Any]
    accuracy: tuple[Accuracy, ...]
    limits: tuple[Limit, ...]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """raises: ValueError if it is none."""
        given = json.loads(text)
        try:
            accuracy = tuple(Accuracy(**one) for one in given["accuracy"])
            return cls(given["at"], given["where"], accuracy, tuple(Limit(**one) for one in given["limits"]))
        except (TypeError, KeyError) as e:
            raise ValueError(f"not a calibration: {e}") from e


def calibrate(
    streams: Sequence[int] = (1, 8),
    seconds: float = 12.0,
    say: Callable[[str], None] = print,
    *,
    serve: Callable[[Mapping[str, Schedule]], AbstractContextManager[Server]] = truth.process,
) -> Calibration:
    """Measure this machine's timing error and the rates that it can follow; keep it in `path()`.

    streams: numbers of requests at once. seconds: about how long it may take. serve: starts the server.
    returns: the Calibration; `sentence` puts it in words.
    raises: NothingMeasured if no reply was good; KitError if the server or the reader ends; OSError if nothing can be
        written.
    """
    each_s = seconds * (1 - sum(SHARES)) / (len(GAPS_MS) * len(streams) * PER_RATE) - STEADY.ttft_s
    rates = {f"gap-{ms:g}ms": _rate(ms / 1e3, each_s) for ms in GAPS_MS}
    accuracy, limits = [], []
    with serve({"steady": STEADY} | rates) as server:
        for n in streams:
            with Asker(server, n) as asker:
                asker.ask("steady", 1)  # not counted: a first request pays for what is imported with it
                rounds = max(3, round(seconds * SHARES[n > 1] / STEADY_S))
                accuracy.append(accuracy_of(n, asker.ask("steady", rounds)))
                say(_accuracy_words(accuracy[-1]))
                limits.append(find_limit(n, rates, lambda model, asker=asker: asker.ask(model, PER_RATE)))
                say(_limit_words(limits[-1]))
    found = Calibration(datetime.now(UTC).isoformat(timespec="seconds"), here(), tuple(accuracy), tuple(limits))
    path().parent.mkdir(parents=True, exist_ok=True)
    path().write_text(found.to_json(), encoding="utf-8")
    return found


def _rate(gap_s: float, each_s: float) -> Schedule:
    """A reply whose tokens are `gap_s` apart and take about `each_s` from the first to the last."""
    tokens = min(max(round(each_s / gap_s), TOKENS_MIN), TOKENS_MAX)
    return Schedule(ttft_s=STEADY.ttft_s, gap_s=gap_s, tokens=tokens)


def path() -> Path:
    """Where the last calibration is kept."""
    return paths.home() / paths.CALIBRATION


def latest() -> Calibration | None:
    """The last calibration; None if there is none, or none of this machine, Python and version of the kit."""
    try:
        found = Calibration.from_json(path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # none yet, or none to be read
        return None
    return found if found.where == here() else None


def here() -> dict[str, Any]:
    """What a calibration holds for; no host or user names."""
    return {
        "os": platform.system(),
        "architecture": platform.machine(),
        "cpu": machine.cpu_name(),
        "cores_logical": os.cpu_count(),
        "python": platform.python_version(),
        "slmbench": __version__,
    }


class Asker:
    """Asks as a run does: one request at a time from this process, several from a reader's. A context manager."""

    def __init__(self, server: Server, streams: int):
        self.server, self.streams, self._seen, self._reader = server, streams, len(server.records()), None

    def __enter__(self) -> Asker:
        if self.streams > 1:
            from slmbench.measure.reader import Reader

            self._reader = Reader(self.streams)
            self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader:
            self._reader.close()

    def ask(self, model: str, rounds: int) -> Asked:
        """So many requests on each stream."""
        url, n = f"{self.server.base_url}/chat/completions", rounds * self.streams
        payload = stream.body(model, "Say something.", max_tokens=TOKENS_MAX, temperature=0.0, seed=None, stream=True)
        if self._reader is None:
            replies = [stream.ask(url, payload, deadline_s=DEADLINE_S) for _ in range(n)]
        else:
            for key in range(n):
                self._reader.send(key, url, payload, deadline_s=DEADLINE_S)
            replies = [stream.read(wire, model=model) for _, wire in [self._reader.take() for _ in range(n)]]
        records = self.server.records(self._seen)
        self._seen += len(records)
        return Asked.of(replies, records)


@dataclass(frozen=True, slots=True)
class Asked:
    """What some requests came to. pairs: the good replies, each with its record. failed: how many others."""

    pairs: list[tuple[stream.Reply, Record]]
    failed: int = 0

    @classmethod
    def of(cls, replies: Iterable[stream.Reply], records: Iterable[Record]) -> Asked:
        """raises: NothingMeasured if no reply was good."""
        replies, by_number = list(replies), {r.number: r for r in records}
        good = [r for r in replies if r.status == "ok"]
        if not good:
            why = f"{replies[0].status} ({replies[0].error})" if replies else "no request was made"
            raise NothingMeasured(f"The server on this machine gave no good reply: {why}.", "slmbench doctor")
        return cls([(r, by_number[truth.number_of(r.text)]) for r in good], len(replies) - len(good))

    @property
    def true_tpot_s(self) -> float:
        return statistics.fmean(record.tpot_s for _, record in self.pairs)

    @property
    def tpot_pct(self) -> float:
        """How far the mean of the reported times per token is from the true one, in %."""
        reported = [(r.latency_s - r.ttft_s) / (r.output_tokens - 1) for r, _ in self.pairs]
        return 100 * abs(statistics.fmean(reported) / self.true_tpot_s - 1)


def accuracy_of(streams: int, asked: Asked) -> Accuracy:
    """The errors of some requests. Pure."""
    errors_ms = sorted(1e3 * abs(reply.ttft_s - record.ttft_s) for reply, record in asked.pairs)
    many = len(errors_ms) >= TAIL_FROM
    return Accuracy(
        streams=streams,
        n=len(errors_ms),
        ttft_p50_ms=statistics.median(errors_ms),
        ttft_tail_ms=statistics.quantiles(errors_ms, n=100, method="inclusive")[98] if many else errors_ms[-1],
        tail="p99" if many else "max",
        tpot_pct=asked.tpot_pct,
        wrong_counts=asked.failed + sum(reply.output_tokens != record.tokens for reply, record in asked.pairs),
    )


def find_limit(streams: int, models: Iterable[str], attempt: Callable[[str], Asked]) -> Limit:
    """Try the models, slow ones first, until one can't be trusted, or the server itself gets no faster. Pure.

    attempt: asks a model at `streams` requests at once.
    """
    trusted = None
    for model in models:
        tps = None
        for _ in range(TRIES):
            try:
                asked = attempt(model)
            except NothingMeasured:
                why = "no request had a good reply"
                continue
            why, tps = _fault(asked), streams / asked.true_tpot_s
            if not why:
                break
        if why:
            return Limit(streams, trusted, tps, why)
        if trusted is not None and tps < trusted * FASTER:
            break
        trusted = tps
    return Limit(streams, trusted)


def _fault(asked: Asked) -> str:
    """Why these requests can't be trusted; "" if they can."""
    if asked.failed:
        return f"{asked.failed} of {asked.failed + len(asked.pairs)} requests failed"
    bound = sum("client_bound" in reply.flags for reply, _ in asked.pairs)
    if bound:
        return f"the reader could not keep up in {bound} of {len(asked.pairs)} replies"
    return f"the time per token was {asked.tpot_pct:.1f} % off" if asked.tpot_pct > TPOT_PCT else ""


def sentence(found: Calibration) -> str:
    """What a report may say about its own numbers, on this machine."""
    where = f"Python {found.where['python']}, {found.at[:10]}"
    begin = f"On this machine ({where}), held against a server that stamps what it writes:"
    return " ".join([begin, *map(_accuracy_words, found.accuracy), *map(_limit_words, found.limits)])


def _accuracy_words(one: Accuracy) -> str:
    tail = f"{one.ttft_tail_ms:.2f} ms (p99)" if one.tail == "p99" else f"{one.ttft_tail_ms:.2f} ms at worst"
    wrong = f" {one.wrong_counts} requests failed or were counted wrong." if one.wrong_counts else ""
    return (
        f"{_at(one.streams)}, the time to first token is off by {one.ttft_p50_ms:.2f} ms (median) and {tail}, "
        f"the time per token by {one.tpot_pct:.2f} % (n = {one.n}).{wrong}"
    )


def _limit_words(one: Limit) -> str:
    faster = "at the next faster one" if one.next_tps is None else f"at {one.next_tps:,.0f}"
    beyond = f"; {faster}, {one.why}" if one.why else ", the fastest that could be tried"
    if one.trusted_tps is None:
        return f"{_at(one.streams)}, no rate that was tried can be trusted{beyond}."
    together = " in all" if one.streams > 1 else ""
    return f"{_at(one.streams)}, numbers can be trusted up to {one.trusted_tps:,.0f} tokens/s{together}{beyond}."


def _at(streams: int) -> str:
    return "One request at a time" if streams == 1 else f"{streams} requests at once"
