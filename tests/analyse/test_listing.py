"""The session's JSON list, with numbers that can be checked by hand."""

import json

import numpy as np
import pytest

from slmbench.analyse.listing import SAMPLE_CHARS, summary_list
from slmbench.records import Row


def row(model="m", number=0, latency_s=2.0, **more):
    """A reply of 10 tokens to a prompt of 20."""
    values = {"latency_s": latency_s, "ttft_s": latency_s / 4, "prompt_tokens": 20, "output_tokens": 10, "text": "Yes."}
    if more.get("status", "ok") != "ok":
        values = {}
    values["prompt_id"] = "p1"
    return Row(run="r", cell=f"{model}{number}", model=model, round=number, **(values | more))


def test_the_keys_of_the_session_come_first():
    [one] = summary_list([row()])
    assert list(one)[:6] == ["model", "rounds", "latency_avg", "latency_p95", "tokens_per_sec_avg", "sample"]
    json.dumps(one, allow_nan=False)


def test_averages_by_hand():
    [one] = summary_list([row(number=0, latency_s=1.0), row(number=1, latency_s=2.0), row(number=2, latency_s=3.0)])
    assert one["model"] == "m"
    assert (one["rounds"], one["n_ok"], one["n_failed"], one["status"]) == (3, 3, 0, "ok")
    assert one["latency_avg"] == pytest.approx(2.0)
    assert one["latency_p95"] == pytest.approx(2.9)  # numpy's: 2 + 0.9 of the way to 3
    assert one["tokens_per_sec_avg"] == pytest.approx((30 + 15 + 10) / 3)  # total tokens over latency, mean
    assert one["ttft_avg"] == pytest.approx(0.5)
    assert (one["sample"], one["error"]) == ("Yes.", None)


@pytest.mark.parametrize("n", [1, 2, 3, 20, 21, 100])
def test_the_p95_is_numpys(n):
    latency_s = np.random.default_rng(n).lognormal(size=n)
    [one] = summary_list([row(number=i, latency_s=float(s)) for i, s in enumerate(latency_s)])
    assert one["latency_p95"] == pytest.approx(np.percentile(latency_s, 95), rel=1e-12)
    assert one["latency_avg"] == pytest.approx(latency_s.mean(), rel=1e-12)


def test_the_p95_never_exceeds_the_slowest():
    [one] = summary_list([row(number=n, latency_s=s) for n, s in enumerate((1.0, 1.1, 2.0))])
    assert one["latency_avg"] < one["latency_p95"] <= 2.0


def test_warm_ups_do_not_count():
    [one] = summary_list([row(phase="warmup", latency_s=60.0, text="cold"), row(latency_s=1.0)])
    assert (one["latency_avg"], one["n_ok"], one["sample"]) == (1.0, 1, "Yes.")
    assert summary_list([row(phase="warmup")]) == []


def test_models_keep_their_order_and_failures_are_told_apart():
    rows = [
        row("b", latency_s=1.0),
        row("a", status="http_500", error="out of memory"),
        row("b", 1, status="timeout", error="late"),
        row("c", status="skipped", error="not downloaded"),
        row("a", 1, status="skipped", error="3 failed in a row"),
    ]
    found = summary_list(rows)
    assert [(one["model"], one["status"], one["n_ok"], one["n_failed"]) for one in found] == [
        ("b", "ok", 1, 1),
        ("a", "http_500", 0, 1),
        ("c", "skipped", 0, 0),
    ]
    assert [one["error"] for one in found] == ["late", "out of memory", "not downloaded"]


def test_a_resumed_model_has_no_error_left():
    skip = {"status": "skipped", "prompt_id": None, "error": "it can't be loaded"}
    rows = [row(**skip, load_index=0), row("b", **skip), row(load_index=0), row("c"), row("c", **skip)]
    found = {one["model"]: one for one in summary_list(rows)}
    assert [(m, one["n_ok"], one["error"]) for m, one in found.items()] == [
        ("m", 1, None),
        ("b", 0, "it can't be loaded"),
        ("c", 1, "it can't be loaded"),
    ]


def test_nothing_measured_is_null_and_not_zero():
    [one] = summary_list([row(status="skipped", error="not here")])
    numbers = ("latency_avg", "latency_p95", "tokens_per_sec_avg", "ttft_avg", "sample")
    assert {name: one[name] for name in numbers} == dict.fromkeys(numbers)
    assert one["rounds"] == 0


def test_speed_needs_counts_and_is_taken_where_they_are():
    rows = [row(latency_s=1.0), row(number=1, latency_s=1.0, prompt_tokens=None)]
    assert summary_list(rows)[0]["tokens_per_sec_avg"] == 30
    assert summary_list(rows[1:])[0]["tokens_per_sec_avg"] is None


def test_without_a_stream_there_is_no_ttft():
    assert summary_list([row(ttft_s=None)])[0]["ttft_avg"] is None


def test_the_sample_is_the_start_of_the_first_reply():
    [one] = summary_list([row(text="x" * 1000), row(number=1, text="other")])
    assert one["sample"] == "x" * SAMPLE_CHARS


def test_a_row_whose_clock_jumped_is_no_measurement():
    [one] = summary_list([row(latency_s=3600.0, flags=["clock_jump"]), row(number=1, latency_s=1.0)])
    assert (one["latency_avg"], one["n_ok"]) == (1.0, 1)


def test_a_sweep_has_an_object_for_each_number_at_once():
    rows = [row(number=n, latency_s=float(n), concurrency=n) for n in (1, 4)]
    rows += [row(model="other", number=9, status="skipped", prompt_id=None, error="gone")]
    found = summary_list(rows)
    assert [(one["concurrency"], one["model"], one["latency_avg"], one["n_ok"]) for one in found] == [
        (1, "m", 1.0, 1),
        (4, "m", 4.0, 1),
        (1, "other", None, 0),
    ]
    assert found[2]["error"] == "gone"
