"""What the report says of a run beyond one request at a time, and what it leaves out where there is nothing to say."""

import csv

import pytest
from made_report import PLAN, RESOURCES, page_of, section, write

from support.made_rows import request, sample_rows, sweep_rows


def test_nothing_measured_has_no_pictures(tmp_path):
    paths, page = write(tmp_path, [request("a", status="timeout")])
    assert {path.suffix for path in paths} == {".md", ".html", ".json", ".csv"}
    assert "<img" not in paths[1].read_text(encoding="utf-8")
    assert "## Pictures" not in page and "![" not in page


@pytest.mark.usefixtures("blank_pictures")
def test_a_run_without_a_stream_has_no_picture_of_first_tokens_or_of_decoding(tmp_path):
    rows = [request(m, number=i, latency=1 + i / 10, ttft_s=None) for m in "ab" for i in range(6)]
    paths, _ = write(tmp_path, rows, plan=PLAN | {"stream": False})
    names = [path.name for path in paths[5:]]
    assert names == ["latency_by_model.png", "ecdf_latency.png", "ratios.png", "run_order.png", "per_prompt.png"]


def test_one_model_has_no_picture_of_ratios():
    assert "ratios.png" not in page_of([request("a", number=i) for i in range(9)])


@pytest.mark.usefixtures("blank_pictures")
def test_several_at_once_have_a_table_each_and_a_curve(tmp_path):
    paths, page = write(tmp_path, sweep_rows((1, 4)), plan=PLAN | {"concurrency": [1, 4], "slo": {"latency_s": 1.4}})
    assert "concurrency_curve.png" in [path.name for path in paths]
    tables = section(page, "## Comparison")
    assert "With one request at a time:" in tables and "With 4 requests at once:" in tables
    assert tables.count("| a | 12 | 0 |") == 2
    assert "inside the limits with latency ≤ 1.4 s" in section(page, "## Load")
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["model"], line["concurrency"], line["n_ok"]) for line in lines] == [
        *(("a", "1", "12"), ("b", "1", "12"), ("a", "4", "12"), ("b", "4", "12")),
    ]
    assert "4 × a" in section(page, "## By prompt")
    assert "4 × before a model's name: 4 requests to it at once." in section(page, "## Pictures")
    assert "- slo: latency\\_s 1.4" in page or "- slo: latency_s 1.4" in page
    assert "Single stream" not in page
    pairs = section(page, "## Pictures").partition("![Latency of models in pairs")[2].partition("](ratios.png)")[0]
    assert "1 × b is slower than 1 × a" in pairs and "4 × b is slower than 4 × a" in pairs
    assert "1 × a is" not in pairs and "4 × b is slower than 1" not in pairs  # only what was asked side by side


def test_an_open_loop_says_from_where_times_count():
    at = [f"2026-01-01T00:00:{i:02d}+00:00" for i in range(20)]
    rows = [request("a", number=i, latency=0.5, started_at=at[i], intended_at=at[i]) for i in range(20)]
    page = page_of(rows, plan=PLAN | {"rate": 1.0, "arrivals": "constant"})
    assert "Open loop: times count from the intended start of each request." in section(page, "## Method")
    assert "- rate: 1.0" in page and "- arrivals: constant" in page
    assert "1 request each second, evenly spaced" in section(page, "## Load")
    assert "concurrency_curve.png" in page


def test_what_was_not_asked_for_is_not_told():
    quiet = {"rate": None, "arrivals": "poisson", "precision_pct": None, "slo": {}, "retries": 0, "nonce": False}
    method = section(page_of(sample_rows(), plan=PLAN | quiet), "## Method")
    assert not any(f"- {name}" in method for name in quiet)
    assert "Open loop" not in method


def test_precision_outliers_and_drift_have_their_sections():
    record = {"kind": "precision", "model": "qwen2.5-0.5b", "prompt_id": "rag", "n": 14, "half_width_pct": 4.2}
    record |= {"asked_pct": 5.0, "stopped_by": "budget"}
    page = page_of(sample_rows(), resources=[*RESOURCES, record], plan=PLAN | {"precision_pct": 5.0})
    assert "0 of 1 cells" in section(page, "## Precision")
    assert "4.20" not in section(page, "## Load time, memory and footprint")
    assert "| qwen2.5-0.5b | unknown | 1 | 12 |" in section(page, "## Outliers")
    assert "no trend found" in section(page, "## Drift")
    assert "### Model against model" in page
    assert "## Precision" not in page_of(sample_rows())


def test_the_machine_quotes_its_calibration_or_says_how_to_get_one():
    assert "slmbench calibrate" in section(page_of(sample_rows()), "## Machine")


def test_three_loads_lift_the_limit_to_this_session():
    rows = [request("a", number=i, load_index=k) for k in range(3) for i in range(3)]
    assert "within this session, not across loads" not in page_of(rows)
    assert "loaded twice" in page_of(rows[:6]) and "loaded once" in page_of(rows[:3])
    assert "Intervals of medians hold across 3 loads." in section(page_of(rows), "## Comparison")
    assert "Intervals of medians hold within this session." in section(page_of(rows[:6]), "## Comparison")
    assert "Intervals of medians" not in page_of(rows[:3])  # below n = 6 there are none
