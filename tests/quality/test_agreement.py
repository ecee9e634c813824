"""From a frame of scores to who agrees with whom, where they don't, and sentences that promise no more than that."""

import itertools
import math

import numpy as np
import pytest

from slmbench.errors import UsageError
from slmbench.quality import agreement
from slmbench.quality.agreement import ITEMS_FROM, Agreement, between, disagreements, matrix, sentence, ticks
from slmbench.quality.scores import CODE, HUMAN, MODEL, Score, frame

NOTHING = math.nan


def one(annotator, item, score=3, kind=HUMAN, **fields):
    number = f"{kind} {annotator} {item} {fields.get('left')}"
    given = {"task": "score", "prompt_id": f"p{item}", "models": ["m"], "criteria": "c", "score": score, **fields}
    return Score(id=number, kind=kind, annotator=annotator, item=item, **given)


def rows(**scores):
    """One string of digits a rater, the n-th digit for item n; "." is no score. Names in capitals are judge models."""
    return frame(
        [
            one(name, str(n), int(digit), MODEL if name.isupper() else HUMAN)
            for name, digits in scores.items()
            for n, digit in enumerate(digits)
            if digit != "."
        ]
    )


def test_a_matrix_has_a_row_a_rater_and_a_column_an_item():
    ratings, items = matrix(rows(ana="12.", bo=".345"), ["human: bo", "human: ana"])
    assert items == ["0", "1", "2", "3"]
    assert np.array_equal(ratings, [[NOTHING, 3, 4, 5], [1, 2, NOTHING, NOTHING]], equal_nan=True)


def test_what_is_no_score_of_a_reply_is_left_out():
    table = frame(
        [
            one("ana", "a", 4),
            one("ana", "b", None),
            one("ana", "c", 2, status="failed"),
            one("ana", "d", 2, status="unparsable"),
            one("ana", "e", 2, task="pair", others=["n"]),
            one("J", "a", 5, MODEL),
        ]
    )
    ratings, items = matrix(table, ["human: ana"])
    assert items == ["a"] and ratings.tolist() == [[4.0]]


def test_scores_by_other_criteria_are_not_compared():
    table = frame([one("ana", "a", 4), one("bo", "a", 4, criteria="other"), one("cy", "a", 2, criteria=None)])
    ratings, items = matrix(table, ["human: ana", "human: bo", "human: cy"])
    assert items == ["a", "a", "a"]
    assert (np.isfinite(ratings).sum(axis=0) == 1).all()


def test_without_criteria_scores_are_compared():
    table = frame([one("ana", "a", 4, criteria=None), one("bo", "a", 5, criteria=None)])
    assert matrix(table, ["human: ana", "human: bo"])[0].tolist() == [[4.0], [5.0]]


def test_a_rater_who_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"'human: anna' was found, some of these were expected: human: ana") as e:
        matrix(rows(ana="1"), ["human: anna"])
    assert "raters=['human: ana']" in str(e.value)
    with pytest.raises(UsageError, match="a name was found twice"):
        matrix(rows(ana="1"), ["human: ana", "human: ana"])
    with pytest.raises(UsageError, match="nobody rated"):
        matrix(frame([]), ["human: ana"])


def test_a_rater_without_a_usable_score_is_a_row_of_nothing():
    table = frame([one("ana", "a", 4), one("J", "a", None, MODEL, status="failed")])
    ratings, _ = matrix(table, ["human: ana", "model: J"])
    assert ratings[0].tolist() == [4.0] and np.isnan(ratings[1]).all()


def test_ticks_have_a_column_an_aspect():
    table = frame(
        [
            one("ana", "a", None, aspects=[True, False]),
            one("ana", "b", 3, aspects=[True]),
            one("ana", "c", 3),
            one("ana", "d", 3, aspects=[]),
            one("bo", "a", 1, aspects=[False, False]),
        ]
    )
    ratings, columns = ticks(table, ["human: ana", "human: bo"])
    assert columns == [("a", 0), ("a", 1), ("b", 0)]
    assert np.array_equal(ratings, [[1, 0, 1], [0, 0, NOTHING]], equal_nan=True)
    found = agreement.agreement(ratings, "nominal", groups=[item for item, _ in columns])
    assert (found.n_items, found.n_units, found.same) == (2, 1, 0.5)


def test_disagreements_come_with_the_largest_first():
    table = disagreements(rows(ana="11431", bo="12.35", J="1342."), ["human: ana", "human: bo", "model: J"])
    assert list(table.columns) == ["item", "prompt_id", "human: ana", "human: bo", "model: J", "spread"]
    assert list(table["item"]) == ["4", "1", "3"]  # 1 and 5; 1, 2, 3; 3, 3, 2; item 2 and 0 are the same
    assert list(table["spread"]) == [4.0, 2.0, 1.0] and list(table["prompt_id"]) == ["p4", "p1", "p3"]
    assert table["human: bo"].tolist() == [5.0, 2.0, 3.0] and math.isnan(table["model: J"].iloc[0])


def test_equal_spreads_keep_the_order_of_the_frame():
    table = disagreements(rows(ana="1" * 40, bo="2" * 20 + "3" * 20), ["human: ana", "human: bo"])
    assert list(table["item"]) == [str(n) for n in [*range(20, 40), *range(20)]]


