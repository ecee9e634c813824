"""Which model to choose: a score from weighted dimensions, who is ahead for sure, and what would change the choice.

Each measure is divided by the best of the candidates (1 is the best, 0.5 half as good); the score is the product of
these, each to the power of its weight, the weights adding up to 1: a weighted geometric mean. So a model that is half
as good in everything has a score of 0.5, no unit matters, and who of two models is ahead does not depend on a third.

source: Fleming and Wallace, How not to lie with statistics (1986), on normalised numbers and the geometric mean.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slmbench.analyse.candidates import MORE_IS_BETTER, VALUES, Candidates, load_means, quality_error
from slmbench.analyse.decide import VERDICT_FROM, judge
from slmbench.analyse.keeping import NO, kept

if TYPE_CHECKING:
    import pandas as pd

FLAT = 1e-12  # a difference that is only rounding
RIVALS = ("model", "ratio", "ratio_low", "ratio_high", "p", "p_holm", "verdict", "margin", "why")
TURNS = ("dimension", "weight", "becomes", "model")


@dataclass(frozen=True, eq=False)
class Choice:
    """What the limits and weights come to.

    winner: an alias, None where no model can be chosen. weights: those that counted, adding up to 1. left_out: weighted
    dimensions that count for nothing, as no candidate was measured in them. table: a line a model: model, admitted
    (keeps to the limits, or can't be told not to), reasons; for each dimension that counts its share of the best;
    score, ahead (its place among the admitted, from 1), mean_score, dominated_by
    ("" for the Pareto front of all that was measured). limits: `keeping.kept`.
    rivals: a line for each other admitted model, columns RIVALS, see `choose`. turns: columns TURNS: at which weight
    (share of all) another model takes over, the others kept in proportion. outside: models that a limit keeps out, and
    that would win without it, with the limits.
    """

    winner: str | None
    weights: Mapping[str, float]
    left_out: tuple[str, ...]
    table: pd.DataFrame
    limits: pd.DataFrame
    rivals: pd.DataFrame
    turns: pd.DataFrame
    outside: Mapping[str, Sequence[str]] = field(default_factory=dict)


def choose(candidates: Candidates, weights: Mapping[str, float], limits: Mapping[str, Any]) -> Choice:
    """The best of the candidates that keep to the limits.

    weights: dimension -> a number, 0 or more, at least one above. limits: as `keeping.kept` takes them.
    rivals: ratio is the winner's score over the rival's; ratio_low, ratio_high: its 95 % interval; verdict "ahead",
        "tie" (within 5 %, surely) or "can't tell", with Holm's correction over all pairs of admitted models; margin:
        by what share all weights may be moved at once, each up or down, before the rival takes over: infinity if the
        winner is ahead in everything. why: what keeps an interval from being given, or "".

    The interval: speeds request by request (as `compare.models`, t within a session or across loads), quality prompt
    by prompt (the delta method for a ratio of means), added up with their errors by Welch and Satterthwaite's degrees
    of freedom. Memory and disk, which were measured once, have none. It speaks of these prompts on this machine.
    Simulated coverage with scores of 1 to 5 at 6, 10, 20 and 50 prompts, 3,000 runs each: 95–96 %; of 700 runs each
    with 3 or 4 equal models at 6, 12 and 40 prompts, some model was called ahead in 3–5 %.
    """
    import pandas as pd

    checked = kept(candidates.table, limits)
    used = {name: weight for name, weight in weights.items() if weight > 0}
    left_out = tuple(name for name in used if candidates.table[VALUES[name]].isna().all())
    used = {name: weight for name, weight in used.items() if name not in left_out}
    total = sum(used.values())
    used = {name: weight / total for name, weight in used.items()}
    table = _shares(candidates, used, checked)
    lined = table[table["admitted"]].sort_values("score", ascending=False, kind="stable")
    if lined.empty:
        rivals, turns = pd.DataFrame(columns=list(RIVALS)), pd.DataFrame(columns=list(TURNS))
        return Choice(None, used, left_out, table, checked, rivals, turns)
    winner, others = lined["model"].iloc[0], list(lined["model"].iloc[1:])
    table["ahead"] = table["model"].map({model: place for place, model in enumerate(lined["model"], 1)})
    shares = table.set_index("model")[list(used)]
    rivals = _rivals(candidates, used, shares, [winner, *others])
    best = lined["score"].iloc[0]
    over = table[~table["admitted"] & (table["score"] > best)]
    failed = checked[checked["kept"] == NO].groupby("model")["limit"].agg(list)
    outside = {model: failed[model] for model in over["model"] if model in failed}
    return Choice(winner, used, left_out, table, checked, rivals, _turns(used, shares, winner, others), outside)


def _shares(candidates: Candidates, weights: Mapping[str, float], checked: pd.DataFrame) -> pd.DataFrame:
    """Each model's share of the best in each dimension, its score, and whether the limits let it in."""
    import numpy as np
    import pandas as pd

    values = candidates.table
    fits = values["note"] == ""
    refused = checked[checked["kept"] == NO].groupby("model")["limit"].agg(list)
    known = fits & values[[VALUES[name] for name in weights]].notna().all(axis=1)
    admitted = known & ~values["model"].isin(refused.index) & bool(weights)
    shares = {}
    for name in weights:
        column = values[VALUES[name]]
        pool = column[admitted] if admitted.any() else column[known]
        shares[name] = column / pool.max() if name in MORE_IS_BETTER else pool.min() / column
    found = pd.DataFrame({"model": values["model"], "admitted": admitted, **shares})
    logs = np.log(found[list(weights)].to_numpy(dtype=float))
    found["score"] = np.where(known, np.exp(logs @ np.array(list(weights.values()))), np.nan)
    found["ahead"] = np.nan
    found["mean_score"] = values["quality"]
    behind = _dominated(values[admitted])
    found["dominated_by"] = [behind.get(place, "") for place in found.index]
    found["reasons"] = [_reasons(line, weights, refused) for line in values.to_dict("records")]
    return found


def _reasons(line: Mapping[str, Any], weights: Mapping[str, float], refused: Mapping[str, list[str]]) -> list[str]:
    """Why a model is not among those that can be chosen; [] if it is."""
    if line["note"]:
        return [line["note"]]
    if not weights:
        return ["nothing that counts was measured"]
    lacks = [f"{name} was not measured" for name in weights if line[VALUES[name]] != line[VALUES[name]]]
    return lacks + [f"limit {name}" for name in refused.get(line["model"], [])]


def _dominated(lines: pd.DataFrame) -> dict[Any, str]:
    """By its place, for each admitted model the first that is not behind it in anything that was measured of all, and
    ahead in something, whatever counts; "" where there is none. As measured: intervals are not asked."""
    known = [name for name, column in VALUES.items() if lines[column].notna().all()]
    better = lines[[VALUES[name] for name in known]] * [1 if name in MORE_IS_BETTER else -1 for name in known]

    def over(place: Any) -> str:
        ahead = (better >= better.loc[place]).all(axis=1) & (better > better.loc[place]).any(axis=1)
        return next(iter(lines.loc[ahead, "model"]), "")

    return {place: over(place) for place in lines.index}


def _rivals(candidates: Candidates, weights: Mapping[str, float], shares: pd.DataFrame, order: list[str]):
    """The winner, first in `order`, against each other one. Holm's correction is over all pairs of the admitted models,
    as the winner was picked from them by the same numbers."""
    import numpy as np
    import pandas as pd

    lines = []
    for one, other in itertools.combinations(order, 2):
        each = np.log(shares.loc[one] / shares.loc[other]) * pd.Series(weights)
        reach = each.abs().sum()
        against = each.sum() < reach - FLAT  # something speaks for the rival
        error, free, why = _error(candidates, weights, one, other)
        margin = each.sum() / reach if against else math.inf
        lines.append((one, other, each.sum(), error, free, margin, why))
    found = pd.DataFrame(lines, columns=["winner", "model", "mean", "se", "df", "margin", "why"])
    told = judge(*(found[name].to_numpy(dtype=float) for name in ("mean", "se", "df")), more_is_better=True)
    verdict = ["ahead" if word == "faster" else word for word in told.pop("verdict")]
    found = found.assign(**told, verdict=verdict, ratio=np.exp(found["mean"].astype(float)))
    return found.loc[found["winner"] == order[0], list(RIVALS)].reset_index(drop=True)


def _error(candidates: Candidates, weights: Mapping[str, float], one: str, other: str) -> tuple[float, float, str]:
    """Standard error of the logarithm of two scores' ratio, its degrees of freedom, and why there is none."""
    parts = []
    places = candidates.models.index(one), candidates.models.index(other)
    speeds = {
        name: weights[name] * (1 if name in MORE_IS_BETTER else -1) for name in candidates.logs if name in weights
    }
    if speeds:
        apart = sum(
            w * (candidates.logs[name][:, places[0]] - candidates.logs[name][:, places[1]])
            for name, w in speeds.items()
        )
        each = load_means(apart, candidates.loads)
        if len(apart) < VERDICT_FROM:
            return math.nan, math.nan, f"{len(apart)} requests in common, and a verdict needs {VERDICT_FROM}"
        parts.append((each.std(ddof=1) / len(each) ** 0.5, len(each) - 1))
    if "quality" in weights:
        error, its_free, _ = quality_error(candidates, one, other)
        parts.append((weights["quality"] * error, its_free))
        if math.isnan(error):
            return math.nan, math.nan, "too few prompts scored for both, or scores without any spread"
    variances = [error**2 for error, _ in parts]
    if not sum(variances):
        return (0.0, math.inf, "") if not parts else (math.nan, math.nan, "no spread was seen")
    free = sum(variances) ** 2 / sum(v**2 / df for v, (_, df) in zip(variances, parts, strict=True))
    return sum(variances) ** 0.5, free, ""


def _turns(weights: Mapping[str, float], shares: pd.DataFrame, winner: str, others: Sequence[str]) -> pd.DataFrame:
    """For each dimension the nearest smaller and the nearest larger weight at which another model takes over."""
    import pandas as pd

    lines = []
    for name, share in weights.items():
        found = []
        for other in others:
            gains = {n: math.log(shares.loc[winner, n] / shares.loc[other, n]) for n in weights}
            rest = sum(weights[n] * gains[n] for n in weights if n != name)
            if rest * gains[name] < 0:  # only then do the two outweigh each other somewhere
                times = -rest / (share * gains[name])
                found.append((times * share / (1 - share + times * share), other))
        below, above = [f for f in found if f[0] < share], [f for f in found if f[0] > share]
        for weight, other in [*([max(below)] if below else []), *([min(above)] if above else [])]:
            lines.append({"dimension": name, "weight": share, "becomes": weight, "model": other})
    return pd.DataFrame(lines, columns=list(TURNS))


def score_at(line: Mapping[str, Any], weights: Mapping[str, float], dimension: str, weight: float) -> float:
    """The score of a line of `Choice.table` if one dimension had this weight (0 to 1), the others in proportion.

    weights: those of the choice. Where one dimension is all that counts, the others have none to share.
    """
    rest = 1 - weights[dimension]
    moved = (
        {n: (weight if n == dimension else w * (1 - weight) / rest) for n, w in weights.items()} if rest else weights
    )
    return math.exp(sum(w * math.log(line[name]) for name, w in moved.items()))
