"""Replies of an OpenAI-compatible server, as bytes; and one that behaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from support.server import Request, Script

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
DONE = b"data: [DONE]\n\n"


def head(status: str = "200 OK", kind: str | None = "text/event-stream", **more: str) -> bytes:
    """The head of a reply; names of further headers are written with _ for -."""
    fields = {"Content-Type": kind} if kind else {}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode()


def delta(content: Any = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk. content None leaves it out."""
    said = more if content is None else {"content": content} | more
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def usage(counts: Any = USAGE) -> dict[str, Any]:
    """The chunk after the last, which only counts."""
    return {"object": "chat.completion.chunk", "choices": [], "usage": counts}


def event(value: Any, end: str = "\n") -> bytes:
    """One event. value: JSON, or the text itself."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {text}{end}{end}".encode()


def events(*values: Any) -> bytes:
    return b"".join(event(v) for v in values)


def good(*texts: str, done: bytes = DONE, counts: Any = USAGE) -> bytes:
    """The body of a good stream that says `texts`, a chunk each."""
    start = delta(None, role="assistant")
    return events(start, *map(delta, texts or ("He", "llo", "!")), delta(finish="stop"), usage(counts)) + done


def chunked(*pieces: bytes, last: bool = True) -> bytes:
    """A body in HTTP's chunked coding, a chunk a piece."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces)
    return framed + (b"0\r\n\r\n" if last else b"")


def plain(value: Any, status: str = "200 OK", kind: str = "application/json", **more: str) -> bytes:
    """A whole reply that is no stream. value: JSON, or the bytes themselves."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return head(status, kind, Content_Length=str(len(body)), **more) + body


def message(text: str, *, finish: str = "stop", counts: Any = USAGE) -> dict[str, Any]:
    """A whole chat completion, as it comes where no stream was asked for."""
    said = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"object": "chat.completion", "choices": [said], "usage": counts}


def model_list(ids: Iterable[str]) -> bytes:
    return plain({"object": "list", "data": [{"id": i, "object": "model"} for i in ids]})


def behaved(*ids: str, reply: Callable[[dict], Script] | None = None) -> Callable[[Request], Script]:
    """A server of these models that answers well. reply: what it says instead to a chat request's JSON."""

    def respond(request: Request) -> Script:
        if request.method == "GET":
            return [model_list(ids) if request.path == "/v1/models" else plain({"error": "no"}, "404 Not Found")]
        asked = json.loads(request.body)
        if reply:
            return reply(asked)
        if asked.get("stream"):
            return [head(), good()]
        return [plain(message("Hello!"))]

    return respond
