"""A small model against a larger one."""

import math

import pytest

from slmbench.analyse.versus import versus
from slmbench.errors import UsageError
from support.made_candidates import candidates

SMALL = {"latency": 1.0, "tps": 40.0, "memory": 400.0, "disk": 200.0, "quality": [2, 2, 3, 1, 2, 3, 2, 1]}
LARGE = {"latency": 3.0, "tps": 10.0, "memory": 800.0, "disk": 204.0, "quality": [4, 5, 4, 4, 5, 4, 4, 4]}


def test_what_the_larger_one_gives_and_takes():
    found = versus(candidates({"s": SMALL, "l": LARGE}), "s", "l").set_index("dimension")
    assert dict(found["verdict"]) == {
        "latency": "worse",
        "throughput": "can't tell",  # no spread at all in these made-up speeds: no interval
        "memory": "worse",
        "quality": "better",
        "footprint": "tie",
    }
    assert found.loc["latency", "ratio"] == pytest.approx(3) and found.loc["memory", "ratio"] == pytest.approx(2)
    low, high = found.loc["quality", ["ratio_low", "ratio_high"]]
    assert 1 < low < 34 / 16 < high
    assert math.isnan(found.loc["memory", "ratio_low"]) and found.loc["memory", "n"] == 1


def test_what_was_not_measured_is_no_line():
    models = candidates({"s": {**SMALL, "quality": None}, "l": {**LARGE, "quality": None}})
    assert "quality" not in set(versus(models, "s", "l")["dimension"])


@pytest.mark.parametrize(("one", "other", "said"), [("s", "x", "'x' was found"), ("s", "s", "found twice")])
def test_two_models_of_the_run_are_wanted(one, other, said):
    with pytest.raises(UsageError, match=said):
        versus(candidates({"s": SMALL, "l": LARGE}), one, other)
