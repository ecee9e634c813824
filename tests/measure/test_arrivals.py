"""Due times of an open loop."""

import numpy as np
import pytest
from scipy import stats

from slmbench.measure.arrivals import due_times


def test_constant_arrivals_are_evenly_spaced():
    assert due_times(4, 2.0, "constant") == [0.0, 0.5, 1.0, 1.5]
    assert due_times(0, 2.0, "constant") == due_times(0, 2.0) == []


def test_poisson_arrivals_begin_at_once_and_never_go_back():
    times = due_times(50, 10.0, seed=3)
    assert times[0] == 0.0
    assert times == sorted(times)
    assert times == due_times(50, 10.0, seed=3) != due_times(50, 10.0, seed=4)


def test_poisson_gaps_are_exponential_with_the_mean_that_was_asked_for():
    gaps = np.diff(due_times(4001, 8.0, seed=1))
    assert gaps.mean() == pytest.approx(1 / 8, rel=0.05)  # three standard errors of the mean of 4,000
    assert stats.kstest(gaps * 8, "expon").pvalue > 0.01


def test_a_plan_of_more_requests_keeps_the_times_of_the_first():
    assert due_times(5, 2.0, seed=7) == due_times(9, 2.0, seed=7)[:5]


def test_other_arrivals_are_refused():
    with pytest.raises(ValueError, match="poisson, constant was expected"):
        due_times(3, 1.0, "bursty")
