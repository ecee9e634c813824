"""Mean scores of models, the difference of two, and how many replies it takes to see one.

source: Student's t; its power by the noncentral t distribution (Cohen, Statistical Power Analysis, 1988, ch. 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.analyse.intervals import FLAT, half_width, weighted_error
from slmbench.errors import UsageError
from slmbench.quality.agreement import TOGETHER, usable
from slmbench.quality.scores import HUMAN

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PROMPTS_FROM = 6  # as for medians of latency; what the interval covers from there on: see `by_model`
WORST, BEST = 1.0, 5.0
RELEVANT = 0.5  # a difference in mean score that people care for
COLUMNS = ("rater", "model", "mean", "low", "high", "n", "min", "max", "sentence")


class Paired(NamedTuple):
    """Scores of `one` − scores of `other`, prompt by prompt. difference: its mean; low, high: 95 % interval; n:
    prompts; sd: standard deviation over prompts. NaN: unknown."""

    one: str
    other: str
    difference: float
    low: float
    high: float
    n: int
    sd: float


def by_model(frame: pd.DataFrame, weights: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The mean score of each model, rater by rater, and by all humans together if there are two or more.

    frame: from `scores.frame`; of it the scores (task "score", status "ok"). A reply of several models counts for each.
    weights: prompt id -> weight, > 0; 1 for prompts that are not in it. None: all the same.
    returns: columns COLUMNS, in the order of the frame: mean over prompts, weighted; low, high: 95 % interval, cut off
        at 1 and 5; n: prompts; min, max: of the prompts' scores. "humans together": the annotators' mean of each
        prompt first, so that more annotators are not more evidence. low and high are NaN below 6 prompts, and where all
        prompts have the same score: an interval without width would claim certainty.
    raises: UsageError for a weight that is no positive number.

    The interval is Student's t over prompts, with (Σw)² / Σw² as their number where weights differ. It takes the
    prompts as drawn from all that might be asked, independently, with the same spread at every weight, and their mean
    as normal. Simulated coverage at n = 6, 10, 20, 40,000 runs each, intervals that exist: 93–97, 94–97, 94–95 % where
    scores are even, middling, good (mean 3.9) or at both ends; 94–95, 95, 95 % for the difference of two such models.
    Where 4 of 5 scores are a 5 the interval of a mean is too short: 85 % at 10 and 89 % at 20.
    """
    import numpy as np
    import pandas as pd

    rows = _each(frame)
    parts = list(rows.groupby("rater", sort=False))
    humans = rows[rows["kind"] == HUMAN]
    if humans["rater"].nunique() > 1:
        own = humans.groupby(["rater", "model", "prompt_id"], sort=False)["score"].mean()
        parts.append((TOGETHER, own.reset_index()))
    lines = []
    for rater, part in parts:
        for model, of_model in part.groupby("model", sort=False):
            by_prompt = of_model.groupby("prompt_id", sort=False)["score"].mean()
            weight = _weights(by_prompt.index, weights)
            mean, low, high = np.clip(_interval(by_prompt.to_numpy(), weight), WORST, BEST)
            numbers = (mean, low, high, len(by_prompt), by_prompt.min(), by_prompt.max())
            line = dict(zip(COLUMNS, (rater, model, *numbers), strict=False))
            lines.append(line | {"sentence": _of_model(line)})
    return pd.DataFrame(lines, columns=list(COLUMNS))


def by_prompt(frame: pd.DataFrame) -> pd.DataFrame:
    """The score of each model on each prompt: by humans if there are any, else by judge models.

    frame: from `scores.frame`. returns: a line a prompt, a column a model; the mean over raters, NaN where nobody of
    that kind scored; empty without scores.
    """
    rows = _each(frame)
    kinds = list(rows["kind"].unique())
    own = rows[rows["kind"] == (HUMAN if HUMAN in kinds else kinds[0] if kinds else "")]
    by_rater = own.groupby(["rater", "model", "prompt_id"], sort=False)["score"].mean()
    return by_rater.groupby(["prompt_id", "model"], sort=False).mean().unstack("model")


def _each(frame: pd.DataFrame) -> pd.DataFrame:
    """Scores, one line for each model whose reply it is: rater, kind, prompt_id, model, score."""
    rows = usable(frame)
    rows = rows[rows["score"].notna()].explode("models")
    return rows[["rater", "kind", "prompt_id", "models", "score"]].rename(columns={"models": "model"})


def _weights(prompts, weights: Mapping[str, float] | None) -> np.ndarray:
    import numpy as np

    found = np.array([float((weights or {}).get(prompt, 1.0)) for prompt in prompts])
    for prompt, weight in zip(prompts, found, strict=True):
        if not 0 < weight < math.inf:
            raise UsageError(f"weights: {weight:g} was found for prompt {prompt}, a number above 0 was expected", "")
    return found


