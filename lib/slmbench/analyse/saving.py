"""What routing saves: each prompt to the model of its route, against all of them to the biggest one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from slmbench.analyse import stats

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Saving(NamedTuple):
    """What routing comes to. biggest: the alias that all was compared with. n: requests; prompts: how many different
    ones. routed_s, biggest_s: their seconds. ratio: routed / biggest, with its 95 % interval low, high (NaN below 6).
    scored: prompts scored on both sides; quality: mean score of the routed minus that of the biggest, with quality_low,
    quality_high. unrouted: prompts that no model is for; they are in no number."""

    biggest: str
    n: int
    prompts: int
    routed_s: float
    biggest_s: float
    ratio: float
    low: float
    high: float
    scored: int
    quality: float
    quality_low: float
    quality_high: float
    unrouted: tuple[str, ...]


def biggest(table: pd.DataFrame) -> str:
    """The model of `candidates.Candidates.table` with most parameters; of these, the one that takes most disk, or
    memory. raises: ValueError if there is none with usable replies."""
    known = table[table["note"] == ""].fillna({"parameters_m": 0, "disk_mb": 0, "memory_mb": 0})
    if known.empty:
        raise ValueError("no model has usable replies")
    return str(known.sort_values(["parameters_m", "disk_mb", "memory_mb"], kind="stable")["model"].iloc[-1])


def saving(frame: pd.DataFrame, routes: Mapping[str, str | None], big: str, scores: pd.DataFrame) -> Saving:
    """What it saved on the requests of a run, as they were measured.

    frame: from `records.to_frame`. routes: prompt -> the model that it would go to, None for no model. big: an alias.
    scores: by prompt and model, NaN where there is none.

    The ratio is one of sums, so that long replies count as they take; its interval by the delta method, t over the
    requests (over loads, from 3 of them on). A prompt whose route is the biggest model itself counts as 1.
    """
    import numpy as np

    lowest = frame["concurrency"].min()
    good = frame[stats.usable(frame) & (frame["concurrency"] == lowest) & (frame["latency_s"] > 0)]
    good = good.drop_duplicates([*stats.PAIR_KEY, "model"], keep="last")
    good = good.assign(load_index=good["load_index"].fillna(0))
    each = good.pivot(index=list(stats.PAIR_KEY), columns="model", values="latency_s")
    asked = each.index.get_level_values("prompt_id")
    to = [routes.get(prompt) for prompt in asked]
    routed = np.array([each[model].iloc[i] if model in each else np.nan for i, model in enumerate(to)], dtype=float)
    always = each[big].to_numpy(dtype=float) if big in each else np.full(len(each), np.nan)
    both = ~np.isnan(routed) & ~np.isnan(always)
    ratio, low, high = _ratio(routed[both], always[both], each.index.get_level_values("load_index").to_numpy()[both])
    return Saving(
        big,
        int(both.sum()),
        int(asked[both].nunique()),
        float(routed[both].sum()),
        float(always[both].sum()),
        ratio,
        low,
        high,
        *_quality(scores, routes, big),
        tuple(prompt for prompt, model in routes.items() if model is None),
    )


def _ratio(over: np.ndarray, under: np.ndarray, loads: np.ndarray) -> tuple[float, float, float]:
    """Σ over / Σ under with a 95 % interval. shape (n,)."""
    import numpy as np
    from scipy.stats import t

    if not len(over):
        return math.nan, math.nan, math.nan
    ratio = over.sum() / under.sum()
    names, place = np.unique(loads, return_inverse=True)
    if len(names) >= stats.LOADS_FROM:
        over, under = np.bincount(place, weights=over), np.bincount(place, weights=under)
    n, apart = len(over), over - ratio * under
    if len(loads) < stats.MEDIAN_FROM or not apart.any():
        return float(ratio), math.nan, math.nan
    reach = t.ppf(0.975, n - 1) * apart.std(ddof=1) / n**0.5 / under.mean()
    return float(ratio), float(ratio - reach), float(ratio + reach)


def _quality(scores: pd.DataFrame, routes: Mapping[str, str | None], big: str) -> tuple[int, float, float, float]:
    import numpy as np

    from slmbench.analyse.intervals import t_interval

    apart = []
    for prompt, model in routes.items():
        if prompt in scores.index and model in scores and big in scores:
            apart.append(scores.loc[prompt, model] - scores.loc[prompt, big])
    x = np.array([value for value in apart if not math.isnan(value)])
    if not len(x):
        return 0, math.nan, math.nan, math.nan
    if len(x) < stats.MEDIAN_FROM or np.ptp(x) < 1e-9:
        return len(x), float(x.mean()), math.nan, math.nan
    low, high = t_interval(x)
    return len(x), float(x.mean()), float(low), float(high)


def sentence(found: Saving) -> str:
    """What was saved, and at what price in quality."""
    if not found.n:
        return (
            f"Nothing can be said of routing: no request was answered by both sides ({found.biggest} is the biggest)."
        )
    asked = f"{found.n} requests, {found.prompts} prompts"
    if math.isnan(found.low):
        interval = "" if found.ratio == 1 else ", indicative"
    else:
        interval = f", 95 % interval {found.low:.2f} to {found.high:.2f}"
    said = f"Routed, the run's requests take {found.routed_s:.1f} s; all to {found.biggest}, {found.biggest_s:.1f} s"
    said += f" (× {found.ratio:.2f}{interval}; {asked})."
    if found.scored:
        told = (
            ""
            if math.isnan(found.quality_low)
            else f", 95 % interval {found.quality_low:+.2f} to {found.quality_high:+.2f}"
        )
        said += f" The mean score changes by {found.quality:+.2f}{told}, {found.scored} prompts."
    else:
        said += " What that does to quality is not known: no prompt was scored on both sides."
    if found.unrouted:
        said += f" No model is for {len(found.unrouted)} of the prompts: {', '.join(found.unrouted)}."
    return said
