"""From a few pilot requests: how many rounds fit into the time at hand, and how wide the intervals will be."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.analyse.decide import VERDICT_FROM
from slmbench.analyse.precision import ranks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SURE = 0.8  # that the true spread is no larger than the one that is planned with
FEW = 10  # residual degrees of freedom below which a spread is hardly known
COLUMNS = (
    *("model", "n_pilot", "prompts", "rounds", "n", "df", "spread_pct", "half_width_pct", "prompt_half_width_pct"),
    *("ratio_half_width_pct", "ratio_to", "note"),
)


def forecast(frame: pd.DataFrame, rounds: int) -> pd.DataFrame:
    """How wide the 95 % intervals of latency will be after `rounds` rounds of every prompt in one load.

    frame: pilot rows from `records.to_frame`, at least 2 rounds. rounds: timed requests for each model and prompt.
    returns: one line per model with a usable row: model; n_pilot: usable pilot rows; prompts; rounds; n = rounds ×
        prompts; df: residual degrees of freedom of the spread; spread_pct: the noise within a prompt, one standard
        deviation, percent; then half widths, percent: half_width_pct of the median of all n requests,
        prompt_half_width_pct of the median of one prompt (NaN below 6 rounds), ratio_half_width_pct of the paired
        ratio to the model with which it will be widest (ratio_to; NaN and "" without another model); note: a warning
        where the spread rests on few degrees of freedom, or on none, or "".

    All spreads are the 80 % upper bound (chi-square) of what the pilot saw: a pilot of few rows often sees too little
    noise, and a plan made of it would promise too much. With df below 10 that bound may still be far off.
    The median: the ends are the order statistics with the exact binomial ranks, each at its expected place among
    log-normal requests around their prompts' geometric means; the half width is half their distance. The ratio:
    Student's t, as `compare.models` will have it, with the spread of the pilot's log ratios.
    source: Blom (1958) for the expected place of an order statistic, (rank − 3/8) / (n + 1/4).
    """
    import pandas as pd

    rows = frame[stats.usable(frame) & (frame["latency_s"] > 0)]
    names = list(rows["model"].unique())
    ratio = dict.fromkeys(names, (math.nan, ""))
    for one, two in itertools.combinations(names, 2):
        width = _ratio_width(stats.pairs(rows, one, two), rounds)
        for name, partner in ((one, two), (two, one)):
            if not width <= ratio[name][0] and not math.isnan(width):
                ratio[name] = (width, partner)
    lines = [_line(name, rows[rows["model"] == name], rounds) + ratio[name] for name in names]
    lines = [(*line, _note(line[COLUMNS.index("df")])) for line in lines]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _line(name: str, rows: pd.DataFrame, rounds: int) -> tuple:
    import numpy as np

    log = np.log(rows["latency_s"])
    cells = log.groupby([rows["prompt_id"], rows["load_index"], rows["concurrency"]], dropna=False)
    df = len(rows) - cells.ngroups
    spread = upper_spread(float(((log - cells.transform("mean")) ** 2).sum()), df)
    levels = log.groupby(rows["prompt_id"]).mean().to_numpy()
    n = rounds * len(levels)
    widths = (median_width(levels, spread, n), median_width(levels[:1], spread, rounds))
    return (name, len(rows), len(levels), rounds, n, df, 100 * math.expm1(spread), *widths)


def _note(df: int) -> str:
    if df < 1:
        return "no prompt was repeated: a pilot needs 2 rounds"
    if df < FEW:
        return f"the spread rests on {df} residual degree{'s' * (df != 1)} of freedom; its 80 % upper bound is used"
    return ""


def upper_spread(squares: float, df: int) -> float:
    """The 80 % upper bound of a standard deviation. squares: sum of squared residuals; NaN without any freedom."""
    from scipy.stats import chi2

    return math.sqrt(squares / chi2.ppf(1 - SURE, df)) if df > 0 else math.nan


def median_width(levels: np.ndarray, spread: float, n: int) -> float:
    """Expected half width of the order-statistic interval of a median, percent; NaN below n = 6.

    levels: the prompts' means of log latency, with equally many of the n requests each. spread: standard deviation of
        log latency around them.
    """
    bounds = ranks(n)
    if bounds is None or math.isnan(spread):
        return math.nan
    low, high = (_place(levels, spread, (rank - 0.375) / (n + 0.25)) for rank in bounds)
    return 100 * math.expm1((high - low) / 2)


def _place(levels: np.ndarray, spread: float, share: float) -> float:
    """The log latency that this share of the requests lies below."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    spread = max(spread, 1e-9)  # replies that all took the same time are still to either side of a place
    ends = levels.min() - 9 * spread, levels.max() + 9 * spread
    return brentq(lambda x: norm.cdf((x - levels) / spread).mean() - share, *ends)


def _ratio_width(pairs: pd.DataFrame, rounds: int) -> float:
    import numpy as np
    from scipy.stats import t

    cells, n_pairs = len(pairs[["prompt_id", "concurrency"]].drop_duplicates()), len(pairs)
    n = rounds * cells
    if n_pairs < 2 or n < VERDICT_FROM:
        return math.nan
    logs = np.log(pairs["ratio"])
    spread = upper_spread(float(((logs - logs.mean()) ** 2).sum()), n_pairs - 1)
    return 100 * math.expm1(t.ppf(0.975, n - 1) * spread / math.sqrt(n))


def rounds_that_fit(frame: pd.DataFrame, seconds: float, loads: int = 1) -> int:
    """How many rounds of every prompt, by every model of a pilot, fit into a time.

    frame: pilot rows from `records.to_frame`. seconds: for timed requests; loading and warming up come on top.
    loads: how often each model will be loaded, each with all rounds.
    returns: rounds for each load, 0 if not even one fits or nothing was measured.

    One round costs the mean latency of every (model, prompt, concurrency) over its number of streams, or the mean gap
    between two arrivals in an open loop, and for each request the median pause between two of the pilot. Failed
    requests are not foreseen.
    """
    import pandas as pd

    rows = frame[stats.usable(frame) & (frame["latency_s"] > 0)]
    if rows.empty:
        return 0
    due = pd.to_datetime(rows["intended_at"], utc=True, format="ISO8601", errors="coerce")
    cost_s = 0.0
    for (_, streams), group in rows.groupby(["model", "concurrency"]):
        arrivals = due[group.index].dropna().sort_values()
        by_prompt = group.groupby("prompt_id")["latency_s"].mean()
        if len(arrivals) > 1:
            cost_s += len(by_prompt) * (arrivals.iloc[-1] - arrivals.iloc[0]).total_seconds() / (len(arrivals) - 1)
        else:
            cost_s += (by_prompt.sum() + len(by_prompt) * _pause_s(frame)) / streams
    return max(0, math.floor(seconds / loads / cost_s))


def _pause_s(frame: pd.DataFrame) -> float:
    """Median time between the end of a request and the start of the next one, of requests that went one by one."""
    import pandas as pd

    rows = frame[frame["ok"] & (frame["concurrency"] == 1) & frame["intended_at"].isna() & frame["started_at"].notna()]
    start = pd.to_datetime(rows["started_at"], utc=True, format="ISO8601", errors="coerce").sort_values()
    end = start + pd.to_timedelta(rows["latency_s"], unit="s")
    pauses = (start - end.shift()).dt.total_seconds().dropna()
    return max(0.0, float(pauses.median())) if len(pauses) else 0.0
