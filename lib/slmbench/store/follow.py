"""A run folder that another process may be writing, read as it grows. Nothing is written here, and nothing locked."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.errors import KitError
from slmbench.records import Row, to_frame
from slmbench.store.files import StoreError, no_garbage_collection
from slmbench.store.reading import (
    MACHINE,
    PLAN,
    RESOURCES,
    ROWS,
    read_machine,
    read_plan,
    read_resources,
    row_of,
)

if TYPE_CHECKING:
    import pandas as pd

SCORES = "scores.jsonl"
SIDE_BY_SIDE = 3  # runs that find room beside each other, whoever shows them
OTHERS = (PLAN, MACHINE, RESOURCES, SCORES)


class Follower:
    """What a run folder holds so far; `poll` looks again. The folder need not be there yet.

    rows, plan, machine, resources: as in `Run`. problem: what can't be read, in a sentence; "" when all is well.
    """

    def __init__(self, path: Path | str, *, light: bool = False):
        """light: keep rows as `Row.light` makes them, for whoever follows many folders."""
        self.path, self._light = Path(path), light
        self._forget()

    def _forget(self) -> None:
        self.rows: list[Row] = []
        self.plan: dict[str, Any] = {}
        self.machine: dict[str, Any] = {}
        self.resources: list[dict[str, Any]] = []
        self.problem = ""
        self._at, self._number, self._file = 0, 0, None
        self._seen: dict[str, tuple[int, ...] | None] = {}

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_there(self) -> bool:
        return bool(self.plan)

    def frame(self) -> pd.DataFrame:
        """All rows so far, as `records.to_frame` makes it."""
        return to_frame(self.rows)

    def poll(self) -> bool:
        """Read what was added. returns: whether anything is new, a problem or its end included."""
        before, count = self.problem, len(self.rows)
        self.problem, changed = "", False
        try:
            changed = self._others()
            if self.plan:
                changed |= self._rows()
        except KitError as e:
            self.problem = str(e.message)
        return changed or self.problem != before or len(self.rows) != count

    def _others(self) -> bool:
        """The small files, which are written whole: read again where they are others than before."""
        signs = {name: sign_of(self.path / name) for name in OTHERS}
        fresh = {name for name, sign in signs.items() if sign != self._seen.get(name)}
        if not signs[PLAN]:
            was_there = self.is_there
            if was_there:
                self._forget()  # the folder was taken away
            return was_there
        if PLAN in fresh:
            self.plan = read_plan(self.path / PLAN)
        if MACHINE in fresh:
            self.machine = read_machine(self.path / MACHINE)
        if RESOURCES in fresh:
            self.resources = read_resources(self.path / RESOURCES)
        self._seen = signs
        return bool(fresh)

    def _rows(self) -> bool:
        """The whole lines since the last look. A file that is another one, or shorter, is read from its beginning."""
        path = self.path / ROWS
        try:
            about = path.stat()
        except (OSError, ValueError):
            return False
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for
            raise StoreError(f"{path}: it is not a file.", "restore it")
        file = (about.st_dev, about.st_ino)
        again = self._file is not None and (file != self._file or about.st_size < self._at)
        if again:
            self.rows, self._at, self._number = [], 0, 0
        self._file = file
        count = len(self.rows)
        try:
            with path.open("rb") as lines, no_garbage_collection():
                lines.seek(self._at)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break  # a writer is at work
                    text = line.removeprefix(codecs.BOM_UTF8) if self._at == 0 else line
                    row = row_of(text, path, self._number + 1)
                    self.rows.append(row.light() if self._light else row)
                    self._at, self._number = self._at + len(line), self._number + 1
        except OSError as e:
            raise StoreError(f"{path}: it cannot be read: {e.strerror}.", "") from None
        return again or len(self.rows) > count


def newest(root: Path | str) -> Path | None:
    """The run folder in `root` whose plan was written last; None if there is none."""
    try:
        plans = [(plan.stat().st_mtime_ns, plan.parent) for plan in Path(root).glob(f"*/{PLAN}")]
    except OSError:
        return None
    return max(plans)[1] if plans else None


def sign_of(path: Path) -> tuple[int, ...] | None:
    """What changes when a file does; None if it is not there."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns
