"""Numbers that can be checked by hand, and the floors of what may be claimed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from slmbench.analyse import stats
from slmbench.records import Row, to_frame


def row(model="a", prompt="p", latency=1.0, number=0, **given):
    values = {"run": "r", "cell": "c", "model": model, "prompt_id": prompt, "round": number, "load_index": 0}
    values |= {"latency_s": latency, "ttft_s": latency / 2, "prompt_tokens": 9, "output_tokens": 6}
    if given.get("status", "ok") != "ok":
        values |= dict.fromkeys(("latency_s", "ttft_s", "output_tokens"))
    return Row(**(values | {"token_source": "server"} | given))


def frame_of(*latencies, **given):
    return to_frame([row(latency=latency, number=i, **given) for i, latency in enumerate(latencies)])


def test_one_group_by_hand():
    line = stats.summarise(frame_of(1.0, 2.0, 6.0)).iloc[0]
    assert (line.n_ok, line.latency_s_n) == (3, 3)
    assert (line.latency_s_mean, line.latency_s_p50, line.latency_s_min, line.latency_s_max) == (3.0, 2.0, 1.0, 6.0)
    assert line.latency_s_p95 == pytest.approx(5.6)  # between the 2nd and 3rd value: 2 + 0.9 * 4
    assert line.tpot_s_p50 == pytest.approx(0.2)  # (2 - 1) / (6 - 1)
    assert line.decode_tps_p50 == pytest.approx(5.0)
    assert line.output_tps_mean == pytest.approx((6 + 3 + 1) / 3)
    assert line.total_tps_max == pytest.approx(15.0)
    assert (line.output_tokens_mean, line.token_source, line.status_note) == (6.0, "server", "")


def test_warm_up_and_failures_are_in_no_statistic():
    rows = [
        row(latency=50.0, phase="warmup"),
        row(latency=1.0),
        row(status="timeout", error="no reply within 60 s"),
        row(status="http_500"),
        row(status="interrupted"),
        row(latency=9.0, flags=["clock_jump"]),
        row(latency=3.0, token_source="chunks"),
    ]
    line = stats.summarise(to_frame(rows)).iloc[0]
    assert (line.n_ok, line.n_failed, line.n_interrupted, line.n_skipped, line.n_invalid) == (2, 2, 1, 0, 1)
    assert (line.latency_s_mean, line.latency_s_max) == (2.0, 3.0)
    assert line.token_source == "server + chunks"
    assert line.status_note == "timeout: no reply within 60 s"


def test_skipped_models_keep_their_line_in_order_of_appearance():
    rows = [
        row("z", phase="warmup"),
        row("b", None, status="skipped", error="not in the catalogue"),
        row("a"),
        row("z"),
    ]
    summary = stats.summarise(to_frame(rows))
    assert list(summary.model) == ["z", "b", "a"]
    skipped = summary.iloc[1]
    assert (skipped.n_ok, skipped.n_skipped, skipped.n_failed) == (0, 1, 0)
    assert math.isnan(skipped.latency_s_p95)
    assert skipped.status_note == "not in the catalogue"


def test_a_skip_that_a_later_reply_overtook_counts_nowhere():
    skip = {"prompt": None, "status": "skipped", "error": "it can't be loaded"}
    rows = [
        row("all", **skip, load_index=None),
        row("late"),
        row("late", **skip),
        row("load", **skip, load_index=0),
        row("load", **skip, load_index=1),
        row("all", load_index=1),
        row("load", load_index=1),
    ]
    frame = to_frame(rows)
    assert list(stats.superseded(frame)) == [True, False, False, False, True, False, False]
    summary = stats.summarise(frame)
    assert list(summary.model) == ["all", "late", "load"]
    assert list(summary.n_skipped) == [0, 1, 1]
    assert list(summary.status_note) == ["", "it can't be loaded", "it can't be loaded"]


def test_a_failure_is_not_undone_by_a_later_reply():
    assert stats.summarise(to_frame([row(status="timeout"), row(number=0)])).n_failed[0] == 1


def test_a_model_with_a_warm_up_only_stands_there_with_zero():
    line = stats.summarise(to_frame([row(phase="warmup")])).iloc[0]
    assert (line.model, line.n_ok, line.n_failed, line.repeats_min, line.prompts) == ("a", 0, 0, 0, 0)
    assert math.isnan(line.latency_s_p50)


def test_the_fewest_replies_to_a_prompt_are_counted():
    rows = [row(prompt=p, number=i) for p, n in (("p", 3), ("q", 2)) for i in range(n)]
    rows += [row(prompt="q", status="timeout"), row(prompt="warm", phase="warmup")]
    line = stats.summarise(to_frame(rows)).iloc[0]
    assert (line.prompts, line.repeats_min, line.n_ok) == (2, 2, 5)
    rows += [row(prompt="r", status="timeout")]
    assert tuple(stats.summarise(to_frame(rows)).iloc[0][["prompts", "repeats_min"]]) == (3, 0)


def test_by_model_and_prompt():
    rows = [row("a", "p", 1.0), row("a", "q", 3.0), row("a", "p", 2.0), row("b", "p", 5.0)]
    summary = stats.summarise(to_frame(rows), by=("model", "prompt_id"))
    assert list(zip(summary.model, summary.prompt_id, summary.n_ok, strict=True)) == [
        ("a", "p", 2),
        ("a", "q", 1),
        ("b", "p", 1),
    ]
    assert list(summary.latency_s_p50) == [1.5, 3.0, 5.0]


def test_an_empty_frame_has_the_columns_and_no_line():
    summary = stats.summarise(to_frame([]))
    assert summary.empty
    assert {"model", "n_ok", "latency_s_p95_upper", "ttft_s_p50_low"} <= set(summary.columns)


@pytest.mark.parametrize(("n", "known"), [(5, False), (6, True)])
def test_the_median_has_an_interval_from_six(n, known):
    line = stats.describe(np.arange(1.0, n + 1))
    assert math.isnan(line["p50_low"]) is not known
    if known:
        assert (line["p50_low"], line["p50_high"]) == (1.0, 6.0)  # 1 - 2 / 2**6 = 97 %; the next pair inside: 78 %


@pytest.mark.parametrize(("n", "bound"), [(36, None), (58, None), (59, 59.0), (72, 72.0), (93, 92.0)])
def test_the_p95_has_an_upper_bound_from_fifty_nine(n, bound):
    line = stats.describe(np.arange(1.0, n + 1), tail=True)
    assert math.isnan(line["p95_upper"]) if bound is None else line["p95_upper"] == bound
    assert line["p95"] == pytest.approx(1 + 0.95 * (n - 1))


def test_missing_ttft_lowers_only_its_own_n():
    line = stats.summarise(to_frame([row(latency=1.0), row(latency=2.0, ttft_s=None)])).iloc[0]
    assert (line.n_ok, line.latency_s_n, line.ttft_s_n, line.decode_tps_n) == (2, 2, 1, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), max_size=100))
def test_percentiles_stay_inside_the_observed_range(values):
    line = stats.describe(values, tail=True)
    assert line["n"] == len(values)
    if not values:
        assert all(math.isnan(line[name]) for name in ("mean", "p50", "p95", "p95_upper"))
    for name in ("p50", "p95", "p50_low", "p50_high", "p95_upper"):
        assert math.isnan(line[name]) or min(values) <= line[name] <= max(values)
    assert math.isnan(line["p50_low"]) == (len(values) < 6)
    assert math.isnan(line["p95_upper"]) == (len(values) < 59)


def test_an_outlier_among_repeats_of_one_prompt():
    frame = frame_of(1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 3.0)
    assert list(stats.outliers(frame)) == [False] * 7 + [True]


def test_no_flag_below_eight_requests():
    assert not stats.outliers(frame_of(1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 30.0)).any()


def test_prompts_of_different_length_are_no_outliers_and_a_slow_repeat_is():
    levels = {"short": 1.0, "middle": 5.0, "long": 60.0}
    wobble = (0.98, 1.0, 1.03)
    rows = [row(prompt=p, latency=level * w, number=i) for p, level in levels.items() for i, w in enumerate(wobble)]
    assert not stats.outliers(to_frame(rows)).any()
    rows[1] = row(prompt="short", latency=2.5, number=1)  # ordinary for "middle", not for "short"
    assert list(np.flatnonzero(stats.outliers(to_frame(rows)))) == [1]


def test_pairs_of_repeats_are_not_judged():
    rows = [row(prompt=f"p{i // 2}", latency=1.0 + (i == 3) * 9, number=i) for i in range(12)]
    assert not stats.outliers(to_frame(rows)).any()


def test_failed_warm_up_and_invalid_rows_are_never_outliers():
    good = [row(latency=latency) for latency in (1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 1.0)]
    odd = [row(latency=99.0, phase="warmup"), row(latency=99.0, flags=["clock_jump"]), row(status="timeout")]
    assert not stats.outliers(to_frame(good + odd)).any()


def test_clean_runs_seldom_raise_a_false_alarm():
    chance = np.random.default_rng(3)
    alarms = 0
    for _ in range(100):
        noise = chance.lognormal(0, 0.05, (4, 3))
        rows = [row(prompt=f"p{i}", latency=noise[i, j], number=j) for i in range(4) for j in range(3)]
        alarms += stats.outliers(to_frame(rows)).any()
    assert alarms <= 9  # 2.8 % expected; 39 % if prompt medians set their own fence


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (2, "points only"),
        (3, "indicative"),
        (5, "indicative"),
        (6, "median with its 95 % interval; a p95 needs n ≥ 59"),
        (58, "a p95 needs n ≥ 59"),
        (59, "p95 with an upper bound"),
        (72, "median and p95 with their 95 % intervals"),
    ],
)
def test_the_claim_follows_n(n, words):
    assert words in stats.claim(n)
    assert f"n = {n}" in stats.claim(n)


def test_no_failure_of_three_still_allows_seventy_one_percent():
    low, high = stats.failure_interval(0, 3)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 3))  # 0.708
    assert stats.failure_interval(0, 0) == (0.0, 1.0)


def test_determinism_counts_identical_replies():
    hashes = {"p": ["x", "x", "x"], "q": ["x", "y", "y"]}
    rows = [row(prompt=p, text_sha256=h) for p, found in hashes.items() for h in found]
    rows += [row(text_sha256="w", phase="warmup"), row(status="timeout"), row(prompt="q")]  # no hash: not counted
    found = stats.determinism(to_frame(rows))
    assert list(zip(found.prompt_id, found.n, found.identical, found.distinct, strict=True)) == [
        ("p", 3, 3, 1),
        ("q", 3, 2, 2),
    ]
    assert found.proven_share[0] == pytest.approx(0.05 ** (1 / 3))  # 37 %
    assert math.isnan(found.proven_share[1])


def test_pairs_join_the_same_prompt_load_and_round():
    rows = [row("a", "p", 2.0, 0), row("a", "p", 4.0, 1), row("b", "p", 1.0, 1), row("b", "q", 9.0, 0)]
    both = stats.pairs(to_frame(rows), "a", "b")
    assert list(zip(both.base, both.other, both.ratio, strict=True)) == [(4.0, 1.0, 0.25)]


def test_nothing_is_rounded_or_changed_in_the_frame():
    frame = frame_of(1.23456789, 2.0)
    before = frame.copy()
    assert stats.summarise(frame).latency_s_min[0] == 1.23456789
    stats.outliers(frame)
    assert frame.equals(before)
