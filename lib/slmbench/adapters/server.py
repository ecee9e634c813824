"""One adapter as an OpenAI-compatible endpoint on 127.0.0.1: one reply at a time, streamed or whole.

Only this machine is answered, and no page that a browser has from elsewhere. What an adapter raises is a status (500)
where nothing was sent yet, else an error in the stream, which then has no [DONE]; its traceback goes to standard error.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import secrets
import select
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from slmbench.adapters.asked import Asked, Refused, Reply, asked
from slmbench.adapters.contract import ModelAdapter

PORT = 5373
BODY_MAX = 8 * 1024 * 1024
WAIT_S = 60.0  # for a client that neither sends nor reads
LOOK_S = 0.1  # how often a client that waits for its turn is looked after
ROOT = "/v1"
HERE = ("127.0.0.1", "localhost", "::1")


class Gone(Exception):
    """The client has closed the connection."""


class Turns:
    """One at a time, in the order of coming."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: collections.deque[object] = collections.deque()

    @contextlib.contextmanager
    def turn(self, gone: Callable[[], bool]) -> Iterator[None]:
        """Wait for the turn, and keep it for the block. raises: Gone if `gone` says so while it waits."""
        me = object()
        with self._changed:
            self._waiting.append(me)
        try:
            with self._changed:
                while self._waiting[0] is not me:
                    self._changed.wait(LOOK_S)
                    if gone():
                        raise Gone
            yield
        finally:
            with self._changed:
                self._waiting.remove(me)
                self._changed.notify_all()


