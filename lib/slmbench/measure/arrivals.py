"""When requests of an open loop are due: arrivals that do not wait for replies."""

from __future__ import annotations

import random

KINDS = ("poisson", "constant")


def due_times(n: int, rate: float, kind: str = "poisson", seed: object = 0) -> list[float]:
    """The times at which n requests are to be written.

    n: count. rate: requests each second. kind: "constant" (evenly spaced) or "poisson" (independent users: gaps are
    exponential with mean 1 / rate). seed: for "poisson"; the same seed gives the same times.
    returns: seconds from the start, shape (n,), ascending; the first is 0.

    >>> due_times(3, 2.0, "constant")
    [0.0, 0.5, 1.0]
    """
    if kind not in KINDS:
        raise ValueError(f"kind: {kind!r} was found, one of {', '.join(KINDS)} was expected")
    if kind == "constant":
        return [i / rate for i in range(n)]
    draw, due, times = random.Random(f"{seed}"), 0.0, []
    for _ in range(n):
        times.append(due)
        due += draw.expovariate(rate)
    return times
