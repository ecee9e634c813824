"""One request on its way: a socket that never blocks, every piece of the reply with its arrival, and how it ended.

A light import: the process that reads many streams at once starts with this module, and its start is part of a run.
"""

from __future__ import annotations

import sys
import time
from selectors import EVENT_READ, EVENT_WRITE

from slmbench.measure import stamps
from slmbench.measure.awake import awake_ns
from slmbench.measure.connection import Connection
from slmbench.measure.ending import Ending
from slmbench.measure.limits import REPLY_BYTES_MAX

TYPE_CHECKING = False  # see `connection`
if TYPE_CHECKING:
    import ssl

RECV_BYTES = 64 * 1024
BLOCKED_NS = 50_000  # whoever waited less for something found it there
now_ns = time.perf_counter_ns
wall_ns = time.time_ns


class Flight(Connection):
    """One request. `open` begins it, `step` goes on whenever the socket is ready for `wants`, `end` is set at its end.

    key: the caller's. where, tls: see `Connection`. due_ns: when it is to be written; None for at once.
    Times are of `time.perf_counter_ns`; the public fields are those of `wire.Wire`, once `settle` was called.
    """

    def __init__(
        self,
        key: int,
        where: list[tuple[int, tuple]] | OSError,
        request: bytes,
        *,
        deadline_s: float,
        due_ns: int | None = None,
        tls: tuple[ssl.SSLContext, str] | None = None,
    ):
        super().__init__(where, tls)
        self.key, self.deadline_s, self.due_ns = key, deadline_s, due_ns
        self.deadline_ns = sys.maxsize
        self._unsent = memoryview(request)
        self.doubted = False  # the loop's note that it is to look inside
        self.ending = Ending()
        self.stamps: list[int] = []
        self.started_at_s = 0.0
        self.due_at_s: float | None = None
        self.connect_ns: int | None = None
        self.opened_ns = self.written_ns = self.start_ns = self.end_ns = 0
        self._awake_ns = 0  # by the clock that stands still in sleep, as `started_at_s` is by the wall clock
        self.wall_drift_s = 0.0
        self.lag_ns = 0
        self.kernel = False
        self.end: str | None = None
        self.error: str | None = None
        self.idle_ns: int | None = None
        self._notes: list[tuple] = []  # of each piece, what `settle` needs

    @property
    def reads_plainly(self) -> bool:
        """Whether to read from the socket is all that is left to do."""
        return self.step == self._read and self.wants == EVENT_READ

    @property
    def read_ns(self) -> int:
        """When the last piece was read; 0 if none was."""
        return self._notes[-1][0] if self._notes else 0

    @property
    def refused(self) -> bool:
        """Whether the server did not even begin to answer well."""
        return not (self.pieces and self.pieces[0].startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")))

    @property
    def pieces(self) -> list[bytes]:
        return self.ending.pieces

    def open(self) -> None:
        """Begin to connect."""
        self._awake_ns = awake_ns()
        self.started_at_s, self.opened_ns = time.time(), now_ns()
        self.start_ns = self.opened_ns
        if self.due_ns is not None:
            self.start_ns, self.due_at_s = self.due_ns, self.started_at_s + (self.due_ns - self.opened_ns) / 1e9
        self.deadline_ns = max(self.start_ns, self.opened_ns) + int(self.deadline_s * 1e9)
        self.connect()

    def failed(self, end: str, error: str) -> None:
        self.over(end, error)

    def ready(self) -> None:
        """The connection is open: write the request, or wait until it is due."""
        self.connect_ns = now_ns() - self.opened_ns
        self.wants = 0
        if self.due_ns is None or now_ns() >= self.due_ns:
            self.write()

    def write(self) -> None:
        """Write the request, if the connection is open and it was not written yet."""
        if self.connect_ns is None or self.written_ns or self.end:
            return
        self.step = self._read if self._tls is None else self._read_tls
        self._awake_ns = awake_ns()
        self.started_at_s, self.written_ns = time.time(), now_ns()
        self._send()  # with nothing in between
        if self.due_ns is None:
            self.start_ns = self.written_ns
        else:
            self.lag_ns = self.written_ns - self.due_ns

    def _send(self) -> None:
        try:
            sent = self.sock.send(self._unsent)
        except OSError as e:
            if not _nothing_there(e):
                self.over("reset", str(e))
                return
            sent = 0
        self._unsent = self._unsent[sent:]
        self.wants = EVENT_READ | EVENT_WRITE if self._unsent else EVENT_READ

    def _read(self, since_ns: int, idle_ns: int, waiting_ns: int | None = None) -> bool:
        """Read one piece. True where the loop has to attend to more than that.

        since_ns: from when on it may have been there. idle_ns: how long the loop has waited so far in all.
        waiting_ns: since when the loop waits, where it leaves that to the socket.
        """
        try:
            if self.tells_lag:
                piece, told, _, _ = self.sock.recvmsg(RECV_BYTES, stamps.STAMP_BYTES)
            else:
                piece, told = self.sock.recv(RECV_BYTES), None
        except OSError as e:
            if _nothing_there(e):
                return self._send_rest()
            self.over("reset", str(e))
            return True
        at_ns = now_ns()
        if not piece:
            self.over("eof")
            return True
        if waiting_ns is not None and at_ns - waiting_ns > BLOCKED_NS:
            idle_ns, since_ns = idle_ns + at_ns - waiting_ns, at_ns
        self._notes.append((at_ns, since_ns, idle_ns, told, wall_ns(), now_ns()))
        if self.ending.add(piece):
            return self._attended()
        return bool(self._unsent) and self._send_rest()

    def _read_tls(self, since_ns: int, idle_ns: int) -> bool:
        """The same where several pieces may be there although the socket itself has nothing more to read."""
        while self.end is None:
            try:
                piece = self.sock.recv(RECV_BYTES)
            except OSError as e:
                if _nothing_there(e):
                    break
                self.over("reset", str(e))
                return True
            at_ns = now_ns()
            if not piece:
                self.over("eof")
                return True
            self._notes.append((at_ns, since_ns, idle_ns, None, 0, 0))
            if self.ending.add(piece):
                self._attended()
        return self._send_rest() or self.end is not None or self.ending.doubtful

    def _attended(self) -> bool:
        if self.ending.over:
            self.over("done")
        elif self.ending.too_large:
            self.over("too_large", f"more than {REPLY_BYTES_MAX} bytes")
        return True

    def _send_rest(self) -> bool:
        if not self._unsent or self.end:
            return False
        self._send()
        return True

    def settle(self) -> None:
        """Work out from the notes when each piece came, and how late this process was in reading them.

        Left until nothing has to be stamped any more.
        """
        if not self._notes:
            return
        last_ns, self.kernel = 0, True
        for at_ns, since_ns, _, told, wall_ns, after_ns in self._notes:
            stamp_ns = stamps.arrival_ns(at_ns, told, wall_ns, after_ns) if told else None
            if stamp_ns is None or stamp_ns < self.written_ns:
                stamp_ns, self.kernel = at_ns, False
                self.lag_ns = max(self.lag_ns, at_ns - since_ns)
            else:
                self.lag_ns = max(self.lag_ns, at_ns - stamp_ns)
            last_ns = max(stamp_ns, last_ns)
            self.stamps.append(last_ns)
        self.idle_ns = self._notes[-1][2] - self._notes[0][2]
        self._notes = []

    def expire(self) -> None:
        """The deadline has passed."""
        if self.connect_ns is None:
            self.over("timeout", f"no connection within {self.deadline_s:g} s")
        else:
            self.over("timeout", f"the deadline of {self.deadline_s:g} s passed")

    def over(self, end: str, error: str | None = None) -> None:
        self.end, self.error, self.end_ns = end, error, now_ns()
        if self.opened_ns:
            self.wall_drift_s = (time.time() - self.started_at_s) - (awake_ns() - self._awake_ns) / 1e9
        self.step = _nothing


def _nothing(*_: int) -> bool:
    return False


def _nothing_there(fault: OSError) -> bool:
    """Not now, says a socket that does not wait; or not yet, says one that has waited."""
    if isinstance(fault, BlockingIOError) or (isinstance(fault, TimeoutError) and fault.errno is None):
        return True
    if "ssl" not in sys.modules:
        return False
    import ssl

    return isinstance(fault, ssl.SSLWantReadError | ssl.SSLWantWriteError)
