"""The parts of the report that judge: tables by hand."""

import dataclasses
import json

import pytest

from slmbench import calibrate
from slmbench.analyse import compare, outliers
from slmbench.records import to_frame
from slmbench.show import findings, text
from support.made_rows import request, sweep_rows


def cells(table):
    """A Markdown table as one dict a line."""
    lines = [[cell.strip().replace("\\", "") for cell in line.strip("| ").split(" | ")] for line in table.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def runs(n=12, **factors):
    return [
        request(model, number=i, latency=factor * (1 + ((7 * i + 3 * place) % 5) / 100))
        for place, (model, factor) in enumerate(factors.items())
        for i in range(n)
    ]


def test_one_model_is_compared_with_nothing():
    assert findings.comparison(to_frame(runs(a=1.0))) == []
    assert findings.comparison(to_frame([])) == []


def test_the_comparison_by_hand():
    frame = to_frame(runs(a=1.0, b=2.0))
    table, rule = findings.comparison(frame)
    latency, first, speed = cells(table)
    found = compare.models(frame).iloc[0]
    interval = f"{found['ratio']:.2f} [{found['ratio_low']:.2f}, {found['ratio_high']:.2f}]"
    assert latency == {
        "Metric": "Latency",
        "Model": "b",
        "Against": "a",
        "Verdict": "slower",
        "Ratio [95 % interval]": interval,
        "Pairs": "12",
        "p (Holm)": "&lt; 0.001",
        "Holds": "within this session",
    }  # no remark, and nothing left to decide: no column for either
    assert (first["Metric"], first["Verdict"]) == ("Time to first token", "slower")
    assert (speed["Metric"], speed["Verdict"]) == ("Decode speed", "slower")
    assert speed["Ratio [95 % interval]"].startswith("0.50 [")
    assert "Holm" in rule and "[1/1.05, 1.05]" in rule


def test_what_is_not_decided_says_how_many_rounds_it_takes_and_why():
    (latency, *_) = cells(findings.comparison(to_frame(runs(4, a=1.0, b=1.2)))[0])
    assert latency["Verdict"] == "can't tell"
    assert int(latency["Rounds more to decide, about"]) >= 2
    assert "4 pairs, and a verdict needs 6" in latency["Remark"]
    assert latency["Ratio [95 % interval]"].startswith("1.2")


def test_many_models_are_compared_on_latency_only():
    table = cells(findings.comparison(to_frame(runs(6, **{f"m{k}": 1.0 + k for k in range(5)})))[0])
    assert len(table) == 10 and {line["Metric"] for line in table} == {"Latency"}


def test_levels_are_compared_each_for_itself():
    table = cells(findings.comparison(to_frame(sweep_rows((1, 4))))[0])
    latency = [line for line in table if line["Metric"] == "Latency"]
    assert [line["At once"] for line in latency] == ["1", "4"]
    assert [line["Pairs"] for line in latency] == ["12", "12"]


def test_outliers_are_counted_by_model_and_cause():
    rows = [request("a", number=i, latency=1 + i % 3 / 100) for i in range(30)]
    rows += [request("a", number=30 + i, latency=9.0, flags=["client_bound"] * (i == 0)) for i in range(3)]
    table, rule = findings.outliers(to_frame(rows))
    assert cells(table) == [
        {"Model": "a", "Cause, probably": "client lag", "Outliers": "1", "Requests": "33"},
        {"Model": "a", "Cause, probably": "unknown", "Outliers": "2", "Requests": "33"},
    ]
    assert rule == outliers.OUTLIER_RULE
    assert findings.outliers(to_frame(rows[:30]))[0] == "None in 30 requests."
    assert findings.outliers(to_frame([])) == []


def test_drift_is_said_in_words():
    rising = [request("a", number=i, latency=1 + i / 100, order=i) for i in range(20)]
    even = [request("b", number=i, latency=1 + (7 * i % 5) / 100, order=100 + i) for i in range(20)]
    few = [request("c", number=i, order=200 + i) for i in range(3)]
    (table,) = findings.drift(to_frame([*rising, *even, *few]))
    assert [line["Latency during the run"] for line in cells(table)] == [
        "it became slower",
        "no trend found",
        "not judged below n = 10",
    ]
    assert cells(table)[0]["Kendall's tau"] == "+1.00"
    assert cells(table)[2]["n"] == "3"


def test_one_at_a_time_is_labelled_single_stream():
    words, table, _ = findings.load(to_frame(sweep_rows((1,), ("a",))), {})
    assert words == "Single stream: one request at a time."
    (line,) = cells(table)
    assert [line[name] for name in ("Load", "n")] == ["single stream", "12"]
    assert line["Throughput (tokens/s)"] == "9.99"  # 120 in 12.012 s
    assert "Inside the limits" not in line and "Requests under way, mean" not in line


def test_a_sweep_has_a_line_for_each_level():
    words, table, window = findings.load(to_frame(sweep_rows((1, 4), ("a",), bound={("a", 4)})), {})
    lines = cells(table)
    assert [line["Load"] for line in lines] == ["single stream", "4 at once"]
    assert [line["Client bound"] for line in lines] == ["0", "1"]
    assert lines[1]["Requests under way, mean"] == "4"
    assert lines[1]["Median latency (s)"] == "1.30 [1.30, 1.30]"
    assert words == (
        "1 request client bound: this client could not keep up, and what is measured there is its own limit."
    )
    assert window.startswith("Throughput: ")


def test_prompts_from_a_cache_are_told_of():
    rows = sweep_rows((1,), ("a",))
    told = [dataclasses.replace(one, cached_tokens=n) for one, n in zip(rows, (0, 8, 9), strict=False)]
    words, *_ = findings.load(to_frame([*told, *rows[3:]]), {})
    assert "The server had (part of) the prompt in its cache for 2 of 12 requests" in words


def test_goodput_has_its_limits_and_its_interval():
    words, table, _ = findings.load(to_frame(sweep_rows((1,), ("a",))), {"slo": {"latency_s": 1.001, "ttft_s": 0.5}})
    assert "inside the limits with latency ≤ 1.001 s and time to first token ≤ 0.5 s" in words
    (line,) = cells(table)
    assert line["Inside the limits"] == "8 of 12 (95 % interval: 35 to 90 %)"  # Clopper-Pearson


def test_an_open_loop_counts_from_the_intended_start():
    at = [f"2026-01-01T00:00:{i:02d}+00:00" for i in range(20)]
    rows = [request("a", number=i, latency=0.5, started_at=at[i], intended_at=at[i]) for i in range(20)]
    words, table, _ = findings.load(to_frame(rows), {"rate": 1.0, "arrivals": "poisson"})
    assert words.startswith("Open loop: 1 request each second, at random (Poisson). Times count from the intended")
    assert cells(table)[0]["Load"] == "1 arriving per second"


def record(model="a", prompt="p", **given):
    told = {"kind": "precision", "model": model, "prompt_id": prompt, "n": 14, "half_width_pct": 4.2, "asked_pct": 5.0}
    return told | {"stopped_by": "precision"} | given


def test_precision_says_what_reached_it_and_what_ended_the_rest():
    records = [
        record(),
        record(prompt="q", n=40, half_width_pct=7.51, stopped_by="budget"),
        record("b", stopped_by="rounds", n=200, half_width_pct=6.0),
        record("b", "q", stopped_by="failures", n=2, half_width_pct=None),
        {"kind": "load", "model": "a", "load_s": 1.0},
    ]
    said, table = findings.precision({"precision_pct": 5.0}, records)
    assert said == (
        "1 of 4 cells (a model and a prompt) are as precise as asked; 1 ended by the time budget, "
        "1 ended by the cap of 200 rounds, 1 ended by failures."
    )
    lines = cells(table)
    assert [line["Ended by"] for line in lines] == ["reached", "the time budget", findings.CAP, "failures"]
    assert [line["Half width of the median's interval (%)"] for line in lines] == ["4.20", "7.51", "6", "n/a"]
    assert "Load" not in lines[0]


def test_the_last_record_of_a_cell_counts_and_loads_are_told_apart():
    records = [record(stopped_by="budget", load_index=0), record(load_index=0), record(load_index=1)]
    said, table = findings.precision({}, records)
    assert said.startswith("2 of 2 cells")
    assert [line["Load"] for line in cells(table)] == ["0", "1"]


def test_precision_is_silent_where_it_was_not_asked_for():
    assert findings.precision({}, []) == []
    assert findings.precision({"precision_pct": None}, []) == []
    assert findings.precision({"precision_pct": 5.0}, []) == [
        "±5 % was asked for; the run ended before any cell was judged."
    ]


def test_without_a_calibration_the_report_says_how_to_get_one():
    assert "slmbench calibrate" in findings.calibration({})
    assert "slmbench calibrate" in findings.calibration({"calibration": None})
    assert "slmbench calibrate" in findings.calibration({"calibration": {"of": "another version"}})


def test_a_calibration_is_quoted_with_its_date_and_its_machine():
    accuracy = (calibrate.Accuracy(1, 40, 0.12, 0.5, "max", 0.04, 0),)
    where = {"python": "3.11.7 <b>"}
    found = calibrate.Calibration("2026-11-22T18:51:08+00:00", where, accuracy, (calibrate.Limit(1, 5000.0),))
    said = findings.calibration({"calibration": json.loads(found.to_json())})
    assert said == text.markdown(calibrate.sentence(found))
    assert "2026-11-22" in said and "&lt;b&gt;" in said and "0.12 ms" in said and "5,000 tokens/s" in said


@pytest.mark.parametrize("rows", [[], [request("a", None, None, status="skipped", error="gone")]])
def test_nothing_measured_has_no_load(rows):
    assert findings.load(to_frame(rows), {}) == []
    assert findings.drift(to_frame(rows)) == []