def test_no_disagreement_is_an_empty_table():
    table = disagreements(rows(ana="123", bo="12."), ["human: ana", "human: bo"])
    assert len(table) == 0 and "spread" in table
    assert len(disagreements(frame([one("ana", "a", None)]), ["human: ana"])) == 0


def test_between_has_each_pair_and_all_humans():
    digits = "12345" * 4
    table = between(rows(JUDGE=digits[::-1], bo="2" + digits[1:], ana=digits))
    assert list(table["who"]) == [
        "human: bo – human: ana",
        "human: bo – model: JUDGE",
        "human: ana – model: JUDGE",
        "humans together",
    ]
    assert list(table["kinds"]) == ["human–human", "human–model", "human–model", "human–human"]
    assert tuple(table.columns) == agreement.COLUMNS
    pair, _, reverse, together = table.itertuples()
    assert pair.value == together.value == pytest.approx(0.988, abs=0.001) and pair.low > 0.8
    assert reverse.value < -0.9 and reverse.high < 0
    assert pair.sentence.startswith("human: bo – human: ana: alpha 0.99 (95 % interval 0.")
    assert "They agree well" in pair.sentence and "Worse than chance" in reverse.sentence
    assert (pair.n_items, pair.same, pair.near, reverse.same) == (20, 0.95, 1.0, 0.2)


def test_three_humans_together_are_other_than_any_two():
    table = between(rows(ana="12345" * 3, bo="12344" * 3, cy="22345" * 3))
    assert list(table["who"])[-1] == "humans together" and len(table) == 4
    assert table["same"].iloc[-1] == pytest.approx(0.6) and table["same"].iloc[0] == pytest.approx(0.8)


def test_code_has_a_line_where_it_gives_scores():
    table = between(frame([one("checks", "a", 3, CODE), one("J", "a", 3, MODEL), one("ana", "a", 4)]))
    assert list(table["kinds"]) == ["human–model", "human–code", "model–code"]
    assert len(between(frame([one("checks", "a", None, CODE), one("ana", "a", 4)]))) == 0


@pytest.mark.parametrize("table", [frame([]), rows(ana="123"), frame([one("ana", "a", None), one("bo", "a", None)])])
def test_without_two_raters_between_is_empty(table):
    assert tuple(between(table).columns) == agreement.COLUMNS and len(between(table)) == 0


def test_raters_of_different_items_have_a_line_that_says_so():
    [line] = list(between(rows(ana="12..", JUDGE="..34")).itertuples())
    assert line.n_items == 0 and math.isnan(line.value) and math.isnan(line.same)
    assert "no reply was rated by two" in line.sentence and str(ITEMS_FROM) in line.sentence


def found(value, low, high, n=40):
    return Agreement(value, low, high, n, n, 2, 0, 0.5, 0.9)


@pytest.mark.parametrize(
    ("numbers", "meaning"),
    [
        (found(0.9, 0.8, 0.95), "They agree well"),
        (found(0.95, 0.79, 0.99), "Good enough for tentative conclusions"),
        (found(0.95, 0.667, 0.99), "Good enough for tentative conclusions"),
        (found(0.95, 0.66, 0.99), "not shown to reach 0.667, the customary limit for tentative conclusions: do not"),
        (found(0.4, 0.2, 0.6), "below 0.667, the customary limit for tentative conclusions: do not rely"),
        (found(0.05, -0.2, 0.3), "No better than chance"),
        (found(-0.1, -0.4, 0.2), "No better than chance"),
        (found(0.7, -0.1, 0.9), "can't tell this from chance"),
        (found(-0.5, -0.8, -0.1), "Worse than chance"),
        (found(0.95, NOTHING, NOTHING, 7), "alpha 0.95 from 7 replies, which is no more than a hint"),
        (found(0.95, NOTHING, NOTHING, 7), f"is only known from {ITEMS_FROM} on"),
        (found(-0.3, NOTHING, NOTHING, 1), "from 1 reply, which"),
        (found(1.0, NOTHING, NOTHING, 20), "the same ratings of all 20 replies (alpha 1.00)"),
        (found(1.0, NOTHING, NOTHING, 20), "they differ on up to 14 % of such replies"),  # 1 - 0.05 ** (1 / 20)
        (found(NOTHING, NOTHING, NOTHING, 20), "all their ratings of 20 replies are the same one"),
        (found(NOTHING, NOTHING, NOTHING, 2), f"; {ITEMS_FROM} are needed."),
        (found(NOTHING, NOTHING, NOTHING, 0), "no reply was rated by two of them"),
        (found(0.9, 0.8, 0.95)._replace(n_items=120), "from 120 ticks on 40 replies"),
    ],
)
def test_a_sentence_says_what_the_lower_end_allows(numbers, meaning):
    said = sentence(numbers, "human: ana – model: J")
    assert said.startswith("human: ana – model: J: ") and meaning in said
    assert "nan" not in said


ROWS = ["1", "12345", "12345" * 3, "5" * 15, "." * 15, "1.3.5" * 4]


@pytest.mark.parametrize("digits", list(itertools.product(ROWS, repeat=2)))
def test_any_two_raters_have_a_sentence(digits):
    for line in between(rows(ana=digits[0], JUDGE=digits[1])).itertuples():
        assert line.sentence.endswith(".") and "nan" not in line.sentence
