"""Read one chat completion, strictly: what counts as a reply, when its first token came, and what it said.

`ask` sends a request and reads its reply; `read` is the pure half, from a stamped `Wire` to a `Reply`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slmbench.measure.framing import BrokenHttp, Event, Framing, ProtocolError
from slmbench.measure.wire import Address, Wire, exchange

COUNT_MAX = 2**31  # of tokens: what is not below it is no count
CLOCK_JUMP_S = 1.0  # wall and monotonic clock this far apart: the machine slept, or its clock was set
FAULTS = {"refused": "refused", "unreachable": "connection_error", "too_large": "protocol_error"}


SHARED = (
    *("status", "error", "connect_s", "ttft_s", "ttfa_s", "latency_s", "chunk_s", "chunk_chars", "chunk_channel"),
    *("prompt_tokens", "output_tokens", "token_source", "cached_tokens", "finish_reason"),
    *("text", "reasoning_text", "text_sha256", "flags"),
)  # fields of a Reply that a Row has too


class ServerError(Exception):
    """The server reported an error inside a reply that began as a success."""


@dataclass(slots=True)
class Reply:
    """One reply, judged. The fields are those of `records.Row` with the same names; times in seconds."""

    status: str = "ok"
    error: str | None = None
    started_at_s: float = 0.0
    connect_s: float | None = None
    ttft_s: float | None = None
    ttfa_s: float | None = None
    latency_s: float | None = None
    chunk_s: list[float] | None = None
    chunk_chars: list[int] | None = None
    chunk_channel: list[str] | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    token_source: str | None = None
    cached_tokens: int | None = None
    finish_reason: str | None = None
    text: str | None = None
    reasoning_text: str | None = None
    text_sha256: str | None = None
    flags: list[str] = field(default_factory=list)


def body(model_id: str, prompt: str, *, max_tokens: int, temperature: float, seed: int | None, stream: bool) -> bytes:
    """The JSON of one chat completion request. temperature is always sent: a server samples where it is left out."""
    asked: dict[str, Any] = {
        "model": model_id,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": temperature,
        "stream": stream,
    }
    if seed is not None:
        asked["seed"] = seed
    if stream:
        asked["stream_options"] = {"include_usage": True}
    return json.dumps(asked).encode()


def ask(
    url: str,
    payload: bytes,
    *,
    stream: bool = True,
    deadline_s: float = 120.0,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """POST `payload` to the chat completions `url`, once, and read the reply.

    deadline_s: seconds for everything, connection included.
    returns: a Reply, whatever happened; see `records.STATUSES`.
    """
    wire = exchange(Address.of(url), payload, headers=dict(headers or {}), deadline_s=deadline_s)
    return read(wire, stream=stream, model=json.loads(payload).get("model"))


def read(wire: Wire, *, stream: bool = True, model: str | None = None) -> Reply:
    """Judge what came over the wire. Pure: the same wire gives the same reply.

    A streamed reply is ok when it is HTTP 200 with text/event-stream, has content, a finish_reason and [DONE],
    in strict UTF-8 and JSON. Content that came before a fault is kept as partial text.
    """
    reply = Reply(started_at_s=wire.started_at_s)
    reply.connect_s = None if wire.connect_ns is None else wire.connect_ns / 1e9
    if abs(wire.wall_drift_s) > CLOCK_JUMP_S:
        reply.flags.append("clock_jump")
    framing = Framing()
    said = _Said(wire.start_ns)
    fault, broken = None, False
    try:
        for at_ns, piece in wire.pieces:
            framing.feed(at_ns, piece)
    except ProtocolError as e:
        fault, broken = str(e), isinstance(e, BrokenHttp)
    if wire.end == "eof" and fault is None:
        framing.close(wire.end_ns)
    try:
        if framing.status == 200 and framing.is_stream and stream:
            for event in framing.events:
                said.event(event)
        elif framing.status == 200 and framing.ended and fault is None:
            _whole_body(framing, said, stream)
    except ProtocolError as e:
        fault, said.judged = str(e), "protocol_error"
    except ServerError as e:
        fault, said.judged = str(e), "server_error"
    reply.status, reply.error = _judge(wire, framing, said, fault, broken=broken, stream=stream)
    said.fill(reply, timed=stream and framing.is_stream, whole_ns=framing.body_ns)
    if model and said.model and said.model != model:
        reply.flags.append("other_model")
    return reply


def _judge(
    wire: Wire, framing: Framing, said: _Said, fault: str | None, *, broken: bool, stream: bool
) -> tuple[str, str | None]:
    """The status and its sentence. broken: the fault is one of HTTP itself."""
    if wire.end in FAULTS:
        return FAULTS[wire.end], wire.error
    if said.judged:
        return said.judged, fault
    if framing.status is None:
        if wire.end == "timeout":
            return "timeout", wire.error
        if fault and not broken:
            return "protocol_error", fault
        return "connection_error", fault or wire.error or "the connection closed before a reply"
    if framing.status != 200:
        return f"http_{framing.status}", _error_text(bytes(framing.body)) or f"HTTP status {framing.status}"
    if wire.end == "timeout" and not (framing.done or fault):
        return "timeout", wire.error
    if stream != framing.is_stream:
        asked, kind = "a" if stream else "no", framing.headers.get("content-type", "no content type")
        return "protocol_error", f"{asked} stream was asked for, and {kind} came: {_start(bytes(framing.body))}"
    if fault:
        return "truncated" if broken else "protocol_error", fault
    whole = framing.marked if stream else framing.ended
    if not whole or (said.finish is None and said.chunks):
        missing = "its end" if not whole else "a finish_reason"
        return "truncated", f"the reply came without {missing}" + (f" ({wire.error})" if wire.error else "")
    if not said.chunks:
        return "empty_reply", "a whole reply without any content"
    return "ok", None


class _Said:
    """Collects what the chunks of one reply say."""

    def __init__(self, start_ns: int):
        self.start_ns = start_ns
        self.chunks: list[tuple[int, str, str]] = []  # (arrival, channel, text)
        self.finish: str | None = None
        self.usage: Any = None
        self.model: str | None = None
        self.judged: str | None = None

    def event(self, event: Event) -> None:
        """raises: ProtocolError, ServerError."""
        try:
            text = event.data.decode("utf-8")
        except UnicodeDecodeError as e:
            raise ProtocolError(f"invalid UTF-8: {e.reason} at byte {e.start} of a chunk") from e
        if event.name == "error":
            raise ServerError(_error_text(event.data) or text[:300])
        try:
            value = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as e:
            raise ProtocolError(f"invalid JSON in a chunk: {e}") from e
        self.take(value, event.at_ns, "delta")

    def take(self, value: Any, at_ns: int, part: str) -> None:
        """One JSON object of the reply. part: "delta" in a stream, "message" in a whole body."""
        if not isinstance(value, dict):
            raise ProtocolError(f"an object was expected, and {type(value).__name__} came")
        if value.get("error"):
            raise ServerError(_error_text(json.dumps(value).encode()) or "an error without a message")
        if value.get("usage") is not None:
            self.usage = value["usage"]
        if isinstance(value.get("model"), str) and value["model"]:
            self.model = value["model"]
        choices = value.get("choices")
        if not isinstance(choices, list):
            raise ProtocolError("a chunk without a list of choices")
        for choice in choices:
            if not isinstance(choice, dict):
                raise ProtocolError("a choice that is no object")
            if choice.get("index", 0) != 0:
                continue  # one reply was asked for; what came beside it is not counted
            said = choice.get(part, {} if choice.get("finish_reason") else None)
            if not isinstance(said, dict):
                raise ProtocolError(f"a choice whose {part} is no object")
            for key, channel in ("reasoning_content", "reasoning"), ("reasoning", "reasoning"), ("content", "answer"):
                content = said.get(key)
                if content is None or (key == "reasoning" and said.get("reasoning_content") is not None):
                    continue
                if not isinstance(content, str):
                    raise ProtocolError(f"{key} is no string but {type(content).__name__}")
                if content:
                    self.chunks.append((at_ns, channel, content))
            if choice.get("finish_reason"):  # some servers send "" until there is one
                self.finish = str(choice["finish_reason"])

    def fill(self, reply: Reply, *, timed: bool, whole_ns: int) -> None:
        """Write times, texts and counts into `reply`. timed: chunks carry times of their own (a stream)."""
        texts = {c: "".join(t for _, channel, t in self.chunks if channel == c) for c in ("answer", "reasoning")}
        reply.finish_reason = self.finish
        if self.chunks:
            reply.text = _whole_characters(texts["answer"])
            reply.reasoning_text = _whole_characters(texts["reasoning"]) or None
            reply.text_sha256 = hashlib.sha256(reply.text.encode()).hexdigest()
            if "\ufffd" in reply.text and "\ufffd" not in texts["answer"]:
                reply.flags.append("half_character")
            if timed:
                reply.chunk_s = [round((ns - self.start_ns) / 1e9, 9) for ns, _, _ in self.chunks]
                reply.chunk_chars = [len(text) for _, _, text in self.chunks]
                reply.chunk_channel = [channel for _, channel, _ in self.chunks]
                reply.ttft_s, reply.latency_s = reply.chunk_s[0], reply.chunk_s[-1]
                answers = (
                    s for s, (_, channel, _) in zip(reply.chunk_s, self.chunks, strict=True) if channel == "answer"
                )
                reply.ttfa_s = next(answers, None)
            else:
                reply.latency_s = round((whole_ns - self.start_ns) / 1e9, 9)
        self._count(reply, timed)

    def _count(self, reply: Reply, timed: bool) -> None:
        """Tokens as the server counts them; chunks where it does not, and a flag that says so."""
        usage = self.usage if isinstance(self.usage, dict) else {}
        details = usage.get("prompt_tokens_details")
        reply.prompt_tokens = _count_of(usage.get("prompt_tokens")) or None  # no prompt has none
        reply.cached_tokens = _count_of(details.get("cached_tokens")) if isinstance(details, dict) else None
        tokens = _count_of(usage.get("completion_tokens"))
        counted = tokens is not None and (tokens > 0 or not self.chunks)
        if counted:
            reply.output_tokens, reply.token_source = tokens, "server"
        elif self.chunks and timed:
            reply.output_tokens, reply.token_source = len(self.chunks), "chunks"
        if self.chunks and not (counted and reply.prompt_tokens):
            reply.flags.append("usage_missing" if self.usage is None else "usage_invalid")


def _whole_body(framing: Framing, said: _Said, stream: bool) -> None:
    """A reply that is no stream: plain JSON, which is right only where no stream was asked for."""
    text = bytes(framing.body)
    if stream:
        return
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as e:
        raise ProtocolError(f"the body is no JSON: {_start(text)}") from e
    said.take(value, framing.body_ns, "message")


def _count_of(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < COUNT_MAX else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _whole_characters(text: str) -> str:
    """Characters that came in two escaped UTF-16 halves put together; a half without the other one as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _error_text(data: bytes) -> str | None:
    """The message inside an OpenAI-style error, else the start of the text."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _start(data) or None
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message") if isinstance(error, dict) else error
    return str(message if message else error)[:500]


def _start(data: bytes) -> str:
    return data[:200].decode("utf-8", "replace").strip()
