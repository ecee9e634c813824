"""A model as a rater: every reply judged by the rubric, every pair in both orders, each answer kept as it came."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slmbench.quality.items import FIRST, SECOND, Item, Pair, criteria
from slmbench.quality.scores import FAILED, MODEL, OK, UNPARSABLE, Score, read_scores, save, score_of
from slmbench.quality.verdict import Messages, aliases_of, as_stored, asked, parse, schema

SELF, KIN = "self_judged", "same_weights"  # flags
UNFORCED = "form_not_forced"  # a flag: the server takes no schema, so that the form was only asked for


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a judge. Times in seconds; None: not told."""

    text: str
    latency_s: float
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    forced: bool = True  # whether the server took the schema


class NoAnswer(Exception):
    """The judge could not be asked; the message says why."""


Ask = Callable[[Messages, dict[str, Any]], Said]


@dataclass(frozen=True)
class Judge:
    """alias: its name in the scores. ask: takes messages and the answer's schema; raises NoAnswer. kin: aliases that
    are other formats of the same weights."""

    alias: str
    ask: Ask
    kin: Collection[str] = field(default=())


def judge(
    of: Sequence[Item | Pair],
    by: Judge,
    folder: Path | str,
    *,
    again: bool = False,
    say: Callable[[str], None] = print,
) -> Iterator[Score]:
    """Has each reply judged once and each pair twice, once in each order; yields each score when it is on disk.

    What this judge has answered before, by the same criteria, is not asked again, whether or not it was a judgement:
    at temperature 0 the answer would be the same. again: ask all, also that. A failed request is a score that says
    so, and is asked again the next time. say: is told once if the judge judges its own replies.
    raises: StoreError; what was answered before is kept.
    """
    done = {score.id: score for score in read_scores(folder) if score.status != FAILED}
    own = {alias for one in of for alias in aliases_of(one)} & {by.alias, *by.kin}
    if own:
        say(
            f"Careful: {by.alias} judges replies of {', '.join(sorted(own))}, which are its own or of the same weights."
        )
    for one in of:
        for left in (FIRST, SECOND) if isinstance(one, Pair) else (None,):
            blank = score_of(one, MODEL, by.alias, left=left)
            known = done.get(blank.id)
            if not again and known and known.criteria == criteria(one.prompt, one.rubric):
                continue
            score = _judged(one, by, left)
            save(folder, [score])
            yield score


def _judged(one: Item | Pair, by: Judge, left: str | None) -> Score:
    found: dict[str, Any] = {"left": left, "flags": _flags(one, by)}
    try:
        said = by.ask(asked(one, left or FIRST), schema(one))
    except NoAnswer as e:
        return _score(one, by, found | {"status": FAILED, "error": str(e)})
    found |= {"reply": said.text, "latency_s": said.latency_s}
    found |= {"prompt_tokens": said.prompt_tokens, "output_tokens": said.output_tokens}
    found["flags"] += [] if said.forced else [UNFORCED]
    try:
        verdict = parse(said.text, one)
    except ValueError as e:
        return _score(one, by, found | {"status": UNPARSABLE, "error": str(e)})
    found |= {"status": OK, "score": verdict.score, "aspects": verdict.aspects}
    found |= {"choice": as_stored(verdict.choice, left or FIRST), "explanation": verdict.reason.strip() or None}
    return _score(one, by, found)


def _score(one: Item | Pair, by: Judge, found: dict[str, Any]) -> Score:
    return score_of(one, MODEL, by.alias, scored_at=datetime.now(UTC).isoformat(timespec="milliseconds"), **found)


def _flags(one: Item | Pair, by: Judge) -> list[str]:
    aliases = set(aliases_of(one))
    return [SELF] * (by.alias in aliases) + [KIN] * bool(aliases & set(by.kin) - {by.alias})
