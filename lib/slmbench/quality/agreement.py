"""How far those who judge agree, in numbers and in plain words, and where they differ."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from slmbench.errors import UsageError
from slmbench.quality.alpha import ITEMS_FROM, Agreement, agreement, alpha, spreads
from slmbench.quality.scores import CODE, HUMAN, MODEL, OK

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["Agreement", "agreement", "alpha", "between", "disagreements", "matrix", "sentence", "ticks", "usable"]
RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff's limits (Content Analysis, ch. 12): to rely on; for a first conclusion
TOGETHER = "humans together"
COLUMNS = ("who", "kinds", "value", "low", "high", "n_items", "same", "near", "sentence")


def sentence(agreement: Agreement, who: str) -> str:
    """An agreement in words for people without statistics, decided on the lower end of the interval.

    who: the raters, as "human: Ana – model: judge".
    """
    a, n = agreement, agreement.n_units
    replies = f"{n} repl{'y' if n == 1 else 'ies'}"
    if a.n_items > n:
        replies = f"{a.n_items} ticks on {replies}"
    if not n:
        return f"{who}: no reply was rated by two of them, so their agreement is unknown; {ITEMS_FROM} are needed."
    if math.isnan(a.value):
        few = f"; {ITEMS_FROM} are needed" if n < ITEMS_FROM else ""
        return (
            f"{who}: all their ratings of {replies} are the same one, so alpha can't be computed: who agrees can't be "
            f"told from who gives one rating to everything. It takes replies that are better and worse{few}."
        )
    if n < ITEMS_FROM:
        return (
            f"{who}: alpha {a.value:.2f} from {replies}, which is no more than a hint: how far it can be off is only "
            f"known from {ITEMS_FROM} on."
        )
    if a.value == 1:
        return (
            f"{who}: the same ratings of all {replies} (alpha 1.00). So many without a difference still allow that "
            f"they differ on up to {100 * (1 - 0.05 ** (1 / n)):.0f} % of such replies (95 % confidence)."
        )
    return f"{who}: alpha {a.value:.2f} (95 % interval {a.low:.2f} to {a.high:.2f}) from {replies}. {_meaning(a)}"


def _meaning(a: Agreement) -> str:
    if a.high < 0:
        return "Worse than chance: do not rely on these ratings, and see whether all read the scale the same way round."
    if a.low <= 0 and a.value < TENTATIVE:
        return "No better than chance, as far as can be told: do not rely on these ratings."
    if a.low <= 0:
        return "So few replies can't tell this from chance: do not rely on these ratings yet."
    if a.low >= RELIABLE:
        return f"They agree well: the lower end reaches {RELIABLE}, the customary limit for ratings to rely on."
    if a.low >= TENTATIVE:
        return f"Good enough for tentative conclusions: the lower end reaches {TENTATIVE}, but not {RELIABLE}."
    limit = f"{TENTATIVE}, the customary limit for tentative conclusions"
    if a.high >= TENTATIVE:
        return f"Better than chance, but not shown to reach {limit}: do not rely on these ratings yet."
    return f"Better than chance, but below {limit}: do not rely on these ratings."


def matrix(frame: pd.DataFrame, raters: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Scores as `alpha` wants them.

    frame: from `scores.frame`; of it the scores (task "score", status "ok"). raters: of its column rater.
    returns: ratings, shape (raters, items), NaN = missing; the items' ids, in the order of the frame. A reply that was
        held to other criteria by some is an item of its own for these: their scores can't be compared.
    raises: UsageError for a rater who isn't there, or is named twice.
    """
    rows = _rows(frame, raters)
    cells = [(r.rater, (r.item, str(r.criteria)), r.score) for r in rows.itertuples() if not math.isnan(r.score)]
    ratings, columns = _filled(cells, raters)
    return ratings, [item for item, _ in columns]


