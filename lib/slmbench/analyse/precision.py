"""How narrow the interval of a median is, for a run that samples until it is narrow enough: no numpy, no scipy."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence

LOOK_FROM = 12  # looking from the sixth value on covers less, see `reached`
ROUNDS_MAX = 200  # of one model and prompt, where neither the precision nor a budget ends it before


@functools.cache
def ranks(n: int) -> tuple[int, int] | None:
    """Which of n sorted values bound the median with 95 % confidence.

    returns: (low, high), counted from 1, symmetric: high = n + 1 − low; None below n = 6.
    source: binomial order-statistic interval in whole numbers; the same values as scipy.stats.quantile_test.

    >>> ranks(6), ranks(12), ranks(5)
    ((1, 6), (3, 10), None)
    """
    low, ways, below = 0, 1, 1  # ways = C(n, low); below = C(n, 0) + … + C(n, low)
    while 40 * below <= 2**n:  # P(at most `low` of n values lie below the median) <= 2.5 %
        ways = ways * (n - low) // (low + 1)
        low += 1
        below += ways
    return (low, n + 1 - low) if low else None


def half_width_pct(latencies: Sequence[float]) -> float | None:
    """The larger side of the 95 % interval of the median, in percent of the median.

    latencies: positive numbers in any unit, shape (n,), in any order. returns: percent; None below n = 6.
    """
    bounds = ranks(len(latencies))
    if bounds is None:
        return None
    ordered = sorted(latencies)
    middle = statistics.median(ordered)
    return 100 * max(ordered[bounds[1] - 1] - middle, middle - ordered[bounds[0] - 1]) / middle


def reached(latencies: Sequence[float], precision_pct: float) -> bool:
    """Whether sampling may stop: at least 12 values, and the median's 95 % interval within ± precision_pct of it, now
    and before the last value came.

    latencies: in the order in which they were measured, shape (n,).

    A sample of a size fixed beforehand covers the median in 95 % of runs. One that is taken until the interval is
    narrow stops where it is narrow by chance, too: after one narrow look it covers the median in 92–96 % of runs, after
    two in a row in 94–96 % (simulated, noise of 3–25 %, log-normal and skewed; tests/bench/simulation.py).
    """
    if len(latencies) < LOOK_FROM:
        return False
    widths = half_width_pct(latencies), half_width_pct(latencies[:-1])
    return all(width is not None and width <= precision_pct for width in widths)
