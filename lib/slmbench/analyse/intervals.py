"""Intervals of medians, tails and means, and the sample sizes from which they exist.

source of the floors: scipy.stats.quantile_test, whose bounds of a quantile exist from these n on.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MEDIAN_FROM = 6  # first n with a two-sided 95 % order-statistic interval: 2 x 0.5**6 < 0.05
P95_BOUND_FROM = 59  # first n with 0.95**n < 0.05: a one-sided upper bound of the p95
P95_INTERVAL_FROM = 72  # first n whose two-sided interval of the p95 has an upper end
FLAT = 1e-9  # a spread that is only rounding
LOADS_FROM = 3  # loads of a model from which their spread says something


def median_interval(x) -> tuple[float, float]:
    """Two-sided 95 % interval of the median from order statistics; (NaN, NaN) below n = 6. x: shape (n,), no NaN."""
    return _between(x, ranks(len(x), 0.5) if len(x) >= MEDIAN_FROM else None)


def p95_interval(x) -> tuple[float, float]:
    """Two-sided 95 % interval of the p95 from order statistics; (NaN, NaN) below n = 72. x: shape (n,), no NaN."""
    return _between(x, ranks(len(x), 0.95) if len(x) >= P95_INTERVAL_FROM else None)


def p95_upper(x) -> float:
    """The value the p95 lies at or below with 95 % confidence; NaN below n = 59. x: shape (n,), no NaN."""
    return _between(x, ranks(len(x), 0.95, "less") if len(x) >= P95_BOUND_FROM else None)[1]


def _between(x, bounds: tuple[int, int] | None) -> tuple[float, float]:
    import numpy as np

    if bounds is None:
        return float("nan"), float("nan")
    ordered = np.sort(np.asarray(x, dtype=float))
    return float(ordered[bounds[0] - 1]), float(ordered[bounds[1] - 1])


@functools.cache
def ranks(n: int, p: float, alternative: str = "two-sided") -> tuple[int, int]:
    """Which of n sorted values bound the quantile p with 95 % confidence, counted from 1; "less": only from above.

    source: scipy.stats.quantile_test (exact binomial bounds), asked about the values 1…n, as it takes a
        millisecond, and a summary asks for hundreds of the same n.
    """
    import numpy as np
    from scipy.stats import quantile_test

    bounds = quantile_test(np.arange(1.0, n + 1), p=p, alternative=alternative).confidence_interval()
    return (1 if alternative == "less" else int(bounds.low)), int(bounds.high)


def across_loads(x, loads) -> tuple[float, float]:
    """Two-sided 95 % interval of a median over loads of the model: t on the logs of the loads' medians.

    x: positive numbers, shape (n,), no NaN. loads: the load of each, shape (n,). The interval is around the
        geometric mean of the loads' medians, and may reach beyond what was seen.
    returns: (NaN, NaN) below n = 6, below 3 loads, or where a median is not positive.
    """
    import numpy as np

    medians = [np.median(x[loads == load]) for load in np.unique(loads)]
    if len(x) < MEDIAN_FROM or len(medians) < LOADS_FROM or min(medians) <= 0:
        return float("nan"), float("nan")
    low, high = np.exp(t_interval(np.log(medians)))
    return float(low), float(high)


def t_interval(x, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided interval of the mean of normal values, by Student's t. x: shape (..., n). returns: two of (...)."""
    import numpy as np
    from scipy.stats import t

    x = np.asarray(x, dtype=float)
    n = x.shape[-1]
    reach = t.ppf((1 + level) / 2, n - 1) * x.std(axis=-1, ddof=1) / np.sqrt(n)
    return x.mean(axis=-1) - reach, x.mean(axis=-1) + reach


def weighted_error(apart: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Standard error of a weighted mean, and its degrees of freedom, with (Σw)² / Σw² in place of n.

    apart: differences from that mean, shape (n,); weight: above 0, shape (n,).
    returns: (NaN, NaN) below n = 6, and where there is no spread at all, which would claim certainty.
    """
    import numpy as np

    total = weight.sum()
    n = total**2 / (weight**2).sum()
    if len(apart) < MEDIAN_FROM or np.ptp(apart) < FLAT:
        return float("nan"), float("nan")
    variance = (weight * apart**2).sum() / (total - total / n)
    return float(np.sqrt(variance / n)), float(n - 1)


def half_width(error: float, free: float) -> float:
    """Half of a two-sided 95 % interval by Student's t; NaN where there is no error."""
    from scipy.stats import t

    return float(t.ppf(0.975, free) * error)
