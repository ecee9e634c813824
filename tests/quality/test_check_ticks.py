"""How far people and judge models agree with the checks on the aspects that these decide."""

import json

import pytest

from slmbench import config
from slmbench.config import Check, Prompt
from slmbench.quality import items, scores
from slmbench.quality.checks import against_ticks, decided, rate, wilson


def one_of(aspect, passed, decides=True):
    return {"aspect": aspect, "passed": passed, "decides": decides}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], {}),
        ([one_of(None, False)], {}),
        ([one_of(0, True), one_of(2, False)], {0: True, 2: False}),
        ([one_of(0, True), one_of(0, True)], {0: True}),
        ([one_of(0, True), one_of(0, False)], {0: False}),
        ([one_of(0, False, decides=False)], {}),
        ([one_of(0, True), one_of(0, False, decides=False)], {}),
        ([one_of(0, False), one_of(0, False, decides=False)], {0: False}),
        ([{"aspect": 1, "passed": True}], {1: True}),
        ([{"aspect": a, "passed": True} for a in (-1, [0], "0", True, 0.0)] + [{"aspect": 0}, one_of(0, "yes")], {}),
    ],
)
def test_an_aspect_is_decided_by_all_checks_that_name_it(said, expected):
    assert decided(said) == expected


BOTH = (Check("sentences", 2, 2, aspect="two sentences"), Check("words", max=1, aspect="one word"))
PROMPT = Prompt("p", "?", ("two sentences", "one word", "good"), checks=BOTH)
RUBRIC = config.read_rubrics()["default"]
X, Y = (items.Item(name, PROMPT, RUBRIC, text) for name, text in (("x", "One. Two."), ("y", "One!")))  # yes no, no yes


def frame(*given):
    """The checks' scores of both replies, and those given."""
    return scores.frame([*rate([X, Y]), *given])


def ticks(item, rater, aspects, kind="human", **fields):
    return scores.score_of(item, kind, rater, aspects=aspects, **fields)


def test_ticks_beside_the_checks():
    found = against_ticks(
        frame(
            ticks(X, "Ana", [True, False, True]),
            ticks(Y, "Ana", [False, False, False]),
            ticks(X, "judge", [True, True, True], "model"),
            ticks(Y, "judge", [False, True, True], "model", status="failed"),
            ticks(X, "Bo", None, score=3),
            ticks(Y, "Cy", [False]),
        )
    )
    assert found.rater.tolist() == ["human: Ana", "model: judge", "human: Cy"]
    assert found[["n", "agree", "share"]].values.tolist() == [[4, 3, 0.75], [2, 1, 0.5], [1, 1, 1.0]]
    assert (round(found.low[0], 3), round(found.high[0], 3)) == (0.301, 0.954)
    assert found.differences[0] == [{"item": "y", "prompt_id": "p", "aspect": 1, "tick": False, "check": True}]
    assert json.loads(json.dumps(found.differences.tolist()))[2] == []


def test_ticks_by_other_criteria_are_not_compared():
    table = frame(ticks(X, "Ana", [True, False, True]), ticks(Y, "Ana", [True, True, True]))
    table.loc[(table.kind == "human") & (table.item == "y"), "criteria"] = "another"
    assert against_ticks(table)[["rater", "n", "agree"]].values.tolist() == [["human: Ana", 2, 2]]


def test_nothing_to_compare_is_an_empty_frame():
    for nothing in (scores.frame([]), frame(), frame(ticks(X, "Ana", None, score=3))):
        found = against_ticks(nothing)
        assert found.empty
        assert list(found) == ["rater", "n", "agree", "share", "low", "high", "differences"]


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_wilsons_interval_as_published(successes, n, low, high):
    """The last two: Newcombe, Stat. Med. 17 (1998), 857-872, table I, method 3."""
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
