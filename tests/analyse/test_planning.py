"""What a pilot foretells."""

import math

import numpy as np
import pytest
from made_requests import at, row, streamed
from scipy.stats import chi2, norm, t

from slmbench.analyse import planning
from slmbench.records import to_frame


def pilot(models="ab", rounds=2, prompts="pq", ratio=1.2, **given):
    """Each round 10 % (of the first) slower than the one before; the prompts 2 and 4 s long."""
    return [
        row(m, p, level * ratio**k * 1.1**i, i, **given)
        for k, m in enumerate(models)
        for p, level in zip(prompts, (2.0, 4.0, 8.0, 16.0), strict=False)
        for i in range(rounds)
    ]


def test_the_spread_is_the_upper_bound_of_what_was_seen():
    """Two rounds: the logs lie ln 1.1 / 2 to either side of each prompt's mean."""
    line = planning.forecast(to_frame(pilot()), 10).iloc[0]
    squares = 4 * (math.log(1.1) / 2) ** 2
    assert (line.model, line.n_pilot, line.prompts, line.rounds, line.n, line.df) == ("a", 4, 2, 10, 20, 2)
    assert line.spread_pct == pytest.approx(100 * (math.exp(math.sqrt(squares / chi2.ppf(0.2, 2))) - 1))
    assert line.note == "the spread rests on 2 residual degrees of freedom; its 80 % upper bound is used"
    assert list(planning.forecast(to_frame(pilot()), 10).columns) == list(planning.COLUMNS)


def test_many_pilot_rounds_need_no_warning():
    assert planning.forecast(to_frame(pilot(rounds=6)), 10).note[0] == ""


def test_one_round_tells_no_spread():
    line = planning.forecast(to_frame(pilot(rounds=1)), 10).iloc[0]
    assert math.isnan(line.half_width_pct)
    assert line.note == "no prompt was repeated: a pilot needs 2 rounds"


def test_the_interval_of_one_prompts_median_by_hand():
    """Of twelve values the third and the tenth: Blom's places 0.214 and 0.786."""
    width = planning.median_width(np.zeros(1), 0.1, 12)
    assert width == pytest.approx(100 * math.expm1(0.1 * norm.ppf((10 - 0.375) / 12.25)))
    assert math.isnan(planning.median_width(np.zeros(1), 0.1, 5))


@pytest.mark.parametrize("n", [6, 12, 24, 60])
def test_the_expected_width_is_what_samples_have(n):
    chance = np.random.default_rng(n)
    levels = np.log([2.0, 3.0, 4.0])
    x = np.sort((levels[:, None] + chance.normal(0, 0.1, (4000, 3, n // 3))).reshape(4000, -1), axis=1)
    low, high = planning.ranks(n)
    seen = 100 * np.expm1((x[:, high - 1] - x[:, low - 1]) / 2).mean()
    assert planning.median_width(levels, 0.1, n) == pytest.approx(seen, rel=0.15)


def test_a_plan_of_a_small_pilot_is_mostly_wide_enough():
    found = planning.upper_spread(4 * 0.01, 4)  # four squares of 0.1
    assert found == pytest.approx(0.1 * math.sqrt(4 / chi2.ppf(0.2, 4)))
    assert math.isnan(planning.upper_spread(0.04, 0))


def test_more_rounds_are_narrower():
    frame = to_frame(pilot())
    few, many = (planning.forecast(frame, rounds) for rounds in (6, 60))
    for name in ("half_width_pct", "prompt_half_width_pct"):
        assert (many[name] < few[name]).all()


def test_below_six_rounds_a_prompt_has_no_interval():
    line = planning.forecast(to_frame(pilot()), 5).iloc[0]
    assert math.isnan(line.prompt_half_width_pct)
    assert line.half_width_pct > 0  # of ten requests


def test_the_ratio_to_another_model():
    rows = pilot("a") + [r for r in pilot("b") if r.round == 0]
    rows += [row("b", r.prompt_id, 1.5 * r.latency_s, 1) for r in rows if r.model == "a" and r.round == 1]
    line = planning.forecast(to_frame(rows), 10).iloc[0]  # ratios 1, 1, 1.5, 1.5: 2 prompts × 10 rounds to come
    spread = math.sqrt(4 * (math.log(1.5) / 2) ** 2 / chi2.ppf(0.2, 3))
    assert line.ratio_half_width_pct == pytest.approx(100 * math.expm1(t.ppf(0.975, 19) * spread / math.sqrt(20)))
    assert line.ratio_to == "b"
    assert planning.forecast(to_frame(rows), 40).ratio_half_width_pct[0] < line.ratio_half_width_pct / 1.9
    alone = planning.forecast(to_frame(pilot("a")), 10).iloc[0]
    assert math.isnan(alone.ratio_half_width_pct)
    assert alone.ratio_to == ""


def test_the_widest_ratio_is_told():
    rows = pilot("ab") + [row("c", r.prompt_id, r.latency_s * (3 if r.round else 1), r.round) for r in pilot("a")]
    found = planning.forecast(to_frame(rows), 10)
    assert list(found.ratio_to) == ["c", "c", "a"]


def test_replies_that_all_take_the_same_time():
    line = planning.forecast(to_frame([row(number=i) for i in range(4)]), 10).iloc[0]
    assert line.half_width_pct == pytest.approx(0, abs=1e-4)


def test_no_pilot_no_lines():
    assert planning.forecast(to_frame([]), 10).empty
    assert planning.rounds_that_fit(to_frame([]), 60) == 0


def test_rounds_that_fit_by_hand():
    """A round: means 2.1 and 4.2 s for a, 1.2 times that for b: 13.86 s."""
    frame = to_frame(pilot())
    assert planning.rounds_that_fit(frame, 60) == 4
    assert planning.rounds_that_fit(frame, 13.8) == 0
    assert planning.rounds_that_fit(frame, 60, loads=2) == 2


def test_pauses_between_requests_take_their_time():
    rows = [row(latency=1.0, number=i, started_at=at(3 * i)) for i in range(4)]  # 2 s after each
    assert planning.rounds_that_fit(to_frame(rows), 60) == 20
    assert planning.rounds_that_fit(to_frame([row(latency=1.0, number=i) for i in range(4)]), 60) == 60


def test_streams_share_the_time_and_arrivals_set_it():
    frame = to_frame([row(latency=1.0, number=i, concurrency=n) for n in (1, 4) for i in range(2)])
    assert planning.rounds_that_fit(frame, 60) == 48  # 1.25 s
    arrivals = to_frame([streamed(i / 2, intended=i / 2) for i in range(5)])
    assert planning.rounds_that_fit(arrivals, 60) == 120
