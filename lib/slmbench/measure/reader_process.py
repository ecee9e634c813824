"""The process that reads many streams, and nothing else: its end of the pipes to `reader.Reader`.

Its start is part of a run, so it imports little, and it is light in what it does beside the loop: one thread takes
commands, one hands over what has ended, so that a slow parent holds up nobody. It ends when its parent does.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import struct
import sys
import threading
from array import array
from collections.abc import Callable, Iterable
from queue import SimpleQueue

from slmbench.measure import descriptors, ending, stamps
from slmbench.measure.connection import addresses
from slmbench.measure.flight import Flight, now_ns
from slmbench.measure.lateness import MS
from slmbench.measure.streams import AHEAD_NS, AHEAD_TLS_NS, Streams

SEND, START, DROP, STOP, GO_ON, WIRE, KEYS = (bytes([n]) for n in b"SGDXAWK")  # the first byte of each message
ASK = struct.Struct(
    "<qdd?HIQ"
)  # key, deadline_s, due_s (NaN: at once), https, port, length of the host, of the request
REPLY = struct.Struct("<qdddqqqqqqq??QII")  # see `pack`
COUNT = struct.Struct("<Q")
NONE = -(2**63)
SWITCH_S = 0.0005  # the longest that another thread may keep the loop's from going on
READ_BYTES = 64 * 1024
CALM_NS = 20 * MS  # so long after a request was written its server has begun with it
PATIENCE_NS = 250 * MS  # the longest that a reply waits for such a moment
LEAD_NS = 10 * MS  # from the start to when the connection of a request that is due in second 0 is begun
MOST = 500 if sys.platform == "win32" else None  # more sockets than a selector can listen to there


def main(limit: str) -> None:
    """Read as many streams at once as `limit` says, or any number if it is empty, until standard input ends."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which decides
    sys.setswitchinterval(SWITCH_S)
    threading.excepthook = die
    streams_max = min(filter(None, (int(limit or 0), MOST)), default=None)
    if not descriptors.allow(descriptors.wanted(streams_max)):
        ending.load()  # now, while its files can be opened; else in a quiet moment, if it is needed at all
    stamps.wanted()  # the kernel takes a moment to begin

    def ended(flight: Flight) -> None:
        failed = is_failure(flight)
        if failed:
            streams.hold()
        outbox.put(flight, at_once=failed)

    with Streams(streams_max, ended) as streams:
        outbox = Outbox(streams)
        threading.Thread(target=Commands(streams, outbox).run, daemon=True).start()
        threading.Thread(target=outbox.run, daemon=True).start()
        streams.run()


def die(fault: threading.ExceptHookArgs) -> None:
    """End the process with a thread that has failed: without it the parent would wait for ever."""
    threading.__excepthook__(fault)  # prints it
    sys.stderr.flush()
    os._exit(1)


def is_failure(flight: Flight) -> bool:
    """Whether the parent may want to give up because of this: nothing more is begun until it has dealt with it.

    Failures come much faster than replies, so that all the rest would have failed before the parent can say so.
    """
    return flight.refused and flight.end != "interrupted"


