"""What an endpoint can do wrong, and what the row then says. Each fault is one request, whatever it is."""

import gzip
import socket
from dataclasses import dataclass, field

import pytest

from slmbench.measure import stream, wire
from support.replies import DONE, USAGE, chunked, delta, event, events, good, head, message, plain, usage
from support.server import HOLD, RESET, Drip, Pause, Server

ASKED = stream.body("m", "Say hello.", max_tokens=8, temperature=0, seed=0, stream=True)
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
    """script: what the server does. expected: fields of the reply. deadline_s is short where it has to pass."""

    script: list
    status: str
    error: str = ""
    text: str | None = None
    deadline_s: float = 10
    expected: dict = field(default_factory=dict)


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


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_a_fault_has_its_status(case):
    with Server(case.script) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED, deadline_s=case.deadline_s)
    assert reply.status == case.status, reply.error
    assert case.error in reply.error
    assert (reply.text or "").startswith(case.text or "")
    assert (reply.text is None) == (case.text is None) or "x" * 500 in reply.text
    assert {name: getattr(reply, name) for name in case.expected} == case.expected
    assert len(server.requests) == 1  # no retry, no redirect


@pytest.mark.parametrize("name", [n for n, c in FAULTS.items() if HOLD in c.script and c.status != "timeout"])
def test_an_end_is_seen_while_the_connection_stays_open(name):
    """Read by the end that the wire noted: it did not take the deadline to end."""
    with Server(FAULTS[name].script) as server:
        found = wire.exchange(wire.Address.of(f"{server.root}/v1/chat/completions"), ASKED, deadline_s=10)
    assert found.end in ("done", "too_large")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return gone.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_listens(host):
    reply = stream.ask(f"http://{host}:{closed_port()}/v1/chat/completions", ASKED, deadline_s=5)
    assert (reply.status, reply.connect_s, reply.text) == ("refused", None, None)
    assert "refused" in reply.error


def test_an_unknown_host_is_a_connection_error(monkeypatch):
    def unknown(*_):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(wire.socket, "create_connection", unknown)
    reply = stream.ask("http://nowhere.invalid/v1/chat/completions", ASKED)
    assert (reply.status, reply.error) == ("connection_error", "Name or service not known")


def test_no_connection_within_the_deadline(monkeypatch):
    def slow(*_):
        raise TimeoutError

    monkeypatch.setattr(wire.socket, "create_connection", slow)
    reply = stream.ask("http://127.0.0.1:1/v1/chat/completions", ASKED, deadline_s=2)
    assert (reply.status, reply.error) == ("timeout", "no connection within 2 s")


def test_no_tls_there():
    with Server([plain(b"what?", "400 Bad Request")]) as server:
        reply = stream.ask(f"https://127.0.0.1:{server.port}/v1/chat/completions", ASKED, deadline_s=5)
    assert reply.status == "connection_error"


COUNTS = {
    "absent": (None, None, 3, "chunks", ["usage_missing"]),
    "negative": ({"prompt_tokens": 7, "completion_tokens": -1}, 7, 3, "chunks", ["usage_invalid"]),
    "a text": ("many", None, 3, "chunks", ["usage_invalid"]),
    "text inside": ({"prompt_tokens": "7", "completion_tokens": "3"}, None, 3, "chunks", ["usage_invalid"]),
    "true": ({"prompt_tokens": True, "completion_tokens": True}, None, 3, "chunks", ["usage_invalid"]),
    "fractions": ({"prompt_tokens": 7.5, "completion_tokens": 3.0}, None, 3, "chunks", ["usage_invalid"]),
    "0": ({"prompt_tokens": 7, "completion_tokens": 0}, 7, 3, "chunks", ["usage_invalid"]),
    "0 for the prompt": ({"prompt_tokens": 0, "completion_tokens": 5}, None, 5, "server", ["usage_invalid"]),
    "beyond all measure": ({"prompt_tokens": 7, "completion_tokens": 10**400}, 7, 3, "chunks", ["usage_invalid"]),
    "empty": ({}, None, 3, "chunks", ["usage_invalid"]),
    "good": (USAGE, 7, 3, "server", []),
}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_counts_that_cannot_be_are_flagged(counts):
    told, prompt, output, source, flags = counts
    end = [] if told is None else [usage(told)]
    with Server([head() + events(delta("He"), delta("llo"), delta("!"), STOP, *end) + DONE]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.text) == ("ok", "Hello!")
    assert (reply.prompt_tokens, reply.output_tokens, reply.token_source) == (prompt, output, source)
    assert reply.flags == flags


@pytest.mark.parametrize(("details", "cached"), [({"cached_tokens": 5}, 5), ({"cached_tokens": -1}, None), ("x", None)])
def test_cached_tokens(details, cached):
    with Server([head(), good(counts=USAGE | {"prompt_tokens_details": details})]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.cached_tokens, reply.flags) == ("ok", cached, [])


@pytest.mark.parametrize(("answered", "flags"), [("m", []), ("m-large", ["other_model"]), ("", []), (None, [])])
def test_another_model_is_flagged(answered, flags):
    chunks = [c | {"model": answered} for c in (delta("Hello!"), STOP, usage())]
    with Server([head() + events(*chunks) + DONE]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.flags) == ("ok", flags)


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


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_faults_without_a_stream(case):
    asked = stream.body("m", "Say hello.", max_tokens=8, temperature=0, seed=0, stream=False)
    with Server(case.script) as server:
        url = f"{server.root}/v1/chat/completions"
        reply = stream.ask(url, asked, stream=False, deadline_s=case.deadline_s)
    assert reply.status == case.status, reply.error
    assert case.error in reply.error
    assert reply.text == case.text
    assert len(server.requests) == 1
