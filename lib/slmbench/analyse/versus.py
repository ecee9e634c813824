"""A small model against a larger one, dimension by dimension: what the larger one costs, and what it gives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slmbench.analyse.candidates import MORE_IS_BETTER, VALUES, Candidates, load_means, quality_error
from slmbench.analyse.decide import GAP, VERDICT_FROM, judge
from slmbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("dimension", "one", "other", "ratio", "ratio_low", "ratio_high", "n", "verdict")
ONCE = ("memory", "footprint")  # measured once, so there is no interval


def versus(candidates: Candidates, one: str, other: str) -> pd.DataFrame:
    """Two models of a run side by side.

    one, other: aliases. returns: columns COLUMNS, a line for each dimension that both were measured in, in the order
        of `candidates.VALUES`. one, other: as in `candidates.table` (s, tokens/s, MB, mean score). ratio: other / one,
        of the values as they stand; ratio_low, ratio_high: 95 % interval, of speeds by t on log ratios request by
        request, of quality by the delta method prompt by prompt, NaN where n is below 6 and for memory and disk. n:
        requests or prompts in common, 1 for what was measured once. verdict, of `other`: "better", "worse" (Holm over
        the dimensions with an interval, and a gap of at least 5 %), "tie", "can't tell"; of memory and disk a gap of
        5 % alone decides.
    raises: UsageError for a model that is not among the candidates' models, or the same one twice.
    """
    import numpy as np
    import pandas as pd

    for name in (one, other):
        if name not in candidates.models:
            known = ", ".join(candidates.models)
            raise UsageError(f"{name!r} was found, one of {known} was expected", f"versus(candidates, {known})")
    if one == other:
        raise UsageError(f"{one!r} was found twice, two models were expected", "name two models")
    table = candidates.table.set_index("model")
    lines = []
    for dimension, column in VALUES.items():
        values = float(table.loc[one, column]), float(table.loc[other, column])
        if math.isnan(sum(values)):
            continue
        error, free, n = _error(candidates, dimension, one, other)
        line = {"dimension": dimension, "one": values[0], "other": values[1], "n": n}
        lines.append(line | {"mean": math.log(values[1] / values[0]), "se": error, "df": free})
    found = pd.DataFrame(lines, columns=["dimension", "one", "other", "n", "mean", "se", "df"])
    sign = np.where(found["dimension"].isin(MORE_IS_BETTER), 1.0, -1.0)
    told = judge(sign * found["mean"], found["se"], found["df"], more_is_better=True)
    words = {"faster": "better", "slower": "worse"}
    found["verdict"] = [words.get(word, word) for word in told["verdict"]]
    reach = (np.log(told["ratio_high"]) - np.log(told["ratio_low"])) / 2
    ends = {"ratio_low": np.exp(found["mean"] - reach), "ratio_high": np.exp(found["mean"] + reach)}
    found = found.assign(ratio=np.exp(found["mean"]), **ends)
    once = found["dimension"].isin(ONCE)
    found.loc[once, "verdict"] = [_by_size(ratio) for ratio in found.loc[once, "ratio"]]
    return found[list(COLUMNS)]


def _by_size(ratio: float) -> str:
    return "worse" if ratio >= GAP else "better" if ratio <= 1 / GAP else "tie"


def _error(candidates: Candidates, dimension: str, one: str, other: str) -> tuple[float, float, int]:
    """Standard error and degrees of freedom of the logarithm of a ratio, and how many pairs it is made from."""
    import numpy as np

    if dimension in ONCE:
        return math.nan, math.nan, 1
    if dimension == "quality":
        return quality_error(candidates, one, other)
    places = candidates.models.index(one), candidates.models.index(other)
    apart = candidates.logs[dimension][:, places[1]] - candidates.logs[dimension][:, places[0]]
    each = load_means(apart, candidates.loads)
    if len(apart) < VERDICT_FROM or not np.ptp(each):
        return math.nan, math.nan, len(apart)
    return float(each.std(ddof=1) / len(each) ** 0.5), len(each) - 1, len(apart)
