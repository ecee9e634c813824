"""Clean runs seldom have a flag."""

import numpy as np

from slmbench.analyse.drift import drift
from slmbench.analyse.outliers import outliers
from support import simulate

RUNS = 2000


def missed(cases):
    return [sentence for case in cases for sentence in case.missed()]


def test_false_outliers():
    cases = simulate.outlier_alarms(3 * RUNS)
    assert all(case.runs >= 2000 for case in cases)
    assert missed(cases) == []


def test_false_drift_and_a_drift_that_is_there():
    cases = simulate.drift_alarms(RUNS)
    assert all(case.runs >= 2000 for case in cases)
    assert missed(cases) == []


def test_many_runs_in_one_frame_are_judged_as_one_by_one():
    chance = np.random.default_rng(9)
    latency_s = simulate.requests(chance, 30, 4, 5, noise=0.3)
    latency_s[:10, 0, 0] *= 9
    together = outliers(simulate.frame(latency_s)).to_numpy().reshape(30, -1)
    alone = [outliers(simulate.frame(run[None])).to_numpy() for run in latency_s]
    assert np.array_equal(together, alone)
    assert 5 <= together.any(axis=1).sum() <= 15
    trends = drift(simulate.frame(latency_s))
    assert list(trends.p) == [drift(simulate.frame(run[None])).p[0] for run in latency_s]
