"""A chat request, read strictly: what it asks an adapter, or why it is refused. And what came of it."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from slmbench.adapters.contract import Ended, ModelAdapter

TOKENS_MAX = 1_000_000
BETWEEN = "\n\n"  # the texts of several messages, as one prompt


class Refused(Exception):
    """A request that is not answered. status: of HTTP. kind: the error's type in OpenAI's form."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error"):
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind


@dataclass(frozen=True)
class Asked:
    """What a request asks. params: as `ModelAdapter.generate` gets them, before those are left out it doesn't take."""

    prompt: str
    params: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    include_usage: bool = False

    @property
    def max_tokens(self) -> int | None:
        return self.params.get("max_tokens")


def asked(body: bytes, model: str) -> Asked:
    """A request's body, for the one model that is served. raises: Refused."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise Refused(400, f"the body is no JSON: {e}") from None
    if not isinstance(said, dict):
        raise Refused(400, "the body is no JSON object")
    if said.get("model") != model:
        raise Refused(404, f"the model {said.get('model')!r:.200} is not served here, but {model!r}", "model_not_found")
    messages = [_message(one) for one in _of(said, "messages", list, "a list of messages", default=[])]
    if not messages:
        raise Refused(400, "messages: at least one was expected")
    if said.get("n") not in (None, 1):
        raise Refused(400, "n: one reply at a time, 1 was expected")
    budget = "max_tokens" if said.get("max_completion_tokens") is None else "max_completion_tokens"
    params = {
        "max_tokens": _number(said, budget, int, 1, TOKENS_MAX),
        "temperature": _number(said, "temperature", (int, float), 0, 2),
        "top_p": _number(said, "top_p", (int, float), 0, 1),
        "seed": _number(said, "seed", int, -(2**63), 2**63 - 1),
        "stop": _stop(said.get("stop")),
    }
    options = _of(said, "stream_options", dict, "an object", default={})
    return Asked(
        prompt=BETWEEN.join(message["content"] for message in messages),
        params={name: value for name, value in params.items() if value is not None} | {"messages": messages},
        stream=_of(said, "stream", bool, "true or false", default=False),
        include_usage=options.get("include_usage") is True,
    )


def _of(said: Mapping[str, Any], name: str, kind: type, expected: str, default: Any) -> Any:
    value = said.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise Refused(400, f"{name}: {expected} was expected")
    return value


def _number(said: Mapping[str, Any], name: str, kind: Any, least: float, most: float) -> Any:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:  # NaN is in no range
        raise Refused(400, f"{name}: a {'whole ' if kind is int else ''}number from {least} to {most} was expected")
    return value


def _stop(value: Any) -> list[str] | None:
    stops = [value] if isinstance(value, str) else value
    if stops is not None and not (isinstance(stops, list) and all(isinstance(s, str) and s for s in stops)):
        raise Refused(400, "stop: a text or a list of texts was expected")
    return stops or None


def _message(one: Any) -> dict[str, str]:
    """A message with its text, which may have come in parts."""
    content = one.get("content") if isinstance(one, dict) else None
    if isinstance(content, list) and all(isinstance(p, dict) and isinstance(p.get("text"), str) for p in content):
        content = "".join(part["text"] for part in content)
    if not isinstance(content, str) or not isinstance(one.get("role"), str):
        raise Refused(400, "messages: objects with the texts role and content were expected")
    return {"role": one["role"], "content": content}


class Reply:
    """One reply under way: iterate once over its pieces, then ask how it ended."""

    def __init__(self, adapter: ModelAdapter, asked: Asked):
        self.adapter, self.asked = adapter, asked
        self.pieces: list[str] = []
        self.ended = Ended()

    def __iter__(self) -> Iterator[str]:
        """Its pieces as they come, also empty ones, up to max_tokens others.

        raises: whatever the adapter raises; TypeError for what is no text.
        """
        generate = self.adapter.generate
        given = generate(self.asked.prompt, **_taken(generate, self.asked.params))
        source = iter([given] if isinstance(given, str) else given)
        with contextlib.closing(source) if hasattr(source, "close") else contextlib.nullcontext():
            while True:
                try:
                    piece = next(source)
                except StopIteration as end:
                    self.ended = end.value if isinstance(end.value, Ended) else self.ended
                    return
                if not isinstance(piece, str):
                    raise TypeError(f"generate() gave a piece of the type {type(piece).__name__}, text was expected")
                if piece and self.asked.max_tokens is not None and len(self.pieces) >= self.asked.max_tokens:
                    self.ended = Ended("length")
                    return
                self.pieces += [piece] if piece else []
                yield piece

    def usage(self) -> dict[str, int] | None:
        """The server's own counts, in OpenAI's form; None where nobody counts tokens."""
        count = getattr(self.adapter, "count_tokens", None)
        prompt = _counted(self.ended.prompt_tokens, count, self.asked.prompt)
        completion = _counted(self.ended.completion_tokens, count, "".join(self.pieces))
        if prompt is None or completion is None:
            return None
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def finish_reason(self, usage: Mapping[str, int] | None) -> str:
        """stop | length."""
        written = usage["completion_tokens"] if usage else len(self.pieces)
        budget = self.asked.max_tokens
        return self.ended.finish_reason or ("stop" if budget is None or written < budget else "length")


def _taken(generate: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters that the method takes."""
    known = inspect.signature(generate).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in known):
        return dict(params)
    names = {p.name for p in known if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {name: value for name, value in params.items() if name in names}


def _counted(told: int | None, count: Callable[[str], int] | None, text: str) -> int | None:
    found = count(text) if told is None and count is not None else told
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or found < 0):
        raise TypeError(f"count_tokens() gave {found!r:.80}, a whole number from 0 on was expected")
    return found
