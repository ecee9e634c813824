"""Many requests at once in one thread: a loop that stamps what arrives, and does everything else in between.

Nothing is parsed while bytes arrive. What else there is to do (connecting, closing, a look inside a reply that may
have ended) is done one piece at a time, each followed by a look at the sockets, so that no byte waits for much of it.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable

from slmbench.measure import ending
from slmbench.measure.calls import Calls
from slmbench.measure.flight import BLOCKED_NS, Flight, now_ns
from slmbench.measure.lateness import MS, Lateness

TICK_NS = 20 * MS  # how often the loop wakes at least; what it then wakes too late is its lag
CALM_TICK_NS = 100 * MS  # where the kernel stamps what comes, and so tells the lag by itself
COARSE_NS = (17 if sys.platform == "win32" else 2) * MS  # so long before a due time, naps replace the wait
NAP_NS = MS // 10
LOOK_NS = 5 * MS  # most connections that may have ended are closed within that time, and need no look
QUIET_NS = 500 * MS  # nothing came on any stream for so long: a look inside disturbs no measurement
STALLED_NS = 5000 * MS  # nothing came on one stream for so long
AHEAD_NS = 20 * MS  # a request that is due has its connection by then
AHEAD_TLS_NS = 200 * MS


class Streams:
    """The loop. limit: requests at once; None for any number. ended: called with each flight that is over.

    A context manager; leaving it closes every connection.
    """

    def __init__(self, limit: int | None, ended: Callable[[Flight], None]):
        self._limit, self._ended = limit, ended
        self._selector = selectors.DefaultSelector()
        self._queue: deque[Flight] = deque()
        self._under_way: dict[Flight, None] = {}
        self._timeline: list[tuple[int, int, Callable[[Flight], None], Flight]] = []
        self._turns = itertools.count()
        self._chores: deque[tuple[Callable[[Flight], None], Flight]] = deque()
        self._late = Lateness()
        self._idle_ns = 0
        self._woken_ns = self._active_ns = now_ns()
        self._tick_ns = self._woken_ns + CALM_TICK_NS
        self._calls: Calls | None = None
        self._held = 0
        self.written_ns = 0  # when a request was last written

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *_: object) -> None:
        for flight in self._under_way:
            flight.close()
        while self._chores:
            self._chores.popleft()[1].close()
        if self._calls:
            self._calls.close()
        self._selector.close()

    def add(self, flight: Flight) -> None:
        """Begin a request as soon as a stream is free, or shortly before it is due."""
        if flight.due_ns is None:
            self._queue_up(flight)
        else:
            self._at(flight.due_ns - (AHEAD_TLS_NS if flight.is_tls else AHEAD_NS), self._queue_up, flight)

    def drop(self) -> list[Flight]:
        """Forget what was not begun, and give it back."""
        to_come = [entry for entry in self._timeline if entry[2] == self._queue_up]
        self._timeline = [entry for entry in self._timeline if entry[2] != self._queue_up]
        heapq.heapify(self._timeline)
        unopened = [flight for flight in self._under_way if not flight.opened_ns]
        for flight in unopened:
            del self._under_way[flight]
        gone = [*unopened, *self._queue, *(entry[3] for entry in sorted(to_come, key=lambda e: e[:2]))]
        self._queue.clear()
        return gone

    def interrupt(self) -> None:
        """End what is in flight, and forget the rest: also what has its connection, and was not written yet."""
        self.drop()
        self._held = 0
        for flight in list(self._under_way):
            flight.over("interrupted", "stopped from here")  # so that nothing of it goes out from now on
            (self._end if flight.written_ns else self._leave)(flight)

    def accept_calls(self) -> Calls:
        """Have `run` go on for ever, and do what other threads ask for."""
        self._calls = Calls()
        self._selector.register(self._calls.sock, selectors.EVENT_READ, self._calls)
        return self._calls

    @property
    def runs_short(self) -> bool:
        """Whether a stream may soon have nothing to do."""
        return self._limit is not None and not self._queue

    def hold(self) -> None:
        """Have no request begin until `go_on` was called as often; those that are due go out all the same."""
        self._held += 1

    def go_on(self) -> None:
        self._held = max(self._held - 1, 0)
        self._fill()

    def run(self) -> None:
        """Until everything that was added is over; for ever where calls are accepted."""
        while self._calls or self._has_work():
            self._turn()
            if len(self._under_way) == 1 and not (self._calls or self._queue or self._timeline or self._chores):
                self._read_alone(*self._under_way)

    def _has_work(self) -> bool:
        to_come = (flight.end is None for _, _, _, flight in self._timeline)
        return bool(self._under_way or self._queue or self._chores) or any(to_come)

    def _read_alone(self, flight: Flight) -> None:
        """One connection and nothing else to do: the socket waits by itself, at half the cost of asking a selector."""
        if not flight.reads_plainly:
            return
        calm, attend, timeout_ns = flight.tells_lag, False, 0
        while not (attend or flight.end or self._timeline):
            before_ns = now_ns()
            self._tick_ns = min(before_ns + CALM_TICK_NS, flight.deadline_ns) if calm else self._tick_ns
            wait_ns = max(self._tick_ns - before_ns, MS)
            if wait_ns != timeout_ns:
                flight.sock.settimeout(wait_ns / 1e9)
                timeout_ns = wait_ns
            attend = flight.step(self._woken_ns, self._idle_ns, before_ns)
            if flight.read_ns >= before_ns:  # a piece came: so long the socket waited
                woken_ns = self._active_ns = flight.read_ns
            else:
                woken_ns = now_ns()
            self._woken_ns = woken_ns
            if woken_ns - before_ns > BLOCKED_NS:
                self._idle_ns += woken_ns - before_ns
            if woken_ns >= self._tick_ns:
                self._tick(woken_ns, before_ns, wait_ns)
        if flight in self._under_way:
            flight.sock.setblocking(False)
            self._attend(flight)

    def _turn(self) -> None:
        before_ns = now_ns()
        wait_ns = self._wait_ns(before_ns)
        events = self._selector.select(wait_ns / 1e9) if self._selector.get_map() else self._sleep(wait_ns)
        woken_ns = now_ns()
        waited_ns = woken_ns - before_ns
        if waited_ns > BLOCKED_NS:
            self._idle_ns += waited_ns
        # what was there at once may have been there since the last look
        since_ns = woken_ns if waited_ns > BLOCKED_NS else self._woken_ns
        self._woken_ns = woken_ns
        if woken_ns >= self._tick_ns:
            self._tick(woken_ns, before_ns, wait_ns)
        if events:
            self._active_ns = woken_ns
            for key, _ in events:
                flight = key.data
                if flight.step(since_ns, self._idle_ns):
                    self._attend(flight)
        while self._timeline and self._timeline[0][0] <= woken_ns:
            _, _, do, flight = heapq.heappop(self._timeline)
            do(flight)
        if self._chores:
            do, flight = self._chores.popleft()
            do(flight)

    def _wait_ns(self, before_ns: int) -> int:
        """How long to wait for the sockets: whole milliseconds, for some selectors round up to them."""
        if self._chores:
            return 0
        wait_ns = self._tick_ns - before_ns
        if self._timeline:
            left_ns = self._timeline[0][0] - before_ns
            exactly = self._timeline[0][2] == self._write
            if exactly and left_ns < COARSE_NS:
                if left_ns > 3 * NAP_NS:
                    time.sleep(NAP_NS / 1e9)
                return 0
            wait_ns = min(wait_ns, left_ns - COARSE_NS + MS if exactly else left_ns)
        return max(-(-wait_ns // MS), 0) * MS

    @staticmethod
    def _sleep(wait_ns: int) -> list:
        """What the selector does where there is no socket, which not every system lets it do."""
        time.sleep(wait_ns / 1e9)
        return []

    def _tick(self, woken_ns: int, before_ns: int, wait_ns: int) -> None:
        """Note by how much this wake-up was late; see to deadlines and silences."""
        was_busy = before_ns >= self._tick_ns  # already when it began to wait for wait_ns
        self._late.note(woken_ns, woken_ns - (self._tick_ns if was_busy else max(self._tick_ns, before_ns + wait_ns)))
        calm = all(flight.tells_lag for flight in self._under_way)
        self._tick_ns = woken_ns + (CALM_TICK_NS if calm else TICK_NS)
        silent_ns = woken_ns - self._active_ns
        for flight in list(self._under_way):
            if woken_ns >= flight.deadline_ns:
                flight.expire()
                self._end(flight)
                continue
            self._tick_ns = min(self._tick_ns, flight.deadline_ns)
            if flight.ending.unseen and (silent_ns >= QUIET_NS or woken_ns - flight.read_ns >= STALLED_NS):
                self._doubt(flight, woken_ns)
        if silent_ns >= QUIET_NS // 2:
            ending.prepared()

    def _at(self, ns: int, do: Callable[[Flight], None], flight: Flight) -> None:
        heapq.heappush(self._timeline, (ns, next(self._turns), do, flight))

    def _queue_up(self, flight: Flight) -> None:
        self._queue.append(flight)
        self._fill()

    def _fill(self) -> None:
        while self._queue and (self._limit is None or len(self._under_way) < self._limit):
            if self._held and self._queue[0].due_ns is None:
                return
            flight = self._queue.popleft()
            self._under_way[flight] = None
            self._chores.append((self._open, flight))

    def _open(self, flight: Flight) -> None:
        if flight not in self._under_way:  # stopped before it began
            return
        flight.open()
        tick_ns = now_ns() + (CALM_TICK_NS if flight.tells_lag else TICK_NS)
        self._tick_ns = min(self._tick_ns, flight.deadline_ns, tick_ns)
        if flight.due_ns is not None:
            self._at(flight.due_ns, self._write, flight)
        self._attend(flight)

    def _write(self, flight: Flight) -> None:
        if flight.end is None:
            flight.write()
            self._attend(flight)

    def _attend(self, flight: Flight) -> None:
        """After something other than one more piece."""
        if flight.end is not None:
            self._end(flight)
            return
        self._listen(flight)
        self.written_ns = max(self.written_ns, flight.written_ns)
        if flight.ending.doubtful:
            self._doubt(flight, now_ns() + LOOK_NS)

    def _doubt(self, flight: Flight, look_ns: int) -> None:
        if not flight.doubted:
            self._at(look_ns, self._look, flight)
        flight.doubted = True

    def _listen(self, flight: Flight) -> None:
        wanted = (flight.sock, flight.wants) if flight.wants else None
        had = flight.listening
        if wanted == had:
            return
        if had and wanted and had[0] is wanted[0]:
            self._selector.modify(wanted[0], wanted[1], flight)
        else:
            if had:
                self._selector.unregister(had[0])
            if wanted:
                self._selector.register(wanted[0], wanted[1], flight)
        flight.listening = wanted

    def _look(self, flight: Flight) -> None:
        if flight.end is not None:
            return
        if not ending.prepared():
            self._at(now_ns() + LOOK_NS, self._look, flight)
            return
        flight.doubted = False
        if flight.ending.unseen and flight.ending.look():
            flight.over("done")
            self._end(flight)

    def _end(self, flight: Flight) -> None:
        worst_ns = self._late.worst_ns(flight.written_ns, flight.read_ns or flight.end_ns)
        flight.lag_ns = max(flight.lag_ns, worst_ns)  # `settle` adds what it finds
        self._ended(flight)
        self._leave(flight)

    def _leave(self, flight: Flight) -> None:
        """Close the connection, soon, and let the next request have its place."""
        flight.wants = 0
        self._listen(flight)
        del self._under_way[flight]
        self._chores.append((Flight.close, flight))
        self._fill()
