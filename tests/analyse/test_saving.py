"""What routing saves, by hand."""

import math

import pandas as pd
import pytest

from slmbench.analyse.saving import biggest, saving, sentence
from slmbench.records import to_frame
from support.made_rows import request

NONE = pd.DataFrame()


def run(small=1.0, big=4.0, prompts=6):
    rows = [
        request(model, f"p{i}", latency=s + i / 10) for i in range(prompts) for model, s in (("s", small), ("b", big))
    ]
    return to_frame(rows)


def test_each_prompt_to_its_model_against_all_to_the_biggest():
    routes = {f"p{i}": "s" if i < 3 else "b" for i in range(6)}
    found = saving(run(), routes, "b", NONE)
    small, big = [1.0, 1.1, 1.2], [4.0, 4.1, 4.2, 4.3, 4.4, 4.5]
    assert found.routed_s == pytest.approx(sum(small) + sum(big[3:])) and found.biggest_s == pytest.approx(sum(big))
    assert (
        found.ratio == pytest.approx(found.routed_s / found.biggest_s) and found.low < found.ratio < 1 < found.high
    )  # six are few
    assert (found.n, found.prompts, found.scored) == (6, 6, 0) and math.isnan(found.quality)
    assert "not known" in sentence(found)


def test_the_interval_is_the_delta_methods():
    found = saving(run(), {f"p{i}": "s" for i in range(6)}, "b", NONE)
    x, y = [1 + i / 10 for i in range(6)], [4 + i / 10 for i in range(6)]
    apart = pd.Series(x) - sum(x) / sum(y) * pd.Series(y)
    assert found.high - found.ratio == pytest.approx(2.5706 * apart.std() / 6**0.5 / (sum(y) / 6), rel=1e-3)


def test_a_route_to_the_biggest_itself_saves_nothing():
    found = saving(run(), {f"p{i}": "b" for i in range(6)}, "b", NONE)
    assert found.ratio == 1 and math.isnan(found.low) and "indicative" not in sentence(found)


def test_what_has_no_route_is_in_no_number_and_told():
    found = saving(run(), {"p0": "s", "p1": None}, "b", NONE)
    assert (found.n, found.unrouted) == (1, ("p1",))
    assert "indicative" in sentence(found) and "No model is for 1 of the prompts: p1." in sentence(found)


def test_the_price_in_quality():
    scores = pd.DataFrame(
        {"s": [1, 2, 3, 4, 2, 3], "b": [3, 3, 4, 5, 4, 4]}, index=[f"p{i}" for i in range(6)], dtype=float
    )
    found = saving(run(), {f"p{i}": "s" for i in range(6)}, "b", scores)
    assert found.quality == pytest.approx(-8 / 6) and found.scored == 6 and found.quality_high < 0


def test_nothing_in_common_says_so():
    assert "Nothing can be said" in sentence(saving(run(), {"p0": "gone"}, "b", NONE))


def test_the_biggest_has_most_parameters_then_most_disk():
    table = pd.DataFrame(
        {
            "model": ["a", "b", "c"],
            "parameters_m": [7, 7, None],
            "disk_mb": [5, 6, 99],
            "memory_mb": [1, 1, 1],
            "note": "",
        }
    )
    assert biggest(table) == "b"
