"""What a run says of each model: typical values over common requests, and what is missing."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from slmbench.analyse.candidates import of_run
from slmbench.records import to_frame
from support.made_rows import request


def entry(**given):
    return SimpleNamespace(**{"licence": "MIT", "commercial_use": True, "parameters_m": None} | given)


def rows(model, latencies, **given):
    return [request(model, f"p{i}", latency=s, **given) for i, s in enumerate(latencies)]


def of(all_rows, resources=(), scores=None, **more):
    frame = to_frame(all_rows)
    names = {row.model: entry() for row in all_rows}
    return of_run(frame, list(resources), names, scores, **more)


def line(found, model):
    return found.table.set_index("model").loc[model]


def test_typical_values_are_geometric_means_over_what_all_have_answered():
    found = of([*rows("a", [1.0, 4.0, 2.0]), *rows("b", [2.0, 8.0])])
    assert found.models == ("a", "b")
    assert line(found, "a")["latency_s"] == pytest.approx(2) and line(found, "b")["latency_s"] == pytest.approx(4)
    assert line(found, "a")["n"] == 2 and line(found, "a")["n_ok"] == 3
    # 10 tokens, first after a tenth of the latency: 9 / 0.9 of 1 s is 10 tokens/s, of 4 s 2.5
    assert line(found, "a")["decode_tps"] == pytest.approx(5)


def test_each_load_counts_the_same():
    many = [request("a", f"p{i}", latency=4.0, load_index=0) for i in range(6)]
    found = of([*many, request("a", latency=1.0, load_index=1), request("a", latency=2.0, load_index=2)])
    assert line(found, "a")["latency_s"] == pytest.approx(8 ** (1 / 3))


def test_a_model_with_few_replies_is_not_set_beside_the_others():
    found = of([*rows("a", [1.0] * 8), *rows("b", [1.0] * 8), *rows("few", [0.1])])
    assert found.models == ("a", "b") and line(found, "a")["n"] == 8
    assert line(found, "few")["note"] == "only 1 usable replies: too few to set it beside the others"
    assert math.isnan(line(found, "few")["latency_s"])


def test_a_skipped_model_keeps_its_reason():
    gone = request("gone", None, status="skipped", error="not in the catalogue")
    assert line(of([*rows("a", [1.0]), gone]), "gone")["note"] == "not in the catalogue"


def test_warm_ups_and_more_streams_at_once_are_in_no_number():
    more = [request("a", "p0", latency=9.0, phase="warmup"), request("a", "p0", latency=9.0, concurrency=4)]
    assert line(of([*rows("a", [1.0, 1.0]), *more]), "a")["latency_s"] == pytest.approx(1)


def test_replies_that_were_not_streamed_have_their_output_speed():
    found = of(rows("a", [2.0, 2.0], ttft_s=None))
    assert found.speed == "output_tps" and line(found, "a")["decode_tps"] == pytest.approx(5)


def test_where_loading_is_not_the_kits_to_do_there_is_no_load_index():
    assert of(rows("a", [1.0, 2.0], load_index=None)).models == ("a",)


def test_memory_is_the_same_measure_for_all():
    resources = [{"model": "a", "rss_peak_mb": 900.0, "rss_loaded_mb": 700.0, "disk_mb": 5.0}]
    resources += [{"model": "b", "rss_loaded_mb": 300.0}, {"model": "b", "rss_loaded_mb": 310.0}]
    found = of([*rows("a", [1.0]), *rows("b", [1.0])], resources)
    assert found.memory == "rss_loaded_mb"
    assert line(found, "a")["memory_mb"] == 700 and line(found, "b")["memory_mb"] == 305
    assert line(found, "a")["disk_mb"] == 5 and math.isnan(line(found, "b")["disk_mb"])


def test_scores_are_weighted_and_have_an_interval_from_six_prompts_on():
    scores = pd.DataFrame({"a": [5.0, 1.0]}, index=["p0", "p1"])
    found = line(of(rows("a", [1.0]), scores=scores, weights={"p0": 3}), "a")
    assert found["quality"] == 4 and found["prompts"] == 2 and math.isnan(found["quality_low"])
    scores = pd.DataFrame({"a": [3.0, 4.0, 3.0, 4.0, 3.0, 4.0]}, index=[f"p{i}" for i in range(6)])
    found = line(of(rows("a", [1.0]), scores=scores), "a")
    assert found["quality_high"] - found["quality"] == pytest.approx(2.5706 * 0.5477 / 6**0.5, rel=1e-3)  # t, 5
