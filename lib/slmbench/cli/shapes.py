"""What `slmbench probe --shape` prints: an endpoint's stream in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from slmbench import secret
from slmbench.endpoint import Endpoint, Target
from slmbench.errors import KitError
from slmbench.measure import shape as looking
from slmbench.measure.shape import Shape, allowed


def look_at(
    endpoint: Endpoint, targets: Sequence[Target], prompt: str | None, headers: Mapping[str, str]
) -> list[tuple[Target, Shape]]:
    """Have each model loaded where that is ours to do, and ask it for one streamed reply."""
    return [(target, _look(endpoint, target, prompt or looking.PROMPT, headers)) for target in targets]


def _look(endpoint: Endpoint, target: Target, prompt: str, headers: Mapping[str, str]) -> Shape:
    if not target.available:
        return Shape(target.fault or "skipped", target.reason)
    try:
        endpoint.load(target)
    except KitError as e:
        return Shape("skipped", f"it can't be loaded: {e}")
    seen = looking.look(f"{target.base_url}/chat/completions", target.id, prompt, headers=headers)
    return secret.without(seen, secret.carried(headers))


def as_json(target: Target, shape: Shape) -> dict[str, Any]:
    """One target: what was seen, and what it allows."""
    metrics = [dataclasses.asdict(one) for one in allowed(shape)]
    return {"alias": target.alias, "id": target.id, "shape": dataclasses.asdict(shape), "metrics": metrics}


def in_words(alias: str, shape: Shape) -> list[str]:
    """One target, a line for each thing that matters; the metrics last."""
    lines = [f"{alias}: {shape.status}{f': {shape.error}' if shape.error else ''}"]
    if shape.transfer is None:  # no reply: nothing to look at
        return lines
    lines += [f"  {name:<12}{what}" for name, what in _seen(shape)]
    lines.append("  Which metrics replies like this one give:")
    return lines + [f"    {a.answer:<8}{a.metric:<20}{a.why}" for a in allowed(shape)]


def _seen(s: Shape) -> list[tuple[str, str]]:
    several = f"up to {s.chunks_per_read_max} in one read" if s.chunks_per_read_max > 1 else "each in a read of its own"
    counted = "not counted by the server" if s.output_tokens is None else f"{s.output_tokens} by the server's count"
    a_chunk = "" if s.tokens_per_chunk is None else f", {s.tokens_per_chunk:.2f} a chunk"
    hidden = f", and {s.hidden_tokens} tokens that are not streamed" if s.hidden_tokens else ""
    cached = "not told" if s.cached_tokens is None else str(s.cached_tokens)
    prompt = "not counted" if s.prompt_tokens is None else str(s.prompt_tokens)
    usage = {None: "none", "own chunk": "in a chunk of its own", "last chunk": "in the last chunk"}
    other = ", which is not what was asked for" if s.other_model else ""
    more = {"empty": s.empty_chunks, "of tool calls": s.tool_chunks}
    return [
        ("HTTP", f"{s.transfer}, headers after {_ms(s.head_s)}"),
        ("role chunk", "none without content" if s.role_s is None else f"by itself, after {_ms(s.role_s)}"),
        ("content", f"{s.chunks} chunks, {several}; first after {_ms(s.ttft_s)}, last after {_ms(s.latency_s)}"),
        ("reasoning", (f"{s.reasoning_chunks} chunks" if s.reasoning_chunks else "no channel seen") + hidden),
        ("tokens", counted + a_chunk),
        ("usage", f"{usage.get(s.usage, 'in every chunk')}; prompt tokens: {prompt}, of them cached: {cached}"),
        ("other", ", ".join(f"{n} chunks {what}" for what, n in more.items() if n) or "nothing but content"),
        ("keep-alives", f"{s.comments} comment lines" if s.comments else "none seen"),
        ("end", f"finish_reason {s.finish_reason or 'missing'}, [DONE] {_after(s.done_s)}"),
        ("model", f"calls itself {s.model or 'nothing'}{other}"),
    ]


def _after(seconds: float | None) -> str:
    return "missing" if seconds is None else f"after {_ms(seconds)}"


def _ms(seconds: float | None) -> str:
    return "n/a" if seconds is None else f"{1e3 * seconds:.1f} ms"
