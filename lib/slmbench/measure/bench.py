"""Run a plan: loads, warm-ups, the timed requests, one row each. The endpoint is passed in.

No request goes out that is not a row: no hidden probe, warm-up or retry. One request at a time runs in this process;
several at once, and those of an open loop, in a process of their own, in which nothing else happens (`reader`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from slmbench.config import Settings
from slmbench.errors import KitError
from slmbench.measure import asks, precision, stream
from slmbench.measure.arrivals import due_times
from slmbench.measure.asking import Asking
from slmbench.measure.asks import Ask, Loader, Target, cell_of
from slmbench.measure.holding import Holding
from slmbench.measure.reader import Reader
from slmbench.measure.wire import Wire
from slmbench.records import Row
from slmbench.store import RunFolder, StoreError


def run(
    targets: list[Target],
    settings: Settings,
    loader: Loader,
    folder: RunFolder,
    *,
    headers: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
    begin: Callable[[Ask], None] = lambda _: None,
) -> Iterator[Row]:
    """Measure, and yield each row once it is on disk; the caller may draw between two of them.

    A model that can't be had, can't be loaded or keeps failing becomes a skipped row with its reason; the rest goes
    on. Where the service ends meanwhile and can be had back, `say` is told, the models are loaded and warmed up
    again, and the rest goes on. `begin` is told of each request just before it goes out, where one goes out at a time:
    it is to be quick, and its time is not measured. Cells that the folder has finished are left out. An interrupt is
    written down as a row, then raised.
    raises: UsageError as `asks.check`; KitError where the service or the process that reads several streams ends.
    """
    asks.check(targets, settings)
    asking = Asking(settings, folder, headers or {}, begin)
    rows = _Bench(asking, Holding(asking, loader, say)).rows(targets)
    folder.at_close(rows.close)  # what is under way when the caller breaks off is kept, whoever still holds this
    yield from rows


class _Bench:
    """One run."""

    def __init__(self, asking: Asking, holding: Holding):
        self.settings, self.folder = asking.settings, asking.folder
        self.asking, self.holding = asking, holding
        self.began_s = time.monotonic()

    def rows(self, targets: Sequence[Target]) -> Iterator[Row]:
        for target in targets:
            if target.reason is not None:
                yield from self.asking.skip(target, target.reason)
        alive = [t for t in targets if t.reason is None]
        for load_index in range(self.settings.loads):
            wanted = [t for t in alive if not self.nothing_left(t, load_index)]
            yield from self.holding.have(wanted, load_index, afresh=self.settings.loads > 1)
            alive = self._still(alive)
            for block in asks.blocks(alive, self.settings, load_index):
                yield from self.block(block, load_index)
            if self.settings.precision_pct is not None:
                yield from self.until_precise(alive, load_index)
            alive = self._still(alive)

    def _still(self, targets: Sequence[Target]) -> list[Target]:
        return [t for t in targets if not self.asking.gave_up(t)]

    def out_of_time(self) -> bool:
        budget_s = self.settings.budget_s
        return budget_s is not None and time.monotonic() - self.began_s >= budget_s

    def nothing_left(self, target: Target, load_index: int) -> bool:
        """Whether an earlier part of this run has finished all that is to be asked of a model in this load."""
        timed = [ask for block in asks.blocks([target], self.settings, load_index) for ask in block]
        if not all(cell_of(a, self.settings) in self.folder.finished for a in timed):
            return False
        return self.settings.precision_pct is None or not self._further([target], load_index)

    def block(self, block: Sequence[Ask], load_index: int) -> Iterator[Row]:
        """The requests of a block, then as often as retries were asked for those that failed, each a new attempt."""
        pending = [a for a in block if cell_of(a, self.settings) not in self.folder.finished]
        for _ in range(1 + self.settings.retries):
            failed: list[Ask] = []
            single = pending and asks.is_single(pending[0].streams, self.settings)
            yield from self._singly(pending, failed) if single else self._at_once(pending, load_index, failed)
            pending = [a for a in failed if not self.asking.gave_up(a.target)]

    def _singly(self, block: Sequence[Ask], failed: list[Ask]) -> Iterator[Row]:
        for ask in block:
            if self.asking.gave_up(ask.target):
                continue
            row = self.asking.measure(ask)
            yield row
            if asks.may_be_retried(row):
                failed.append(ask)
            yield from self._after(ask, row)

    def _after(self, ask: Ask, row: Row) -> Iterator[Row]:
        """What a request that failed may call for: models to be loaded again, a model to be given up."""
        yield from self.holding.after(row)
        if self.asking.gave_up(ask.target):
            yield from self.asking.skip_rest(ask, row)

    def _at_once(self, block: Sequence[Ask], load_index: int, failed: list[Ask]) -> Iterator[Row]:
        """A block of one model: as many streams as the plan says, or each request at its time."""
        s = self.settings
        block = [a for a in block if not self.asking.gave_up(a.target)]
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
                    more = {"headers": self.asking.headers, "deadline_s": s.deadline_s, "due_s": due[key]}
                    reader.send(key, self.asking.url(block[key]), self.asking.payload(block[key]), **more)
                    waiting.add(key)

            def keep(key: int, wire: Wire) -> Row:
                return self.asking.take(block[key], stream.read(wire, stream=s.stream, model=block[key].target.id))

            send()
            self.asking.host.mark()
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
                    came_back = yield from self.holding.after(row)
                    if self.asking.gave_up(ask.target) and (dropped := {*reader.drop(), *to_send}):
                        to_send.clear()
                        waiting -= dropped
                        if not dropped.isdisjoint(timed):
                            yield from self.asking.skip_rest(ask, row)
                    elif came_back:  # perhaps elsewhere
                        waiting.difference_update(dropped := reader.drop())
                        to_send.extendleft(sorted(dropped, reverse=True))
                        send()
            except StoreError:
                raise
            except (KeyboardInterrupt, GeneratorExit, KitError):  # whatever ends the run: what was sent has a row
                if taken and len(self.folder.rows) == kept:
                    keep(*taken)
                for left in reader.stop():
                    keep(*left)
                raise

    def until_precise(self, targets: Sequence[Target], load_index: int) -> Iterator[Row]:
        """Further rounds of every cell whose median is not known as closely as was asked for."""
        stopped: dict[tuple[str, str], str] = {}
        while todo := self._further(self._still(targets), load_index):
            number = max(ask.round for ask in todo)
            for ask in asks.shuffled(todo, self.settings, load_index, 1, number + 2):
                if self.asking.gave_up(ask.target):
                    continue
                if self.out_of_time():
                    stopped |= {(a.target.alias, a.prompt.id): "budget" for a in todo}
                    break
                row = self.asking.measure(ask)
                yield row
                yield from self._after(ask, row)
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
        if by != "precision" and self.asking.gave_up(target):
            by = "failures"
        what = {"kind": "precision", "model": target.alias, "prompt_id": prompt_id, "load_index": load_index}
        half_width_pct = cell.half_width_pct()
        what |= {"n": len(cell.latency_s), "half_width_pct": half_width_pct and round(half_width_pct, 3)}
        self.folder.append_resource({**what, "asked_pct": asked_pct, "stopped_by": by})
