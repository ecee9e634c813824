"""Limits: yes, no, or not to be told."""

import math

import pandas as pd
import pytest

from slmbench.analyse.keeping import kept

NAN = math.nan


def verdict(limit, asked, value, low=NAN, high=NAN):
    column = {"ttft_s": "ttft_s_p50", "decode_tps": "decode_tps_p50"}.get(limit, limit)
    line = {"model": "m", column: value, f"{column}_low": low, f"{column}_high": high}
    [found] = kept(pd.DataFrame([line]), {limit: asked}).to_dict("records")
    return found["kept"], found["why"]


@pytest.mark.parametrize(
    ("limit", "asked", "value", "expected"),
    [
        ("ttft_s", 0.5, (0.4, 0.3, 0.5), "yes"),
        ("ttft_s", 0.5, (0.4, 0.3, 0.51), "can't tell"),
        ("ttft_s", 0.5, (0.6, 0.51, 0.7), "no"),
        ("decode_tps", 20, (25, 20, 30), "yes"),
        ("decode_tps", 20, (25, 19, 30), "can't tell"),
        ("decode_tps", 20, (15, 10, 19.9), "no"),
        ("quality", 3, (3.5, 2.9, 4.1), "can't tell"),
    ],
)
def test_the_whole_interval_has_to_lie_on_one_side(limit, asked, value, expected):
    assert verdict(limit, asked, *value)[0] == expected


def test_a_value_without_an_interval_counts_as_it_is():
    assert verdict("memory_mb", 8000, 8000.0) == ("yes", "")
    assert verdict("memory_mb", 8000, 8000.1) == ("no", "")
    assert verdict("ttft_s", 0.5, 0.4) == ("yes", "indicative: too few for an interval")


def test_what_was_not_measured_is_not_refused():
    assert verdict("memory_mb", 8000, NAN) == ("can't tell", "memory, MB: not measured")


@pytest.mark.parametrize(
    ("allowed", "expected"), [(True, "yes"), (False, "no"), (None, "can't tell"), (NAN, "can't tell")]
)
def test_a_licence_that_is_not_known_has_to_be_read(allowed, expected):
    table = pd.DataFrame([{"model": "m", "licence": "Gemma terms", "commercial_use": allowed}])
    [found] = kept(table, {"commercial_use": True}).to_dict("records")
    assert found["kept"] == expected and "Gemma terms" in found["why"]
    assert kept(table, {"commercial_use": False}).empty
