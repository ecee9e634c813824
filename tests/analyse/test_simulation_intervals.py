"""Intervals cover what they say, at every size of a sample; see tests/bench/simulation.py for more runs."""

import numpy as np
import pytest

from slmbench.analyse import intervals, precision
from support import simulate

RUNS = 4000


def missed(cases):
    assert all(case.runs >= 2000 for case in cases)
    return [sentence for case in cases for sentence in case.missed()]


def test_the_median_at_every_n_from_six_to_sixty():
    cases = simulate.quantile("median", 0.5, range(6, 61), RUNS)
    assert len(cases) == 55
    assert missed(cases) == []


def test_the_p95_at_every_n_from_seventy_two_to_three_hundred():
    cases = simulate.quantile("p95", 0.95, range(72, 301), RUNS)
    assert len(cases) == 229
    assert missed(cases) == []


def test_the_upper_bound_of_the_p95_at_every_n_from_fifty_nine():
    cases = simulate.quantile("p95, upper bound", 0.95, range(59, 301), RUNS, upper=True)
    assert len(cases) == 242
    assert missed(cases) == []


def test_a_narrower_interval_would_be_noticed(monkeypatch):
    """The ranks one further in: at n = 20 the interval then covers 88 %."""
    true = intervals.ranks
    monkeypatch.setattr(intervals, "ranks", lambda n, p, side: (true(n, p, side)[0] + 1, true(n, p, side)[1] - 1))
    [case] = simulate.quantile("median", 0.5, [20], RUNS)
    assert case.simulated == pytest.approx(88.5, abs=2.5)
    assert "20" in missed([case])[0]


@pytest.mark.parametrize("n", [6, 20, 59, 60, 72, 150])
def test_the_simulated_intervals_are_those_of_the_functions(n):
    x = np.random.default_rng(n).lognormal(size=n)
    ordered = [float("nan"), *np.sort(x)]
    low, high = intervals.ranks(n, 0.5)
    assert intervals.median_interval(x) == (ordered[low], ordered[high])
    assert intervals.ranks(n, 0.5) == precision.ranks(n)
    if n >= 59:
        assert intervals.p95_upper(x) == ordered[intervals.ranks(n, 0.95, "less")[1]]
    if n >= 72:
        low, high = intervals.ranks(n, 0.95)
        assert intervals.p95_interval(x) == (ordered[low], ordered[high])


def test_sampling_until_it_is_narrow_covers_ninety_three_percent():
    cases = simulate.adaptive(RUNS, (0.05, 0.1, 0.12, 0.2))
    assert missed(cases) == []
    taken = [int(case.n.split(" ")[0]) for case in cases[:4]]
    assert taken == sorted(taken)  # more noise, more samples


def test_the_simulated_stop_is_that_of_the_runner():
    x = np.random.default_rng(3).lognormal(0, 0.08, (60, 80))
    took, low, high = simulate.stopped(x, 5)
    for run, line in enumerate(x):
        stops = [n for n in range(81) if precision.reached(list(line[:n]), 5)]
        n = stops[0] if stops else 80
        assert took[run] == n
        assert (low[run], high[run]) == intervals.median_interval(line[:n])
    assert 12 <= took.min() < took.max() <= 80


def test_intervals_across_loads_cover_and_those_from_one_do_not():
    cases = simulate.across_loads(RUNS)
    assert missed(cases) == []
    one = {case.name.split(" ")[0]: case.simulated for case in cases[-2:]}
    assert one["mean"] == pytest.approx(53, abs=3)
    assert one["median"] == pytest.approx(62, abs=3)


def test_the_simulated_interval_across_loads_is_that_of_the_function():
    x = np.random.default_rng(5).lognormal(0, 0.05, (4, 20))
    low, high = np.exp(intervals.t_interval(np.log(np.median(x, axis=1))))
    assert intervals.across_loads(x.ravel(), np.repeat(range(4), 20)) == pytest.approx((low, high))


def test_a_plan_expects_enough_spread_in_four_of_five_pilots():
    assert missed(simulate.spread_bound(RUNS)) == []
