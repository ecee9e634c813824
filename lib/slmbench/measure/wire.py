"""The seam to the network: send one request, stamp every piece of the reply as it arrives, parse nothing meanwhile.

The stamped pieces are taken apart by `framing` after the reply has ended, or earlier where only a look inside can
tell whether it has.
"""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from slmbench.measure.framing import HEADER_BYTES_MAX, LINE_BYTES_MAX, REPLY_BYTES_MAX, Framing, ProtocolError

RECV_BYTES = 64 * 1024
QUIET_S = 0.5  # nothing came for so long: a look inside disturbs no measurement
MARKS = (b"[DONE]", b'"error"', b"event: error", b"event:error")  # the reply may end here
MARK_BYTES = max(map(len, MARKS))


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

    Times in ns of `time.perf_counter_ns`. start_ns: just before the request was written to the open connection.
    pieces: (arrival, bytes) in order. end: done | eof | timeout | reset | refused | unreachable | too_large.
    """

    started_at_s: float = 0.0  # wall clock, seconds since 1970
    connect_ns: int | None = None
    start_ns: int = 0
    end_ns: int = 0
    wall_drift_s: float = 0.0  # wall clock minus monotonic clock over the request: suspend or a clock jump
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    end: str = "eof"
    error: str | None = None


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


def _connect(address: Address, timeout_s: float) -> socket.socket:
    """An open connection with Nagle off. "localhost" means IPv4 first, which is where local servers listen."""
    host = "127.0.0.1" if address.host == "localhost" else address.host
    try:
        sock = socket.create_connection((host, address.port), timeout_s)
    except ConnectionRefusedError as refused:
        if address.host != "localhost":
            raise
        try:
            sock = socket.create_connection(("::1", address.port), timeout_s)
        except OSError:  # also where this machine has no IPv6
            raise refused from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if address.scheme == "https":
        with ExitStack() as on_failure:
            on_failure.callback(sock.close)
            secure = ssl.create_default_context().wrap_socket(sock, server_hostname=address.host)
            on_failure.pop_all()
            return secure
    return sock


def exchange(
    address: Address, body: bytes, *, headers: dict[str, str] | None = None, deadline_s: float = 120.0
) -> Wire:
    """POST `body`, and stamp what comes back until the reply has ended or the deadline has passed.

    body: JSON bytes. deadline_s: bounds everything, from the connection to the last byte.
    returns: a Wire, whatever happened; network faults are its `end` and `error`, never an exception.
    One attempt, no redirect, no proxy, no retry.
    """
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
    request = f"POST {address.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
    wire = Wire(started_at_s=time.time())
    opened_ns = wire.start_ns = time.perf_counter_ns()
    deadline_ns = opened_ns + int(deadline_s * 1e9)
    try:
        sock = _connect(address, deadline_s)
    except ConnectionRefusedError as e:
        wire.end, wire.error = "refused", str(e)
    except TimeoutError:
        wire.end, wire.error = "timeout", f"no connection within {deadline_s:g} s"
    except OSError as e:  # no route, unknown host, TLS
        wire.end, wire.error = "unreachable", str(e)
    else:
        wire.connect_ns = time.perf_counter_ns() - opened_ns
        with sock, garbage_collection_off():
            wire.started_at_s, wire.start_ns = time.time(), time.perf_counter_ns()
            try:
                sock.settimeout(max((deadline_ns - time.perf_counter_ns()) / 1e9, 0.001))
                sock.sendall(request)
                _receive(sock, wire, deadline_ns)
            except TimeoutError:
                wire.end, wire.error = "timeout", f"the deadline of {deadline_s:g} s passed"
            except OSError as e:
                wire.end, wire.error = "reset", str(e)
    wire.end_ns = time.perf_counter_ns()
    wire.wall_drift_s = (time.time() - wire.started_at_s) - (wire.end_ns - wire.start_ns) / 1e9
    return wire


def _receive(sock: socket.socket, wire: Wire, deadline_ns: int) -> None:
    """Fill `wire.pieces`. A look inside is taken only where a cheap mark says that the reply may have ended, or in a
    silence."""
    framing, fed, received, seen, tail, look_always = Framing(), 0, 0, 0, b"", None
    now = time.perf_counter_ns
    while True:
        left_s = (deadline_ns - now()) / 1e9
        if left_s <= 0:
            raise TimeoutError
        sock.settimeout(min(left_s, QUIET_S))
        try:
            piece = sock.recv(RECV_BYTES)
            at_ns, quiet = now(), False
        except TimeoutError:
            piece, quiet = b"", True
        if quiet and seen == received:
            continue
        if not (piece or quiet):
            wire.end = "eof"
            return
        if piece:
            wire.pieces.append((at_ns, piece))
        received += len(piece)
        if received > REPLY_BYTES_MAX + HEADER_BYTES_MAX:
            wire.end, wire.error = "too_large", f"more than {REPLY_BYTES_MAX} bytes"
            return
        recent = tail + piece
        if look_always is None and (b"\r\n\r\n" in recent or received > HEADER_BYTES_MAX):
            look_always = not _is_plain_stream(b"".join(p for _, p in wire.pieces))
        if not look_always and any(mark in recent for mark in MARKS):
            look_always = True  # what completes the mark's event may come in a later piece
        if look_always or quiet or recent.endswith(b"0\r\n\r\n") or received - seen > LINE_BYTES_MAX:
            try:
                for pair in wire.pieces[fed:]:
                    framing.feed(*pair)
            except ProtocolError:
                wire.end = "done"  # the reader meets the same error, and reports it
                return
            fed, seen = len(wire.pieces), received
            if framing.done:
                wire.end = "done"
                return
        tail = recent[-MARK_BYTES:]


def _is_plain_stream(head: bytes) -> bool:
    """A 200 without Content-Length: it ends by [DONE], by the last chunk or with the connection."""
    head, end, _ = head.lower().partition(b"\r\n\r\n")
    return bool(end) and head.startswith(b"http/1.1 200") and b"content-length" not in head
