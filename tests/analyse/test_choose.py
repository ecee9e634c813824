"""Who is chosen, how sure that is, and what would change it: against numbers worked out by hand."""

import math

import numpy as np
import pytest

from slmbench.analyse.choose import choose
from support.made_candidates import PROMPTS, candidates

SPREAD = [3, 4, 5, 4, 3, 5, 4, 4]
QUICK = {"latency": 1.0, "tps": 40.0, "memory": 400.0, "disk": 200.0, "quality": [s - 2 for s in SPREAD]}
GOOD = {"latency": 2.0, "tps": 20.0, "memory": 800.0, "disk": 400.0, "quality": SPREAD}
EQUAL = {"latency": 1, "quality": 1}


def shares(choice, model):
    return choice.table.set_index("model").loc[model]


def test_the_score_is_a_weighted_geometric_mean_of_shares_of_the_best():
    choice = choose(candidates({"quick": QUICK, "good": GOOD}), {"latency": 3, "quality": 1, "memory": 0}, {})
    assert choice.weights == {"latency": 0.75, "quality": 0.25}
    good, quick = shares(choice, "good"), shares(choice, "quick")
    assert good["latency"] == pytest.approx(0.5) and good["quality"] == 1
    assert quick["quality"] == pytest.approx(2 / 4) and quick["latency"] == 1
    assert good["score"] == pytest.approx(0.5**0.75) and quick["score"] == pytest.approx(0.5**0.25)
    assert (choice.winner, quick["ahead"], good["ahead"]) == ("quick", 1, 2)
    assert "memory" not in choice.table


def test_who_is_ahead_does_not_depend_on_a_third():
    two = choose(candidates({"quick": QUICK, "good": GOOD}), EQUAL | {"latency": 3}, {})
    third = {**GOOD, "latency": 0.1, "quality": [1] * PROMPTS}
    three = choose(candidates({"quick": QUICK, "good": GOOD, "third": third}), EQUAL | {"latency": 3}, {})
    both = [shares(c, "quick")["score"] / shares(c, "good")["score"] for c in (two, three)]
    assert both[0] == pytest.approx(both[1])


def test_the_weight_at_which_another_takes_over_is_where_the_scores_are_equal():
    models = candidates({"quick": QUICK, "good": GOOD})
    found = choose(models, {"latency": 3, "memory": 1, "quality": 2}, {})
    assert found.winner == "quick"
    turn = found.turns.set_index("dimension").loc["quality"]
    assert (turn["model"], turn["weight"]) == ("good", pytest.approx(1 / 3))
    rest = 1 - turn["becomes"]
    for factor, winner in (0.999, "quick"), (1.001, "good"):
        at = turn["becomes"] * factor
        weights = {"latency": 0.75 * rest, "memory": 0.25 * rest, "quality": at}
        assert choose(models, weights, {}).winner == winner


def test_the_margin_is_how_far_all_weights_may_move_at_once():
    models = candidates({"quick": QUICK, "good": GOOD})
    weights = {"latency": 3, "quality": 2}
    margin = choose(models, weights, {}).rivals["margin"][0]
    assert margin == pytest.approx((3 - 2) / (3 + 2))  # both gains are log 2
    for factor, winner in (0.99, "quick"), (1.01, "good"):
        moved = {"latency": 3 * (1 - margin * factor), "quality": 2 * (1 + margin * factor)}
        assert choose(models, moved, {}).winner == winner


def test_a_model_that_is_ahead_in_everything_wins_whatever_the_weights():
    choice = choose(candidates({"good": GOOD, "best": {**QUICK, "quality": SPREAD}}), EQUAL, {})
    assert (choice.winner, math.isinf(choice.rivals["margin"][0]), len(choice.turns)) == ("best", True, 0)
    assert shares(choice, "good")["dominated_by"] == "best" and shares(choice, "best")["dominated_by"] == ""


def test_the_interval_is_students_on_the_log_ratios_where_speed_alone_counts():
    models = candidates({"quick": QUICK, "good": {**GOOD, "latency": 1.02}})
    line = choose(models, {"latency": 1}, {}).rivals.iloc[0]
    apart = models.logs["latency"][:, 1] - models.logs["latency"][:, 0]
    reach = 2.3646 * apart.std(ddof=1) / PROMPTS**0.5  # t, 7 degrees of freedom
    assert math.log(line["ratio_high"] / line["ratio_low"]) == pytest.approx(2 * reach, rel=1e-3)
    assert line["verdict"] == "tie"


