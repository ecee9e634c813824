"""What code can tell of a reply, the same each time: a rater of the kind `code`, and how far it may be believed.

A prompt's `checks` say what is counted and what passes. Three checks apply to every reply without being written down,
unless the prompt has a check of that kind itself: `script` (where the prompt's language tells it), `repetition`, and
that the reply ended by itself, not by the token limit. A check that names an aspect claims to decide it as a person
would; `against_ticks` measures that claim. Code gives no score from 1 to 5.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from slmbench.config import Check, Prompt
from slmbench.config.checks import KEYWORDS, REPETITION, SCRIPT, script_of
from slmbench.quality import text_facts
from slmbench.quality.items import Item
from slmbench.quality.keywords import occur
from slmbench.quality.scores import CODE, OK, Score, score_of

if TYPE_CHECKING:
    import pandas as pd

NAME = "checks"  # of the rater
ENDED = "ended"  # the kind of the check that the token limit did not end the reply
SHARE_MAX = 0.2  # of a reply's words in repeated runs; why: see `_repetition`
MOSTLY = 0.5  # of a reply's letters: more than this share is of the script


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of one reply, in words that can be shown."""

    kind: str
    name: str  # what was looked at
    passed: bool
    found: str
    expected: str
    aspect: str | None = None  # the aspect that this decides, with the other checks that name it
    decides: bool = True  # False where this reply leaves it open: a list in prose is not seen


def check(item: Item) -> list[Checked]:
    """What each check of the item's prompt finds in its reply: first those that are written down, in their order."""
    written = item.prompt.checks
    standing = [Check(kind) for kind in (SCRIPT, REPETITION) if all(one.kind != kind for one in written)]
    if not script_of(item.prompt.language):
        standing = [one for one in standing if one.kind != SCRIPT]
    done = [_LOOKED[one.kind](one, item) for one in (*written, *standing)]
    ended = "cut off by the token limit" if item.cut else "ended by itself"
    return [*done, Checked(ENDED, "end of the reply", not item.cut, ended, "ended by itself")]


def rate(of: Iterable[Item], prompts: Iterable[Prompt] = ()) -> list[Score]:
    """What the checks say of each reply, as one score each, without a number from 1 to 5.

    prompts: whose checks hold in place of those in the run's plan, where id and text are the same: a run may be older
        than its prompts' checks.
    returns: `checks` has a dict for each check, with the fields of `Checked`; `aspect` there is the number of the
        aspect, from 0, or None.
    """
    return [_score(item) for item in with_checks(of, prompts)]


def with_checks(of: Iterable[Item], prompts: Iterable[Prompt]) -> list[Item]:
    """The items, with the checks of these prompts where id and text are the same."""
    known = {(prompt.id, prompt.text): prompt.checks for prompt in prompts}
    renewed = []
    for item in of:
        prompt = item.prompt
        checks = known.get((prompt.id, prompt.text), prompt.checks)
        renewed.append(dataclasses.replace(item, prompt=dataclasses.replace(prompt, checks=checks)))
    return renewed


def _score(item: Item) -> Score:
    aspects = item.prompt.aspects
    done = check(item)
    told = [
        {**dataclasses.asdict(one), "aspect": aspects.index(one.aspect) if one.aspect in aspects else None}
        for one in done
    ]
    explanation = f"{sum(one.passed for one in done)} of {len(done)} checks passed"
    return score_of(item, CODE, NAME, checks=told, explanation=explanation)


def _count(one: Check, item: Item) -> Checked:
    name, count = _COUNTED[one.kind]
    n = count(item.text)
    passed = (one.min is None or n >= one.min) and (one.max is None or n <= one.max)
    # a list may stand in prose, where no item is seen: whether it has three is left open then
    unseen = one.kind == "items" and n == 0 and one.min is not None
    return Checked(one.kind, name, passed, str(n), _range(one.min, one.max), one.aspect, decides=not unseen)


def _range(low: int | None, high: int | None) -> str:
    if low == high:
        return f"exactly {low}"
    if low is None:
        return f"at most {high}" if high else "none"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _keywords(one: Check, item: Item) -> Checked:
    occurs = [occur(group, item.text) for group in one.groups]
    high = len(occurs) if one.max is None else one.max
    low = one.min or (len(occurs) if one.max is None else 0)
    words = {yes: "; ".join(map(_alternatives, _where(one.groups, occurs, yes))) for yes in (True, False)}
    found = f"{sum(occurs)} of {len(occurs)}" + "".join(
        f"; {word}: {words[yes]}" for word, yes in (("found", True), ("missing", False)) if words[yes]
    )
    wanted = "all" if low == len(occurs) else _range(one.min, one.max)
    expected = f"{wanted} of: {'; '.join(map(_alternatives, one.groups))}"
    return Checked(one.kind, "keywords", low <= sum(occurs) <= high, found, expected, one.aspect)


def _where(groups: Sequence[tuple[str, ...]], occurs: Sequence[bool], yes: bool) -> list[tuple[str, ...]]:
    return [group for group, found in zip(groups, occurs, strict=True) if found == yes]


