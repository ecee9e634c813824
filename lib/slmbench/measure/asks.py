"""What a plan asks: every request to come, the key by which it is known again, and the order of them all."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from slmbench.config import Prompt, Settings
from slmbench.errors import UsageError
from slmbench.measure import stream
from slmbench.records import OK, RESTARTED, Row

RETRIED_4XX = ("http_408", "http_429")  # the others are refused again whenever they are asked


class Target(Protocol):
    """One model to ask; see `endpoint.Target`."""

    alias: str
    id: str | None
    base_url: str | None
    load_url: str | None
    device: str | None
    execution_provider: str | None
    reason: str | None
    fault: str | None


class Revival(Protocol):
    """A service that had ended is back. said: what happened, as a sentence. facts: more, for the record."""

    said: str
    facts: Mapping[str, Any]

    def at(self, target: Any) -> Any: ...  # where it is now


class Loader(Protocol):
    """What can load and unload models, and have a service back that has ended; see `endpoint.Endpoint`."""

    def load(self, target: Any) -> float | None: ...
    def unload(self, target: Any) -> None: ...
    def revive(self, targets: Sequence[Any]) -> Revival | None: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to come. streams: how many are kept open at once while it is asked."""

    target: Target
    prompt: Prompt
    phase: str
    round: int
    load_index: int
    streams: int = 1


def cell_of(ask: Ask, settings: Settings) -> str:
    """The resume key: two requests with the same cell are repeats of the same measurement."""
    what = {
        "model_id": ask.target.id or ask.target.alias,
        "prompt": [ask.prompt.id, ask.prompt.text],  # two prompts of a set may have one text
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "seed": settings.seed,
        "stream": settings.stream,
        "phase": ask.phase,
        "round": ask.round,
        "load_index": ask.load_index,
        "device": ask.target.device,
        "concurrency": ask.streams,
    }
    if settings.rate is not None:
        what |= {"rate": settings.rate, "arrivals": settings.arrivals}
    if settings.nonce:
        what |= {"nonce": True}
    return _digest(what)


def skip_cell(target: Target, load_index: int | None) -> str:
    """The key of the row that says why a model is not asked."""
    return _digest([target.alias, "skipped", load_index])


def _digest(what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def payload(ask: Ask, settings: Settings, salt: str = "") -> bytes:
    """The JSON body of a request. salt: see `text_of`."""
    return stream.body(
        ask.target.id,
        text_of(ask, settings, salt),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=settings.seed,
        stream=settings.stream,
    )


def text_of(ask: Ask, settings: Settings, salt: str = "") -> str:
    """What is sent: the prompt; with `nonce`, after a beginning that no other request of its model has.

    The beginning is the same for every model, so that their requests can be compared in pairs.
    salt: another one for each run and attempt, as the server may remember those before.
    """
    if not settings.nonce:
        return ask.prompt.text
    what = [settings.seed, ask.prompt.id, ask.phase, ask.round, ask.load_index, ask.streams, salt]
    return f"[{_digest(what)[:8]}] {ask.prompt.text}"


def timed_order(targets: Iterable[Target], settings: Settings, load_index: int, streams: int = 1) -> list[Ask]:
    """Every model x prompt x round once, shuffled by the seed, so that drift does not fall on one model."""
    asks = [
        Ask(target, prompt, "timed", number, load_index, streams)
        for target in targets
        for prompt in settings.prompts
        for number in range(settings.rounds)
    ]
    return shuffled(asks, settings, load_index, streams)


def shuffled(items: Iterable, settings: Settings, load_index: int, *more: int) -> list:
    """The items in an order that the seed decides. more: what tells this shuffle from others of the load."""
    items = list(items)
    mark = "".join(f"/{m}" for m in more if m != 1)
    random.Random(f"{settings.seed}/{load_index}{mark}").shuffle(items)
    return items


def blocks(targets: Sequence[Target], settings: Settings, load_index: int) -> list[list[Ask]]:
    """The timed requests of one load, in blocks that follow each other.

    One request at a time: a single block, all models shuffled together. Several streams, or an open loop: a block
    for each level and model, for two models at once would share the machine; models in an order that the seed
    decides.
    """
    found = []
    for streams in settings.concurrency:
        if is_single(streams, settings):
            found.append(timed_order(targets, settings, load_index, streams))
        else:
            order = shuffled(targets, settings, load_index, streams, 0)
            found += [timed_order([t], settings, load_index, streams) for t in order]
    return [block for block in found if block]


def company(block: Sequence[Ask], settings: Settings) -> list[Ask]:
    """The untimed requests after a block of several streams, so that its last timed ones run among as many as all.

    One for each stream but one: they fill the streams that have no timed request left. An open loop has none, as its
    requests come when they are due.
    """
    if settings.rate is not None:
        return []
    one, prompts = block[0], settings.prompts
    return [replace(one, prompt=prompts[n % len(prompts)], phase="cooldown", round=n) for n in range(one.streams - 1)]


def is_single(streams: int, settings: Settings) -> bool:
    """Whether requests go out one at a time, each after the reply to the one before."""
    return streams == 1 and settings.rate is None


def may_be_retried(row: Row) -> bool:
    """Whether the same request may fare better the next time; the rule by which a resumed run asks again, and 429."""
    if row.status in (OK, "skipped", "interrupted"):
        return False
    if RESTARTED in row.flags:
        return True
    return row.status in RETRIED_4XX or not row.status.startswith("http_4")


def _left(target: list[Target], settings: Settings, load_index: int, finished: Collection[str]) -> int:
    """As `count`, for one model in one load; none at all where nothing timed is left."""
    found = 0
    for block in blocks(target, settings, load_index):
        left = [ask for ask in block if cell_of(ask, settings) not in finished]
        found += len(left) + len(company(left, settings)) if left else 0
    return found and found + settings.warmup


def timed_left(targets: Sequence[Target], settings: Settings, finished: Collection[str]) -> int:
    """How many timed requests of models that can be had here a run that goes on would send again."""
    alive = [t for t in targets if t.reason is None]
    planned = (ask for n in range(settings.loads) for block in blocks(alive, settings, n) for ask in block)
    return sum(cell_of(ask, settings) not in finished for ask in planned)


def check(targets: Sequence[Target], settings: Settings) -> None:
    """Whether the plan can be kept, asked before its first request.

    raises: UsageError where models are to be loaded afresh and their loading is not ours to do.
    """
    fixed = [t for t in targets if t.reason is None and t.load_url is None]
    if settings.loads > 1 and fixed:
        names = ", ".join(t.alias for t in fixed)
        found = (
            f"loads: {settings.loads} was found, 1 was expected: {fixed[0].base_url} has no way to load {names} afresh"
        )
        raise UsageError(found, "leave loads out, or measure on the kit's own service: slmbench serve")


def count(targets: Sequence[Target], settings: Settings, finished: Collection[str] = ()) -> int:
    """How many requests a run sends, with the untimed ones, if none fails and precision asks for no more.

    finished: the cells that an earlier part of the run has done with.
    """
    if finished:
        alone = [[t] for t in targets if t.reason is None]
        return sum(_left(t, settings, n, finished) for t in alone for n in range(settings.loads))
    available = sum(t.reason is None for t in targets)
    timed = len(settings.prompts) * settings.rounds * len(settings.concurrency)
    fill = 0 if settings.rate is not None else sum(streams - 1 for streams in settings.concurrency)
    return available * settings.loads * (settings.warmup + timed + fill)
