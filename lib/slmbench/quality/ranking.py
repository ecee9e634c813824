"""Which model wins in pairs: Bradley–Terry strengths, and how consistent a judge is when the sides are swapped.

source: Bradley & Terry, Biometrika 39 (1952), 324-345; Maystre & Grossglauser, Fast and Accurate Inference of
    Plackett–Luce Models (2015), for the algorithm (choix).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.quality.alpha import ends
from slmbench.quality.checks import wilson
from slmbench.quality.items import FIRST, SECOND
from slmbench.quality.scores import BOTH_BAD, MODEL, OK, TIE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PRIOR = 0.1  # comparisons that each model is taken to have had before, as ties: see `ranking`
PROMPTS_FROM = 8  # of 8 prompts all favour one of two equal models in 0.8 % of cases (2 × 0.5 ** 8); of 6, in 3 %
RESAMPLES = 1000
SAME = 1e-6  # what the algorithm's tolerance may leave between equal shares
INCONSISTENT = "position_inconsistent"  # a flag of a folded verdict
KEY = ["rater", "item", "criteria"]  # one pair before one judge
NUMBERS = ("strength", "p_win", "low", "high", "n_pairs", "n_prompts", "wins", "ties", "losses")
CONSISTENCY = (
    *("rater", "n_pairs", "consistent", "share", "low", "high"),
    *("n_decided", "left_share", "left_low", "left_high", "sentence"),
)


def verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """One line for each pair and rater: a judge model's two orders folded into one, persons' as they are.

    frame: from `scores.frame`; of it the pairs (task "pair", status "ok") with a choice. A judge is asked in both
        orders, which are two lines with the same rater and item, `left` first and second.
    returns: columns as in the frame. The same choice in both orders stands; two different ones are a tie with the flag
        "position_inconsistent"; a judge's pair without two usable orders is left out. left of a folded line is None,
        the rest that of the order in which `first` came first.
    """
    import pandas as pd

    rows = _pairs(frame)
    both = _orders(rows)
    same = both["choice"] == both["swapped"]
    flags = [[*f, *([] if s else [INCONSISTENT])] for f, s in zip(both["flags"], same, strict=True)]
    folded = both.assign(choice=both["choice"].where(same, TIE), left=None, flags=pd.Series(flags, both.index, object))
    others = rows[rows["kind"] != MODEL]
    parts = [part for part in (others, folded[rows.columns]) if len(part)] or [others]
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)


def _pairs(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame[(frame["task"] == "pair") & (frame["status"] == OK)].reset_index(drop=True)
    return rows[rows["choice"].notna()]


def _orders(rows: pd.DataFrame) -> pd.DataFrame:
    """The lines of judges in which `first` came first, index as there, with the choice of the other order: `swapped`.
    Pairs with only one of the orders are left out; of several lines in one order the last counts."""
    judged = rows[rows["kind"] == MODEL]
    one, other = (judged[judged["left"] == left].drop_duplicates(KEY, keep="last") for left in (FIRST, SECOND))
    other = other[[*KEY, "choice"]].rename(columns={"choice": "swapped"})
    return one.reset_index().merge(other, on=KEY, how="inner").set_index("index").rename_axis(None)


class Played(NamedTuple):
    """Comparisons, by prompt. wins: shape (prompts, models, models), how often the one of the row won; a tie is half a
    win for both. ties: shape (models,), how many there were."""

    models: list[str]
    wins: np.ndarray
    ties: np.ndarray


def _played(rows: pd.DataFrame) -> Played:
    """rows: from `verdicts`."""
    import numpy as np

    met = [
        (prompt, one, other, choice)
        for prompt, firsts, seconds, choice in zip(
            *(rows[name] for name in ("prompt_id", "models", "others", "choice")), strict=True
        )
        for one in firsts
        for other in (seconds or ())
        if one != other
    ]
    models = list(dict.fromkeys(name for _, one, other, _ in met for name in (one, other)))
    place = {name: number for number, name in enumerate(models)}
    prompts = {name: number for number, name in enumerate(dict.fromkeys(prompt for prompt, *_ in met))}
    wins, ties = np.zeros((len(prompts), len(models), len(models))), np.zeros(len(models), int)
    for prompt, one, other, choice in met:
        p, i, j = prompts[prompt], place[one], place[other]
        share = {FIRST: 1.0, SECOND: 0.0, TIE: 0.5, BOTH_BAD: 0.5}[choice]
        wins[p, i, j] += share
        wins[p, j, i] += 1 - share
        ties[[i, j]] += share == 0.5
    return Played(models, wins, ties)


def ranking(frame: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Bradley–Terry strengths of the models from all verdicts in a frame, whoever gave them.

    frame: from `scores.frame`, unfolded: see `verdicts`. A reply of several models is a comparison of each of them
        with each of the others'. A tie and "both bad" count as half a win for each.
    returns: one line a model, the strongest of each field first: field (a number; models of different fields were not
        compared, not even by way of others, and nothing is said of them together); strength (log-odds, mean 0 in its
        field); p_win (expected share of wins against the other models of its field, each as often); low, high (95 %
        interval of p_win); n_pairs, n_prompts; wins, ties, losses; ahead_of (the models that it is told apart from,
        and better).

    Prior: before any verdict, each model is taken to have tied a tenth of a comparison, spread evenly over the others
    of its field. So of two models the one that won all of 10 has the odds 10.05 : 0.05, and no infinite strength.
    low, high: percentile bootstrap over prompts, as the pairs of one prompt are no independent evidence, the
    percentiles widened as in `alpha.ends`. NaN below 8 prompts, and where all prompts say the same: every resample is
    then equal, and an interval without width would claim certainty.
    ahead_of: the difference in p_win exceeds its bootstrap standard deviation times Student's t with n_prompts − 1
    degrees of freedom, at 95 % for all differences of the field together (Bonferroni). From 8 prompts on as well.

    Simulated coverage of 8 fields of 2 to 5 models, 1,000 runs each, replies differing from prompt to prompt, at n = 6,
    8, 12, 20, 40 prompts: at least 92, 93, 91, 93, 93 % (plain percentiles: 85, 87, 89, 91, 92 %). A model was wrongly
    called ahead of any in up to 9, 9, 6, 5, 8 % of the runs.
    """
    import numpy as np
    import pandas as pd

    models, wins, ties = _played(verdicts(frame))
    fields = _fields(wins.sum(axis=0))
    lines = []
    for number in sorted(set(fields)):
        inside = np.flatnonzero(fields == number)
        own = wins[:, inside][:, :, inside]
        own = own[own.any(axis=(1, 2))]
        drawn = np.random.default_rng(seed).multinomial(len(own), np.full(len(own), 1 / len(own)), size=resamples)
        lines += _lines(int(number), [models[place] for place in inside], own, ties[inside], drawn)
    table = pd.DataFrame(lines, columns=["model", "field", *NUMBERS, "ahead_of"])
    order = table["strength"].round(5).mul(-1).argsort(kind="stable")  # what is the same stays in order of appearance
    return table.iloc[order].sort_values("field", kind="stable", ignore_index=True)


