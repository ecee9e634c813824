"""Verdicts are seldom wrong, and found where there is something to find."""

import numpy as np
import pytest
from made_requests import row

from slmbench.analyse import compare
from slmbench.records import to_frame
from support import simulate

RUNS = 4000


def missed(cases):
    assert all(case.runs >= 2000 for case in cases)
    return [sentence for case in cases for sentence in case.missed()]


def test_equal_models_are_seldom_called_faster_or_slower():
    assert missed(simulate.false_verdicts(RUNS)) == []


def test_equal_models_are_seldom_told_apart_across_loads():
    cases = simulate.false_across_loads(RUNS)
    assert missed(cases) == []
    assert max(case.simulated for case in cases) > 3  # the bound is near what is found, not far above it


def test_models_that_are_apart_are_seldom_called_a_tie():
    assert missed(simulate.false_ties(RUNS)) == []


def test_a_gap_of_ten_percent_is_found_and_plans_keep_their_word():
    cases = simulate.power(RUNS)
    assert cases[0].exact == pytest.approx(81.6, abs=0.1)  # noncentral t: 20 pairs, 10 % noise on both sides
    assert missed(cases) == []


def test_the_simulated_verdicts_are_those_of_the_function():
    chance = np.random.default_rng(6)
    said = set()
    for noise in (0.02, 0.1, 0.3):
        log_s = simulate.logs(chance, (20, 3, 8), noise) + np.array([0, 0.02, 0.1])[:, None]
        expected = simulate.verdicts(simulate.against_each_other(log_s))
        for run, verdicts in zip(log_s, expected, strict=True):
            rows = [
                row(m, latency=s, number=i) for m, x in zip("abc", np.exp(run), strict=True) for i, s in enumerate(x)
            ]
            assert list(compare.models(to_frame(rows)).verdict) == list(verdicts)
            said |= set(verdicts)
    assert said >= {"slower", "tie", "can't tell"}
