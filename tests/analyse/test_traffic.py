"""Throughput windows and goodput, on streams whose every arrival is known."""

import math

import pytest
from made_requests import at, streamed

from slmbench.analyse.traffic import load_points, windows
from slmbench.errors import UsageError
from slmbench.records import to_frame


def point(rows, limits=()):
    found = load_points(to_frame(rows), limits)
    assert len(found) == 1
    return found.iloc[0]


def test_one_stream_leaves_the_pauses_out():
    """Two replies of 11 tokens in 0.2 s, with two seconds between them: 22 tokens in 0.4 s."""
    line = point([streamed(0), streamed(2.2)])
    assert (line.model, line.concurrency, line.n_ok, line.n_failed) == ("a", 1, 2, 0)
    assert (line.window_s, line.tokens, line.system_tps) == pytest.approx((0.4, 22, 55))
    assert line.request_rate == pytest.approx(5)
    assert line.in_flight == pytest.approx(1)
    assert math.isnan(line.rate)


def test_throughput_is_not_the_mean_of_rates():
    line = point([streamed(0, tokens=11), streamed(1, tokens=101)])  # 55 and 91.8 tokens/s
    assert line.system_tps == pytest.approx(112 / 1.3)


def test_two_streams_from_the_second_start_to_the_first_end_after_the_last_start():
    """Stream 1: 0–0.2 and 0.21–0.41; stream 2: 0.05–0.25 and 0.26–0.46. The window is open from 0.05 to 0.41."""
    rows = [streamed(start, concurrency=2) for start in (0, 0.05, 0.21, 0.26)]
    [window] = windows(to_frame(rows)).to_dict("records")
    assert window["window_s"] == pytest.approx(0.36)
    # of the first, nothing had come at 0.05; of the last, which is 0.15 s old at 0.41, the one at 0.1 s and five more
    assert window["tokens"] == pytest.approx(11 + 11 + 11 + 6)
    assert window["requests"] == pytest.approx(0.75 + 1 + 1 + 0.75)
    assert window["busy_s"] == pytest.approx(0.15 + 0.2 + 0.2 + 0.15)


def test_as_many_requests_as_streams():
    """All begin at once: the window is open until the first of them ends."""
    rows = [streamed(0, tokens=n, concurrency=3) for n in (11, 21, 31)]
    line = point(rows)
    assert (line.window_s, line.tokens) == pytest.approx((0.2, 33))
    assert line.in_flight == pytest.approx(3)


def test_a_window_between_two_arrivals_loses_nothing():
    """Four equal replies that begin a millisecond apart: all but the first have nine tenths of a gap to go."""
    rows = [streamed(0.001 * i, concurrency=4) for i in range(4)]
    line = point(rows)
    assert line.window_s == pytest.approx(0.197)
    assert line.tokens == pytest.approx(11 + 10.9 + 10.8 + 10.7)
    assert line.system_tps == pytest.approx(4 * 11 / 0.2, rel=0.002)


def test_chunks_of_several_tokens():
    rows = [streamed(0, tokens=5, gap=0.025, concurrency=2, output_tokens=20), streamed(0.05, concurrency=2)]
    [window] = windows(to_frame(rows)).to_dict("records")  # 0.05–0.2: five chunks of four tokens, and six tokens
    assert window["tokens"] == pytest.approx(20 + 6)


def test_a_frame_without_the_chunks_spreads_the_tokens_evenly():
    rows = [streamed(0, concurrency=2), streamed(0.05, concurrency=2)]
    whole, light = (windows(frame).tokens[0] for frame in (to_frame(rows), to_frame(rows).drop(columns="chunk_s")))
    assert light == pytest.approx(whole) == pytest.approx(17)


def test_a_reply_without_a_stream_arrives_at_its_end():
    rows = [streamed(0, concurrency=2), streamed(0.05, concurrency=2, chunk_s=None, ttft_s=None)]
    assert windows(to_frame(rows)).tokens[0] == pytest.approx(11)


def test_fewer_requests_than_streams_have_no_window():
    line = point([streamed(0, concurrency=4), streamed(0, concurrency=4)])
    assert line.n_ok == 2
    assert all(math.isnan(line[name]) for name in ("window_s", "system_tps", "request_rate", "in_flight"))


def test_blocks_end_at_another_model_a_warm_up_and_a_moment_without_work():
    rows = [
        streamed(0, phase="warmup"),
        streamed(0.2),
        streamed(0.4, model="b"),
        streamed(0.6),
        streamed(0.7, load_index=1),
    ]
    found = windows(to_frame(rows))
    assert list(zip(found.model, found.load_index, strict=True)) == [("a", 0), ("b", 0), ("a", 0), ("a", 1)]
    assert list(found.window_s) == pytest.approx([0.2] * 4)
    two = [streamed(start, concurrency=2) for start in (0, 0, 5, 5)]
    assert list(windows(to_frame(two)).window_s) == pytest.approx([0.2, 0.2])


def test_a_failure_among_the_last_closes_the_window_at_the_last_start():
    rows = [streamed(start, concurrency=2) for start in (0, 0.05, 0.21)]
    line = point([*rows, streamed(0.26, concurrency=2, status="timeout")])
    assert (line.window_s, line.n_failed) == (pytest.approx(0.21), 1)  # 0.05–0.26
    early = [streamed(0.26, concurrency=2, status="truncated"), streamed(0, tokens=31, concurrency=2)]
    line = point([*early, *(streamed(start, concurrency=2) for start in (0.05, 0.3, 0.41))])
    assert (line.window_s, line.n_failed) == (pytest.approx(0.45), 1)  # 0.05–0.5: it is not among the last two


