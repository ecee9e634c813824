"""A race may be looked at after every request: equal models are seldom called, and clear differences soon."""

import numpy as np
import pytest
from made_requests import row

from slmbench.analyse import race
from slmbench.records import to_frame
from support import simulate_race

RUNS = 1000


def missed(cases):
    return [sentence for case in cases for sentence in case.missed()]


def test_equal_models_are_seldom_called_however_often_one_looks():
    cases = simulate_race.false_calls(RUNS)
    assert missed(cases) == []
    by_race, by_interval = cases[0::2], cases[1::2]
    assert max(case.simulated for case in by_race) > 1  # not a test that never says anything
    assert min(case.simulated for case in by_interval) > 15  # what it is for: an interval would have, so often


def test_a_clear_difference_is_called_soon():
    assert missed(simulate_race.calls_in_time(RUNS)) == []
    took = simulate_race.until_called(RUNS, 0.25 / 2**0.5)
    assert np.median(took) == 7  # 7 of 7, the earliest that there is: 6 of 6 have an e-value of 14.4
    assert took.min() == 7
    assert np.median(simulate_race.until_called(RUNS)) == pytest.approx(16, abs=2)


def test_the_simulated_calls_are_those_of_the_function():
    chance = np.random.default_rng(4)
    log_s = simulate_race.requests(chance, 2, 3, 4, 4, noise=0.25) + np.log([1.0, 0.95, 0.5])[:, None]
    order = simulate_race.shuffled(chance, log_s.shape)
    seen, said = simulate_race.looks(log_s, order), set()
    for run in range(2):
        rows = {
            order[run, m, i]: row("abc"[m], f"p{i % 4}", latency=float(np.exp(log_s[run, m, i])), number=i // 4)
            for m in range(3)
            for i in range(16)
        }
        for look in (9, 20, 29, 30, 31, 32, 35, 40, 47):
            given = [rows[place] for place in range(look + 1)]
            found = race.calls(to_frame(given), models=["a", "b", "c"])
            assert list(found["n"]) == list(seen.n[run, look])
            assert list(found["verdict"] != race.OPEN) == list(seen.called[run, look])
            said |= {*zip(found["base"] + found["other"], found["verdict"], strict=True)}
    assert said >= {("ac", race.OPEN), ("ac", race.AHEAD), ("ab", race.OPEN)}
