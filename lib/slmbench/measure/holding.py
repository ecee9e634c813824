"""Having models loaded and warmed up, also after the service has ended in the middle of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence

from slmbench.errors import KitError
from slmbench.measure.asking import Asking, now
from slmbench.measure.asks import Ask, Loader, Target
from slmbench.records import Row

# What a request ends with when the service has ended, or hangs. Whether it has is asked then, and not before.
SUSPECT = frozenset({"refused", "connection_error", "truncated", "timeout"})
RETURNS_MAX = 10  # of the service in one run: with more of them it is the service that has to be looked at


class Holding:
    """The models that are to be loaded now. say: is told of every return of the service."""

    def __init__(self, asking: Asking, loader: Loader, say: Callable[[str], None]):
        self.asking, self.loader, self.say = asking, loader, say
        asking.has_restarted = self._came_back
        self.held: list[Target] = []
        self._loaded: dict[str, Target] = {}  # of these, by alias, what the service has been seen to have
        self._stale = False  # the service came back, and has not been given its models again yet
        self._load_index = 0

    def have(self, targets: Sequence[Target], load_index: int, *, afresh: bool) -> Iterator[Row]:
        """Load each of the models and warm it up. afresh: unload it before.

        One that can't be loaded becomes a skipped row. Where the service ends meanwhile, all are loaded again.
        raises: KitError where the service does not come back.
        """
        self.held, self._load_index, self._stale = list(targets), load_index, False
        left = list(self.held)
        while left:
            yield from self._one(left[0], afresh=afresh)
            if self._stale:
                self._stale, afresh, left = False, False, self._wanted()
            else:
                left.pop(0)
        self.asking.back_at_s = time.time()  # what was sent while they were being loaded says nothing of a model

    def after(self, row: Row) -> Generator[Row, None, bool]:
        """Where the service ended in a request that failed: the models are loaded again.

        returns: whether it had ended, and is back. raises: KitError where it does not come back.
        """
        if row.status in SUSPECT:
            self._came_back(row.model)
        if not self._stale:
            return False
        yield from self.have(self._wanted(), self._load_index, afresh=False)
        return True

    def _wanted(self) -> list[Target]:
        return [t for t in self.held if not self.asking.gave_up(t)]

    def _one(self, target: Target, *, afresh: bool) -> Iterator[Row]:
        settings, load_index = self.asking.settings, self._load_index
        try:
            self._load(target, afresh=afresh)
        except KitError as e:
            came_back = self._came_back(target.alias)
            if not came_back or self.asking.gave_up(target):
                why = f"the service ended {self.asking.ends[target.alias]} times" if came_back else str(e)
                yield from self.asking.skip(target, f"it can't be loaded: {why}", load_index)
                self.asking.lost.add(target.alias)
            return
        for number in range(settings.warmup):
            ask = Ask(target, settings.prompts[0], "warmup", number, load_index)
            row = self.asking.measure(ask)
            yield row
            if row.status in SUSPECT:
                self._came_back(target.alias)
            if self._stale:
                if self.asking.gave_up(target):
                    yield from self.asking.skip_rest(ask, row)
                return

    def _load(self, target: Target, *, afresh: bool) -> None:
        at = self.asking.now_at(target)
        self._loaded.pop(target.alias, None)
        if afresh:
            self.loader.unload(at)
        load_s = self.loader.load(at)
        self._loaded[target.alias] = target
        if load_s is not None:
            what = {"kind": "load", "model": target.alias, "load_index": self._load_index, "load_s": round(load_s, 6)}
            self.asking.folder.append_resource({**what, "at": now()})

    def _came_back(self, alias: str) -> bool:
        """Whether the service had ended, and is there again; False where it was there all along, or is not ours.

        alias: the model that was being asked or loaded.
        """
        found = self.loader.revive([self.asking.now_at(t) for t in self._loaded.values()])
        if found is None:
            return False
        self._loaded, self._stale = {}, True
        self.asking.ends[alias] += 1
        self.asking.back_at_s = time.time()
        self.asking.returns.append(found)
        self.say(f"{alias}: {found.said}")
        record = {"kind": "restart", "model": alias, "load_index": self._load_index, "error": found.said}
        self.asking.folder.append_resource({**record, **found.facts, "at": now()})
        if len(self.asking.returns) > RETURNS_MAX:
            raise KitError(f"The service has ended {len(self.asking.returns)} times in this run.", "slmbench doctor")
        return True
