"""The record of one request, and the columns derived from it."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from slmbench.records import _ALLOWED, COLUMNS, DERIVED, KINDS, OK, STATUSES, UNITS, Row, longest_gaps, to_frame, tpot

GOOD = Row(
    run="r",
    cell="c",
    model="m",
    ttft_s=0.5,
    ttfa_s=0.75,
    latency_s=2.5,
    chunk_s=[0.5, 0.75, 2.0, 2.5],
    prompt_tokens=20,
    output_tokens=11,
    token_source="server",
    text="ok",
)
NOTHING = Row(run="r", cell="d", model="m", status="timeout", error="late")


def test_the_columns_are_those_of_the_run_folder():
    """As the format of rows.jsonl lists them; other programs read it."""
    expected = """run cell attempt phase order model model_id device execution_provider prompt_id round load_index
        concurrency started_at intended_at status error connect_s ttft_s ttfa_s latency_s chunk_s chunk_chars
        chunk_channel prompt_tokens output_tokens token_source cached_tokens finish_reason text reasoning_text
        text_sha256 client_lag_s host_cpu_pct flags station"""
    assert set(COLUMNS) == set(expected.split())
    assert len(COLUMNS) == len(set(COLUMNS))
    assert STATUSES[0] == OK


def test_a_row_is_one_line_of_ascii_and_comes_back():
    row = dataclasses.replace(GOOD, text="a\nb\u2028नमस्ते 😀", flags=["usage_missing"])
    line = row.to_json()
    assert line.isascii() and "\n" not in line
    assert Row.from_json(line) == row == Row.from_json(line.encode())
    assert list(json.loads(line)) == list(COLUMNS)
    assert json.loads(NOTHING.to_json())["flags"] == []  # never null


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        dataclasses.replace(GOOD, ttft_s=value).to_json()


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"run": "r"}', '{"run": "r", "cell": "c"}', "[" * 100_000])
def test_a_line_that_is_no_row_is_refused(line):
    with pytest.raises(ValueError):
        Row.from_json(line)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("model", None), ("status", None), ("phase", 1), ("prompt_id", ["p"]), ("text", True), ("error", {})),
        *(("attempt", None), ("attempt", 1.0), ("round", True), ("order", "3"), ("concurrency", 2**63)),
        *(("latency_s", "1.0"), ("latency_s", [1.0]), ("ttft_s", False), ("ttft_s", 10**400)),
        *(("chunk_s", 0.5), ("chunk_s", [0.5, None]), ("chunk_s", ["0.5"]), ("chunk_s", [[0.5]])),
        *(("chunk_chars", [1.5]), ("chunk_channel", ["answer", 1]), ("flags", "clock_jump"), ("flags", [None])),
    ],
)
def test_a_value_of_another_kind_is_refused_and_named(name, value):
    line = json.dumps({"run": "r", "cell": "c", "model": "m"} | {name: value})
    with pytest.raises(ValueError, match=rf"^{name}: .* was found, {KINDS[name].split(' ')[0].split('[')[0]}"):
        Row.from_json(line)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "[0.5, NaN]", "[1e999]"])
def test_numbers_that_are_none_are_refused(number):
    name = "chunk_s" if number.startswith("[") else "latency_s"
    with pytest.raises(ValueError, match=r"is no JSON|was found"):
        Row.from_json(f'{{"run": "r", "cell": "c", "model": "m", "{name}": {number}}}')


def test_old_rows_have_the_defaults_of_what_they_lack():
    row = Row.from_json('{"run": "r", "cell": "c", "model": "m", "flags": null, "latency_s": 1, "order": null}')
    assert (row.attempt, row.phase, row.status, row.flags, row.latency_s) == (1, "timed", "ok", [], 1)


def test_every_column_has_a_kind_that_can_be_checked():
    assert {kind for kind in KINDS.values() if kind not in _ALLOWED} == set()


def test_columns_of_other_versions_are_passed_over():
    row = Row.from_json('{"run": "r", "cell": "c", "model": "m", "of_tomorrow": 1}')
    assert row == Row(run="r", cell="c", model="m")


TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates as well


@settings(deadline=None, database=None, max_examples=60)
@given(TEXT, st.floats(0, 1e6) | st.none(), st.lists(TEXT, max_size=3))
def test_any_row_comes_back(text, seconds, flags):
    row = Row(run="r", cell="c", model="m", text=text, latency_s=seconds, flags=flags)
    again = Row.from_json(row.to_json())
    assert dataclasses.replace(again, text=None, flags=[]) == dataclasses.replace(row, text=None, flags=[])
    assert (again.text or "").encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


def test_tpot_leaves_the_first_token_out():
    assert tpot([1.1], [0.1], [11]) == pytest.approx([0.1])
    # a second token takes all the time there is; one token has none
    assert tpot([2.0, 2.0], [0.5, 0.5], [2, 1]) == pytest.approx([1.5, np.nan], nan_ok=True)


def test_tpot_of_what_is_missing_is_nan():
    assert np.isnan(tpot([np.nan, 1.0, 1.0], [0.5, np.nan, 0.5], [10, 10, np.nan])).all()
    assert tpot([], [], []).shape == (0,)
    assert np.isnan(tpot([None], [None], [None])).all()


def test_a_ttft_after_the_end_is_refused():
    with pytest.raises(ValueError, match="exceeds"):
        tpot([1.0, 1.0], [0.5, 1.1], [10, 10])


def test_derived_columns_by_hand():
    """2.5 s, the first token at 0.5 s, 20 tokens in, 11 out."""
    line = to_frame([GOOD]).iloc[0]
    expected = {"output_tps": 4.4, "total_tps": 12.4, "tpot_s": 0.2, "decode_tps": 5, "prefill_tps": 40}
    assert {name: line[name] for name in expected} == pytest.approx(expected)
    assert line.chunk_gap_max_s == 1.25
    assert bool(line.ok)


def test_the_first_request_with_a_prompt_after_each_load_is_marked():
    """In the order of the run, whatever the order of the records; a warm-up counts, a request not sent does not."""
    sent = [
        {"order": 3, "prompt_id": "a", "load_index": 0},
        {"order": 1, "prompt_id": "a", "load_index": 0, "status": "skipped"},
        {"order": 2, "prompt_id": "a", "load_index": 0, "phase": "warmup"},
        {"order": 4, "prompt_id": "b", "load_index": 0, "status": "timeout"},
        {"order": 5, "prompt_id": "a", "load_index": 1},
        {"order": 6, "prompt_id": "a", "load_index": 0, "model": "other"},
        {"order": 7, "prompt_id": None, "load_index": 0},
        {"order": None, "prompt_id": "b", "load_index": 0},
    ]
    frame = to_frame([dataclasses.replace(GOOD, **one) for one in sent])
    assert list(frame.first_of_prompt) == [False, False, True, True, True, True, False, False]


def test_what_was_not_measured_is_nan_and_not_zero():
    line = to_frame([GOOD, NOTHING]).iloc[1]
    for name in (*DERIVED[:-2], "ttft_s", "latency_s", "prompt_tokens", "output_tokens"):
        assert np.isnan(line[name]), name
    assert not line.ok
    assert line.status == "timeout"


def test_the_longest_gap_of_each_list_by_hand():
    lists = [None, [0.5, 0.75, 2.0, 2.5], [], [0.5], [1.0, 9.0], [3.0, 3.0], [1, 2, 5], None]
    expected = [np.nan, 1.25, np.nan, np.nan, 8.0, 0.0, 3.0, np.nan]
    assert longest_gaps(lists) == pytest.approx(expected, nan_ok=True)
    assert longest_gaps([]).shape == (0,)
    assert np.isnan(longest_gaps([None, [1.0]])).all()


@settings(deadline=None, database=None, max_examples=60)
@given(st.lists(st.none() | st.lists(st.floats(0, 1e6), max_size=5), max_size=9))
def test_the_longest_gaps_are_those_of_a_plain_loop(lists):
    plain = [max((b - a for a, b in itertools.pairwise(x or [])), default=np.nan) for x in lists]
    assert np.array_equal(longest_gaps(lists), plain, equal_nan=True)


@pytest.mark.parametrize("chunks", [None, [], [0.5]])
def test_a_gap_needs_two_chunks(chunks):
    assert np.isnan(to_frame([dataclasses.replace(GOOD, chunk_s=chunks)]).chunk_gap_max_s[0])


@pytest.mark.parametrize("more", [{"latency_s": 0.0, "ttft_s": 0.0}, {"output_tokens": 1}, {"output_tokens": 0}])
def test_no_rate_is_infinite(more):
    frame = to_frame([dataclasses.replace(GOOD, **more)])
    assert not np.isinf(frame[[*DERIVED[:-2]]].to_numpy(dtype=float)).any()


def test_the_frame_of_no_rows_has_all_columns():
    frame = to_frame([])
    assert list(frame.columns) == [*COLUMNS, *DERIVED]
    assert len(frame) == 0


def test_the_order_of_rows_is_kept_and_types_are_steady():
    frame = to_frame([NOTHING, GOOD])
    assert list(frame.cell) == ["d", "c"]
    assert (frame[["ttft_s", "latency_s", "output_tokens", "round", "decode_tps"]].dtypes == "float64").all()
    assert frame.ok.dtype == bool
    for rows in ([], [NOTHING], [GOOD]):
        assert to_frame(rows).dtypes.to_dict() == frame.dtypes.to_dict()
    assert (frame["error"].dtype, frame["intended_at"].dtype, frame["attempt"].dtype) == ("str", "str", "int64")


def test_lone_surrogates_fit_into_a_frame():
    assert to_frame([dataclasses.replace(GOOD, text="\ud83d", error="\ude00")]).text[0] == "\ud83d"


def test_every_timed_column_has_a_unit():
    for name in (*COLUMNS, *DERIVED):
        if name.endswith("_s") and name != "chunk_s":  # a list
            assert UNITS[name].startswith("s"), name
        if name.endswith("_tps"):
            assert UNITS[name] == "tokens/s"