def ticks(frame: pd.DataFrame, raters: Sequence[str]) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """Ticked aspects, for the level "nominal": as `matrix`, but a column is an aspect of an item, with 1 or 0.

    returns: ratings; (item's id, number of the aspect from 0) of each column. The ids are `groups` of `agreement`.
    """
    rows = _rows(frame, raters)
    cells = [
        (r.rater, (r.item, str(r.criteria), number), float(tick))
        for r in rows.itertuples()
        if isinstance(r.aspects, list)
        for number, tick in enumerate(r.aspects)
    ]
    ratings, columns = _filled(cells, raters)
    return ratings, [(item, number) for item, _, number in columns]


def usable(frame: pd.DataFrame) -> pd.DataFrame:
    """The lines of a frame that are a judgement of one reply."""
    return frame[(frame["task"] == "score") & (frame["status"] == OK)]


def _rows(frame: pd.DataFrame, raters: Sequence[str]) -> pd.DataFrame:
    known = list(frame["rater"].unique())
    for rater in raters:
        if rater not in known:
            near = difflib.get_close_matches(rater, known, 1) or known[:1]
            message = f"raters: {rater!r} was found, some of these were expected: {', '.join(known) or 'nobody rated'}"
            raise UsageError(message, f"raters={near}" if near else "score some replies first")
    if len(set(raters)) < len(raters):
        raise UsageError("raters: a name was found twice, each was expected once", "name each rater once")
    rows = usable(frame)
    return rows[rows["rater"].isin(raters)]


def _filled(cells: Sequence[tuple[str, Hashable, float]], raters: Sequence[str]) -> tuple[np.ndarray, list]:
    import numpy as np

    columns = {column: place for place, column in enumerate(dict.fromkeys(column for _, column, _ in cells))}
    rows = {rater: place for place, rater in enumerate(raters)}
    ratings = np.full((len(rows), len(columns)), math.nan)
    for rater, column, value in cells:
        ratings[rows[rater], columns[column]] = value
    return ratings, list(columns)


def disagreements(frame: pd.DataFrame, raters: Sequence[str]) -> pd.DataFrame:
    """The replies on whose score raters differ, the largest spread first, else in the order of the frame.

    frame, raters: as in `matrix`. returns: item, prompt_id, one column a rater with its score (NaN: none), spread
        (largest − smallest score).
    """
    import pandas as pd

    ratings, items = matrix(frame, raters)
    spread = spreads(ratings)
    prompts = dict(zip(frame["item"], frame["prompt_id"], strict=True))
    table = pd.DataFrame({"item": items, "prompt_id": [prompts[item] for item in items]})
    table = table.assign(**dict(zip(raters, ratings, strict=True)), spread=spread)
    return table[spread > 0].sort_values("spread", ascending=False, kind="stable", ignore_index=True)


def between(frame: pd.DataFrame) -> pd.DataFrame:
    """How far each two raters, and all humans together, agree on the scores.

    frame: from `scores.frame`. returns: one line a pair of those who gave a score, and one for the humans if there are
        two or more; columns COLUMNS. kinds: "human–human", "human–model", "human–code" and so on, in this order of
        kinds; the numbers: see `Agreement`; sentence: see there.
    """
    import pandas as pd

    rows = usable(frame)
    rows = rows[rows["score"].notna()]
    kind = dict(zip(rows["rater"], rows["kind"], strict=True))
    raters = sorted(kind, key=lambda rater: (HUMAN, MODEL, CODE).index(kind[rater]))
    humans = [rater for rater in raters if kind[rater] == HUMAN]
    asked = [(f"{one} – {other}", (one, other)) for one, other in itertools.combinations(raters, 2)]
    if len(humans) > 1:
        asked.append((TOGETHER, tuple(humans)))
    lines = []
    for who, those in asked:
        found = agreement(matrix(frame, those)[0])
        numbers = (found.value, found.low, found.high, found.n_items, found.same, found.near)
        lines.append((who, f"{kind[those[0]]}–{kind[those[-1]]}", *numbers, sentence(found, who)))
    return pd.DataFrame(lines, columns=list(COLUMNS))
