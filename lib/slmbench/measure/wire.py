"""The seam to the network: send one request, stamp every piece of the reply as it arrives, parse nothing meanwhile.

The stamped pieces are taken apart by `framing` after the reply has ended, or earlier where only a look inside can
tell whether it has.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from slmbench.measure.connection import addresses
from slmbench.measure.flight import Flight
from slmbench.measure.streams import Streams


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. `path` is the whole path, such as /v1/chat/completions."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname or "", port, parts.path or "/")

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True)
class Wire:
    """What came over the line for one request, before anybody looked inside.

    Times in ns of `time.perf_counter_ns` of the process that read it. start_ns: just before the request was written to
    the open connection, or, in an open loop, when it was due. pieces: (arrival, bytes) in order.
    end: done | eof | timeout | reset | refused | unreachable | too_large | interrupted.
    """

    started_at_s: float = 0.0  # wall clock, seconds since 1970, when the request was written
    connect_ns: int | None = None
    start_ns: int = 0
    end_ns: int = 0
    wall_drift_s: float = (
        0.0  # wall clock minus the time awake, over the request: the machine slept, or its clock was set
    )
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    end: str = "eof"
    error: str | None = None
    lag_ns: int = (
        0  # the longest time for which the reader is known to have been late, from the request to the last piece
    )
    idle_ns: int | None = None  # how long it waited for bytes between the first piece and the last
    due_ns: int | None = None  # open loop: when the request was to be written
    due_at_s: float | None = None  # the same by the wall clock
    written_ns: int = 0  # when it was; 0 if it was not
    kernel: bool = False  # every arrival is by the kernel's word, so that a late reader does not make it late

    @property
    def written_at_s(self) -> float:
        return self.started_at_s

    @classmethod
    def of(cls, flight: Flight) -> Wire:
        flight.settle()
        same = {name: getattr(flight, name) for name in SAME}
        return cls(pieces=list(zip(flight.stamps, flight.pieces, strict=True)), **same)


SAME = (
    *("started_at_s", "connect_ns", "start_ns", "end_ns", "wall_drift_s", "end", "error"),
    *("lag_ns", "idle_ns", "due_ns", "due_at_s", "written_ns", "kernel"),
)  # fields of a Flight that a Wire has too


_quiet_lock = threading.Lock()
_quiet = {"depth": 0, "was_on": False}


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """A collection takes milliseconds and would be counted as the server's time; threads may nest this."""
    with _quiet_lock:
        if _quiet["depth"] == 0:
            _quiet["was_on"] = gc.isenabled()
            gc.disable()
        _quiet["depth"] += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet["depth"] -= 1
            if _quiet["depth"] == 0 and _quiet["was_on"]:
                gc.enable()


def request(address: Address, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of the POST of a JSON body."""
    fields = {
        "Host": address.netloc,
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {address.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def exchange(
    address: Address, body: bytes, *, headers: Mapping[str, str] | None = None, deadline_s: float = 120.0
) -> Wire:
    """POST `body`, and stamp what comes back until the reply has ended or the deadline has passed.

    body: JSON bytes. deadline_s: bounds everything from the connection to the last byte; looking up a host's
        name, if it is one, comes before, with the system's own patience.
    returns: a Wire, whatever happened; network faults are its `end` and `error`, never an exception.
    One attempt, no redirect, no proxy, no retry.
    """
    tls = None
    if address.scheme == "https":
        import ssl

        tls = (ssl.create_default_context(), address.host)
    try:
        where = addresses(address.host, address.port)
    except OSError as e:  # an unknown host
        where = e
    flight = Flight(0, where, request(address, body, headers), deadline_s=deadline_s, tls=tls)
    with garbage_collection_off(), Streams(1, lambda _: None) as streams:
        streams.add(flight)
        streams.run()
    return Wire.of(flight)