def _interval(x: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval. x, weight: shape (n,), n at least 1."""
    mean = float((weight * x).sum() / weight.sum())
    reach = half_width(*weighted_error(x - mean, weight))
    return mean, mean - reach, mean + reach


def _of_model(line: Mapping[str, Any]) -> str:
    n = line["n"]
    said = f"{line['rater']}: {line['model']} has a mean score of {line['mean']:.1f}"
    prompts = f"{n} prompt{'s' * (n != 1)}"
    if n < PROMPTS_FROM:
        seen = f" ({line['min']:.1f} to {line['max']:.1f})" if n > 1 else ""
        return f"{said} from {prompts}{seen}, which is indicative: an interval needs {PROMPTS_FROM} prompts."
    if math.isnan(line["low"]):
        return f"{said} on each of {prompts}: without any spread it can't be told how sure that is."
    return f"{said} (95 % interval {line['low']:.1f} to {line['high']:.1f}, {prompts})."


def paired(frame: pd.DataFrame, one: str, other: str) -> Paired:
    """The scores of two models prompt by prompt, where one rater scored both.

    frame: from `scores.frame`, of raters of one kind: of one, or of several persons, whose differences are averaged on
        each prompt first. one, other: aliases. A reply that both gave is a difference of 0. Prompts count the same.
    returns: `Paired`; low, high: Student's t over the prompts' differences, NaN below 6 prompts or where all
        differences are the same; sd: NaN below 2.
    raises: UsageError for scores of several kinds of raters (humans and a judge), or twice the same model.
    """
    import numpy as np

    rows = _each(frame)
    if one == other:
        raise UsageError(f"one, other: {one!r} was found twice, two models were expected", "name two models")
    kinds = list(rows["kind"].unique())
    if len(kinds) > 1:
        found = f"frame: scores by {' and '.join(kinds)} were found, one kind of rater was expected"
        raise UsageError(found, f'paired(frame[frame["kind"] == "{kinds[0]}"], one, other)')
    by_rater = rows.groupby(["rater", "prompt_id", "model"], sort=False)["score"].mean().unstack("model")
    by_rater = by_rater.reindex(columns=[one, other])
    apart = (by_rater[one] - by_rater[other]).dropna()
    x = apart.groupby("prompt_id", sort=False).mean().to_numpy()
    if not len(x):
        return Paired(one, other, math.nan, math.nan, math.nan, 0, math.nan)
    mean, low, high = _interval(x, np.ones(len(x)))
    sd = float(x.std(ddof=1)) if len(x) > 1 else math.nan
    return Paired(one, other, mean, low, high, len(x), sd)


def needed(difference: float = RELEVANT, sd: float = 1.0, power: float = 0.8, confidence: float = 0.95) -> int:
    """How many paired replies show a difference in mean score, with probability `power`, by a two-sided t test.

    sd: of the differences. returns: at least 6, below which no interval is given.
    raises: UsageError for a difference or sd that isn't above 0, or a share outside 0 to 1.

    >>> needed()
    34
    """
    _check(power, confidence, difference=difference, sd=sd)
    few, many = PROMPTS_FROM - 1, PROMPTS_FROM
    while _power(difference / sd, many, confidence) < power:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _power(difference / sd, middle, confidence) >= power else (middle, many)
    return many


def detectable(n: int, sd: float = 1.0, power: float = 0.8, confidence: float = 0.95) -> float:
    """The smallest difference in mean score that n paired replies show: the inverse of `needed`; NaN below n = 6.

    raises: UsageError as `needed`.

    >>> round(detectable(34), 2)
    0.5
    """
    from scipy.optimize import brentq

    _check(power, confidence, sd=sd)
    if n < PROMPTS_FROM:
        return math.nan
    return sd * brentq(lambda effect: _power(effect, n, confidence) - power, 0, 20, xtol=1e-12)


def _check(power: float, confidence: float, **sizes: float) -> None:
    for name, size in sizes.items():
        if not 0 < size < math.inf:
            raise UsageError(f"{name}: {size:g} was found, a number above 0 was expected", f"{name}=0.5")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence: {confidence:g} was found, a share between 0 and 1 was expected", "0.95")
    if not 1 - confidence < power < 1:
        found = f"power: {power:g} was found, a share between {1 - confidence:g} (chance) and 1 was expected"
        raise UsageError(found, "power=0.8")


def _power(effect: float, n: int, confidence: float) -> float:
    """That a two-sided t test of n differences with mean / sd = effect is significant, in either direction."""
    from scipy.stats import nct, t

    least, shift = t.ppf((1 + confidence) / 2, n - 1), effect * math.sqrt(n)
    wrong_way = nct.cdf(-least, n - 1, shift)  # scipy has no number for some that are below 1e-30
    return float(nct.sf(least, n - 1, shift)) + (0.0 if math.isnan(wrong_way) else float(wrong_way))


def sentence(found: Paired) -> str:
    """Whether the scores tell two models apart; if not, what it would take."""
    one, other, n = found.one, found.other, found.n
    if not n:
        return f"{one} and {other} were not scored on the same prompt by anybody, so nothing can be said."
    prompts = f"{n} prompt{'s' * (n != 1)}"
    size, way = abs(found.difference), "higher" if found.difference > 0 else "lower"
    known = n >= PROMPTS_FROM and not math.isnan(found.low)
    interval = f"95 % interval {found.low:+.2f} to {found.high:+.2f}"
    if known and not found.low <= 0 <= found.high:
        return f"{one} scores {size:.2f} {way} than {other} ({interval}, {prompts}): the two can be told apart."
    if n >= PROMPTS_FROM and not known and size >= FLAT:  # by the sign test: 2 × 0.5 ** n is below 0.05 from n = 6 on
        return f"{one} scores {size:.2f} {way} than {other} on each of {prompts}: the two can be told apart."
    seen = f"difference {found.difference:+.2f}, {f'{interval}, ' if known else ''}{prompts}"
    said = f"{one} and {other} can't be told apart by these scores ({seen})."
    sd = found.sd if known else 1.0
    take, spread = (
        needed(sd=sd),
        f"at the spread seen (sd {sd:.2f})" if known else "if the differences spread by 1 (sd)",
    )
    if n >= take:
        return f"{said} A difference of {detectable(n, sd):.2f} or more would be seen in 4 of 5 tries, {spread}."
    return f"{said} To see a difference of {RELEVANT} in 4 of 5 tries, {take} prompts are needed, {spread}."
