"""A server on 127.0.0.1 that follows a script byte by byte, misbehaves where it is told to, and keeps every request."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

POLL_S = 0.02


@dataclass(frozen=True)
class Pause:
    """Send nothing for so long."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """Send `data` in pieces of `size` bytes with pauses between; over and over if `forever`."""

    data: bytes
    gap_s: float = 0.0
    size: int = 1
    forever: bool = False


RESET = object()  # break the connection with an RST
HOLD = object()  # send nothing more, and keep the connection open until the client goes


@dataclass(frozen=True)
class Request:
    """One request as it came. method is "" where the client went before it had sent one."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Script = Sequence[object]


class Server:
    """Answers each request with the script that `respond` gives for it, one request a connection.

    respond: a script for all, or a function of the request. A script is a sequence of bytes, Pause, Drip, RESET and
    HOLD; at its end the connection is closed.
    """

    def __init__(self, respond: Script | Callable[[Request], Script]):
        self._respond = respond if callable(respond) else lambda _: respond
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[Request] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def posts(self) -> list[Request]:
        return [r for r in self.requests if r.method == "POST"]

    def close(self) -> None:
        self._stop.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the thread that accepts
        for thread in self._threads:  # the list grows no more once the first, which accepts, has ended
            thread.join(10)
        self._listener.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            sock, _ = self._listener.accept()
            if self._stop.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):  # a client that goes early is part of the play
            sock.settimeout(10)
            request = read_request(sock)
            if not request.method:  # gone before it had asked
                return
            self.requests.append(request)
            for step in self._respond(request):
                if self._stop.is_set():
                    return
                if step is RESET:
                    sock.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
                    )
                    return
                if step is HOLD:
                    self._hold(sock)
                elif isinstance(step, Pause):
                    self._stop.wait(step.seconds)
                elif isinstance(step, Drip):
                    self._drip(sock, step)
                else:
                    sock.sendall(step)

    def _hold(self, sock: socket.socket) -> None:
        sock.settimeout(POLL_S)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                if not sock.recv(4096):
                    return

    def _drip(self, sock: socket.socket, drip: Drip) -> None:
        while True:
            for i in range(0, len(drip.data), drip.size):
                sock.sendall(drip.data[i : i + drip.size])
                if self._stop.wait(drip.gap_s):
                    return
            if not drip.forever:
                return


def read_request(sock: socket.socket) -> Request:
    """Read one request, by its Content-Length."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = sock.recv(65536)
        if not piece:
            return Request("", "")
        raw += piece
        if raw[0] == 0x16:
            return Request("TLS", "")
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        piece = sock.recv(65536)
        if not piece:
            return Request("", "")
        body += piece
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)
