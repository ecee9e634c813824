"""The work of the server: one selector, and a heap of the writes to come."""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import select
import selectors
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slmbench.truth.record import Record, Write
from slmbench.truth.request import BadRequest, Request, head, reply, take_request
from slmbench.truth.schedule import Schedule
from slmbench.truth.writes import NUMBER, Asked, Group, groups

RECV_BYTES = 64 * 1024
COARSE_S = 0.02 if os.name == "nt" else 0.0  # Windows wakes a selector on ticks of up to 16 ms, but a sleep in time
NAP_S = 0.0005
FINE = hasattr(select, "epoll")  # counts its timeout in milliseconds; select, which can wait for it, in microseconds
BUSY_NS = 100_000  # a client that takes no more bytes is looked at again after so long
FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}  # no further client can be let in for now
FULL_NAP_S = 0.02
now_ns = time.perf_counter_ns


class _Reply:
    """One chat request being answered."""

    __slots__ = ("at", "groups", "last", "model", "number", "received_ns", "tag", "writes")

    def __init__(self, number: int, model: str, received_ns: int, groups: tuple[Group, ...], last: bool):
        self.number, self.model, self.received_ns, self.groups, self.last = number, model, received_ns, groups, last
        self.tag = b"%08d" % number
        self.writes: list[Write] = []
        self.at = 0

    def record(self) -> Record:
        return Record(self.number, self.model, self.received_ns, tuple(self.writes))


class _Connection:
    """One client. out: what the socket did not take yet. last: nothing follows, so it is closed then."""

    __slots__ = ("inbox", "last", "out", "received_ns", "reply", "sock")

    def __init__(self, sock: socket.socket):
        self.sock, self.inbox, self.out, self.last = sock, bytearray(), b"", False
        self.reply: _Reply | None = None
        self.received_ns = 0


