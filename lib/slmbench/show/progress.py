"""Progress on a terminal. Imports neither pandas nor matplotlib: it runs beside timed requests."""

from __future__ import annotations

import sys
from typing import TextIO

from tqdm import tqdm

from slmbench.records import OK, Row
from slmbench.show.text import plain


class _Bar(tqdm):
    monitor_interval = 0  # no thread that wakes up in the middle of a timed request


class ConsoleProgress:
    """A bar on a terminal; elsewhere (a log, a pipe) one line per 10 %.

    total: rows expected. stream: where to; its `isatty` decides. Call `update` between requests, `close` at the end.
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self.total, self.done, self.failed = total, 0, 0
        self._stream = sys.stderr if stream is None else stream
        self._tenth = 0
        self._bar = None
        if self._stream.isatty():
            self._bar = _Bar(total=total, file=self._stream, unit="request", dynamic_ncols=True)

    def update(self, row: Row) -> None:
        if row.prompt_id is None:  # a model that was skipped is no request
            return
        self.done += 1
        self.failed += row.status not in (OK, "skipped")
        where = plain(row.model if row.prompt_id is None else f"{row.model} · {row.prompt_id}")
        if self._bar is not None:
            self._bar.set_postfix_str(f"{where}, {self.failed} failed", refresh=False)
            self._bar.update()
        elif tenth_of(self.done, self.total) > self._tenth:
            self._tenth = tenth_of(self.done, self.total)
            print(line(self.done, self.total, self.failed, where), file=self._stream, flush=True)

    def close(self) -> None:
        """Leaves the bar as it stands. Safe to call twice."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def tenth_of(done: int, total: int) -> int:
    """How many whole tenths are done: 0 … 10."""
    return 10 * min(done, total) // total if total > 0 else 10


def line(done: int, total: int, failed: int, where: str) -> str:
    """The line that stands for one tenth."""
    share = min(100, 100 * done // total) if total else 100
    return f"{share:3d} %  {done}/{total} requests, {failed} failed, last: {where}"
