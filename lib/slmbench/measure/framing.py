"""Take a stamped reply apart: HTTP by h11, then the lines and events of a server-sent stream."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

import h11

from slmbench.measure.limits import HEADER_BYTES_MAX, LINE_BYTES_MAX, REPLY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. at_ns: arrival of the bytes that completed its data."""

    at_ns: int
    name: str
    data: bytes


class ProtocolError(Exception):
    """The reply is not what HTTP or server-sent events allow."""


class BrokenHttp(ProtocolError):
    """The bytes are not HTTP, or stop being so: a connection that went wrong rather than a server's answer."""


class Framing:
    """Takes stamped pieces apart: HTTP status and headers, then events (or the plain body).

    `done` turns true when the reply has ended: the `[DONE]` mark, an error object, or the end by HTTP's own framing.
    """

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES_MAX)
        self._http.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
        self._http.send(h11.EndOfMessage())
        self._line = bytearray()
        self._data: list[bytes] = []
        self._name = ""
        self._data_ns = 0
        self._after_cr = False
        self._first_line = True
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.events: list[Event] = []
        self.marked = False  # [DONE] was seen
        self.ended = False  # HTTP says that the body is whole
        self.body_ns = 0
        self.is_stream = False  # by its content type
        self._reads_lines = False

    @property
    def done(self) -> bool:
        return self.marked or self.ended or any(is_error(e) for e in self.events[-1:])

    def feed(self, at_ns: int, piece: bytes) -> None:
        """piece: bytes as received; b"" at the end of the connection. raises: ProtocolError."""
        if self.marked or self.ended:
            return
        try:
            self._http.receive_data(piece)
            while not self.marked:
                event = self._http.next_event()
                if isinstance(event, h11.Data):
                    self._body(at_ns, bytes(event.data))
                elif isinstance(event, h11.Response):
                    self._head(event)
                elif isinstance(event, h11.EndOfMessage):
                    self.ended = True
                    self._last_words(at_ns)
                    return
                elif event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    return
        except h11.RemoteProtocolError as e:
            too_long = e.error_status_hint == 431  # more than HEADER_BYTES_MAX without an end
            raise (ProtocolError if too_long else BrokenHttp)(str(e)) from e

    def close(self, at_ns: int) -> None:
        """The connection has ended. A body that HTTP promised and did not come leaves `ended` false."""
        with contextlib.suppress(ProtocolError):
            self.feed(at_ns, b"")

    def _head(self, response: h11.Response) -> None:
        self.status = response.status_code
        self.headers = {k.decode().lower(): v.decode("latin-1") for k, v in response.headers}
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        self.is_stream = kind == "text/event-stream"
        self._reads_lines = self.is_stream and self.status == 200
        coding = self.headers.get("content-encoding", "identity").lower()
        if coding != "identity":
            raise ProtocolError(f"content-encoding {coding!r} although identity was asked for")

    def _body(self, at_ns: int, piece: bytes) -> None:
        self.body += piece
        self.body_ns = at_ns
        if len(self.body) > REPLY_BYTES_MAX:
            raise ProtocolError(f"a reply of more than {REPLY_BYTES_MAX} bytes")
        if self._reads_lines:
            self._lines(at_ns, piece)

    def _lines(self, at_ns: int, piece: bytes) -> None:
        """Lines end with LF, CR or CRLF (the event stream format of the HTML standard)."""
        if self._after_cr or b"\r" in piece:
            if self._after_cr and piece.startswith(b"\n"):
                piece = piece[1:]
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._one_line(at_ns, bytes(self._line + line) if self._line else line)
            self._line.clear()
            if self.marked:
                return
        self._line += rest
        if len(self._line) > LINE_BYTES_MAX:
            raise ProtocolError(f"a line of more than {LINE_BYTES_MAX} bytes")

    def _one_line(self, at_ns: int, line: bytes) -> None:
        if self._first_line:
            line, self._first_line = line.removeprefix(b"\xef\xbb\xbf"), False
        if len(line) > LINE_BYTES_MAX:
            raise ProtocolError(f"a line of more than {LINE_BYTES_MAX} bytes")
        if not line:
            self._dispatch()
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_ns = at_ns
            if value == b"[DONE]" and len(self._data) == 1:
                self.marked = True  # ends the reply without waiting for the blank line or the socket
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")

    def _last_words(self, at_ns: int) -> None:
        """What the end of the body left without its line end. The mark and an error count; all else is cut short."""
        if self._line:
            self._one_line(at_ns, bytes(self._line))
        last = Event(at_ns, self._name, b"\n".join(self._data))
        if self._data and is_error(last):
            self.events.append(last)

    def _dispatch(self) -> None:
        if self._data:
            self.events.append(Event(self._data_ns, self._name, b"\n".join(self._data)))
        self._data, self._name = [], ""


def is_error(event: Event) -> bool:
    """True for `event: error`, and for a data object that carries an error and no choices."""
    if event.name == "error":
        return True
    if b'"error"' not in event.data:  # inside a string the quotes would be escaped
        return False
    try:
        value = json.loads(event.data)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and bool(value.get("error")) and not value.get("choices")