def test_an_interrupt_keeps_what_was_measured():
    rows = [streamed(start, concurrency=2) for start in (0, 0.05, 0.21)]
    rows += [streamed(0.26, concurrency=2, status="interrupted"), *(streamed(t, concurrency=2) for t in (900, 900))]
    assert list(windows(to_frame(rows)).window_s) == pytest.approx([0.36, 0.2])
    line = point(rows)
    assert (line.n_ok, line.n_failed) == (5, 0)


def test_single_requests_stay_apart_where_the_clock_is_a_little_off():
    """The second one begins, by the clock of the wall, before the first has ended."""
    found = windows(to_frame([streamed(0), streamed(0.1999)]))
    assert list(found.tokens) == [11, 11]


def test_a_jump_of_the_clock_leaves_its_block_out():
    rows = [streamed(0, concurrency=2), streamed(0.01, concurrency=2, flags=["clock_jump"])]
    assert windows(to_frame(rows)).empty
    assert point(rows).n_ok == 1


def test_open_loop_from_the_first_to_the_last_intended_start():
    """Every 0.1 s, each written 20 ms late: eleven arrivals in 1 s are ten gaps, not eleven."""
    rows = [streamed(0.1 * i + 0.02, intended=0.1 * i) for i in range(11)]
    line = point(rows)
    assert line.rate == pytest.approx(10)
    assert line.window_s == pytest.approx(1.0)
    assert line.latency_s_p50 == pytest.approx(0.22)
    assert line.request_rate == pytest.approx(8)  # ended by 1.0 s: those due until 0.7 s
    # of those due at 0.8, 0.9 and 1.0 s: 0.2 s old, 9 of 11 tokens; 0.1 s old, and the first needs 0.12; none
    assert line.tokens == pytest.approx(8 * 11 + 9)
    assert line.in_flight == pytest.approx((8 * 0.22 + 0.2 + 0.1) / 1.0)


def test_one_arrival_has_no_rate():
    line = point([streamed(0, intended=0)])
    assert line.n_ok == 1
    assert math.isnan(line.rate)


def test_a_pause_begins_a_new_block_of_arrivals():
    dues = [*(0.1 * i for i in range(11)), *(500 + 0.1 * i for i in range(11))]
    line = point([streamed(due, intended=due) for due in dues])
    assert line.rate == pytest.approx(10)
    assert line.window_s == pytest.approx(2.0)


def test_a_sweep_has_a_line_for_each_load():
    rows = [streamed(10 * n + 0.001 * i, concurrency=n) for n in (1, 2, 4) for i in range(n)]
    rows += [streamed(100 + 0.1 * i, intended=100 + 0.1 * i) for i in range(5)]
    found = load_points(to_frame(rows))
    assert list(found.concurrency) == [1, 2, 4, 1]
    assert list(found.rate.notna()) == [False, False, False, True]
    assert found.system_tps[2] == pytest.approx(4 * found.system_tps[0], rel=0.01)


def test_goodput_counts_failures_as_outside():
    rows = [streamed(i, ttft=0.1 * (i + 1)) for i in range(4)]  # 0.1, 0.2, 0.3, 0.4 s
    rows += [streamed(5, status="http_500"), streamed(6, status="interrupted"), streamed(7, phase="warmup")]
    line = point(rows, limits=(("ttft_s", 0.25),))
    assert (line.goodput_k, line.goodput_n) == (2, 5)
    assert (line.goodput_low, line.goodput_high) == pytest.approx((0.0527, 0.8534), abs=1e-4)  # Clopper–Pearson
    both = point(rows, limits=(("ttft_s", 0.25), ("latency_s", 0.25)))
    assert both.goodput_k == 1
    assert math.isnan(point(rows).goodput_k)


def test_one_token_has_no_second_one_to_be_late():
    line = point([streamed(0, tokens=1), streamed(1, tokens=2)], limits=(("tpot_s", 0.001),))
    assert (line.goodput_k, line.goodput_n) == (1, 2)


def test_a_limit_on_something_else():
    with pytest.raises(UsageError, match="limits: 'ttft' was found") as told:
        load_points(to_frame([streamed(0)]), (("ttft", 0.5),))
    assert "'ttft_s'" in told.value.cure


def test_what_the_client_missed_is_counted():
    assert point([streamed(0), streamed(1, flags=["client_bound"])]).client_bound == 1


def test_nothing_timed_no_lines():
    for rows in ([], [streamed(0, phase="warmup")], [streamed(0, status="skipped")]):
        assert load_points(to_frame(rows)).empty
        assert windows(to_frame(rows)).empty
    assert point([streamed(0, status="refused")]).n_failed == 1


def test_starts_of_other_zones_and_precisions():
    rows = [
        streamed(0, started_at="2026-03-01T01:00:00+01:00", concurrency=2),
        streamed(0, started_at=at(0.05), concurrency=2),
    ]
    assert windows(to_frame(rows)).window_s[0] == pytest.approx(0.15)
