"""What an endpoint can send, right and wrong, as scripts of `server.Server`; and what a row then has to say."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field

from slmbench.measure import stream
from support.replies import DONE, USAGE, chunked, delta, event, events, good, head, message, plain, usage
from support.server import HOLD, RESET, Drip, Pause

ASKED = stream.body("m", "Say hello.", max_tokens=8, temperature=0, seed=0, stream=True)
WHOLE_ASKED = stream.body("m", "Say hello.", max_tokens=8, temperature=0, seed=0, stream=False)
STOP = delta(finish="stop")
PART = head() + events(delta(None, role="assistant"), delta("Hel"))  # a reply that began well
DEEP = '{"choices":' + "[" * 100_000 + "]" * 100_000 + "}"
ERROR = {"error": {"message": "out of memory", "code": 507}}


def said(*values):
    """A stream that says `values` and ends well."""
    return [head() + events(*values) + DONE]


def failed(status, message="try later", **headers):
    return [plain({"error": {"message": message}}, status, **headers), HOLD]


@dataclass(frozen=True)
class Case:
    """A request that fails.

    script: what the server does. expected: fields of the reply. deadline_s is short where it has to pass.
    """

    script: list
    status: str
    error: str = ""
    text: str | None = None
    deadline_s: float = 10
    expected: dict = field(default_factory=dict)

    def differences(self, reply: stream.Reply) -> list[str]:
        """What a reply says otherwise than it should."""
        found = {name: getattr(reply, name) for name in self.expected}
        if "flags" in found:
            found["flags"] = server_flags(reply)
        text = reply.text or ""
        wrong = text != (self.text or "") and "x" * 500 not in text  # what fills up a reply beyond its cap
        return [
            *([f"status {reply.status}, not {self.status}: {reply.error}"] if reply.status != self.status else []),
            *([f"error {reply.error!r} without {self.error!r}"] if self.error not in (reply.error or "") else []),
            *([f"text {text[:80]!r}, not {self.text!r}"] if wrong else []),
            *([f"{found}, not {self.expected}"] if found != self.expected else []),
        ]


def server_flags(reply: stream.Reply) -> list[str]:
    """What the flags say of the server: a busy machine that runs the tests may be late, and says so too."""
    return [flag for flag in reply.flags if flag != "client_bound"]


SLOW = {"deadline_s": 0.4}
FAULTS = {
    # the connection
    "closed before a reply": Case([], "connection_error", "closed before"),
    "reset before a reply": Case([RESET], "connection_error"),
    "a garbage status line": Case([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], "connection_error"),
    "closed in the head": Case([head()[:20]], "connection_error"),
    "reset in the stream": Case([PART, Pause(0.05), RESET], "truncated", "", "Hel"),
    "broken chunking": Case(
        [head(Transfer_Encoding="chunked") + chunked(PART.split(b"\r\n\r\n")[1], last=False) + b"zz\r\nabc", HOLD],
        "truncated",
        "chunk",
        "Hel",
    ),
    "a body shorter than promised": Case(
        [head(Content_Length="9999") + good(done=b"")], "truncated", "its end", "Hello!"
    ),
    "chunks without the last one": Case(
        [head(Transfer_Encoding="chunked") + chunked(good(done=b""), last=False)], "truncated", "its end", "Hello!"
    ),
    # time
    "no reply": Case([HOLD], "timeout", "deadline of 0.4 s", **SLOW),
    "a stalled head": Case([head()[:20], HOLD], "timeout", **SLOW),
    "a dripped head": Case([Drip(head() * 99, 0.02)], "timeout", **SLOW),
    "an endless head, dripped": Case(
        [b"HTTP/1.1 200 OK\r\n", Drip(b"X: y\r\n", 0.02, forever=True)], "timeout", **SLOW
    ),
    "a stall before the stream": Case([head(), HOLD], "timeout", **SLOW),
    "a stall in the stream": Case([PART, HOLD], "timeout", "", "Hel", **SLOW),
    "pings for ever": Case([PART, Drip(b": ping\n\n", 0.02, 8, forever=True)], "timeout", "", "Hel", **SLOW),
    "content dripped for ever": Case([PART, Drip(event(delta("")), 0.01, forever=True)], "timeout", "", "Hel", **SLOW),
    # the end marks
    "no finish_reason": Case([PART + DONE], "truncated", "finish_reason", "Hel"),
    "an empty finish_reason": Case(said(delta("Hel", finish="")), "truncated", "finish_reason", "Hel"),
    "no [DONE]": Case([PART + events(STOP)], "truncated", "its end", "Hel"),
    "cut in an event": Case([PART + event(delta("lo!"))[:-12]], "truncated", "its end", "Hel"),
    # the content
    "malformed JSON": Case([PART + event("{") + DONE], "protocol_error", "invalid JSON", "Hel"),
    "NaN in JSON": Case(said('{"choices": [], "x": NaN}'), "protocol_error", "NaN"),
    "JSON nested without end": Case(said(DEEP), "protocol_error"),
    "JSON that is no object": Case(said([1]), "protocol_error", "list"),
    "invalid UTF-8": Case([PART + event(delta("\x00")).replace(b"\\u0000", b"\xff")], "protocol_error", "UTF-8", "Hel"),
    "choices null": Case(said({"choices": None}), "protocol_error", "choices"),
    "choices missing": Case(said({"object": "chat.completion.chunk"}), "protocol_error", "choices"),
    "choices of strings": Case(said({"choices": ["Hello!"]}), "protocol_error", "choice"),
    "choices empty": Case(said({"choices": []}), "empty_reply"),
    "delta null": Case(said({"choices": [{"index": 0, "delta": None}]}), "protocol_error", "delta"),
    "content a number": Case(said(delta("Hel"), delta(3)), "protocol_error", "content is no string but int", "Hel"),
    "content a list": Case(said(delta(["a"])), "protocol_error", "list"),
    "reasoning a number": Case(said(delta(reasoning_content=1)), "protocol_error", "reasoning_content"),
    "nothing but [DONE]": Case([head() + DONE], "empty_reply"),
    "nothing but the role": Case(said(delta("", role="assistant"), STOP), "empty_reply", text=None),
    "an immediate end": Case(
        said(delta(""), STOP, usage({"prompt_tokens": 7, "completion_tokens": 0})),
        "empty_reply",
        expected={"output_tokens": 0, "token_source": "server", "flags": []},
    ),
    "nothing but tool calls": Case(
        said(delta(tool_calls=[{"index": 0}]), delta(finish="tool_calls")),
        "empty_reply",
        expected={"finish_reason": "tool_calls"},
    ),
    # errors that the server reports
    "429": Case(failed("429 Too Many Requests", Retry_After="60"), "http_429", "try later"),
    "408": Case(failed("408 Request Timeout"), "http_408", "try later"),
    "500": Case(failed("500 Internal Server Error"), "http_500", "try later"),
    "503": Case(failed("503 Service Unavailable", Retry_After="1"), "http_503", "try later"),
    "404 without a body": Case([plain(b"", "404 Not Found")], "http_404", "HTTP status 404"),
    "401 with HTML": Case([plain(b"<h1>who?</h1>", "401 Unauthorized", "text/html")], "http_401", "<h1>who?"),
    "400, cut": Case([head("400 Bad Request", Content_Length="99") + b'{"err'], "http_400", '{"err'),
    "500 with a stream": Case([head("500 Oops") + good()], "http_500"),
    "204": Case([head("204 No Content"), HOLD], "http_204"),
    "a redirect": Case([head("307 Temporary Redirect", Location="/v1/other", Content_Length="0"), HOLD], "http_307"),
    "an error in the stream": Case([PART + event(ERROR), HOLD], "server_error", "out of memory", "Hel"),
    "an error in the stream, byte by byte": Case(
        [PART, Drip(event(ERROR)), HOLD], "server_error", "out of memory", "Hel"
    ),
    "an error instead of a stream": Case([head(), event(ERROR), HOLD], "server_error", "out of memory"),
    "an error and the end": Case([PART + event(ERROR) + DONE], "server_error", "out of memory", "Hel"),
    "an error without a line end": Case([PART + event(ERROR)[:-2]], "server_error", "out of memory", "Hel"),
    "an error that is a text": Case([PART + event({"error": "no"}), HOLD], "server_error", "no", "Hel"),
    "event: error": Case([PART + b"event: error\n" + event("broken"), HOLD], "server_error", "broken", "Hel"),
    "event:error with JSON": Case(
        [PART + b"event:error\n" + event(ERROR), HOLD], "server_error", "out of memory", "Hel"
    ),
    # not a stream at all
    "HTML": Case([plain(b"<html>hi</html>", kind="text/html")], "protocol_error", "text/html came: <html>hi"),
    "plain JSON": Case([plain(message("Hello!")), HOLD], "protocol_error", "application/json"),
    "a stream of no type": Case([head(kind=None) + good()], "protocol_error", "no content type"),
    "gzip": Case(
        [head(Content_Encoding="gzip", Transfer_Encoding="chunked") + chunked(gzip.compress(good())), HOLD],
        "protocol_error",
        "content-encoding 'gzip'",
    ),
    # too much
    "a line of 2 MiB": Case([PART + event(delta("x" * 2**21)), HOLD], "protocol_error", "a line of more than", "Hel"),
    "2 MiB without a line end": Case(
        [PART + b"data: " + b"x" * 2**21, HOLD], "protocol_error", "a line of more", "Hel"
    ),
    "9 MiB": Case([PART, *[event(delta("x" * 500_000))] * 19, HOLD], "protocol_error", "more than"),
    "128 KiB of head": Case([b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 22_000, HOLD], "protocol_error"),
}

WHOLE = {
    "a stream": Case([head(), good()], "protocol_error", "no stream was asked for"),
    "HTML": Case([plain(b"<html>", kind="text/html")], "protocol_error", "no JSON: <html>"),
    "nested without end": Case([plain(DEEP.encode())], "protocol_error"),
    "an error": Case([plain(ERROR)], "server_error", "out of memory"),
    "cut": Case([plain(message("Hello!"))[:-5]], "truncated", "its end"),
    "no finish_reason": Case([plain(message("Hello!", finish=None))], "truncated", "finish_reason", "Hello!"),
    "no content": Case([plain(message(""))], "empty_reply"),
    "message null": Case([plain({"choices": [{"message": None}]})], "protocol_error", "message"),
    "choices empty": Case([plain({"choices": []})], "empty_reply"),
    "stalled": Case([plain(message("Hello!"))[:-5], HOLD], "timeout", **SLOW),
}

LINES = b"data: " + b"".join([b'{"choices":\ndata: [{"index": 0,\ndata:  "delta": {"content": "Hello!"}}]}'])
CALL = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DONE_ONLY = b"data: [DONE]"

GOOD = {
    "in one packet, the connection closed after it": [head(), good()],
    "with a Content-Length": [head(Content_Length=str(len(good()))) + good(), HOLD],
    "in chunks, an event each": [
        head(Transfer_Encoding="chunked") + chunked(*good().splitlines(keepends=True)),
        HOLD,
    ],
    "over HTTP/1.0": [b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + good()],
    "after 100 Continue": [CONTINUE + head() + good()],
    "with a charset and capitals": [head(kind="Text/Event-Stream; charset=UTF-8"), good()],
    "an event over many packets": [head(), Drip(good(), size=7)],
    "byte by byte": [Drip(head() + good())],
    "lines that end with CRLF": [head(), good().replace(b"\n", b"\r\n")],
    "lines that end with CR": [head(), good().replace(b"\n", b"\r")],
    "CRLF, byte by byte": [head(), Drip(good().replace(b"\n", b"\r\n"))],
    "comments before and between": [head() + b": keep-alive\n\n", b":\n" + good().replace(b"data", b": ping\n\ndata")],
    "data over three lines": [head(), LINES + b"\n\n" + events(STOP, usage()) + DONE_ONLY + b"\n\n"],
    "no space after the colon": [head(), good().replace(b"data: ", b"data:")],
    "a byte order mark": [head() + b"\xef\xbb\xbf" + good()],
    "other fields": [head() + b"id: 1\nretry: 10\nevent: message\nnonsense\n" + good()],
    "no line end after [DONE], the connection open": [
        head(Transfer_Encoding="chunked") + chunked(good(done=DONE_ONLY)),
        HOLD,
    ],
    "no line end after [DONE], the connection closed": [head() + good(done=DONE_ONLY)],
    "one line end after [DONE], the connection open": [head() + good(done=DONE_ONLY + b"\n"), HOLD],
    "more after [DONE]": [head() + good() + b"data: nonsense\n\n\xff", HOLD],
    "empty deltas between": [head() + events(delta(""), delta("Hello!"), delta(""), delta(), STOP, usage()) + DONE],
    "content in the chunk with the finish_reason": [head() + events(delta("Hello!", finish="length"), usage()) + DONE],
    "no delta in the chunk with the finish_reason": [
        head() + events(delta("Hello!"), {"choices": [{"finish_reason": "stop"}]}, usage()) + DONE
    ],
    "usage in the chunk with the finish_reason": [head() + events(delta("Hello!"), STOP | {"usage": USAGE}) + DONE],
    "tool calls beside it": [head() + events(delta("Hello!"), delta(tool_calls=CALL), STOP, usage()) + DONE],
    "a null error": [head() + events(delta("Hello!") | {"error": None}, STOP, usage()) + DONE],
    "an error only in the words": [
        head() + events(delta("Hello"), delta("!"), STOP | {"note": '"error" event: error'}, usage()) + DONE
    ],
    "a second choice, which nobody asked for": [
        head() + events(delta("Hello!"), {"choices": [{"index": 1, "delta": {"content": "x"}}]}, STOP, usage()) + DONE
    ],
}