class Loop:
    """Listens on 127.0.0.1, and answers until `stop`. `run` does all the work, in the thread that calls it.

    schedules: by model id. port: 0 for a free one.
    """

    def __init__(self, schedules: Mapping[str, Schedule], port: int = 0):
        self.schedules = dict(schedules)
        self.replies: list[_Reply] = []
        self._asked: dict[str, int] = dict.fromkeys(self.schedules, 0)
        self._due: list[tuple[int, int, _Connection, _Reply]] = []
        self._turn = itertools.count()
        self._stopping = False
        self._asking: deque[_Connection] = deque()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._listening = True
        self._selector.register(self._woken, selectors.EVENT_READ, None)

    def stop(self) -> None:
        """Have `run` return; from any thread."""
        self._stopping = True
        self._wake.send(b".")

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._listener.close()
        self._wake.close()
        self._selector.close()

    def records(self, since: int = 0) -> list[Record]:
        return [r.record() for r in self.replies[since:]]

    def run(self) -> None:
        """One write or one answer at a time, with a look at the sockets before each: a request is stamped at once."""
        while not self._stopping:
            for key, mask in self._ready():
                connection = key.data
                if connection is None:
                    self._accept() if key.fileobj is self._listener else None
                    continue
                if mask & selectors.EVENT_READ and self._receive(connection):
                    self._asking.append(connection)
                if mask & selectors.EVENT_WRITE:
                    self._flush(connection)
            if self._due and self._due[0][0] <= now_ns():
                self._write()
            elif self._asking:
                self._answer(self._asking.popleft())

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        """What the sockets have, now or by the time that the next write is due."""
        wait_s: float | None = 0.0
        if not self._asking:
            wait_s = max(0.0, (self._due[0][0] - now_ns()) / 1e9) if self._due else None
        if COARSE_S and wait_s is not None:
            if 0 < wait_s <= COARSE_S:
                time.sleep(min(wait_s, NAP_S))
            wait_s = max(0.0, wait_s - COARSE_S)
        elif FINE and wait_s != 0:
            select.select([self._selector], [], [], wait_s)
            wait_s = 0.0
        return self._selector.select(wait_s)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError as e:  # nobody is left; or one went before it was let in, and the selector tells of others
                if e.errno in FULL:
                    self._let_nobody_in()
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(sock)
            self._selector.register(sock, selectors.EVENT_READ, connection)
            if self._receive(connection):  # most often it is there already
                self._asking.append(connection)

    def _let_nobody_in(self) -> None:
        """Until a client goes: the selector would say again and again that somebody waits."""
        if len(self._selector.get_map()) > 2:  # besides the two that are always there
            self._selector.unregister(self._listener)
            self._listening = False
        else:  # others hold all the room, and nobody here has anything to wait for
            time.sleep(FULL_NAP_S)

    def _receive(self, connection: _Connection) -> bool:
        """Whether a whole request is there now."""
        try:
            piece = connection.sock.recv(RECV_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        connection.received_ns = now_ns()
        if not piece:
            self._drop(connection)
            return False
        connection.inbox += piece
        return connection.reply is None

    def _drop(self, connection: _Connection) -> None:
        if connection.sock.fileno() >= 0:
            self._selector.unregister(connection.sock)
            connection.sock.close()
            if not self._listening:
                self._selector.register(self._listener, selectors.EVENT_READ, None)
                self._listening = True
        connection.reply = None  # what is still due is passed over

    def _answer(self, connection: _Connection) -> None:
        request = None
        try:
            request = take_request(connection.inbox)
            if request is None:  # more is to come
                return
            if request.method == "POST" and request.path == "/v1/chat/completions":
                self._chat(connection, request)
                return
            told, last = self._page(request), request.last
        except BadRequest as e:
            last = request is None or request.last  # where none could be read, the next one's beginning can't be told
            told = reply({"error": {"message": str(e), "code": e.status[:3]}}, e.status, last=last)
        self._send(connection, told)
        self._ended(connection, last)

    def _page(self, request: Request) -> bytes:
        if request.method == "GET" and request.path == "/v1/models":
            models = [{"id": i, "object": "model", "created": 0, "owned_by": "slmbench"} for i in self.schedules]
            return reply({"object": "list", "data": models}, last=request.last)
        if request.method == "GET" and request.path == "/health":  # some clients ask before they begin
            return reply({"status": "ok"}, last=request.last)
        if request.method == "GET" and request.path == "/truth":
            since = request.query.removeprefix("since=")
            found = self.records(int(since) if since.isdecimal() else 0)
            return reply([r.to_json() for r in found], last=request.last)
        raise BadRequest(f"{request.method} {request.path} is not served here", "404 Not Found")

    def _chat(self, connection: _Connection, request: Request) -> None:
        asked: Any = request.json()
        model = asked.get("model")
        if not isinstance(model, str) or model not in self.schedules:
            raise BadRequest(f"model {model!r} is not served here", "404 Not Found")
        self._asked[model] += 1
        allowed = asked.get("max_completion_tokens") or asked.get("max_tokens")
        options = asked.get("stream_options")
        what = Asked(
            model,
            self._asked[model],
            stream=bool(asked.get("stream")),
            usage=isinstance(options, dict) and bool(options.get("include_usage")),
            max_tokens=allowed if isinstance(allowed, int) and allowed > 0 else None,
            prompt_tokens=_words(asked.get("messages")),
        )
        writes = groups(self.schedules[model], what)
        if not what.stream:
            text = head("application/json", len(writes[0].data), last=request.last) + writes[0].data
            writes = (replace(writes[0], data=text),)
        answer = _Reply(len(self.replies) + 1, model, connection.received_ns, writes, request.last)
        connection.reply = answer
        self.replies.append(answer)
        if what.stream:
            answer.writes.append(Write(now_ns(), "head", 0, answer.received_ns))
            self._send(connection, head("text/event-stream", None, last=request.last))
        heapq.heappush(self._due, (answer.received_ns + writes[0].at_ns, next(self._turn), connection, answer))

    def _write(self) -> None:
        """Write what is due first."""
        _, turn, connection, answer = self._due[0]
        if connection.reply is not answer:  # the client has gone
            heapq.heappop(self._due)
            return
        if connection.out:
            heapq.heapreplace(self._due, (now_ns() + BUSY_NS, turn, connection, answer))
            return
        group = answer.groups[answer.at]
        answer.at += 1
        data, due_ns = group.data.replace(NUMBER, answer.tag), answer.received_ns + group.at_ns
        at_ns = now_ns()
        answer.writes += [Write(at_ns, kind, tokens, due_ns) for kind, tokens in group.events]
        self._send(connection, data)
        if answer.at < len(answer.groups):
            following_ns = answer.received_ns + answer.groups[answer.at].at_ns
            heapq.heapreplace(self._due, (following_ns, turn, connection, answer))
        else:
            heapq.heappop(self._due)
            self._ended(connection, answer.last)

    def _send(self, connection: _Connection, data: bytes) -> None:
        if connection.out:
            connection.out += data
            return
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(connection)
            return
        if sent < len(data):
            connection.out = data[sent:]
            self._selector.modify(connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)

    def _flush(self, connection: _Connection) -> None:
        """Send what the socket did not take before."""
        if connection.sock.fileno() < 0:
            return
        data, connection.out = connection.out, b""
        self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
        self._send(connection, data)
        if connection.last and not connection.out:
            self._drop(connection)

    def _ended(self, connection: _Connection, last: bool) -> None:
        """One reply is written; the client's next request may be there already."""
        connection.reply, connection.last = None, last
        if connection.sock.fileno() < 0:
            return
        if last and not connection.out:
            self._drop(connection)
        elif connection.inbox and not last:
            self._asking.append(connection)


def _words(messages: Any) -> int:
    """What is told as the number of prompt tokens."""
    given = messages if isinstance(messages, list) else []
    return max(1, sum(len(str(m.get("content")).split()) for m in given if isinstance(m, dict)))
