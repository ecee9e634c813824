"""Verdicts, Holm's correction and the number of rounds to go."""

import doctest
import math

import numpy as np
import pytest
from scipy.stats import t

from slmbench.analyse import compare, decide, precision
from slmbench.errors import UsageError

ZONE = math.log(1.05)


def verdict(*means, se=0.01, df=19, **more):
    lines = np.full(len(means), se), np.full(len(means), df)
    return list(decide.judge(np.array(means), *lines, **more)["verdict"])


def test_the_examples_in_the_docstrings():
    for module in (compare, decide, precision):
        told = doctest.testmod(module)
        assert told.attempted > 0
        assert told.failed == 0


def test_faster_and_slower_need_an_interval_without_one_and_a_gap_of_five_percent():
    assert verdict(math.log(1.06)) == ["slower"]
    assert verdict(math.log(1 / 1.06)) == ["faster"]
    assert verdict(math.log(1.04)) == ["can't tell"]  # apart from 1, and not from 1.05
    assert verdict(math.log(1.06), se=0.03) == ["can't tell"]  # a large gap with a wide interval
    assert verdict(math.log(1.06), more_is_better=True) == ["faster"]
    assert verdict(math.log(1 / 1.06), more_is_better=True) == ["slower"]


def test_a_tie_has_its_interval_inside_the_zone():
    reach = t.ppf(0.975, 19)
    assert verdict(0.0, se=0.999 * ZONE / reach) == ["tie"]
    assert verdict(0.0, se=1.001 * ZONE / reach) == ["can't tell"]
    assert verdict(0.03, se=0.99 * (ZONE - 0.03) / reach) == ["tie"]
    assert verdict(-0.03, se=1.01 * (ZONE - 0.03) / reach) == ["can't tell"]


def test_the_numbers_of_a_line_by_hand():
    found = decide.judge(np.array([0.2]), np.array([0.05]), np.array([9]))
    reach = 0.05 * t.ppf(0.975, 9)
    assert found["ratio_low"][0] == pytest.approx(math.exp(0.2 - reach))
    assert found["ratio_high"][0] == pytest.approx(math.exp(0.2 + reach))
    assert found["p"][0] == found["p_holm"][0] == pytest.approx(2 * t.sf(4, 9))


def test_verdicts_have_to_hold_among_several_lines():
    mean, se = 0.1, 0.1 / t.ppf(1 - 0.04 / 2, 19)  # p = 0.04
    assert verdict(mean, se=se) == ["slower"]
    assert verdict(mean, mean, se=se) == ["can't tell"] * 2
    tie = 0.999 * ZONE / t.ppf(0.975, 19)
    assert verdict(0.0, se=tie) == ["tie"]
    assert verdict(0.0, 0.0, se=tie) == ["can't tell"] * 2


def test_without_any_spread():
    assert verdict(0.0, 0.01, 0.1, se=0.0) == ["tie", "tie", "slower"]


def test_nothing_working_copy_counts_for_nothing():
    found = decide.judge(np.array([0.1, 0.1]), np.array([0.04, np.nan]), np.array([19, np.nan]))
    assert list(found["verdict"]) == ["slower", "can't tell"]
    assert found["p_holm"][0] == found["p"][0]
    assert all(np.isnan(found[name][1]) for name in ("p", "p_holm", "ratio_low", "ratio_high"))


def test_holm_by_hand():
    assert list(decide.holm([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert list(decide.holm([0.5, 0.9])) == [1.0, 1.0]
    found = decide.holm([0.02, np.nan, 0.04])
    assert found[0] == found[2] == 0.04
    assert np.isnan(found[1])
    assert decide.holm([]).shape == (0,)


def test_holm_takes_many_tables_at_once():
    p = np.random.default_rng(2).random((20, 4))
    assert np.array_equal(decide.holm(p), [decide.holm(line) for line in p])


def test_more_rounds_is_the_smallest_number_that_its_formula_allows():
    mean, within = 0.2, 0.3
    rounds = decide.more_rounds(mean, within, 8, 4)
    enough = [
        n
        for n in range(12, 500, 4)
        if (t.ppf(0.975, n - 1) + t.ppf(0.8, n - 1)) * within / math.sqrt(n) <= mean
        and t.ppf(0.8, n - 1) * within / math.sqrt(n) <= mean - ZONE
    ]
    assert rounds == (enough[0] - 8) / 4
    assert decide.more_rounds(-mean, within, 8, 4) == rounds
    assert decide.more_rounds(mean, within, 8, 4, lines=10) > rounds


def test_a_tie_is_planned_with_what_is_left_of_the_zone():
    rounds = decide.more_rounds(0.02, 0.1, 8, 4)
    n = 8 + 4 * rounds
    assert (t.ppf(0.975, n - 1) + t.ppf(0.9, n - 1)) * 0.1 / math.sqrt(n) <= ZONE - 0.02
    n -= 4
    assert (t.ppf(0.975, n - 1) + t.ppf(0.9, n - 1)) * 0.1 / math.sqrt(n) > ZONE - 0.02


def test_more_rounds_reach_six_pairs_at_least():
    assert decide.more_rounds(1.0, 0.001, 3, 1) == 3
    assert decide.more_rounds(1.0, 0.001, 4, 4) == 1


def test_what_no_number_of_rounds_decides():
    assert decide.more_rounds(ZONE, 0.1, 20, 4) == math.inf  # just at the border
    assert decide.more_rounds(0.02, 3.0, 20, 4) == math.inf
    assert math.isnan(decide.more_rounds(0.2, 0.1, 2, 1))
    assert math.isnan(decide.more_rounds(0.2, math.nan, 20, 1))


def test_across_loads_rounds_help_only_against_the_noise_within_one():
    seen = {"between": 0.05, "loads": 3}
    assert decide.more_rounds(0.2, 0.2, 12, 12, **seen) < math.inf
    assert decide.more_rounds(0.1, 0.2, 12, 12, **seen) == math.inf  # (4.3 + 1.1) × 0.05 / √3 = 0.15


def test_times_and_speeds_and_nothing_else(frame):
    assert not decide.more_is_better(frame, "ttft_s")
    assert decide.more_is_better(frame, "decode_tps")
    with pytest.raises(UsageError, match=r"column: 'latency' was found.*latency_s") as told:
        decide.more_is_better(frame, "latency")
    assert told.value.cure == "column='latency_s'"
    with pytest.raises(UsageError, match="output_tokens"):
        decide.more_is_better(frame, "output_tokens")


@pytest.fixture
def frame():
    from made_requests import frame_of

    return frame_of(1.0)