def _alternatives(group: tuple[str, ...]) -> str:
    return " or ".join(group)


def _script(one: Check, item: Item) -> Checked:
    """A reply with no letter at all ("520") is in no other script, and passes unless it is empty."""
    script = one.script or script_of(item.prompt.language) or ""
    share = text_facts.script_share(item.text, script)
    passed = bool(item.text.strip()) if share is None else share > MOSTLY
    found = "no letters" if share is None else f"{100 * share:.0f} % of the letters are {script}"
    return Checked(one.kind, "script", passed, found, f"mostly {script}", one.aspect)


def _repetition(one: Check, item: Item) -> Checked:
    """Passes with no sentence said again, and at most `SHARE_MAX` of the words in repeated runs.

    SHARE_MAX: of 5,401 passages of 60 to 250 words from the documentation of Python packages, lists of changes and of
    parameters among them, 0.5 % have a larger share, and 1.1 % fail one of the two. Of 26 whole replies of SmolLM2-135M
    to the kit's prompts (int4 and int8, up to 220 tokens), the 4 that a reader finds free of loops have a share of 0;
    2 have 0.14 and a sentence said again; the other 20, which end in loops, have 0.23 to 0.92.
    """
    found = text_facts.repetition(item.text)
    passed = not found.again and found.share <= SHARE_MAX
    said = f"{found.again} said again, {100 * found.share:.0f} % of the words repeated"
    expected = f"no sentence said again, at most {100 * SHARE_MAX:.0f} % of the words repeated"
    return Checked(one.kind, "repetition", passed, f"sentences: {said}", expected, one.aspect)


_COUNTED: Mapping[str, tuple[str, Callable[[str], int]]] = {  # kind: its name, and what counts it
    "words": ("words", lambda text: len(text_facts.words(text))),
    "characters": ("characters", text_facts.characters),
    "sentences": ("sentences", lambda text: len(text_facts.sentences(text))),
    "items": ("list items", lambda text: len(text_facts.list_items(text))),
}
_LOOKED: Mapping[str, Callable[[Check, Item], Checked]] = {
    **dict.fromkeys(_COUNTED, _count),
    KEYWORDS: _keywords,
    SCRIPT: _script,
    REPETITION: _repetition,
}


def decided(checks: Sequence[Mapping[str, Any]]) -> dict[int, bool]:
    """Aspect -> whether the reply has it, of the `checks` of one score.

    It has it if all checks that name the aspect passed. One that leaves it open leaves it out, unless another failed.
    Checks that are not as `rate` writes them, as a stranger's run folder may hold them, decide nothing.
    """
    found: dict[int, list[bool | None]] = {}
    for one in checks:
        aspect, passed = one.get("aspect"), one.get("passed")
        if type(aspect) is int and aspect >= 0 and isinstance(passed, bool):
            found.setdefault(aspect, []).append(passed if one.get("decides", True) else None)
    return {aspect: all(said) for aspect, said in found.items() if False in said or None not in said}


def against_ticks(frame: pd.DataFrame) -> pd.DataFrame:
    """How often each person and each judge model ticks an aspect as the checks decide it.

    frame: `scores.frame` of all scores of one or more runs. Compared are the aspects that a check decides, of replies
        that were held to the same criteria.
    returns: one row for each rater with anything to compare: rater; n (replies x aspects); agree (of these); share
        (0 to 1); low, high (its 95 % interval); differences (a list of dicts: item, prompt_id, aspect as a number from
        0, tick, check). The interval takes each of the n for itself: several aspects of one reply are less than that.
    source: Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212.
    """
    import pandas as pd

    told: dict[tuple[str, str], dict[int, bool]] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    usable = frame[(frame["status"] == OK) & (frame["task"] == "score")]
    for row in usable[(usable["kind"] == CODE) & (usable["annotator"] == NAME)].itertuples():
        told[row.item, row.criteria] = decided(row.checks or ())
    for row in usable[usable["kind"] != CODE].itertuples():
        ticks = row.aspects if isinstance(row.aspects, list) else []
        for aspect, said in told.get((row.item, row.criteria), {}).items():
            if aspect < len(ticks):
                one = {"item": row.item, "prompt_id": row.prompt_id, "aspect": aspect}
                found.setdefault(row.rater, []).append({**one, "tick": ticks[aspect], "check": said})
    lines = []
    for rater, compared in found.items():
        differences = [one for one in compared if one["tick"] != one["check"]]
        n, agree = len(compared), len(compared) - len(differences)
        lines.append((rater, n, agree, agree / n, *wilson(agree, n), differences))
    return pd.DataFrame(lines, columns=["rater", "n", "agree", "share", "low", "high", "differences"])


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share; (0.0, 1.0) of nothing.

    >>> [round(x, 3) for x in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, more = successes / n, z * z / n
    middle = (share + more / 2) / (1 + more)
    half = z / (1 + more) * math.sqrt(share * (1 - share) / n + more / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)
