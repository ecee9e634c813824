"""The little of HTTP that the server needs: take a request from what has been read, and make the head of a reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 16 * 1024 * 1024
END = b"\r\n\r\n"


class BadRequest(Exception):
    """A request that is refused. status: of the reply."""

    def __init__(self, message: str, status: str = "400 Bad Request"):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request. query: what stands after the question mark. last: the client wants the connection closed."""

    method: str
    path: str
    query: str
    last: bool
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body. raises: BadRequest if it is no JSON object."""
        try:
            value = json.loads(self.body)
        except ValueError as e:
            raise BadRequest(f"the body is no JSON: {e}", "422 Unprocessable Content") from e
        if not isinstance(value, dict):
            raise BadRequest(f"an object was expected, and {type(value).__name__} came", "422 Unprocessable Content")
        return value


def take_request(inbox: bytearray) -> Request | None:
    """The first request in `inbox`, which is taken out of it; None while some of it is still to come.

    raises: BadRequest.
    """
    at = inbox.find(END)
    if at < 0:
        if len(inbox) > HEAD_BYTES_MAX:
            raise BadRequest(f"a head of more than {HEAD_BYTES_MAX} bytes")
        return None
    first, *lines = bytes(inbox[:at]).decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(f"no request line: {first[:80]!r}")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = fields.get("content-length", "0")
    if "transfer-encoding" in fields or not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        raise BadRequest(f"a Content-Length of up to {BODY_BYTES_MAX} was expected")
    end = at + len(END) + int(length)
    if len(inbox) < end:
        return None
    body = bytes(inbox[at + len(END) : end])
    del inbox[:end]
    path, _, query = words[1].partition("?")
    last = words[2] == "HTTP/1.0" or "close" in fields.get("connection", "").lower()
    return Request(words[0], path, query, last, body)


def head(kind: str, length: int | None, status: str = "200 OK", *, last: bool = False) -> bytes:
    """The head of a reply. length: of its body; None for one in chunked coding, as servers of streams send it."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    end = "close" if last else "keep-alive"
    lines = (f"HTTP/1.1 {status}", "Server: slmbench-truth", f"Content-Type: {kind}", size, f"Connection: {end}")
    return "\r\n".join((*lines, "", "")).encode()


def reply(value: Any, status: str = "200 OK", *, last: bool = False) -> bytes:
    """A whole reply of JSON."""
    body = json.dumps(value).encode()
    return head("application/json", len(body), status, last=last) + body
