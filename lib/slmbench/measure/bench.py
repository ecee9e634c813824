"""Run a plan: loads, warm-ups, the shuffled timed loop, one row a request. The endpoint is passed in.

No request goes out that is not a row: no hidden probe, warm-up or retry.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import psutil

from slmbench.config import Prompt, Settings
from slmbench.errors import KitError, UsageError
from slmbench.measure import stream
from slmbench.records import OK, Row
from slmbench.store import RunFolder

GIVE_UP_AFTER = 3  # failed timed requests in a row: the rest of that model becomes one skipped row


class Target(Protocol):
    """One model to ask; see `endpoint.Target`."""

    alias: str
    id: str | None
    base_url: str | None
    load_url: str | None
    device: str | None
    execution_provider: str | None
    reason: str | None
    fault: str | None


class Loader(Protocol):
    """What can load and unload models; see `endpoint.Endpoint`."""

    def load(self, target: Any) -> float | None: ...
    def unload(self, target: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to come."""

    target: Target
    prompt: Prompt
    phase: str
    round: int
    load_index: int


def cell_of(ask: Ask, settings: Settings) -> str:
    """The resume key: two requests with the same cell are repeats of the same measurement."""
    what = {
        "model_id": ask.target.id or ask.target.alias,
        "prompt": [ask.prompt.id, ask.prompt.text],  # two prompts of a set may have one text
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "seed": settings.seed,
        "stream": settings.stream,
        "phase": ask.phase,
        "round": ask.round,
        "load_index": ask.load_index,
        "device": ask.target.device,
        "concurrency": settings.concurrency,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def timed_order(targets: list[Target], settings: Settings, load_index: int) -> list[Ask]:
    """Every model x prompt x round once, shuffled by the seed, so that drift does not fall on one model."""
    asks = [
        Ask(target, prompt, "timed", number, load_index)
        for target in targets
        for prompt in settings.prompts
        for number in range(settings.rounds)
    ]
    random.Random(f"{settings.seed}/{load_index}").shuffle(asks)
    return asks


def count(targets: list[Target], settings: Settings) -> int:
    """How many requests a run of this plan sends, warm-ups included, if nothing fails."""
    available = sum(t.reason is None for t in targets)
    return available * settings.loads * (settings.warmup + len(settings.prompts) * settings.rounds)


def check(targets: list[Target], settings: Settings) -> None:
    """Whether the plan can be kept, asked before its first request.

    raises: UsageError where models are to be loaded afresh and their loading is not ours to do.
    """
    fixed = [t for t in targets if t.reason is None and t.load_url is None]
    if settings.loads > 1 and fixed:
        names = ", ".join(t.alias for t in fixed)
        found = (
            f"loads: {settings.loads} was found, 1 was expected: {fixed[0].base_url} has no way to load {names} afresh"
        )
        raise UsageError(found, "leave loads out, or measure on the kit's own service: slmbench serve")


def run(
    targets: list[Target], settings: Settings, loader: Loader, folder: RunFolder, headers: dict[str, str] | None = None
) -> Iterator[Row]:
    """Measure, and yield each row once it is on disk; the caller may draw between two of them.

    A model that can't be had, can't be loaded or keeps failing becomes a skipped row with its reason; the rest goes
    on. Cells that the folder has finished are left out. An interrupt is written down as a row, then raised.
    raises: UsageError as `check`.
    """
    check(targets, settings)
    bench = _Bench(settings, folder, headers or {})
    alive = [t for t in targets if t.reason is None]
    for load_index in range(settings.loads):
        for target in targets:
            if target.reason is not None:
                yield from bench.skip(target, target.reason) if load_index == 0 else ()
            elif target in alive and not bench.nothing_left(target, load_index):
                try:
                    bench.load(loader, target, load_index, again=settings.loads > 1)
                except KitError as e:
                    yield from bench.skip(target, f"it can't be loaded: {e}", load_index)
                    alive.remove(target)
                    continue
                for number in range(settings.warmup):
                    yield bench.measure(Ask(target, settings.prompts[0], "warmup", number, load_index))
        for ask in timed_order(alive, settings, load_index):
            if bench.gave_up(ask.target) or cell_of(ask, settings) in folder.finished:
                continue
            row = bench.measure(ask)
            yield row
            if bench.gave_up(ask.target):
                yield from bench.skip(ask.target, f"{GIVE_UP_AFTER} failed in a row; the last: {row.error}", load_index)
        alive = [t for t in alive if not bench.gave_up(t)]


class _Bench:
    """The state of one run."""

    def __init__(self, settings: Settings, folder: RunFolder, headers: dict[str, str]):
        self.settings = settings
        self.folder = folder
        self.headers = headers
        self.order = len(folder.rows)
        self.failed_in_a_row: dict[str, int] = {}
        psutil.cpu_percent(interval=None)  # the first call only sets the mark from which the next one counts

    def gave_up(self, target: Target) -> bool:
        return self.failed_in_a_row.get(target.alias, 0) >= GIVE_UP_AFTER

    def nothing_left(self, target: Target, load_index: int) -> bool:
        """Whether an earlier part of this run has finished all that is to be asked of a model in this load."""
        asks = timed_order([target], self.settings, load_index)
        return all(cell_of(a, self.settings) in self.folder.finished for a in asks)

    def load(self, loader: Loader, target: Target, load_index: int, *, again: bool) -> None:
        if again:
            loader.unload(target)
        load_s = loader.load(target)
        if load_s is not None:
            what = {"kind": "load", "model": target.alias, "load_index": load_index, "load_s": round(load_s, 6)}
            self.folder.append_resource({**what, "at": _utc(datetime.now(UTC).timestamp())})

    def skip(self, target: Target, reason: str, load_index: int | None = None) -> Iterator[Row]:
        what = json.dumps([target.alias, "skipped", load_index])
        cell = hashlib.sha256(what.encode()).hexdigest()[:16]
        if cell in self.folder.finished:  # said in an earlier part of this run
            return
        now = _utc(datetime.now(UTC).timestamp())
        fault = getattr(target, "fault", None) or "skipped"
        yield self._keep(
            self._row(
                target, cell=cell, status=fault, error=reason, load_index=load_index, started_at=now, phase="timed"
            )
        )

    def measure(self, ask: Ask) -> Row:
        """Send one request and keep its row."""
        s = self.settings
        payload = stream.body(
            ask.target.id,
            ask.prompt.text,
            max_tokens=s.max_tokens,
            temperature=s.temperature,
            seed=s.seed,
            stream=s.stream,
        )
        url = f"{ask.target.base_url}/chat/completions"
        base = self._row(
            ask.target,
            cell=cell_of(ask, s),
            phase=ask.phase,
            prompt_id=ask.prompt.id,
            round=ask.round,
            load_index=ask.load_index,
            concurrency=s.concurrency,
        )
        psutil.cpu_percent(interval=None)
        began_s = datetime.now(UTC).timestamp()
        try:
            reply = stream.ask(url, payload, stream=s.stream, deadline_s=s.deadline_s, headers=self.headers)
        except KeyboardInterrupt:
            self._keep(replace(base, status="interrupted", error="stopped from here", started_at=_utc(began_s)))
            raise
        row = replace(
            base,
            **{name: getattr(reply, name) for name in stream.SHARED},
            started_at=_utc(reply.started_at_s),
            host_cpu_pct=psutil.cpu_percent(interval=None),
        )
        if ask.phase == "timed":
            alias = ask.target.alias
            self.failed_in_a_row[alias] = 0 if row.status == OK else self.failed_in_a_row.get(alias, 0) + 1
        return self._keep(row)

    def _row(self, target: Target, *, cell: str, **more: Any) -> Row:
        return Row(
            run=self.folder.path.name,
            cell=cell,
            model=target.alias,
            attempt=self.folder.attempts.get(cell, 0) + 1,
            order=self.order,
            model_id=target.id,
            device=target.device,
            execution_provider=target.execution_provider,
            **more,
        )

    def _keep(self, row: Row) -> Row:
        self.folder.append(row)
        self.order += 1
        return row


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
