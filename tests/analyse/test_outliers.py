"""Which requests are flagged, and why."""

import numpy as np
import pytest
from made_requests import at, frame_of, row

from slmbench.analyse.outliers import causes, outliers, quantiles
from slmbench.records import to_frame

CALM = (1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 1.00)


def flagged(rows):
    return list(np.flatnonzero(outliers(to_frame(rows))))


def test_an_outlier_among_repeats_of_one_prompt():
    frame = frame_of(1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 3.0)
    assert list(outliers(frame)) == [False] * 7 + [True]


def test_a_fast_one_too():
    assert list(outliers(frame_of(*CALM, 0.2))) == [False] * 8 + [True]


def test_no_flag_below_eight_requests():
    assert not outliers(frame_of(1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 30.0)).any()


def test_prompts_of_different_length_are_no_outliers_and_a_slow_repeat_is():
    levels = {"short": 1.0, "middle": 5.0, "long": 60.0}
    wobble = (0.98, 1.0, 1.03)
    rows = [row(prompt=p, latency=level * w, number=i) for p, level in levels.items() for i, w in enumerate(wobble)]
    assert flagged(rows) == []
    rows[1] = row(prompt="short", latency=2.5, number=1)  # ordinary for "middle", not for "short"
    assert flagged(rows) == [1]


def test_two_slow_repeats_of_three_do_not_make_the_third_an_outlier():
    rows = [row(prompt=f"p{p}", latency=w, number=i) for p in range(4) for i, w in enumerate((0.98, 1.0, 1.02))]
    rows[0] = row(prompt="p0", latency=3.00, number=0)
    rows[1] = row(prompt="p0", latency=3.01, number=1)  # rows[2], healthy, is the one far from its prompt's median
    assert flagged(rows) == []


def test_five_repeats_are_judged_to_both_sides():
    rows = [row(prompt=p, latency=w, number=i) for p in "pq" for i, w in enumerate((0.98, 0.99, 1.0, 1.01, 1.02))]
    rows[0] = row(prompt="p", latency=0.1)
    assert flagged(rows) == [0]


def test_one_noisy_prompt_among_quiet_ones_is_no_outlier():
    """Beyond the fence of the pool, but not of its own prompt."""
    rows = [row(prompt=p, latency=w, number=i) for p in "pqr" for i, w in enumerate(CALM)]
    noisy = (0.5, 0.7, 0.9, 1.0, 1.1, 1.4, 1.6, 2.0)
    rows += [row(prompt="s", latency=w, number=i) for i, w in enumerate(noisy)]
    assert flagged(rows) == []
    rows[3] = row(prompt="p", latency=3.0, number=3)
    assert flagged(rows) == [3]


def test_streams_at_once_are_judged_apart():
    rows = [row(latency=w, number=i) for i, w in enumerate(CALM)]
    rows += [row(latency=4 * w, number=i, concurrency=4) for i, w in enumerate(CALM)]
    assert flagged(rows) == []


def test_pairs_of_repeats_are_not_judged():
    assert flagged([row(prompt=f"p{i // 2}", latency=1.0 + (i == 3) * 9, number=i) for i in range(12)]) == []


def test_failed_warm_up_and_invalid_rows_are_never_outliers():
    good = [row(latency=latency) for latency in CALM]
    odd = [row(latency=99.0, phase="warmup"), row(latency=99.0, flags=["clock_jump"]), row(status="timeout")]
    assert flagged(good + odd) == []


def test_no_rows_no_flags():
    assert list(outliers(to_frame([]))) == list(causes(to_frame([]))) == []
    assert list(causes(to_frame([row(status="timeout")]))) == [""]


@pytest.mark.parametrize(("alpha", "method"), [(1, "linear"), (1 / 3, "median_unbiased")])
def test_quantiles_of_groups_are_numpys(alpha, method):
    chance = np.random.default_rng(1)
    sizes = (1, 2, 3, 8, 0, 20)
    group = chance.permutation(np.repeat(range(len(sizes)), sizes))
    values = chance.normal(size=len(group))
    for q, found in zip((0.25, 0.5, 0.75), quantiles(values, group, (0.25, 0.5, 0.75), 7, alpha), strict=True):
        assert np.isnan(found[[4, 6]]).all()
        for k in (0, 1, 2, 3, 5):
            assert found[k] == pytest.approx(np.quantile(values[group == k], q, method=method))


