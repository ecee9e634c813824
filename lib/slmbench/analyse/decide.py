"""From log ratios to verdicts: intervals, p values, Holm's correction, and how many more rounds would decide."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

from slmbench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

VERDICT_FROM = 6  # pairs
GAP = 1.05  # a smaller ratio is no difference that anybody would choose by
ALPHA = 0.05  # of a false "faster" or "slower" among all lines of a table
TIE_ALPHA = ALPHA / 2  # each of two one-sided tests: together, the 95 % interval lies inside the zone
POWER, TIE_POWER = 0.8, 0.9  # of a planned comparison; a tie has two ends to miss
ROUNDS_MAX, LOADS_MAX = 1000, 100  # more are no practical number


def judge(mean, se, df, more_is_better: bool = False) -> dict[str, np.ndarray]:
    """Verdicts on the lines of one table, or of many tables at once.

    mean: of log ratios; se: its standard error; df: of that; all of shape (…, lines), NaN where there is nothing to
        judge. Holm's correction is over the last axis.
    returns: ratio_low, ratio_high (95 %, each line for itself), p, p_holm, verdict, in that shape. "faster" and
        "slower": p_holm < 0.05 and the gap is at least 5 %. "tie": the 95 % interval lies inside [1/1.05, 1.05], and
        the larger p of the two one-sided tests against the ends is at most 0.025 after Holm's correction, too.
    """
    import numpy as np
    from scipy.stats import t

    mean, se, df = (np.asarray(x, dtype=float) for x in (mean, se, df))
    known, zone, size = ~np.isnan(se), math.log(GAP), np.abs(mean)
    with np.errstate(divide="ignore", invalid="ignore"):  # without any spread t is infinite, or 0 / 0 at 0
        p = np.where(mean == 0, 1.0, 2 * t.sf(size / se, df))
        p_tie = np.where(size < zone, t.sf((zone - size) / se, df), 1.0)
    p, p_tie = (np.where(known, x, np.nan) for x in (p, p_tie))
    reach = t.ppf(1 - ALPHA / 2, df) * se
    low, high, p_holm = mean - reach, mean + reach, holm(p)
    apart = (p_holm < ALPHA) & (size >= zone)
    tie = (holm(p_tie) <= TIE_ALPHA) & (low >= -zone) & (high <= zone)
    faster = (mean > 0) == more_is_better
    verdict = np.select([apart & faster, apart, tie], ["faster", "slower", "tie"], "can't tell")
    return {"ratio_low": np.exp(low), "ratio_high": np.exp(high), "p": p, "p_holm": p_holm, "verdict": verdict}


def holm(p) -> np.ndarray:
    """Holm's step-down correction over the last axis; NaN stays NaN and does not count.

    source: Holm (1979).

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    import numpy as np

    p = np.asarray(p, dtype=float)
    order = np.argsort(p, axis=-1)  # NaN last
    left = (~np.isnan(p)).sum(axis=-1, keepdims=True) - np.arange(p.shape[-1])
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * left, axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return adjusted


def more_rounds(
    mean: float,
    within: float,
    n_pairs: int,
    cells: int,
    *,
    lines: int = 1,
    between: float = 0.0,
    loads: int | None = None,
) -> float:
    """About how many more rounds of every prompt would decide a comparison, if what was seen is what there is.

    mean, within: of the log ratios, and their standard deviation (within a load). n_pairs: so far. cells: pairs that
        one more round adds (prompts × loads). lines: of the table, for Holm's correction. between: standard deviation
        of the loads' means beyond that, and loads: how many, where the interval is across loads.
    returns: rounds; NaN where the spread is unknown (below 3 pairs); infinity where 1,000 would not do.

    The formula: with se² = within² / n + between² / loads after the added rounds, the smallest number for which
        (t(1 − 0.025 / lines) + t(0.8)) se <= |mean|  and  t(0.8) se <= |mean| − ln 1.05     for faster or slower,
        (t(1 − 0.025 / lines) + t(0.9)) se <= ln 1.05 − |mean|                               for a tie:
    a chance of about 80 % of that verdict. Its limits: mean and spread are estimates themselves, so the number may be
    out by a factor of two and more at few pairs; a ratio near 1.05 is never decided.
    """
    import numpy as np

    if n_pairs < 3 or math.isnan(within) or cells < 1:
        return math.nan
    rounds = np.arange(1, ROUNDS_MAX + 1)
    n = n_pairs + rounds * cells
    se = np.sqrt(within**2 / n + (between**2 / loads if loads else 0.0))
    df = np.full(len(n), loads - 1) if loads else n - 1
    enough = _decides(mean, se, df, lines) & (n >= VERDICT_FROM)
    return float(rounds[enough.argmax()]) if enough.any() else math.inf


def more_loads(mean: float, spread: float, loads: int, *, lines: int = 1) -> float:
    """About how many more loads of each model, with as many rounds, would decide a comparison across loads.

    mean: of the loads' median log ratios, and their standard deviation `spread`; loads: how many so far. lines: of
        the table. returns: loads; NaN where the spread is unknown; infinity where 100 would not do.

    As `more_rounds`, with se = spread / √loads and loads − 1 degrees of freedom.
    """
    import numpy as np

    if math.isnan(spread):
        return math.nan
    more = np.arange(1, LOADS_MAX + 1)
    enough = _decides(mean, spread / np.sqrt(loads + more), loads + more - 1, lines)
    return float(more[enough.argmax()]) if enough.any() else math.inf


def _decides(mean: float, se: np.ndarray, df: np.ndarray, lines: int) -> np.ndarray:
    """Where a standard error would be small enough for a verdict."""
    from scipy.stats import t

    size, zone, surely = abs(mean), math.log(GAP), t.ppf(1 - ALPHA / 2 / lines, df)
    if size < zone:
        return (surely + t.ppf(TIE_POWER, df)) * se <= zone - size
    power = t.ppf(POWER, df) * se
    return (surely * se + power <= size) & (power <= size - zone)


def more_is_better(frame: pd.DataFrame, column: str) -> bool:
    """Whether a larger value of the column is a faster one.

    raises: UsageError if it is neither a time (…_s) nor a speed (…_tps) of the frame.
    """
    known = [name for name in frame.columns if name.endswith(("_s", "_tps")) and name != "chunk_s"]
    if column not in known:
        near = difflib.get_close_matches(column, known, 1)
        message = f"column: {column!r} was found, a time or a speed was expected: {', '.join(known)}"
        raise UsageError(message, f"column={near[0] if near else 'latency_s'!r}")
    return column.endswith("_tps")
