"""One person judges the replies of one run: which comes next, what is saved, what is taken back.

No widgets in here: `show.annotate` shows what `Annotation` says, and tells it what was pressed.
"""

from __future__ import annotations

import math
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slmbench import store
from slmbench.config import Rubric
from slmbench.config.checking import shown
from slmbench.errors import UsageError
from slmbench.quality.items import FIRST, SECOND, Item, Pair, items, left_of, ordered, pairs, sample
from slmbench.quality.scores import BOTH_BAD, HUMAN, TIE, Score, read_scores, save, score_of

NAME_MAX = 40  # characters of an annotator's name
NOTE_MAX = 4000
CHOICES = ("left", "right", TIE, BOTH_BAD)  # of a pair, as they are seen


@dataclass(frozen=True, slots=True)
class Draft:
    """What is chosen for one item and not saved yet."""

    score: int | None = None
    choice: str | None = None  # one of CHOICES
    aspects: tuple[bool, ...] = ()
    note: str = ""


@dataclass
class Annotation:
    """Which replies one annotator has judged, and which comes next. Everything that is saved is on disk at once.

    path: a run folder. annotator: a name of 1 to 40 characters; who takes it up again goes on where they were.
    compare: pairs of replies side by side instead of single ones. replies: how many at most (pairs, if `compare`),
        the same ones for every annotator; None for all. seed: of the order and the sides.
    rubrics: by name; the kit's own if left out. clock: seconds, monotonic.
    raises: UsageError for a name that is none, a run without replies (or, for pairs, without two different ones);
        StoreError for what is no run folder, or holds damaged scores.
    """

    path: Path | str
    annotator: str
    compare: bool = False
    replies: int | None = None
    seed: int = 0
    rubrics: Mapping[str, Rubric] | None = None
    clock: Callable[[], float] = time.monotonic
    at: int | None = field(init=False)  # which of `todo` is shown; None when all are judged
    draft: Draft = field(init=False)

    def __post_init__(self) -> None:
        self.annotator = checked_name(self.annotator)
        if self.replies is not None and (type(self.replies) is not int or self.replies < 1):
            raise UsageError(
                f"replies: {shown(self.replies)} was found, a whole number from 1 on was expected",
                "Leave it out to judge all.",
            )
        run = store.read(self.path)
        of: Any = items(run, self.rubrics)
        if self.compare and not (of := pairs(of)):
            raise UsageError(
                f"{run.path} holds no two different replies to one prompt, so that there is nothing to compare.",
                "slmbench run --models A,B   (measures two models), or judge single replies",
            )
        self.todo: list[Item | Pair] = ordered(sample(of, self.replies), self.annotator, self.seed)
        self.scores: dict[str, Score] = {}
        self._take(read_scores(self.path))
        saved = sorted(self.scores.values(), key=lambda score: score.scored_at or "")
        self._history = [score.item for score in saved]  # ids of what was judged, the last one at the end
        self._show(self._next())

    @property
    def current(self) -> Item | Pair | None:
        """What is to be judged now; None when all is."""
        return None if self.at is None else self.todo[self.at]

    @property
    def n_done(self) -> int:
        return sum(one.id in self.scores for one in self.todo)

    @property
    def left(self) -> str:
        """Which of the pair that is shown stands on the left: first | second."""
        return left_of(self.current, self.annotator, self.seed)

    @property
    def sides(self) -> tuple[Item, ...]:
        """The replies that are shown, from left to right; one if single replies are judged, none at the end."""
        one = self.current
        if isinstance(one, Pair):
            return (one.first, one.second) if self.left == FIRST else (one.second, one.first)
        return () if one is None else (one,)

    def keep(self, draft: Mapping[str, Any]) -> None:
        """Take what was chosen in a browser. raises: UsageError for what can't be chosen there."""
        if not isinstance(draft, Mapping):
            raise _no_choice(draft)
        score, choice, note = draft.get("score"), draft.get("choice"), draft.get("note") or ""
        ticks = tuple(draft.get("aspects") or ())
        wanted = len(self.current.prompt.aspects) if isinstance(self.current, Item) else 0
        if (
            not (score is None or (type(score) is int and 1 <= score <= 5))
            or choice not in (None, *CHOICES)
            or not isinstance(note, str)
            or not (len(ticks) in (0, wanted) and all(type(tick) is bool for tick in ticks))
        ):
            raise _no_choice(draft)
        self.draft = Draft(score, choice, ticks or (False,) * wanted, note[:NOTE_MAX])

    def save(self, spent_s: float | None = None) -> str:
        """Save the draft, and go to the next one that is not judged. spent_s: as the browser has counted it.

        returns: "" or, if nothing is chosen yet, what has to be. raises: StoreError; the draft is kept.
        """
        one = self.current
        if one is None:
            return "All is judged."
        pair = isinstance(one, Pair)
        if (self.draft.choice if pair else self.draft.score) is None:
            return "Not saved yet: choose " + ("which is better first." if pair else "a score from 1 to 5 first.")
        self._take(save(self.path, [self._score(one, spent_s)]))
        self._history = [name for name in self._history if name != one.id] + [one.id]
        self._show(self._next(self.at))
        return ""

    def undo(self) -> str:
        """Go back to what was judged last, with its judgement to be changed. returns: "" or why that can't be."""
        past = self._history
        if self.current is not None and self.current.id in past:
            past = past[: past.index(self.current.id)]
        place = {one.id: n for n, one in enumerate(self.todo)}
        back = [name for name in past if name in place]
        if not back:
            return "There is nothing before this to go back to."
        self._show(place[back[-1]])
        return ""

    def _next(self, after: int | None = None) -> int | None:
        """The next place, seen from `after`, which is not judged; then from the start; None if there is none."""
        start = 0 if after is None else after + 1
        places = [*range(start, len(self.todo)), *range(start)]
        return next((n for n in places if self.todo[n].id not in self.scores), None)

    def _show(self, at: int | None) -> None:
        self.at, self._since = at, self.clock()
        one = self.current
        score = self.scores.get(one.id) if one else None
        wanted = len(one.prompt.aspects) if isinstance(one, Item) else 0
        self.draft = Draft(aspects=(False,) * wanted)
        if score is None:
            return
        ticks = tuple(score.aspects or ())
        self.draft = Draft(
            score.score,
            _as_seen(score.choice, self.left) if isinstance(one, Pair) else None,
            ticks if len(ticks) == wanted else self.draft.aspects,
            score.explanation or "",
        )

    def _score(self, one: Item | Pair, spent_s: float | None) -> Score:
        pair = isinstance(one, Pair)
        draft = self.draft
        if not (isinstance(spent_s, int | float) and math.isfinite(spent_s) and 0 <= spent_s < 1e7):
            spent_s = self.clock() - self._since
        return score_of(
            one,
            HUMAN,
            self.annotator,
            score=None if pair else draft.score,
            choice=_as_stored(draft.choice, self.left) if pair else None,
            left=self.left if pair else None,
            aspects=None if pair or not one.prompt.aspects else list(draft.aspects),
            explanation=draft.note.strip() or None,
            position=self.at,
            scored_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            spent_s=round(float(spent_s), 3),
        )

    def _take(self, scores: list[Score]) -> None:
        """Keep this annotator's own scores of what is to be judged here."""
        known = {one.id for one in self.todo}
        self.scores = {
            s.item: s for s in scores if s.kind == HUMAN and s.annotator == self.annotator and s.item in known
        }


def _no_choice(draft: Any) -> UsageError:
    return UsageError(f"draft: {str(draft)[:200]} was found, no such choice exists", "Run the cell again.")


def _as_stored(choice: str | None, left: str) -> str | None:
    """left and right as first and second."""
    other = SECOND if left == FIRST else FIRST
    return {"left": left, "right": other}.get(choice or "", choice)


def _as_seen(choice: str | None, left: str) -> str | None:
    """first and second as left and right."""
    return {FIRST: "right", SECOND: "right", left: "left"}.get(choice or "", choice)


def checked_name(name: Any) -> str:
    """An annotator's name, in one spelling: composed characters, single spaces. raises: UsageError if it is none.

    >>> checked_name("  Ana   Li ")
    'Ana Li'
    """
    kept = " ".join(unicodedata.normalize("NFC", name).split()) if isinstance(name, str) else ""
    if not kept or len(kept) > NAME_MAX or not all(c.isprintable() or c in "\u200c\u200d" for c in kept):
        raise UsageError(
            f"annotator: {shown(name)} was found, a name of 1 to {NAME_MAX} visible characters was expected",
            'For example annotator="Ana"; a made-up name does as well, it only tells the annotators apart.',
        )
    return kept
