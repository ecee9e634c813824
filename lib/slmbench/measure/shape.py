"""What a streamed reply is made of, and which metrics that allows: the audit of an endpoint's stream.

`look` sends one request; `shape_of` is the pure half, from a stamped `Wire` to a `Shape`; `allowed` says what follows.
One reply tells what the stream looks like, never how fast the server is.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slmbench.measure.framing import Event, Framing, ProtocolError
from slmbench.measure.stream import body, read
from slmbench.measure.wire import Address, Wire, exchange
from slmbench.records import OK

PROMPT = "Count from one to twenty, in words."
TOKENS = 48
DEADLINE_S = 120.0
SAME_SHARE = 0.05  # tokens and chunks that differ by no more (or by one: the end mark) are counted as equal


@dataclass(frozen=True, slots=True)
class Shape:
    """One streamed reply, looked at. Times in seconds from the request as in `records.Row`; None: it did not come.

    status, error: what the row of such a reply would say. transfer: how HTTP told the body's length (chunked |
    content-length | until close). head_s: end of HTTP's own headers. role_s: the chunk that names only the role.
    done_s: the [DONE] mark. chunks: with content, all channels; reads: how many arrivals brought them, the first of
    which brought first_read_chunks.
    empty_chunks: neither content nor role, end, counts or tool calls. usage: where the counts stood (own chunk | last
    chunk | every chunk). hidden_tokens: of reasoning that was counted and not streamed. comments: lines that only keep
    the connection alive. model: what the reply calls itself.
    """

    status: str
    error: str | None = None
    transfer: str | None = None
    head_s: float | None = None
    role_s: float | None = None
    ttft_s: float | None = None
    ttfa_s: float | None = None
    latency_s: float | None = None
    done_s: float | None = None
    chunks: int = 0
    reads: int = 0
    chunks_per_read_max: int = 0
    first_read_chunks: int = 0
    reasoning_chunks: int = 0
    empty_chunks: int = 0
    tool_chunks: int = 0
    comments: int = 0
    usage: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None  # None unless the server counts them
    cached_tokens: int | None = None
    hidden_tokens: int = 0
    finish_reason: str | None = None
    model: str | None = None
    other_model: bool = False

    @property
    def answer_chunks(self) -> int:
        return self.chunks - self.reasoning_chunks

    @property
    def tokens_per_chunk(self) -> float | None:
        """Mean; None without the server's count."""
        return self.output_tokens / self.chunks if self.output_tokens and self.chunks else None

    @property
    def token_a_chunk(self) -> bool:
        tokens = self.output_tokens
        return tokens is not None and abs(tokens - self.chunks) <= max(1, SAME_SHARE * self.chunks)

    @property
    def at_once(self) -> bool:
        """Whether all content came in one read."""
        return self.reads == 1


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whether a metric can be had from such replies. answer: yes | roughly | no; why: a sentence fragment."""

    metric: str
    answer: str
    why: str


def look(
    url: str,
    model_id: str,
    prompt: str = PROMPT,
    *,
    max_tokens: int = TOKENS,
    headers: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Shape:
    """Ask for one streamed reply at the chat completions `url`, and see what it is made of."""
    payload = body(model_id, prompt, max_tokens=max_tokens, temperature=0.0, seed=0, stream=True)
    wire = exchange(Address.of(url), payload, headers=dict(headers or {}), deadline_s=deadline_s)
    return shape_of(wire, model_id)


def shape_of(wire: Wire, model_id: str | None = None) -> Shape:
    """The shape of one reply. Pure: the same wire gives the same shape; whatever came, this raises nothing."""
    reply = read(wire, model=model_id)
    framing = Framing()
    head_ns = done_ns = None
    with contextlib.suppress(ProtocolError):  # `read` has met it too: it is the reply's error
        for at_ns, piece in wire.pieces:
            framing.feed(at_ns, piece)
            head_ns = at_ns if head_ns is None and framing.status is not None else head_ns
            done_ns = at_ns if done_ns is None and framing.marked else done_ns
        if wire.end == "eof":
            framing.close(wire.end_ns)
            done_ns = wire.end_ns if done_ns is None and framing.marked else done_ns
    chunks = [(event, value) for event in framing.events if (value := _object(event)) is not None]
    texts = reply.chunk_s or []
    together = [len(list(same)) for _, same in itertools.groupby(texts)]
    return Shape(
        status=reply.status,
        error=reply.error,
        transfer=_transfer(framing) if framing.status is not None else None,
        head_s=_seconds(wire, head_ns),
        role_s=_seconds(wire, next((e.at_ns for e, v in chunks if _names_only_a_role(v)), None)),
        ttft_s=reply.ttft_s,
        ttfa_s=reply.ttfa_s,
        latency_s=reply.latency_s,
        done_s=_seconds(wire, done_ns),
        chunks=len(texts),
        reads=len(together),
        chunks_per_read_max=max(together, default=0),
        first_read_chunks=together[0] if together else 0,
        reasoning_chunks=(reply.chunk_channel or []).count("reasoning"),
        empty_chunks=sum(_is_empty(v) for _, v in chunks),
        tool_chunks=sum("tool_calls" in _delta(v) for _, v in chunks),
        comments=_comments(framing),
        usage=_where_usage_stands([v for _, v in chunks]),
        prompt_tokens=reply.prompt_tokens,
        output_tokens=reply.output_tokens if reply.token_source == "server" else None,
        cached_tokens=reply.cached_tokens,
        hidden_tokens=0 if "reasoning" in (reply.chunk_channel or ()) else _reasoning_tokens([v for _, v in chunks]),
        finish_reason=reply.finish_reason,
        model=next((v["model"] for _, v in chunks if isinstance(v.get("model"), str)), None),
        other_model="other_model" in reply.flags,
    )


def allowed(shape: Shape) -> list[Allowed]:
    """Which metrics replies of this shape give, and why not the others."""
    names = ("ttft_s", "ttfa_s", "latency_s", "token gaps", "tpot_s, decode_tps", "output_tps", "prefill_tps")
    if shape.status != OK:
        return [Allowed(n, "no", f"a reply like this is recorded as {shape.status}: {shape.error}") for n in names]
    found = (_ttft, _ttfa, _latency, _gaps, _tpot, _output, _prefill)
    return [Allowed(name, *judge(shape)) for name, judge in zip(names, found, strict=True)]


def _ttft(s: Shape) -> tuple[str, str]:
    if s.at_once and (s.chunks > 1 or (s.output_tokens or 0) > 1):
        return "no", "all content came in one piece, so the first token's time is that of the last"
    early_ms = 0.0 if s.role_s is None else 1e3 * (s.ttft_s - s.role_s)
    role = f"; the role alone came {early_ms:.3g} ms before, and does not count" if early_ms > 0 else ""
    return "yes", f"from the request to the first chunk with content{role}"


def _ttfa(s: Shape) -> tuple[str, str]:
    if not s.answer_chunks:
        return "no", "no answer came, only reasoning: ask for longer replies (--max-tokens)"
    if s.reasoning_chunks:
        return _ttft(s)[0], f"the first chunk of the answer comes after {s.reasoning_chunks} of reasoning"
    if s.hidden_tokens:
        return _ttft(s)[0], "as ttft_s; the reasoning before it is not streamed"
    return _ttft(s)[0], "as ttft_s: there is no reasoning channel in this reply"


def _latency(_: Shape) -> tuple[str, str]:
    return "yes", "from the request to the last chunk with content"


def _gaps(s: Shape) -> tuple[str, str]:
    bunched = s.chunks - s.reads
    if s.at_once:
        return "no", "all content came in one piece"
    if s.output_tokens is None:
        return "no", "the server counts no tokens: gaps are those between chunks"
    if not s.token_a_chunk:
        return "no", f"{s.tokens_per_chunk:.1f} tokens a chunk: gaps are those between chunks"
    if bunched > SAME_SHARE * s.chunks:
        return "roughly", f"{bunched} of {s.chunks} chunks came in one read with the chunk before them: gaps of 0 s"
    return "yes", "one token a chunk: a gap between chunks is a gap between tokens"


def _tpot(s: Shape) -> tuple[str, str]:
    if s.at_once:
        return "no", "all content came in one piece: no time passes between the first token and the last"
    if s.output_tokens is None:
        return "roughly", "the server counts no tokens, chunks stand for them (token_source: chunks)"
    if s.hidden_tokens:
        return "no", f"{s.hidden_tokens} tokens of reasoning were made before the first chunk, counted and not streamed"
    first = s.first_read_chunks * (1 if s.token_a_chunk else s.tokens_per_chunk)  # tokens that came together, at ttft_s
    low_pct = 100 * (first - 1) / (s.output_tokens - 1) if s.output_tokens > 1 else 0.0
    if low_pct > 100 * SAME_SHARE / 2:
        return (
            "roughly",
            f"the first read brought about {first:.1f} tokens: tpot_s of such replies is {low_pct:.0f} % low",
        )
    return "yes", "by the server's own count of tokens"


def _output(s: Shape) -> tuple[str, str]:
    if s.output_tokens is None:
        return "roughly", "the server counts no tokens, chunks stand for them (token_source: chunks)"
    return "yes", "by the server's own count of tokens"


def _prefill(s: Shape) -> tuple[str, str]:
    if s.prompt_tokens is None:
        return "no", "the server does not count the prompt's tokens"
    if _ttft(s)[0] == "no":
        return "no", "there is no ttft_s"
    if s.cached_tokens:
        return "no", f"{s.cached_tokens} of {s.prompt_tokens} prompt tokens came from a cache: use --nonce"
    return "roughly", "a lower bound: ttft_s holds waiting in the server's queue as well"


def _seconds(wire: Wire, at_ns: int | None) -> float | None:
    return None if at_ns is None else round((at_ns - wire.start_ns) / 1e9, 9)


def _transfer(framing: Framing) -> str:
    if "chunked" in framing.headers.get("transfer-encoding", "").lower():
        return "chunked"
    return "content-length" if "content-length" in framing.headers else "until close"


def _object(event: Event) -> dict[str, Any] | None:
    try:
        value = json.loads(event.data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _choice(value: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _delta(value: Mapping[str, Any]) -> Mapping[str, Any]:
    delta = _choice(value).get("delta")
    return delta if isinstance(delta, dict) else {}


def _has_text(value: Mapping[str, Any]) -> bool:
    return any(_delta(value).get(key) for key in ("content", "reasoning_content", "reasoning"))


def _names_only_a_role(value: Mapping[str, Any]) -> bool:
    return bool(_delta(value).get("role")) and not _has_text(value)


def _is_empty(value: Mapping[str, Any]) -> bool:
    says = _has_text(value) or _delta(value).get("role") or "tool_calls" in _delta(value)
    return not (says or _choice(value).get("finish_reason") or value.get("usage") or value.get("error"))


def _where_usage_stands(values: list[dict[str, Any]]) -> str | None:
    with_usage = [v for v in values if v.get("usage")]
    if not with_usage:
        return None
    if len(with_usage) > 1 and sum(map(_has_text, with_usage)) > 0:
        return "every chunk"
    return "last chunk" if _choice(with_usage[-1]) else "own chunk"


def _reasoning_tokens(values: list[dict[str, Any]]) -> int:
    usage = next((v["usage"] for v in reversed(values) if isinstance(v.get("usage"), dict)), {})
    details = usage.get("completion_tokens_details")
    count = details.get("reasoning_tokens") if isinstance(details, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def _comments(framing: Framing) -> int:
    if not framing.is_stream:
        return 0
    lines = bytes(framing.body).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return sum(line.startswith(b":") for line in lines)
