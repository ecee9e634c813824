"""Run a plan: loads, warm-ups, the timed requests, one row each. The endpoint is passed in.

No request goes out that is not a row: no hidden probe, warm-up or retry. One request at a time runs in this process;
several at once, and those of an open loop, in a process of their own, in which nothing else happens (`reader`).
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from slmbench.config import Settings
from slmbench.errors import KitError
from slmbench.measure import asks, precision, stream
from slmbench.measure.arrivals import due_times
from slmbench.measure.asks import Ask, Loader, Target, cell_of
from slmbench.measure.host import HostCpu
from slmbench.measure.reader import Reader
from slmbench.measure.wire import Wire
from slmbench.records import OK, Row
from slmbench.store import RunFolder

GIVE_UP_AFTER = 3  # failed timed requests in a row: the rest of that model becomes one skipped row


def run(
    targets: list[Target], settings: Settings, loader: Loader, folder: RunFolder, headers: dict[str, str] | None = None
) -> Iterator[Row]:
    """Measure, and yield each row once it is on disk; the caller may draw between two of them.

    A model that can't be had, can't be loaded or keeps failing becomes a skipped row with its reason; the rest goes
    on. Cells that the folder has finished are left out. An interrupt is written down as a row, then raised.
    raises: UsageError as `asks.check`; KitError where the process that reads several streams ends.
    """
    asks.check(targets, settings)
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
        for block in asks.blocks(alive, settings, load_index):
            yield from bench.block(block, load_index)
        if settings.precision_pct is not None:
            yield from bench.until_precise(alive, load_index)
        alive = [t for t in alive if not bench.gave_up(t)]


class _Bench:
    """The state of one run."""

    def __init__(self, settings: Settings, folder: RunFolder, headers: dict[str, str]):
        self.settings = settings
        self.folder = folder
        self.headers = headers
        self.failed_in_a_row: dict[str, int] = {}
        self.began_s = time.monotonic()
        self.host = HostCpu()
        self.salt = secrets.token_hex(4)

    def gave_up(self, target: Target) -> bool:
        return self.failed_in_a_row.get(target.alias, 0) >= GIVE_UP_AFTER

    def out_of_time(self) -> bool:
        budget_s = self.settings.budget_s
        return budget_s is not None and time.monotonic() - self.began_s >= budget_s

    def nothing_left(self, target: Target, load_index: int) -> bool:
        """Whether an earlier part of this run has finished all that is to be asked of a model in this load."""
        timed = [ask for block in asks.blocks([target], self.settings, load_index) for ask in block]
        if not all(cell_of(a, self.settings) in self.folder.finished for a in timed):
            return False
        return self.settings.precision_pct is None or not self._further([target], load_index)

    def load(self, loader: Loader, target: Target, load_index: int, *, again: bool) -> None:
        if again:
            loader.unload(target)
        load_s = loader.load(target)
        if load_s is not None:
            what = {"kind": "load", "model": target.alias, "load_index": load_index, "load_s": round(load_s, 6)}
            self.folder.append_resource({**what, "at": _utc(datetime.now(UTC).timestamp())})

    def skip(self, target: Target, reason: str, load_index: int | None = None) -> Iterator[Row]:
        cell = asks.skip_cell(target, load_index)
        if cell in self.folder.finished:  # said in an earlier part of this run
            return
        now = _utc(datetime.now(UTC).timestamp())
        fault = getattr(target, "fault", None) or "skipped"
        yield self._keep(
            self._row(target, cell=cell, status=fault, error=reason, load_index=load_index, started_at=now)
        )

    def block(self, block: Sequence[Ask], load_index: int) -> Iterator[Row]:
        """The requests of a block, then as often as retries were asked for those that failed, each a new attempt."""
        pending = [a for a in block if cell_of(a, self.settings) not in self.folder.finished]
        for _ in range(1 + self.settings.retries):
            failed: list[Ask] = []
            single = pending and asks.is_single(pending[0].streams, self.settings)
            yield from (self._singly if single else self._at_once)(pending, load_index, failed)
            pending = [a for a in failed if not self.gave_up(a.target)]

    def _singly(self, block: Sequence[Ask], load_index: int, failed: list[Ask]) -> Iterator[Row]:
        for ask in block:
            if self.gave_up(ask.target):
                continue
            row = self.measure(ask)
            yield row
            if asks.may_be_retried(row):
                failed.append(ask)
            if self.gave_up(ask.target):
                yield from self._skip_rest(ask.target, row, load_index)

    def _at_once(self, block: Sequence[Ask], load_index: int, failed: list[Ask]) -> Iterator[Row]:
        """A block of one model: as many streams as the plan says, or each request at its time."""
        s = self.settings
        block = [a for a in block if not self.gave_up(a.target)]
        if not block:
            return
        timed = range(len(block))
        block = [*block, *asks.company(block, s)]
        every_model = f"{s.seed}/{load_index}"  # is asked at the same times
        due = [None] * len(block) if s.rate is None else due_times(len(block), s.rate, s.arrivals, every_model)
        streams = None if s.rate is not None else block[0].streams
        ahead = len(block) if streams is None else 2 * streams  # enough that a stream never waits for this process
        to_send, waiting = deque(range(len(block))), set()
        with Reader(streams) as reader:

            def send() -> None:
                while to_send and len(waiting) < ahead:
                    key = to_send.popleft()
                    more = {"headers": self.headers, "deadline_s": s.deadline_s, "due_s": due[key]}
                    reader.send(key, _url(block[key]), self._payload(block[key]), **more)
                    waiting.add(key)

            def keep(key: int, wire: Wire) -> Row:
                return self._take(block[key], stream.read(wire, stream=s.stream, model=block[key].target.id))

            send()
            self.host.mark()
            reader.start()
            taken, kept = None, 0
            try:
                while waiting:
                    taken, kept = reader.take(), len(self.folder.rows)
                    key, ask = taken[0], block[taken[0]]
                    waiting.discard(key)
                    send()
                    yield (row := keep(*taken))
                    if key in timed and asks.may_be_retried(row):
                        failed.append(ask)
                    if self.gave_up(ask.target) and (dropped := {*reader.drop(), *to_send}):
                        to_send.clear()
                        waiting -= dropped
                        if not dropped.isdisjoint(timed):
                            yield from self._skip_rest(ask.target, row, load_index)
            except (KeyboardInterrupt, GeneratorExit):
                if taken and len(self.folder.rows) == kept:
                    keep(*taken)
                for left in reader.stop():
                    keep(*left)
                raise

    def _skip_rest(self, target: Target, last: Row, load_index: int) -> Iterator[Row]:
        yield from self.skip(target, f"{GIVE_UP_AFTER} failed in a row; the last: {last.error}", load_index)

    def until_precise(self, targets: Sequence[Target], load_index: int) -> Iterator[Row]:
        """Further rounds of every cell whose median is not known as closely as was asked for."""
        stopped: dict[tuple[str, str], str] = {}
        while todo := self._further([t for t in targets if not self.gave_up(t)], load_index):
            number = max(ask.round for ask in todo)
            for ask in asks.shuffled(todo, self.settings, load_index, 1, number + 2):
                if self.gave_up(ask.target):
                    continue
                if self.out_of_time():
                    stopped |= {(a.target.alias, a.prompt.id): "budget" for a in todo}
                    break
                row = self.measure(ask)
                yield row
                if self.gave_up(ask.target):
                    yield from self._skip_rest(ask.target, row, load_index)
            if stopped:
                break
        for target in targets:
            for prompt in self.settings.prompts:
                self._note_precision(target, prompt.id, load_index, stopped)

    def _further(self, targets: Sequence[Target], load_index: int) -> list[Ask]:
        return precision.further(self.folder.rows, targets, self.settings, load_index)

    def _note_precision(self, target: Target, prompt_id: str, load_index: int, stopped: dict) -> None:
        asked_pct = self.settings.precision_pct
        cell = precision.cells(self.folder.rows, load_index).get((target.alias, prompt_id), precision.Cell())
        by = "precision" if cell.reached(asked_pct) else stopped.get((target.alias, prompt_id), "rounds")
        if by != "precision" and self.gave_up(target):
            by = "failures"
        what = {"kind": "precision", "model": target.alias, "prompt_id": prompt_id, "load_index": load_index}
        half_width_pct = cell.half_width_pct()
        what |= {"n": len(cell.latency_s), "half_width_pct": half_width_pct and round(half_width_pct, 3)}
        self.folder.append_resource({**what, "asked_pct": asked_pct, "stopped_by": by})

    def measure(self, ask: Ask) -> Row:
        """Send one request and keep its row."""
        s = self.settings
        began_s = time.time()
        self.host.mark()
        try:
            reply = stream.ask(
                _url(ask), self._payload(ask), stream=s.stream, deadline_s=s.deadline_s, headers=self.headers
            )
        except KeyboardInterrupt:
            row = self._row_of(ask, status="interrupted", error="stopped from here", started_at=_utc(began_s))
            self._keep(row)
            raise
        kept = len(self.folder.rows)
        try:
            return self._take(ask, reply)
        except KeyboardInterrupt:
            if len(self.folder.rows) == kept:
                self._take(ask, reply)
            raise

    def _payload(self, ask: Ask) -> bytes:
        return asks.payload(ask, self.settings, f"{self.salt}/{self.folder.attempts.get(cell_of(ask, self.settings))}")

    def _take(self, ask: Ask, reply: stream.Reply) -> Row:
        """Keep the row of one reply."""
        shared = {name: getattr(reply, name) for name in stream.SHARED}
        intended_at = None if reply.intended_at_s is None else _utc(reply.intended_at_s)
        row = replace(
            self._row_of(ask),
            **shared,
            started_at=_utc(reply.started_at_s),
            intended_at=intended_at,
            host_cpu_pct=self.host.pct_since(reply.started_at_s),
        )
        if ask.phase == "timed":
            alias = ask.target.alias
            if not self.gave_up(ask.target):  # else what was still under way ends well, and too late
                self.failed_in_a_row[alias] = 0 if row.status == OK else self.failed_in_a_row.get(alias, 0) + 1
        return self._keep(row)

    def _row_of(self, ask: Ask, **more: Any) -> Row:
        return self._row(
            ask.target,
            cell=cell_of(ask, self.settings),
            phase=ask.phase,
            prompt_id=ask.prompt.id,
            round=ask.round,
            load_index=ask.load_index,
            concurrency=ask.streams,
            **more,
        )

    def _row(self, target: Target, *, cell: str, **more: Any) -> Row:
        return Row(
            run=self.folder.path.name,
            cell=cell,
            model=target.alias,
            attempt=self.folder.attempts.get(cell, 0) + 1,
            order=len(self.folder.rows),
            model_id=target.id,
            device=target.device,
            execution_provider=target.execution_provider,
            **more,
        )

    def _keep(self, row: Row) -> Row:
        self.folder.append(row)
        return row


def _url(ask: Ask) -> str:
    return f"{ask.target.base_url}/chat/completions"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