def _fields(wins: np.ndarray) -> np.ndarray:
    """The number of the group of models, compared with each other directly or by way of others, that each is in."""
    import numpy as np
    from scipy.sparse.csgraph import connected_components

    return connected_components(wins, directed=False)[1] if len(wins) else np.zeros(0, int)


def _lines(number: int, names: list[str], wins: np.ndarray, ties: np.ndarray, drawn: np.ndarray) -> Iterator[tuple]:
    """The lines of one field. wins: shape (prompts, models, models). ties: (models,). drawn: how often each resample
    has each prompt, shape (resamples, prompts)."""
    import numpy as np

    total = wins.sum(axis=0)
    strength = _strengths(total)
    p_win = _expected(strength)
    met = (wins + wins.transpose(0, 2, 1)).sum(axis=2)  # comparisons, shape (prompts, models)
    counts, prompts = met.sum(axis=0), (met > 0).sum(axis=0)
    tables, which = np.unique(np.tensordot(drawn, wins, axes=1), axis=0, return_inverse=True)  # few, where k is 2
    found = np.array([_expected(_strengths(one, strength)) for one in tables])[which]
    ahead = _ahead(p_win, found, prompts)
    for i, name in enumerate(names):
        known = prompts[i] >= PROMPTS_FROM and np.ptp(found[:, i]) > SAME
        low, high = ends(found[:, i], prompts[i]) if known else (math.nan, math.nan)
        won, played, tied = int(total[i].sum() - ties[i] / 2), int(counts[i]), int(ties[i])
        numbers = (strength[i], p_win[i], low, high, played, int(prompts[i]), won, tied, played - won - tied)
        yield (name, number, *numbers, [names[j] for j in np.flatnonzero(ahead[i])])