def cause(odd, calm=None, before=()):
    """The cause of a last, odd request after eight ordinary ones; `before`: other rows of the run."""
    usual = {"host_cpu_pct": 50.0, "client_lag_s": 0.0001}
    rows = [row(latency=w, number=i, order=i + 1, **{**usual, **(calm or {})}) for i, w in enumerate(CALM)]
    frame = to_frame([*before, *rows, row(number=8, **{**usual, "order": 9, **odd})])
    found = causes(frame)
    assert [c for c in found.iloc[:-1] if c] == []
    return found.iloc[-1]


def test_ordinary_rows_have_no_cause():
    assert cause({"latency": 1.0}) == ""


def test_a_cold_start_is_the_first_request_after_a_load_without_a_warm_up():
    assert cause({"latency": 3.0, "order": 0}) == "cold start"
    warm = [row(phase="warmup", order=-1, latency=5.0)]
    assert cause({"latency": 3.0, "order": 0}, before=warm) == "unknown"
    assert cause({"latency": 3.0, "load_index": 1}) == "cold start"
    assert cause({"latency": 0.2, "order": 0}) == "unknown"


def test_the_first_requests_of_several_streams_are_all_cold():
    rows = [row(latency=3.0, number=i, started_at=at(i / 1000), concurrency=2) for i in range(2)]
    rows += [row(latency=w, number=i + 2, started_at=at(3 + i), concurrency=2) for i, w in enumerate(CALM * 2)]
    assert list(causes(to_frame(rows)))[:3] == ["cold start", "cold start", ""]


def test_the_first_of_a_prompt_that_waited_for_its_first_token_found_no_cache():
    warm = [row(phase="warmup", order=-1, latency=5.0, prompt_id="other")]
    first = {"latency": 3.0, "order": 0}
    assert cause(first | {"ttft_s": 1.6}, before=warm) == "prompt not yet cached"  # 1.1 s of an excess of 2.0 s
    assert cause(first | {"ttft_s": 1.4}, before=warm) == "unknown"
    assert cause(first | {"ttft_s": 1.6, "order": 9}, before=warm) == "unknown"


def test_the_clients_own_lag():
    assert cause({"latency": 3.0, "client_lag_s": 1.1}) == "client lag"  # of an excess of 2.0
    assert cause({"latency": 3.0, "client_lag_s": 0.9}) == "unknown"
    assert cause({"latency": 3.0, "flags": ["client_bound"]}) == "client lag"
    assert cause({"latency": 0.2, "flags": ["client_bound"]}) == "unknown"


def test_a_longer_reply_explains_its_excess_at_the_usual_pace():
    """Usually 6 tokens, 0.1 s each after the first."""
    assert cause({"latency": 3.0, "output_tokens": 17}) == "longer reply"  # 11 more: 1.1 s of 2.0 s
    assert cause({"latency": 3.0, "output_tokens": 15}) == "unknown"  # 0.9 s


def test_a_shorter_reply_was_cut_or_ended_by_itself():
    fast = {"latency": 0.5, "output_tokens": 3}  # 0.3 s of 0.5 s
    assert cause(fast | {"finish_reason": "length"}) == "truncation"
    assert cause(fast | {"finish_reason": "stop"}) == "shorter reply"
    assert cause(fast | {"output_tokens": 5}) == "unknown"


def test_other_load_on_the_machine_is_well_above_the_usual():
    assert cause({"latency": 3.0, "host_cpu_pct": 61.0}) == "other load on the machine"
    assert cause({"latency": 3.0, "host_cpu_pct": 59.0}) == "unknown"
    assert cause({"latency": 3.0, "host_cpu_pct": None}) == "unknown"
    assert cause({"latency": 0.2, "host_cpu_pct": 90.0}) == "unknown"


def test_a_machine_that_is_busy_now_and_then_needs_more():
    levels = iter((30, 40, 50, 60, 70, 45, 55, 50))
    rows = [row(latency=w, number=i, order=i + 1, host_cpu_pct=next(levels)) for i, w in enumerate(CALM)]
    odd = row(latency=3.0, number=8, order=9, host_cpu_pct=90.0)  # Q3 + 3 IQR = 56.25 + 3 × 12.5 = 93.75
    assert causes(to_frame([*rows, odd])).iloc[-1] == "unknown"
    odd = row(latency=3.0, number=8, order=9, host_cpu_pct=94.0)
    assert causes(to_frame([*rows, odd])).iloc[-1] == "other load on the machine"
