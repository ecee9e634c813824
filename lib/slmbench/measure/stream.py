"""Read one chat completion, strictly: what counts as a reply, when its first token came, and what it said.

`ask` sends a request and reads its reply; `read` is the pure half, from a stamped `Wire` to a `Reply`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slmbench.measure.framing import BrokenHttp, Framing, ProtocolError
from slmbench.measure.pace import client_bound
from slmbench.measure.said import Said, ServerError, error_text, start_of, strict_json
from slmbench.measure.wire import Address, Wire, exchange

CLOCK_JUMP_S = 1.0  # wall and monotonic clock this far apart: the machine slept, or its clock was set
FAULTS = {"refused": "refused", "unreachable": "connection_error", "too_large": "protocol_error"}
SHARED = (
    *("status", "error", "connect_s", "ttft_s", "ttfa_s", "latency_s", "chunk_s", "chunk_chars", "chunk_channel"),
    *("prompt_tokens", "output_tokens", "token_source", "cached_tokens", "finish_reason"),
    *("text", "reasoning_text", "text_sha256", "client_lag_s", "flags"),
)  # fields of a Reply that a Row has too


@dataclass(slots=True)
class Reply:
    """One reply, judged. The fields are those of `records.Row` with the same names; times in seconds."""

    status: str = "ok"
    error: str | None = None
    started_at_s: float = 0.0
    intended_at_s: float | None = None  # open loop: when it was due; the times count from then
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
    client_lag_s: float | None = None
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
    reply = Reply(started_at_s=wire.started_at_s, intended_at_s=wire.due_at_s)
    reply.connect_s = None if wire.connect_ns is None else wire.connect_ns / 1e9
    if abs(wire.wall_drift_s) > CLOCK_JUMP_S:
        reply.flags.append("clock_jump")
    framing = Framing()
    said = Said(wire.start_ns)
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
    reply.client_lag_s = round(wire.lag_ns / 1e9, 9) if wire.pieces else None
    if client_bound(wire, [at_ns for at_ns, _, _ in said.chunks]):
        reply.flags.append("client_bound")
    if model and said.model and said.model != model:
        reply.flags.append("other_model")
    return reply


def _judge(
    wire: Wire, framing: Framing, said: Said, fault: str | None, *, broken: bool, stream: bool
) -> tuple[str, str | None]:
    """The status and its sentence. broken: the fault is one of HTTP itself."""
    if wire.end in FAULTS:
        return FAULTS[wire.end], wire.error
    if said.judged:
        return said.judged, fault
    stopped = wire.end in ("timeout", "interrupted")
    if framing.status is None:
        if stopped:
            return wire.end, wire.error
        if fault and not broken:
            return "protocol_error", fault
        return "connection_error", fault or wire.error or "the connection closed before a reply"
    if framing.status != 200:
        return f"http_{framing.status}", error_text(bytes(framing.body)) or f"HTTP status {framing.status}"
    if stopped and not (framing.done or fault):
        return wire.end, wire.error
    if stream != framing.is_stream:
        asked, kind = "a" if stream else "no", framing.headers.get("content-type", "no content type")
        return "protocol_error", f"{asked} stream was asked for, and {kind} came: {start_of(bytes(framing.body))}"
    if fault:
        return "truncated" if broken else "protocol_error", fault
    whole = framing.marked if stream else framing.ended
    if not whole or (said.finish is None and said.chunks):
        missing = "its end" if not whole else "a finish_reason"
        return "truncated", f"the reply came without {missing}" + (f" ({wire.error})" if wire.error else "")
    if not said.chunks:
        return "empty_reply", "a whole reply without any content"
    return "ok", None


def _whole_body(framing: Framing, said: Said, stream: bool) -> None:
    """A reply that is no stream: plain JSON, which is right only where no stream was asked for."""
    text = bytes(framing.body)
    if stream:
        return
    try:
        value = strict_json(text.decode("utf-8"))
    except (ValueError, RecursionError) as e:
        raise ProtocolError(f"the body is no JSON: {start_of(text)}") from e
    said.take(value, framing.body_ns, "message")
