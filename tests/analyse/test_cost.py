"""Energy and money, by hand."""

import math

import pytest

from slmbench.analyse.cost import break_even, costs, methods
from slmbench.records import to_frame
from support.made_rows import request

COST = {"power_w": 36.0, "price_per_kwh": 0.5, "currency": "EUR", "cloud_price_per_million_tokens": None}


def of(rows, resources=(), **cost):
    return costs(to_frame(rows), list(resources), COST | cost).to_dict("records")


def test_estimated_energy_is_power_times_time():
    # 36 W for 10 s is 0.1 Wh; two requests of 100 tokens together in 20 s
    rows = [request("a", latency=5.0, output_tokens=100), request("a", latency=15.0, output_tokens=100, number=1)]
    [line] = of(rows)
    assert line["wh_per_1k_tokens"] == pytest.approx(1.0) and line["wh_per_request"] == pytest.approx(0.1)
    assert line["money_per_1k_tokens"] == pytest.approx(0.0005) and line["money_per_request"] == pytest.approx(0.00005)
    assert line["energy_method"] == "estimated: 36 W × time"


def test_measured_energy_wins_and_is_named():
    record = {"model": "a", "energy_j": 720.0, "work_tokens": 100, "energy_method": "RAPL package"}
    [line] = of([request("a", output_tokens=50)], [record])
    assert line["energy_method"] == "measured: RAPL package"
    assert line["wh_per_1k_tokens"] == pytest.approx(2.0) and line["wh_per_request"] == pytest.approx(0.1)


def test_without_a_power_there_is_no_energy_and_no_money():
    [line] = of([request("a")], power_w=None)
    assert line["energy_method"] == "" and math.isnan(line["wh_per_request"]) and math.isnan(line["money_per_request"])


def test_the_cloud_is_paid_by_the_token_of_prompt_and_reply():
    [line] = of([request("a", prompt_tokens=300, output_tokens=100)], cloud_price_per_million_tokens=2.0)
    assert line["cloud_per_request"] == pytest.approx(0.0008) and line["cloud_per_1k_tokens"] == pytest.approx(0.008)


def test_several_at_once_cannot_be_told_apart():
    assert of([request("a", concurrency=4)]) == []


def test_formulas_are_those_of_the_table():
    table = costs(to_frame([request("a")]), [], COST)
    assert [line.split(" = ")[0] for line in methods(table)] == ["Wh per 1,000 output tokens", "money"]


def test_the_cloud_beside_the_electricity():
    line = {"model": "a", "money_per_request": 0.001, "cloud_per_request": 0.004, "energy_method": "m"}
    assert "4 times its electricity" in break_even(line)
    assert "1 / 2 of its electricity" in break_even(line | {"cloud_per_request": 0.0005})
    assert break_even(line | {"cloud_per_request": math.nan}) == ""
