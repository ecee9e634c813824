"""Many requests at once, read by a process of its own, so that nothing this one does is in their way."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import threading
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

import slmbench
from slmbench.errors import KitError
from slmbench.measure import reader_process as other
from slmbench.measure.wire import Address, Wire, request

CODE = "import sys; sys.path[:] = sys.argv[2:]; from slmbench.measure.reader_process import main; main(sys.argv[1])"
BUFFER_BYTES = io.DEFAULT_BUFFER_SIZE
POLL_S = 0.5  # how often a wait lets Ctrl-C through where the system would not
STOPPED = "stopped"
STOP_S = 5.0  # for the process to hand over what was in flight, and to end
ON_WINDOWS = sys.platform == "win32"


class Reader:
    """N streams at once, in a process that is started here and ended by leaving the context.

    streams: at most so many requests under way; None for any number.
    The process reads, stamps and hands over, and never waits for this one. Its clock is its own: the times of a Wire
    are to be compared within that wire, and with other wires of the same Reader.
    raises, from any method: KitError if the process has ended by itself; what `take` could still give is given first.
    """

    def __init__(self, streams: int | None):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 closed in `close`
        own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW} if ON_WINDOWS else {}
        path = [*filter(None, sys.path), str(Path(slmbench.__file__).parents[1])]
        self._child = subprocess.Popen(  # without site, which would cost more than all else
            [sys.executable, "-I", "-S", "-c", CODE, str(streams or ""), *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=BUFFER_BYTES,  # see `_tell`; Python would choose one by the pipe
            start_new_session=not ON_WINDOWS,  # Ctrl-C is for this process, which decides
            **own,
        )
        self._under_way = 0
        self._started = self._torn = self._failed = False
        self._ended: SimpleQueue[tuple[int, Wire, bool] | None] = SimpleQueue()
        self._answers: SimpleQueue[list[int] | str | None] = SimpleQueue()  # the keys of a drop, or STOPPED
        self._stops = 0  # that were asked for, and not answered yet
        self._receiver = threading.Thread(target=self._receive, name="reader", daemon=True)
        self._receiver.start()

    @property
    def pid(self) -> int:
        """Of the process that was started: on Windows, in a virtual environment, that is Python's launcher there.

        The launcher's child reads then. Each of the two ends with the other.
        """
        return self._child.pid

    def send(
        self,
        key: int,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        deadline_s: float = 120.0,
        due_s: float | None = None,
    ) -> None:
        """Queue a POST of the JSON `body`; it goes out after `start`, in the order of the calls.

        key: what `take` gives back with the reply. deadline_s: seconds, from the connection to the last byte.
        due_s: when it is to be written, in seconds after `start`; its times then count from there.
        """
        address = Address.of(url)
        host, asked = address.host.encode(), request(address, body, headers)
        due = float("nan") if due_s is None else due_s
        https = address.scheme == "https"
        head = other.ASK.pack(key, deadline_s, due, https, address.port, len(host), len(asked))
        self._under_way += 1
        self._tell(other.SEND + head + host + asked, now=self._started)

    def start(self) -> None:
        """Let the queued requests go out; the clock of `due_s` starts."""
        self._started = True
        self._tell(other.START)

    def take(self) -> tuple[int, Wire]:
        """The key and the wire of the next request that has ended; waits for it.

        raises: LookupError if nothing is under way that could end.
        """
        if not self._under_way:
            raise LookupError("nothing was sent that has not been taken")
        if self._failed:  # what was taken before has been dealt with
            self._failed = False
            with contextlib.suppress(KitError):  # it is gone; first what it gave
                self._tell(other.GO_ON)
        found = self._wait(self._ended)
        if found is None:
            self._ended.put(None)  # for whoever asks again
            raise self._died()
        self._under_way -= 1
        key, wire, self._failed = found
        return key, wire

    def drop(self) -> list[int]:
        """Forget what was not started. returns: its keys."""
        self._tell(other.DROP)
        while (keys := self._wait(self._answers)) == STOPPED:  # Ctrl-C came before `stop` had seen it
            self._stops -= 1
        if keys is None:
            self._answers.put(None)
            raise self._died()
        self._under_way -= len(keys)
        return keys

    def stop(self) -> list[tuple[int, Wire]]:
        """End what is in flight now, and forget what was not written yet.

        returns: what had ended and was not taken, then what was cut off, as "interrupted" with the pieces that came.
        """
        if not self._torn:
            with contextlib.suppress(Empty, KitError):  # it hangs or is gone: what it has handed over is all there is
                self._stops += 1
                self._tell(other.STOP)
                self._await_stop()
        self._under_way, self._started, self._failed = 0, False, False
        found = []
        while not self._ended.empty():
            one = self._ended.get()
            if one is None:
                self._ended.put(None)
                break
            found.append(one[:2])
        return found

    def close(self) -> None:
        """End the process; what is under way is lost."""
        with contextlib.suppress(OSError):  # it is gone already
            self._child.stdin.close()
        self._wait_for_end()
        self._receiver.join()
        self._child.stdout.close()
        self._errors.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_for_end(self) -> int:
        try:
            return self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def _tell(self, message: bytes, now: bool = True) -> None:
        self._torn = len(message) > BUFFER_BYTES  # a shorter one is kept whole whatever interrupts
        try:
            self._child.stdin.write(message)
            if now:
                self._child.stdin.flush()
        except OSError as e:
            raise self._died() from e
        self._torn = False  # stays where Ctrl-C came in between: half of it may be on its way

    def _await_stop(self) -> None:
        """Whatever else it answers before that: Ctrl-C may have come while something was asked. raises: Empty."""
        while self._stops:
            answer = self._answers.get(timeout=STOP_S)
            if answer is None:
                self._answers.put(None)
                return
            self._stops -= answer == STOPPED

    @staticmethod
    def _wait(queue: SimpleQueue):
        while True:
            try:
                return queue.get(timeout=POLL_S)
            except Empty:
                continue

    def _receive(self) -> None:
        """Take what the process hands over, in a thread, so that it never has to wait."""
        read = other.exactly(lambda: self._child.stdout.read1(other.READ_BYTES))
        try:
            while True:
                kind = read(1)
                if kind == other.WIRE:
                    self._ended.put(unpack(read))
                elif kind == other.KEYS:
                    self._answers.put(numbers(read, other.COUNT.unpack(read(other.COUNT.size))[0]))
                else:
                    self._answers.put(STOPPED)
        except EOFError:
            pass
        finally:
            self._ended.put(None)
            self._answers.put(None)

    def _died(self) -> KitError:
        code = self._wait_for_end()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        message = f"the process that reads the streams has ended with code {code}{last}"
        return KitError(message, "go on with what is left: slmbench run --resume")


def unpack(read: Callable[[int], bytes]) -> tuple[int, Wire, bool]:
    """What `reader_process.pack` gave: key, wire, and whether the process waits for a word after this."""
    key, started_at_s, wall_drift_s, due_at_s, *times, kernel, failed, count, end_bytes, error_bytes = (
        other.REPLY.unpack(read(other.REPLY.size))
    )
    connect_ns, due_ns, idle_ns, start_ns, end_ns, written_ns, lag_ns = (None if t == other.NONE else t for t in times)
    end, error = read(end_bytes).decode(), read(error_bytes).decode() or None
    stamps, sizes = numbers(read, count), numbers(read, count)
    wire = Wire(
        started_at_s=started_at_s,
        connect_ns=connect_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        wall_drift_s=wall_drift_s,
        pieces=[(at_ns, read(size)) for at_ns, size in zip(stamps, sizes, strict=True)],
        end=end,
        error=error,
        lag_ns=lag_ns,
        idle_ns=idle_ns,
        due_ns=due_ns,
        due_at_s=None if due_ns is None else due_at_s,
        written_ns=written_ns,
        kernel=kernel,
    )
    return key, wire, failed


def numbers(read: Callable[[int], bytes], count: int) -> list[int]:
    found = array("q")
    found.frombytes(read(count * found.itemsize))
    return found.tolist()
