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

    total: rows expected; a run that samples until it is precise enough may need more, and None means that nobody
    knows. Past what was expected, a line comes when a tenth of what is done (and at least 10) has been added. stream:
    where to; its `isatty` decides. Call `update` between requests, `close` at the end.
    """

    def __init__(self, total: int | None, stream: TextIO | None = None):
        self.total, self.done, self.failed = total, 0, 0
        self._stream = sys.stderr if stream is None else stream
        self._said = 0  # requests done when the last line was printed
        self._bar = None
        if self._stream.isatty():
            self._bar = _Bar(total=total, file=self._stream, unit="request", dynamic_ncols=True)

    def expect(self, total: int | None) -> None:
        """Corrects how many rows are to come in all."""
        self.total = total
        if self._bar is not None:
            self._bar.total = total

    def update(self, row: Row) -> None:
        if row.prompt_id is None:  # a model that was skipped is no request
            return
        self.done += 1
        self.failed += row.status not in (OK, "skipped")
        where = plain(f"{row.model} · {row.prompt_id}")
        if self._bar is not None:
            self._bar.set_postfix_str(f"{where}, {self.failed} failed", refresh=False)
            self._bar.update()
        elif is_due(self.done, self._said, self.total):
            self._said = self.done
            print(line(self.done, self.total, self.failed, where), file=self._stream, flush=True)

    def close(self) -> None:
        """Leaves the bar as it stands. Safe to call twice."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_due(done: int, said: int, total: int | None) -> bool:
    """Whether a line is to be printed, the last one being of `said` requests."""
    if total and done <= total:
        return 10 * done // total > 10 * said // total
    return done >= said + 10 and 10 * done >= 11 * said


def line(done: int, total: int | None, failed: int, where: str) -> str:
    """The line that stands for one tenth."""
    share = f"{100 * done // total:3d} %  " if total and done <= total else "       "
    return f"{share}{count(done, total)}, {failed} failed, last: {where}"


def count(done: int, total: int | None) -> str:
    """For instance "12/48 requests"; "60 requests (48 planned)" past the plan; "12 requests" without one."""
    if total and done <= total:
        return f"{done}/{total} requests"
    return f"{done} requests" + (f" ({total} planned)" if total else "")