class Commands:
    """What the parent asks for."""

    def __init__(self, streams: Streams, outbox: Outbox):
        self._streams, self._outbox, self._call = streams, outbox, streams.accept_calls().call
        self._waiting: list[tuple[Flight, float]] = []
        self._started_ns: int | None = None
        self._where: dict[tuple[str, int], list | OSError] = {}
        self._context = None

    def run(self) -> None:
        read = exactly(lambda: os.read(0, READ_BYTES))
        do = {SEND: lambda: self._send(read), START: self._start, DROP: self._drop, STOP: self._stop}
        do[GO_ON] = lambda: self._call(self._streams.go_on)
        try:
            while True:
                do[read(1)]()
        except EOFError:
            os._exit(0)  # the parent is gone, or done with us: at once, whatever is under way

    def _send(self, read: Callable[[int], bytes]) -> None:
        key, deadline_s, due_s, https, port, host_bytes, request_bytes = ASK.unpack(read(ASK.size))
        host, request = read(host_bytes).decode(), read(request_bytes)
        if (host, port) not in self._where:
            try:
                self._where[host, port] = addresses(host, port)
            except OSError as e:  # an unknown host
                self._where[host, port] = e
        if https and self._context is None:
            import ssl

            self._context = ssl.create_default_context()
        tls = (self._context, host) if https else None
        self._waiting.append((Flight(key, self._where[host, port], request, deadline_s=deadline_s, tls=tls), due_s))
        if self._started_ns is not None:
            self._go()

    def _start(self) -> None:
        ahead_ns = AHEAD_TLS_NS if any(flight.is_tls for flight, _ in self._waiting) else AHEAD_NS
        self._started_ns = now_ns() + ahead_ns + LEAD_NS
        self._go()

    def _go(self) -> None:
        for flight, due_s in self._waiting:
            if not math.isnan(due_s):
                flight.due_ns = self._started_ns + round(due_s * 1e9)
        self._call(self._add, [flight for flight, _ in self._waiting])
        self._waiting = []

    def _add(self, flights: Iterable[Flight]) -> None:
        for flight in flights:
            self._streams.add(flight)

    def _drop(self) -> None:
        held, self._waiting = [flight.key for flight, _ in self._waiting], []
        self._call(lambda: self._outbox.put([*(f.key for f in self._streams.drop()), *held], at_once=True))

    def _stop(self) -> None:
        self._waiting, self._started_ns = [], None
        self._call(lambda: (self._streams.interrupt(), self._outbox.put(None, at_once=True)))


class Outbox:
    """What is to be handed over: a flight that has ended, keys that were dropped, or None once all is stopped.

    The parent then has work to do, and would do it while the next requests go out: at the cost of the server's
    reaction to them, where processors are few. So what can wait does, for a moment in which no request was written.
    """

    def __init__(self, streams: Streams):
        self._streams = streams
        self._waiting: SimpleQueue = SimpleQueue()
        self._at_once = threading.Event()

    def put(self, what: object, at_once: bool = False) -> None:
        self._waiting.put(what)
        if at_once:
            self._at_once.set()

    def run(self) -> None:
        out = sys.stdout.buffer
        try:
            while True:
                what = self._waiting.get()
                self._wait_for_calm()
                if what is None:
                    out.write(STOP)
                elif isinstance(what, Flight):
                    out.writelines(pack(what))
                else:
                    out.writelines((KEYS, COUNT.pack(len(what)), array("q", what)))
                out.flush()
                if self._waiting.empty():
                    self._at_once.clear()
        except OSError:  # the parent is gone
            os._exit(0)

    def _wait_for_calm(self) -> None:
        until_ns = now_ns() + PATIENCE_NS
        while not self._streams.runs_short:
            left_ns = min(self._streams.written_ns + CALM_NS, until_ns) - now_ns()
            if left_ns <= 0 or self._at_once.wait(left_ns / 1e9):
                return


def pack(flight: Flight) -> Iterable[bytes | array]:
    """A flight as a message: how it went, then the times and sizes of its pieces, then their bytes."""
    flight.settle()
    end, error = (flight.end or "").encode(), (flight.error or "").encode()
    yield WIRE
    yield REPLY.pack(
        flight.key,
        flight.started_at_s,
        flight.wall_drift_s,
        math.nan if flight.due_at_s is None else flight.due_at_s,
        *(NONE if value is None else value for value in (flight.connect_ns, flight.due_ns, flight.idle_ns)),
        *(flight.start_ns, flight.end_ns, flight.written_ns, flight.lag_ns),
        *(flight.kernel, is_failure(flight)),
        *(len(flight.pieces), len(end), len(error)),
    )
    yield end + error
    yield array("q", flight.stamps)
    yield array("q", map(len, flight.pieces))
    yield from flight.pieces


def exactly(read_some: Callable[[], bytes]) -> Callable[[int], bytes]:
    """A function that reads so many bytes, whatever sizes they come in. It raises EOFError where they end before."""
    held = bytearray()

    def read(size: int) -> bytes:
        while len(held) < size:
            more = read_some()
            if not more:
                raise EOFError
            held.extend(more)
        found = bytes(held[:size])
        del held[:size]
        return found

    return read