class Server(ThreadingHTTPServer):
    """Listens as soon as it is made; `serve_forever` answers. port: 0 for any."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = os.name != "nt"  # there it would let two servers have one port

    def __init__(self, adapter: ModelAdapter, name: str, port: int):
        self.adapter, self.name, self.turns = adapter, name, Turns()
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def server_bind(self) -> None:
        """Without asking a name server for this machine's name, as the base class does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # the client went in the middle of a request
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a piece waits for the one before it to be acknowledged
    timeout = WAIT_S

    def do_GET(self) -> None:
        with Answering(self):
            path = self._path()
            model = {"id": self.server.name, "object": "model", "created": 0, "owned_by": "adapter"}
            if path == f"{ROOT}/models":
                self.whole(200, {"object": "list", "data": [model]})
            elif path == f"{ROOT}/models/{self.server.name}":
                self.whole(200, model)
            else:
                raise Refused(404, f"{ROOT}/models and {ROOT}/chat/completions are what is here", "not_found")

    def do_POST(self) -> None:
        with Answering(self):
            if self._path() != f"{ROOT}/chat/completions":
                raise Refused(404, f"{ROOT}/models and {ROOT}/chat/completions are what is here", "not_found")
            wanted, self.reply_id = asked(self._body(), self.server.name), f"chatcmpl-{secrets.token_hex(8)}"
            with self.server.turns.turn(self._gone):
                reply = Reply(self.server.adapter, wanted)
                with contextlib.closing(iter(reply)) as pieces:
                    (self._streamed if wanted.stream else self._at_once)(wanted, reply, pieces)

    def _path(self) -> str:
        """raises: Refused for a request that is meant for another host, or comes from a page of another one."""
        for name in ("Host", "Origin"):
            value = self.headers.get(name)
            if name == "Origin" and value is None:
                continue
            try:
                host = urlsplit(value if name == "Origin" else f"//{value or ''}").hostname
            except ValueError:
                host = None
            if host not in HERE:
                raise Refused(403, f"{name}: one of {', '.join(HERE)} was expected", "forbidden")
        return urlsplit(self.path).path

    def _body(self) -> bytes:
        told = self.headers.get("Content-Length", "")
        if not (told.isascii() and told.isdigit()):
            raise Refused(411, "a Content-Length was expected")
        if int(told[:12]) > BODY_MAX:
            raise Refused(413, f"a body of at most {BODY_MAX} bytes was expected")
        try:
            body = self.rfile.read(int(told))
        except OSError as e:
            raise Gone from e
        if len(body) < int(told):
            raise Gone
        return body

    def _at_once(self, _: Asked, reply: Reply, pieces: Iterator[str]) -> None:
        for _piece in pieces:
            self._stay()
        usage = reply.usage()
        message = {"role": "assistant", "content": "".join(reply.pieces)}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason(usage)}
        self.whole(200, self._object("chat.completion", [choice]) | ({"usage": usage} if usage else {}))

    def _streamed(self, wanted: Asked, reply: Reply, pieces: Iterator[str]) -> None:
        for piece in pieces:
            self._stay()
            if piece:
                self._opened()
                self._event({"content": piece})
        self._opened()
        usage = reply.usage()
        self._event({}, reply.finish_reason(usage))
        if usage and wanted.include_usage:
            self.event(self._object("chat.completion.chunk", []) | {"usage": usage})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def _opened(self) -> None:
        """The head and the role's chunk, with the first piece: an adapter that fails before it has a status."""
        if not self.begun:
            self.head(200, "text/event-stream", ("Transfer-Encoding", "chunked"), ("Cache-Control", "no-store"))
            self._event({"role": "assistant", "content": ""})

    def _event(self, delta: dict[str, str], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self.event(self._object("chat.completion.chunk", [choice]))

    def _object(self, kind: str, choices: list[dict]) -> dict[str, Any]:
        facts = {"id": self.reply_id, "object": kind, "created": int(time.time())}
        return {**facts, "model": self.server.name, "choices": choices}

    def event(self, value: dict) -> None:
        self.chunk(b"data: " + _json(value) + b"\n\n")

    def chunk(self, data: bytes) -> None:
        """One piece of a chunked body; b"" ends it."""
        self._send(b"%x\r\n%b\r\n" % (len(data), data))

    def whole(self, status: int, value: dict) -> None:
        body = _json(value)
        self.head(status, "application/json", ("Content-Length", str(len(body))))
        self._send(body)

    def head(self, status: int, kind: str, *more: tuple[str, str]) -> None:
        self.begun = True
        self.send_response(status)
        for name, value in (("Content-Type", kind), *more):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        try:
            self.end_headers()
        except OSError as e:
            raise Gone from e

    def _send(self, data: bytes) -> None:
        try:
            self.wfile.write(data)
        except OSError as e:  # reset, closed, or not read for WAIT_S
            raise Gone from e

    def _stay(self) -> None:
        if self._gone():
            raise Gone

    def _gone(self) -> bool:
        """Whether the client has closed the connection, also one that only waits."""
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses by itself (no HTTP, other methods), in the form of all other errors."""
        self.close_connection = True
        with contextlib.suppress(Gone):
            self.whole(code, error_of(message or explain or "refused", "invalid_request_error"))

    def log_message(self, *_: Any) -> None:
        """A line for each request would be in the way of the ones that matter."""


class Answering:
    """Around the answer to one request: what is raised inside is told to the client, and goes on from here."""

    def __init__(self, handler: Handler):
        self.handler = handler
        handler.begun = False

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if error is None:
            return False
        handler = self.handler
        handler.close_connection = True
        with contextlib.suppress(Gone):
            if isinstance(error, Refused):
                handler.whole(error.status, error_of(error.message, error.kind))
            elif not isinstance(error, Gone):
                said = error_of(f"the adapter raised {type(error).__name__}: {error!s:.500}", "server_error")
                if handler.begun:
                    handler.event(said)
                    handler.chunk(b"")
                else:
                    handler.whole(500, said)
        return isinstance(error, Refused | Gone | SystemExit)


def error_of(message: str, kind: str) -> dict[str, dict[str, str]]:
    """An error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "code": kind}}


def _json(value: dict) -> bytes:
    """ASCII: half a character, which some models write, is no UTF-8."""
    return json.dumps(value).encode("ascii")