def _ahead(p_win: np.ndarray, found: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """Which model (row) is told apart from which (column), and better. found: p_win in each resample."""
    import numpy as np
    from scipy.stats import t

    k = len(p_win)
    n = np.minimum(prompts[:, None], prompts[None, :]).clip(2)
    error = (found[:, :, None] - found[:, None, :]).std(axis=0) * np.sqrt(n / (n - 1))
    least = t.ppf(1 - 0.05 / (k * (k - 1)), n - 1) * error + SAME
    return (p_win[:, None] - p_win[None, :] > least) & (n >= PROMPTS_FROM)


def _strengths(wins: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Log-odds with mean 0, the prior included. wins, shape (models, models): how often the one of the row won."""
    import numpy as np
    from choix import ilsr_pairwise_dense

    k = len(wins)
    prior = PRIOR / 2 / (k - 1) * (1 - np.eye(k))
    return ilsr_pairwise_dense(wins + prior, initial_params=start, max_iter=10_000, tol=1e-6)


def _expected(strength: np.ndarray) -> np.ndarray:
    """Each model's mean probability of a win against the others."""
    import numpy as np
    from scipy.special import expit

    k = len(strength)
    return (expit(strength[:, None] - strength[None, :]) - np.eye(k) / 2).sum(axis=1) / (k - 1)


def sentence(table: pd.DataFrame) -> str:
    """Who is ahead in a `ranking`, and whom it can be told apart from, in words."""
    said = [_of_field(field) for _, field in table.groupby("field", sort=False)]
    if not said:
        return "No two models were compared."
    apart = " The groups were not compared with each other, not even by way of other models." if len(said) > 1 else ""
    return " ".join(said) + apart


def _of_field(field: pd.DataFrame) -> str:
    best, others = field.iloc[0], list(field["model"].iloc[1:])
    played = f"{_many(best.n_pairs, 'comparison')} on {_many(best.n_prompts, 'prompt')}"
    record = f"{best.wins} won, {best.ties} tied, {best.losses} lost"
    if best.n_prompts < PROMPTS_FROM:
        return (
            f"From {played} nobody can be called better: it takes {PROMPTS_FROM} prompts. So far {best.model} has "
            f"{record}, against {_listed(others)}."
        )
    between = "every prompt says the same, so there is no interval"
    if not math.isnan(best.low):
        between = f"95 % interval {100 * best.low:.0f} to {100 * best.high:.0f} %"
    told = [name for name in others if name in best.ahead_of]
    open_ = [name for name in others if name not in best.ahead_of]
    words = [f"better than {_listed(told)}"] if told else []
    words += [f"not to be told from {_listed(open_)}"] if open_ else []
    return (
        f"{best.model} is expected to win {100 * best.p_win:.0f} % of comparisons, a tie as half a win ({between}; "
        f"{played}: {record}). It is {', but '.join(words)}."
    )


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def consistency(frame: pd.DataFrame) -> pd.DataFrame:
    """Whether a judge model says the same of a pair when the sides are swapped.

    frame: from `scores.frame`. returns: one line a judge (kind "model") that was asked about pairs: rater; n_pairs
        (with a usable verdict in both orders; the others are left out); consistent (of these: the same verdict in
        both); share, low, high (of the pairs, with its Wilson interval); n_decided (verdicts that choose one of the
        two); left_share, left_low, left_high (of these: for the reply shown first, with its Wilson interval);
        sentence. NaN of nothing.

    A judge without position bias has a left_share of 0.5, whatever the replies, as each is shown first once. Its two
    verdicts on a pair are not independent, so the interval counts pairs, not verdicts; this can only make it wider.
    """
    import pandas as pd

    asked = frame[(frame["task"] == "pair") & (frame["kind"] == MODEL)]
    both = _orders(_pairs(frame))
    lines = [_line(rater, both[both["rater"] == rater]) for rater in asked["rater"].unique()]
    return pd.DataFrame(lines, columns=list(CONSISTENCY))


def _line(rater: str, both: pd.DataFrame) -> dict[str, Any]:
    n, same = len(both), int((both["choice"] == both["swapped"]).sum())
    decided = both["choice"].isin([FIRST, SECOND]).astype(int) + both["swapped"].isin([FIRST, SECOND])
    left = int((both["choice"] == FIRST).sum() + (both["swapped"] == SECOND).sum())
    n_decided, n_both = int(decided.sum()), int((decided > 0).sum())
    line = {"rater": rater, "n_pairs": n, "consistent": same, "n_decided": n_decided}
    if n:
        line |= zip(("share", "low", "high"), (same / n, *wilson(same, n)), strict=True)
    if n_decided:
        bias = left / n_decided
        line |= zip(("left_share", "left_low", "left_high"), (bias, *wilson(bias * n_both, n_both)), strict=True)
    return line | {"sentence": _of_judge(line)}


def _of_judge(line: Mapping[str, Any]) -> str:
    rater, n, n_decided = line["rater"], line["n_pairs"], line["n_decided"]
    if not n:
        return f"{rater}: no pair was judged in both orders, so nothing is known of how consistent it is."
    same = f"the same verdict in both orders for {line['consistent']} of {_many(n, 'pair')}"
    said = f"{rater}: {same} ({_percent(line, '')})."
    if line["low"] <= 0.5:
        said += " It isn't shown to do better than a coin, which would say the same of half of them."
    if not n_decided:
        return f"{said} It never chose one of the two."
    said += f" Of its {n_decided} choices {_percent(line, 'left_')} went to the reply shown first: "
    if line["left_low"] > 0.5 or line["left_high"] < 0.5:
        return f"{said}it favours the {'first' if line['left_share'] > 0.5 else 'second'} place, whatever stands there."
    return f"{said}no favoured place is to be seen, within this interval."


def _percent(line: Mapping[str, Any], of: str) -> str:
    share, low, high = (100 * line[f"{of}{name}"] for name in ("share", "low", "high"))
    return f"{share:.0f} %, 95 % interval {low:.0f} to {high:.0f} %"
