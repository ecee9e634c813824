"""A trend over the run, model by model."""

import math

import numpy as np
import pytest
from made_requests import frame_of, row
from scipy.stats import kendalltau

from slmbench.analyse.drift import drift
from slmbench.errors import UsageError
from slmbench.records import to_frame

WOBBLE = (1.01, 0.99, 1.02, 0.98, 1.0, 1.03, 0.97, 1.01, 1.0, 0.99, 1.02, 0.98)


def test_the_test_is_kendalls_on_the_order_of_the_run():
    x = [1.0, 3.0, 2.0, 5.0, 4.0, 7.0, 6.0, 9.0, 8.0, 10.0]
    line = drift(frame_of(*x)).iloc[0]
    assert (line.model, line.n) == ("a", 10)
    assert line.tau == pytest.approx((41 - 4) / 45)  # 4 of 45 pairs fall
    assert line.p == line.p_holm == kendalltau(range(10), x).pvalue
    assert (line.drifting, line.direction) == (True, "slower")


def test_the_rows_order_counts_and_not_their_place():
    rows = [row(latency=1.0 + i / 10, number=i, order=9 - i) for i in range(10)]
    assert drift(to_frame(rows)).direction[0] == "faster"


def test_for_speeds_rising_is_faster():
    frame = frame_of(*(2.0 - i / 10 for i in range(12)))
    assert drift(frame).direction[0] == drift(frame, "output_tps").direction[0] == "faster"


def test_a_steady_model_does_not_drift():
    line = drift(frame_of(*WOBBLE)).iloc[0]
    assert (line.drifting, line.direction) == (False, "")


def test_nothing_is_said_below_ten():
    line = drift(frame_of(*range(1, 10))).iloc[0]
    assert line.n == 9
    assert math.isnan(line.tau)
    assert (line.drifting, line.direction) == (False, "")


def test_prompts_and_loads_of_different_length_are_no_drift():
    rows = [
        row(prompt=p, latency=level * WOBBLE[i], number=i, load_index=load, order=12 * k + i)
        for k, (p, level, load) in enumerate((("p", 1.0, 0), ("q", 5.0, 0), ("p", 1.2, 1), ("q", 6.0, 1)))
        for i in range(12)
    ]
    assert not drift(to_frame(rows)).drifting[0]
    assert drift(
        to_frame([row(prompt="p", latency=r.latency_s, number=r.order, order=r.order) for r in rows])
    ).drifting[0]


def test_prompts_without_repeats_take_no_part():
    rows = [row(prompt=f"p{i // 2}", latency=1.0 + i, number=i % 2, order=i) for i in range(20)]
    assert drift(to_frame(rows)).n[0] == 0


def test_rows_that_do_not_count():
    rows = [row(latency=w, number=i, order=i) for i, w in enumerate(WOBBLE)]
    rows += [row(phase="warmup", order=-1, latency=99.0), row(status="timeout", order=13)]
    rows += [row(flags=["clock_jump"], order=14, latency=99.0)]
    assert drift(to_frame(rows)).n[0] == 12


def test_holm_over_the_models():
    chance = np.random.default_rng(1)
    rows = [
        row(m, latency=math.exp(0.01 * k * i + chance.normal(0, 0.05)), number=i, order=i)
        for k, m in enumerate("abc")
        for i in range(14)
    ]
    found = drift(to_frame([*rows, row("few", order=99)]))
    assert list(found.model) == ["a", "b", "c", "few"]
    assert found.p_holm[found.p.idxmin()] == pytest.approx(3 * found.p.min())
    assert (found.p_holm.dropna() >= found.p.dropna()).all()


def test_an_empty_frame_and_a_column_that_is_no_time():
    assert list(drift(to_frame([])).columns) == ["model", "n", "tau", "p", "p_holm", "drifting", "direction"]
    with pytest.raises(UsageError, match="order"):
        drift(frame_of(1.0), "order")
