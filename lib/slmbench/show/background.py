"""Work that goes on in a thread while a notebook can be used: rows are taken from an iterator one by one.

The cell that starts it returns at once, so that clicks are answered on every kernel. Another cell waits for it with
`await`; newer kernels answer clicks meanwhile, too, and on all of them an interrupt stops the work. Only one goes on
at a time: whoever starts another, by running the cell again, say, stops the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, Protocol

from slmbench.errors import KitError, Stopped
from slmbench.records import Row

NOT_STARTED, RUNNING, PAUSING, PAUSED, STOPPING = "not started", "running", "pausing", "paused", "stopping"
DONE, STOPPED, FAILED = "done", "stopped", "failed"
ENDED = (DONE, STOPPED, FAILED)
INTERRUPT_S = 0.5  # an interrupt is seen by a kernel's event loop only when it wakes: nothing else may wake it

_lock = threading.Lock()
_current: Background | None = None


class Watcher(Protocol):
    """What is told of each row, between requests, of a new state, and of the end."""

    def update(self, row: Row) -> None: ...
    def changed(self, work: Background) -> None: ...
    def finish(self) -> None: ...


class Background:
    """Takes every row of `rows` and tells `watcher`; waiting for it gives what the generator returns.

    rows: a generator, such as `runner.rows`. It is stopped by an `errors.Stopped` thrown into it between two rows: it
    may tidy up, and return what there is. start: False waits for `go_on`. thread: False does all of it in this call,
    where nobody looks and nobody can click.
    raises: without a thread, what the generator raises; with one, waiting for it does.
    """

    def __init__(self, rows: Generator[Row, None, Any], watcher: Watcher, *, start: bool = True, thread: bool = True):
        self._rows, self._watcher = rows, watcher
        self._may, self._wake = start or not thread, threading.Condition()
        self._stop = False
        self._future: Future[Any] = Future()
        self._future.set_running_or_notify_cancel()  # whoever waits and is cancelled does not take it from others
        self.state = RUNNING if self._may else NOT_STARTED
        self.error: BaseException | None = None
        self._thread: threading.Thread | None = None
        _replace(self)
        if not thread:
            self._work()
            self._future.result()
            return
        # What is shown from the thread belongs to the cell that started it.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._work,), name="benchmark", daemon=True)
        watcher.changed(self)
        self._thread.start()

    def pause(self) -> None:
        """Send no further request once the present one is answered. With several at once: after the present level."""
        self._set(False)

    def go_on(self) -> None:
        """Start, or go on after a pause."""
        self._set(True)

    def stop(self) -> None:
        """End after the present request; what was measured is kept, and waiting gives it. Safe to call twice."""
        with self._wake:
            self._stop = True
            changed = self.state not in (*ENDED, STOPPING)
            if changed:
                self.state = STOPPING
            self._wake.notify_all()
        if changed:
            self._watcher.changed(self)

    def wait(self) -> Any:
        """Wait for the end, in a script. returns: what the generator returned. raises: what it raised."""
        try:
            return self._future.result()
        except KeyboardInterrupt:
            self.end()
            raise

    def end(self) -> None:
        """Stop, and wait until it has ended."""
        self.stop()
        if self._thread and threading.current_thread() is not self._thread:
            self._thread.join()

    def __await__(self):
        """As `wait`, in a notebook's cell: `await work`."""
        return self._ended().__await__()

    async def _ended(self) -> Any:
        ended = asyncio.wrap_future(self._future)
        try:
            while not (await asyncio.wait({ended}, timeout=INTERRUPT_S))[0]:
                pass
            return await ended
        except (KeyboardInterrupt, asyncio.CancelledError):
            if not self._future.done():
                self.end()
            raise

    def _set(self, may: bool) -> None:
        with self._wake:
            if self.state in ENDED or self._stop or may == self._may:
                return
            self._may = may
            self.state = RUNNING if may else PAUSING
            self._wake.notify_all()
        self._watcher.changed(self)

    def _work(self) -> None:
        value, state = None, FAILED
        try:
            value, state = self._taken()
        except BaseException as e:  # noqa: BLE001 handed to whoever waits
            self.error = e
        with self._wake:
            self.state = state
        try:
            self._watcher.changed(self)
            self._watcher.finish()
        except BaseException as e:  # noqa: BLE001 so is this one, unless there was one before
            self.error = self.error or e
        if self.error:
            self._future.set_exception(self.error)
        else:
            self._future.set_result(value)

    def _taken(self) -> tuple[Any, str]:
        """All rows, or those until it was stopped. returns: what the generator returned, and the state."""
        began = False
        with contextlib.closing(self._rows):
            while self._turn():
                try:
                    row = next(self._rows)
                except StopIteration as e:
                    return e.value, DONE
                began = True
                self._watcher.update(row)
            return self._stopped(began), STOPPED

    def _turn(self) -> bool:
        """Waits until another row may be asked for. returns: False if it is to stop."""
        while True:
            with self._wake:
                if self._stop or self._may:
                    return not self._stop
                pausing = self.state == PAUSING
                if pausing:
                    self.state = PAUSED
                else:
                    self._wake.wait()
            if pausing:
                self._watcher.changed(self)

    def _stopped(self, began: bool) -> Any:
        if not began:
            raise KitError("The benchmark was stopped before its first request.", "run the cell that starts it again")
        try:
            self._rows.throw(Stopped())
        except StopIteration as e:
            return e.value
        except Stopped:
            return None
        raise AssertionError("a generator goes on after it was stopped")


def _replace(work: Background) -> None:
    """Make this the one that goes on; the one before is stopped, and has ended when this returns."""
    global _current
    with _lock:
        before, _current = _current, work
    if before is not None and before.state not in ENDED:
        print("The benchmark that is still running stops first, after its present request.")
        before.end()