def test_across_loads_the_loads_are_what_counts():
    models = candidates({"quick": QUICK, "good": GOOD}, loads=3)
    models.logs["latency"][models.loads == 2, 1] += 0.5
    line = choose(models, {"latency": 1}, {}).rivals.iloc[0]
    means = [(models.logs["latency"][models.loads == k] @ [-1, 1]).mean() for k in range(3)]
    reach = 4.3027 * np.std(means, ddof=1) / 3**0.5  # t, 2 degrees of freedom
    assert math.log(line["ratio_high"] / line["ratio_low"]) == pytest.approx(2 * reach, rel=1e-3)


def test_scores_that_differ_from_prompt_to_prompt_make_it_unsure():
    unsure = {**GOOD, "latency": 1.0, "tps": 40.0, "quality": [5, 1, 5, 1, 5, 1, 5, 5]}
    line = choose(candidates({"quick": {**QUICK, "quality": SPREAD}, "unsure": unsure}), EQUAL, {}).rivals.iloc[0]
    assert line["verdict"] == "can't tell" and line["ratio_low"] < 1 < line["ratio_high"]


def test_without_enough_scores_there_is_no_interval_and_no_verdict():
    few = [3, 4] + [float("nan")] * (PROMPTS - 2)
    choice = choose(candidates({"quick": {**QUICK, "quality": few}, "good": {**GOOD, "quality": few}}), EQUAL, {})
    line = choice.rivals.iloc[0]
    assert line["verdict"] == "can't tell" and math.isnan(line["ratio_low"]) and "too few" in line["why"]


def test_a_dimension_that_nobody_was_measured_in_is_left_out_and_told():
    models = candidates({"quick": {**QUICK, "quality": None}, "good": {**GOOD, "quality": None}})
    choice = choose(models, EQUAL, {})
    assert (choice.left_out, choice.weights, choice.winner) == (("quality",), {"latency": 1}, "quick")


def test_a_model_without_a_score_is_not_ranked_beside_those_that_have_one():
    choice = choose(candidates({"quick": {**QUICK, "quality": None}, "good": GOOD}), EQUAL, {})
    assert choice.winner == "good"
    assert (
        shares(choice, "quick")["reasons"] == ["quality was not measured"] and not shares(choice, "quick")["admitted"]
    )


def test_a_limit_keeps_a_better_model_out_and_says_so():
    choice = choose(
        candidates({"quick": {**QUICK, "commercial_use": False}, "good": GOOD}),
        {"latency": 1},
        {"commercial_use": True},
    )
    assert (choice.winner, dict(choice.outside)) == ("good", {"quick": ["commercial_use"]})
    assert shares(choice, "quick")["reasons"] == ["limit commercial_use"]
    assert shares(choice, "good")["latency"] == 1  # the best of those that can be chosen


def test_where_no_model_keeps_to_the_limits_there_is_no_choice():
    choice = choose(candidates({"quick": QUICK, "good": GOOD}), EQUAL, {"memory_mb": 100})
    assert choice.winner is None and choice.rivals.empty and choice.turns.empty


def test_the_front_is_of_all_that_was_measured_whatever_counts():
    quick = {**QUICK, "quality": SPREAD}
    table = candidates({"quick": quick, "good": {**GOOD, "disk": 100.0}, "worse": {**GOOD, "disk": 500.0}})
    choice = choose(table, {"latency": 1}, {})
    by = dict(zip(choice.table["model"], choice.table["dominated_by"], strict=True))
    assert by == {
        "quick": "",
        "good": "",
        "worse": "quick",
    }  # good has the smallest files, which count for nothing here


def test_where_nothing_that_counts_was_measured_there_is_no_choice():
    models = candidates({"quick": {**QUICK, "quality": None}, "good": {**GOOD, "quality": None}})
    choice = choose(models, {"quality": 1}, {})
    assert (choice.winner, choice.left_out, choice.weights) == (None, ("quality",), {})
    assert list(choice.table["reasons"]) == [["nothing that counts was measured"]] * 2
