"""A model as a rater: every reply judged by the rubric, every pair in both orders, each answer kept as it came."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slmbench import secret
from slmbench.quality.items import FIRST, SECOND, Item, Pair, criteria
from slmbench.quality.scores import FAILED, MODEL, OK, UNPARSABLE, Score, read_scores, save, score_of
from slmbench.quality.verdict import Messages, aliases_of, as_stored, asked, parse, schema

SELF, KIN = "self_judged", "same_weights"  # flags
UNFORCED = "form_not_forced"  # a flag: the server takes no schema, so that the form was only asked for
REPLY_MAX = 20_000  # characters of an answer that are kept; one has about 500. scores.jsonl has to stay readable


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a judge. Times in seconds; None: not told."""

    text: str
    latency_s: float
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    forced: bool = True  # whether the server took the schema
    cut: bool = False  # ended by the token limit


class NoAnswer(Exception):
    """The judge could not be asked; the message says why."""


Ask = Callable[[Messages, dict[str, Any]], Said]


@dataclass(frozen=True)
class Judge:
    """alias: its name in the scores. ask: takes messages and the answer's schema; raises NoAnswer. own: further aliases
    of the same model. kin: aliases that are other formats of the same weights. secrets: what may stand in no score."""

    alias: str
    ask: Ask
    kin: Collection[str] = field(default=())
    own: Collection[str] = field(default=())
    secrets: Collection[str] = field(default=(), repr=False)


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
    so, and is asked again the next time; it never takes the place of an answer that is there. say: is told once if the
    judge judges its own replies.
    raises: StoreError; what was answered before is kept.
    """
    done = {score.id: score for score in read_scores(folder) if score.status != FAILED}
    own = {alias for one in of for alias in aliases_of(one)} & {by.alias, *by.own, *by.kin}
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
            if score.status != FAILED or blank.id not in done:
                save(folder, [score])
            yield score


def _judged(one: Item | Pair, by: Judge, left: str | None) -> Score:
    found: dict[str, Any] = {"left": left, "flags": _flags(one, by)}
    try:
        said = by.ask(asked(one, left or FIRST), schema(one))
    except NoAnswer as e:
        return _score(one, by, found | {"status": FAILED, "error": str(e)})
    found |= {"reply": said.text[:REPLY_MAX], "latency_s": said.latency_s}
    found |= {"prompt_tokens": said.prompt_tokens, "output_tokens": said.output_tokens}
    found["flags"] += [] if said.forced else [UNFORCED]
    try:
        if len(said.text) > REPLY_MAX:
            raise ValueError(f"it has {len(said.text):,} characters, of which the first {REPLY_MAX:,} are kept")
        verdict = parse(said.text, one)
    except ValueError as e:
        error = f"ended by the token limit: {e}" if said.cut else str(e)
        return _score(one, by, found | {"status": UNPARSABLE, "error": error})
    found |= {"status": OK, "score": verdict.score, "aspects": verdict.aspects}
    found |= {"choice": as_stored(verdict.choice, left or FIRST), "explanation": verdict.reason.strip() or None}
    return _score(one, by, found)


def _score(one: Item | Pair, by: Judge, found: dict[str, Any]) -> Score:
    """The row, without a key that the server has repeated, in a reason written with escapes neither."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return secret.without(score_of(one, MODEL, by.alias, scored_at=now, **found), by.secrets)


def _flags(one: Item | Pair, by: Judge) -> list[str]:
    aliases, own = set(aliases_of(one)), {by.alias, *by.own}
    return [SELF] * bool(aliases & own) + [KIN] * bool(aliases & set(by.kin) - own)
