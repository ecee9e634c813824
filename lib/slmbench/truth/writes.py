"""The bytes of a reply, in the writes that a schedule comes to for one request. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from slmbench.truth.schedule import Schedule

NUMBER = b"@number@"  # stands in every write for the number of the request, which is written in as many characters
WORDS = (" a", " small", " model", " on", " your", " own", " machine", " says", " one", " word", " a", " token")
KEPT = 1024  # replies whose writes are kept ready


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request decides its reply. nth: which one of this model it is, from 1. usage: whether it was asked for.

    max_tokens: None for no limit. prompt_tokens: as the usage will say.
    """

    model: str
    nth: int = 1
    stream: bool = True
    usage: bool = True
    max_tokens: int | None = None
    prompt_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Events that go out in one write, at_ns after the request was read. events: (kind, tokens) of each."""

    at_ns: int
    events: tuple[tuple[str, int], ...]
    data: bytes


def groups(schedule: Schedule, asked: Asked) -> tuple[Group, ...]:
    """The writes of one reply, in order, after its head. `NUMBER` stands where the request's number belongs.

    A streamed reply comes in HTTP's chunked coding; another one is a single write of JSON, when its last token is due.
    """
    ordinary = not (schedule.jitter_s or schedule.extra_s(asked.nth))
    return _groups(schedule, replace(asked, nth=0) if ordinary else asked)


@lru_cache(maxsize=KEPT)
def _groups(schedule: Schedule, asked: Asked) -> tuple[Group, ...]:
    """asked.nth: 0 for any request without a wait of its own."""
    reasoning, answer, finish = schedule.counts(asked.max_tokens)
    per_chunk = schedule.tokens_per_chunk
    chunks = [*_texts("reasoning", reasoning, per_chunk), *_texts("answer", answer, per_chunk)]
    due_s = schedule.due_s(asked.nth, len(chunks))
    output = reasoning + answer
    usage = {"prompt_tokens": asked.prompt_tokens, "completion_tokens": output}
    usage |= {"total_tokens": asked.prompt_tokens + output}
    usage |= {"completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else {}
    if asked.stream:
        end = [("finish", 0, _chunk(asked.model, {}, finish))]
        if asked.usage and schedule.usage:
            end.append(("usage", 0, _event(_base(asked.model) | {"choices": [], "usage": usage})))
        end.append(("done", 0, b"data: [DONE]\n\n"))
        writes = [*_opening(schedule, asked.model), *_contents(schedule, asked.model, chunks, due_s)]
        return _framed(_kept_alive([*writes, (writes[-1][0], end)], schedule.keepalive_s))
    text = {kind: "".join(t for k, _, t in chunks if k == kind) for kind in ("reasoning", "answer")}
    message = {"role": "assistant", "content": text["answer"]}
    message |= {"reasoning_content": text["reasoning"]} if reasoning else {}
    value = _base(asked.model) | {"object": "chat.completion"}
    value["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    value |= {"usage": usage} if schedule.usage else {}
    return (Group(round(due_s[-1] * 1e9), (("whole", output),), json.dumps(value).encode()),)


Event = tuple[str, int, bytes]  # kind, tokens, data
Timed = tuple[float, list[Event]]  # when, and what goes out then


def _texts(kind: str, tokens: int, per_chunk: int) -> Iterator[tuple[str, int, str]]:
    """(kind, tokens, text) of each chunk of one channel; a channel's first token is the request's tag."""
    words = [f"#{NUMBER.decode()}", *(WORDS[i % len(WORDS)] for i in range(1, tokens))]
    for i in range(0, tokens, per_chunk):
        part = words[i : min(i + per_chunk, tokens)]
        yield kind, len(part), "".join(part)


def _opening(schedule: Schedule, model: str) -> Iterator[Timed]:
    if schedule.role_first:
        yield schedule.role_s, [("role", 0, _chunk(model, {"role": "assistant", "content": ""}))]


def _contents(
    schedule: Schedule, model: str, chunks: list[tuple[str, int, str]], due_s: list[float]
) -> Iterator[Timed]:
    """The chunks with content, each bunch when its first one is due."""
    role: dict[str, Any] = {} if schedule.role_first else {"role": "assistant"}
    for i in range(0, len(chunks), schedule.bunch):
        bunch: list[Event] = []
        for kind, tokens, text in chunks[i : i + schedule.bunch]:
            key = "reasoning_content" if kind == "reasoning" else "content"
            bunch.append((kind, tokens, _chunk(model, role | {key: text})))
            role = {}
        yield due_s[i], bunch


def _kept_alive(writes: list[Timed], every_s: float | None) -> Iterator[Timed]:
    """The writes with a comment in each silence of `every_s`."""
    last_s = 0.0
    for at_s, events in writes:
        while every_s is not None and at_s - last_s > every_s:
            last_s += every_s
            yield last_s, [("comment", 0, b": keep-alive\n\n")]
        yield at_s, events
        last_s = at_s


def _framed(writes: Iterator[Timed]) -> tuple[Group, ...]:
    made = []
    for at_s, events in writes:
        data = b"".join(data for _, _, data in events)
        framed = b"%x\r\n%b\r\n" % (len(data), data)
        made.append(Group(round(at_s * 1e9), tuple((kind, tokens) for kind, tokens, _ in events), framed))
    return (*made[:-1], replace(made[-1], data=made[-1].data + b"0\r\n\r\n"))


def _base(model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{NUMBER.decode()}", "object": "chat.completion.chunk", "created": 0, "model": model}


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _event(_base(model) | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
