"""What is to be judged: each distinct reply of a run once, whichever models and rounds it came from, and pairs of them.

Nothing in here says which model wrote a reply: `Item.models` is for those who join scores to models afterwards.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slmbench import config
from slmbench.config import Prompt, Rubric
from slmbench.errors import UsageError
from slmbench.records import OK
from slmbench.store import Run

EMPTY = "empty_reply"  # a status: a whole reply without a word, which is a reply to be judged
CUT = "length"  # a finish_reason: the reply was ended by the token limit
FIRST, SECOND = "first", "second"


@dataclass(frozen=True, slots=True)
class Item:
    """One reply. `id` depends on prompt and text alone: the same reply of two models is judged once."""

    id: str
    prompt: Prompt
    rubric: Rubric
    text: str
    cut: bool = False  # ended by the token limit
    models: tuple[str, ...] = ()  # aliases that gave it


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to one prompt. Which of them is called first is no statement; the side is drawn by `left_of`."""

    id: str
    first: Item
    second: Item

    @property
    def prompt(self) -> Prompt:
        return self.first.prompt

    @property
    def rubric(self) -> Rubric:
        return self.first.rubric


def items(run: Run, rubrics: Mapping[str, Rubric] | None = None) -> list[Item]:
    """The first reply of each model to each prompt, in the order of prompts and models; the same text once.

    rubrics: by name; the kit's own if left out. A prompt whose rubric is not among them has the default one.
    raises: UsageError if the run holds no reply.
    """
    rubrics = config.read_rubrics() if rubrics is None else rubrics
    prompts = [config.prompt_from(fields) for fields in run.plan.get("prompts", ())]
    firsts: dict[tuple[str, str], Any] = {}
    for row in run.rows:
        if row.phase == "timed" and row.status in (OK, EMPTY) and row.prompt_id is not None:
            firsts.setdefault((row.prompt_id, row.model), row)
    models = list(dict.fromkeys(model for _, model in firsts))
    found: dict[str, Item] = {}
    for prompt, model in itertools.product(prompts, models):
        row = firsts.get((prompt.id, model))
        if row is None:
            continue
        text = row.text or ""
        name = identifier("item", prompt.id, prompt.text, text)
        known = found.get(name)
        rubric = rubrics.get(prompt.rubric or "default", rubrics["default"])
        found[name] = Item(
            name, prompt, rubric, text, row.finish_reason == CUT, (*(known.models if known else ()), model)
        )
    if not found:
        raise UsageError(
            f"{run.path} holds no reply to judge: {len(run.rows)} rows, none of them a whole timed reply.",
            "slmbench run --out DIR   (makes a run with replies)",
        )
    return list(found.values())


def pairs(of: Sequence[Item]) -> list[Pair]:
    """Every two different replies to one prompt, in the order of `of`."""
    return [
        Pair(identifier("pair", *sorted((one.id, other.id))), *sorted((one, other), key=lambda item: item.id))
        for one, other in itertools.combinations(of, 2)
        if one.prompt.id == other.prompt.id
    ]


def ordered(of: Sequence[Item] | Sequence[Pair], annotator: str, seed: int = 0) -> list[Any]:
    """The order in which one annotator sees them: drawn by name and seed, the same each time, whatever else was asked.

    Each one's place depends on itself, annotator and seed only, so that replies which come later (a resumed run)
    leave the order of the others as it was.
    """
    return sorted(of, key=lambda one: identifier("place", str(seed), annotator, one.id))


def sample(of: Sequence[Any], n: int | None) -> list[Any]:
    """n items or pairs, the same for every annotator: of each prompt one, drawn, then of each a second, and so on.

    n: None for all.
    """
    by_prompt: dict[str, list[Any]] = {}
    for one in sorted(of, key=lambda one: identifier("sample", one.id)):
        by_prompt.setdefault(one.prompt.id, []).append(one)
    rounds = itertools.zip_longest(*by_prompt.values())
    return [one for in_turn in rounds for one in in_turn if one is not None][:n]


def left_of(pair: Pair, annotator: str, seed: int = 0) -> str:
    """Which of a pair this annotator sees on the left: first | second, drawn as `ordered`."""
    return (FIRST, SECOND)[int(identifier("side", str(seed), annotator, pair.id), 16) % 2]


def criteria(prompt: Prompt, rubric: Rubric) -> str:
    """What a reply was held to, as 12 hex digits: scores given by another rubric or other aspects can be told."""
    return identifier("criteria", prompt.text, rubric.question, *rubric.anchors, *prompt.aspects)[:12]


def identifier(*parts: str) -> str:
    """16 hex digits of the parts' SHA-256; lone surrogates and separators in them make no two the same."""
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:16]
