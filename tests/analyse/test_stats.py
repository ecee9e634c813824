"""Numbers that can be checked by hand, and the floors of what may be claimed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from made_requests import frame_of, row
from scipy.stats import binom, quantile_test, t

from slmbench.analyse import intervals, stats
from slmbench.records import to_frame


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


@pytest.mark.parametrize(("n", "bounds"), [(71, None), (72, (64, 72)), (100, (90, 100)), (300, (277, 293))])
def test_the_p95_has_an_interval_from_seventy_two(n, bounds):
    line = stats.describe(np.arange(1.0, n + 1), tail=True)
    found = line["p95_low"], line["p95_high"]
    assert all(map(math.isnan, found)) if bounds is None else found == bounds
    if bounds:  # how often fewer than `low`, or at least `high`, of n values lie below the p95: at most 2.5 %
        low, high = bounds
        assert binom.cdf(low - 1, n, 0.95) <= 0.025 < binom.cdf(low, n, 0.95)
        assert binom.sf(high - 1, n, 0.95) <= 0.025 < binom.sf(high - 2, n, 0.95)


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


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 100).flatmap(lambda n: st.lists(st.floats(1e-6, 1e6), min_size=n, max_size=n)))
def test_percentiles_stay_inside_the_observed_range(values):
    line = stats.describe(values, tail=True)
    assert line["n"] == len(values)
    if not values:
        assert all(math.isnan(line[name]) for name in ("mean", "p50", "p95", "p95_upper"))
    for name in ("p50", "p95", "p50_low", "p50_high", "p95_upper", "p95_low", "p95_high"):
        assert math.isnan(line[name]) or min(values) <= line[name] <= max(values)
    assert math.isnan(line["p50_low"]) == (len(values) < 6)
    assert math.isnan(line["p95_upper"]) == (len(values) < 59)
    assert math.isnan(line["p95_low"]) == math.isnan(line["p95_high"]) == (len(values) < 72)


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
    assert frame.equals(before)


@pytest.mark.parametrize("n", [6, 7, 12, 59, 72, 100, 301])
def test_intervals_are_those_of_scipy(n):
    x = np.random.default_rng(n).lognormal(size=n)
    median = quantile_test(x, p=0.5).confidence_interval()
    assert stats.median_interval(x) == (median.low, median.high)
    if n >= 59:
        assert stats.p95_upper(x) == quantile_test(x, p=0.95, alternative="less").confidence_interval().high
    if n >= 72:
        p95 = quantile_test(x, p=0.95).confidence_interval()
        assert stats.p95_interval(x) == (p95.low, p95.high)


def test_three_loads_make_an_interval_across_loads():
    rows = [
        row(latency=level * wobble, number=i, load_index=load)
        for load, level in enumerate((1.0, 2.0, 4.0))
        for i, wobble in enumerate((0.9, 1.0, 1.2))
    ]
    line = stats.summarise(to_frame(rows)).iloc[0]
    reach = t.ppf(0.975, 2) * math.log(2) / math.sqrt(3)  # the logs of the medians are ln 2 apart: sd ln 2
    assert (line.basis, line.latency_s_p50) == ("across 3 loads", 2.0)
    assert (line.latency_s_p50_low, line.latency_s_p50_high) == (
        pytest.approx(2 / math.exp(reach)),
        pytest.approx(2 * math.exp(reach)),
    )
    two = stats.summarise(to_frame(rows[:6])).iloc[0]
    assert (two.basis, two.latency_s_p50_low, two.latency_s_p50_high) == ("within this session", 0.9, 2.4)


def test_across_loads_needs_six_values_three_loads_and_positive_medians():
    loads = np.array([0, 0, 1, 1, 2, 2])
    assert math.isnan(intervals.across_loads(np.ones(5), loads[:5])[0])
    assert math.isnan(intervals.across_loads(np.ones(6), loads // 2)[0])
    assert math.isnan(intervals.across_loads(np.zeros(6), loads)[0])
    assert intervals.across_loads(np.ones(6), loads) == (1.0, 1.0)


def test_a_metric_without_three_loads_has_no_interval_across_them():
    rows = [row(latency=1.0 + i, number=i, load_index=i % 3, ttft_s=0.5 if i % 3 else None) for i in range(12)]
    line = stats.summarise(to_frame(rows)).iloc[0]
    assert (line.ttft_s_n, line.basis) == (8, "across 3 loads")
    assert math.isnan(line.ttft_s_p50_low)
    assert line.latency_s_p50_low > 0


def test_what_the_client_could_not_keep_up_with_is_counted():
    rows = [row(flags=["client_bound"]), row(flags=["usage_missing", "client_bound"]), row(flags=["usage_missing"])]
    rows += [row(), row(flags=["client_bound"], phase="warmup"), row(flags=["client_bound", "clock_jump"])]
    line = stats.summarise(to_frame(rows)).iloc[0]
    assert (line.n_ok, line.n_client_bound, line.n_invalid) == (4, 2, 1)


def test_flags_are_found_in_any_kind_of_list():
    frame = to_frame([row(), row(flags=["clock_jump"]), row(flags=["other_model"])])
    frame["flags"] = [None, ("clock_jump", "x"), ["other_model"]]
    assert list(stats.flagged(frame, stats.INVALID_FLAGS)) == [False, True, False]
    assert list(stats.usable(frame)) == [True, False, True]


def test_pairs_keep_to_one_model_and_to_one_number_of_streams():
    rows = [row(device=d, model=m, latency=s) for d, m, s in (("cpu", "a", 4.0), ("gpu", "a", 1.0), ("gpu", "b", 9.0))]
    rows += [row(device="cpu", latency=8.0, concurrency=2)]
    both = stats.pairs(to_frame(rows), "cpu", "gpu", by="device")
    assert list(zip(both.base, both.other, strict=True)) == [(4.0, 1.0)]


def test_of_two_replies_to_one_request_the_last_one_counts():
    rows = [row("a", latency=9.0), row("a", latency=1.0, attempt=2), row("b", latency=2.0)]
    assert list(stats.pairs(to_frame(rows), "a", "b").ratio) == [2.0]
