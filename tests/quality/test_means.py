"""Means and differences by hand, what their intervals cover, and how many replies a difference takes."""

import math

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp, ttest_rel

from slmbench.errors import UsageError
from slmbench.quality import means
from slmbench.quality.means import PROMPTS_FROM, Paired, by_model, detectable, needed, paired, sentence
from slmbench.quality.scores import HUMAN, MODEL, Score, frame


def one(score, prompt, models="a", annotator="ana", kind=HUMAN, **fields):
    """models: aliases, one letter each."""
    item = f"{prompt} {models}"
    given = {"task": "score", "prompt_id": prompt, "models": list(models), "score": score, **fields}
    return Score(id=f"{kind} {annotator} {item}", kind=kind, annotator=annotator, item=item, **given)


def rows(digits, models="a", annotator="ana", kind=HUMAN):
    """The n-th digit is the score on prompt n; "." is none."""
    return [one(int(d), f"p{n}", models, annotator, kind) for n, d in enumerate(digits) if d != "."]


def test_a_mean_by_hand():
    [line] = by_model(frame(rows("1334455"))).itertuples()
    values = np.array([1, 3, 3, 4, 4, 5, 5])
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (line.rater, line.model, line.n, line.min, line.max) == ("human: ana", "a", 7, 1, 5)
    assert (line.mean, line.low, line.high) == pytest.approx((25 / 7, expected.low, expected.high))
    assert line.sentence == "human: ana: a has a mean score of 3.6 (95 % interval 2.3 to 4.9, 7 prompts)."


def test_a_reply_of_several_models_counts_for_each():
    table = by_model(frame([*rows("44", "ab"), *rows("..2", "a"), *rows("..5", "b")]))
    assert dict(zip(table["model"], table["mean"], strict=True)) == {
        "a": pytest.approx(10 / 3),
        "b": pytest.approx(13 / 3),
    }
    assert list(table["n"]) == [3, 3]


def test_what_is_no_score_is_left_out():
    given = [one(None, "p0"), one(5, "p1", status="failed"), one(5, "p2", task="pair", others=["b"]), one(2, "p3")]
    [line] = by_model(frame(given)).itertuples()
    assert (line.mean, line.n) == (2.0, 1)
    assert len(by_model(frame([]))) == 0 and tuple(by_model(frame([])).columns) == means.COLUMNS


def test_an_interval_begins_with_its_floor():
    [few] = by_model(frame(rows("12345"))).itertuples()
    assert math.isnan(few.low) and math.isnan(few.high) and (few.min, few.max, few.n) == (1, 5, 5)
    assert few.sentence == (
        "human: ana: a has a mean score of 3.0 from 5 prompts (1.0 to 5.0), which is indicative: an interval needs "
        f"{PROMPTS_FROM} prompts."
    )
    assert 2 * 0.5**PROMPTS_FROM < 0.05 < 2 * 0.5 ** (PROMPTS_FROM - 1)  # all of them one way is then no chance
    [enough] = by_model(frame(rows("123454"))).itertuples()
    assert enough.low < enough.mean < enough.high
    [single] = by_model(frame(rows("4"))).itertuples()
    assert "from 1 prompt, which is indicative" in single.sentence


def test_without_spread_there_is_no_interval():
    [line] = by_model(frame(rows("55555555"))).itertuples()
    assert line.mean == 5 and math.isnan(line.low) and math.isnan(line.high)
    assert "5.0 on each of 8 prompts: without any spread" in line.sentence


def test_an_interval_stays_on_the_scale():
    [line] = by_model(frame(rows("555551"))).itertuples()
    assert line.high == 5 and line.low == pytest.approx(
        26 / 6 - t.ppf(0.975, 5) * np.std([5] * 5 + [1], ddof=1) / 6**0.5
    )


def test_equal_weights_change_nothing_and_others_do():
    table = frame(rows("1334455"))
    plain, threes = by_model(table), by_model(table, {f"p{n}": 3.0 for n in range(7)})
    assert threes["low"].iloc[0] == pytest.approx(plain["low"].iloc[0])
    heavy = by_model(table, {"p1": 4.0})  # the others count 1
    assert heavy["mean"].iloc[0] == pytest.approx((1 + 4 * 3 + 3 + 4 + 4 + 5 + 5) / 10)
    assert heavy["n"].iloc[0] == 7
    effective = 100 / (16 + 6)
    variance = (2.4**2 + 4 * 0.4**2 + 0.4**2 + 2 * 0.6**2 + 2 * 1.6**2) / (10 - 22 / 10)
    reach = t.ppf(0.975, effective - 1) * math.sqrt(variance / effective)
    assert heavy["low"].iloc[0] == pytest.approx(3.4 - reach)


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(UsageError, match="was found for prompt p1, a number above 0 was expected"):
        by_model(frame(rows("12")), {"p1": weight})


def test_several_replies_to_a_prompt_are_one_prompt():
    given = [one(1, "p0"), one(5, "p0", "ab"), one(4, "p1")]  # two runs in one frame
    line = by_model(frame(given)).iloc[0]
    assert (line.model, line["mean"], line.n) == ("a", 3.5, 2)


def test_humans_together_are_no_more_prompts():
    crowd = [row for name in ("ana", "bo", "cy", "di") for row in rows("1334455", annotator=name)]
    table = by_model(frame([*crowd, *rows("5555555", annotator="J", kind=MODEL)])).set_index("rater")
    assert list(table.index) == ["human: ana", "human: bo", "human: cy", "human: di", "model: J", "humans together"]
    numbers = ["mean", "low", "high", "n", "min", "max"]
    assert table.loc["humans together", numbers].tolist() == table.loc["human: ana", numbers].tolist()


def test_humans_together_average_each_prompt_first():
    table = by_model(frame([*rows("15"), *rows(".3", annotator="bo")])).set_index("rater")
    assert table.loc["humans together", "mean"] == 2.5  # (1 + (5 + 3) / 2) / 2
    given = [one(1, "p0"), one(5, "p0", "ab"), *rows("2", annotator="bo")]  # two replies to ana, who counts no more
    assert by_model(frame(given)).set_index(["rater", "model"]).loc[("humans together", "a"), "mean"] == 2.5
    assert "humans together" not in set(by_model(frame(rows("15")))["rater"])


def test_a_paired_difference_by_hand():
    ours, theirs = [5, 4, 4, 3, 5, 2, 4], [4, 4, 2, 3, 3, 2, 5]
    found = paired(frame([*rows("5443524", "a"), *rows("4423325", "b"), *rows("1.......5", "c")]), "a", "b")
    expected = ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.one, found.other, found.n) == ("a", "b", 7)
    assert (found.difference, found.low, found.high) == pytest.approx((4 / 7, expected.low, expected.high))
    assert found.sd == pytest.approx(np.std(np.subtract(ours, theirs), ddof=1))
    turned = paired(frame([*rows("4423325", "b"), *rows("5443524", "a")]), "b", "a")
    assert turned[2:] == pytest.approx((-found.difference, -found.high, -found.low, 7, found.sd))


def test_only_prompts_with_both_scores_of_one_rater_count():
    given = [*rows("54.1", "a"), *rows("4.31", "b"), *rows("1", "a", "bo"), *rows(".5", "b", "bo")]
    found = paired(frame(given), "a", "b")
    assert (found.n, found.difference) == (2, 0.5)


def test_a_shared_reply_is_no_difference():
    found = paired(frame([*rows("5", "ab"), *rows(".4", "a"), *rows(".2", "b")]), "a", "b")
    assert (found.n, found.difference, found.sd) == (2, 1.0, pytest.approx(math.sqrt(2)))


def test_more_raters_are_no_more_prompts():
    given = [
        row
        for who in ("ana", "bo", "cy")
        for model, d in (("a", "5443524"), ("b", "4423325"))
        for row in rows(d, model, who)
    ]
    assert paired(frame(given), "a", "b") == pytest.approx(paired(frame(given[:14]), "a", "b"))


def test_what_can_not_be_paired_is_refused_or_empty():
    mixed = frame([*rows("5", "a"), *rows("5", "b", "J", MODEL)])
    with pytest.raises(UsageError, match="scores by human and model were found, one kind of rater was expected"):
        paired(mixed, "a", "b")
    with pytest.raises(UsageError, match="'a' was found twice"):
        paired(frame(rows("5", "a")), "a", "a")
    for table in (frame([]), frame(rows("55", "a")), frame([*rows("5", "a"), *rows("5", "b", "bo")])):
        found = paired(table, "a", "b")
        assert found.n == 0 and math.isnan(found.difference)
        assert "were not scored on the same prompt by anybody" in sentence(found)


def test_needed_and_detectable():
    assert needed() == 34  # as G*Power and R's power.t.test(delta = 0.5, type = "paired") have it, 33.4 rounded up
    assert (needed(1.0), needed(0.2), needed(0.5, power=0.9), needed(0.5, confidence=0.99)) == (10, 199, 44, 51)
    assert needed(5) == PROMPTS_FROM  # fewer would do, but have no interval
    assert needed(0.5, sd=2) == needed(0.25) and needed(0.001, 1) > 7_000_000
    assert 0.494 < detectable(34) <= 0.5 < detectable(33)
    assert math.isnan(detectable(PROMPTS_FROM - 1))
    assert detectable(20, sd=3) == pytest.approx(3 * detectable(20))


@pytest.mark.parametrize("n", [6, 7, 12, 34, 100, 1000])
def test_detectable_is_the_inverse_of_needed(n):
    least = detectable(n, 1.3)
    assert needed(least * 1.0001, 1.3) == n
    assert needed(least * 0.9999, 1.3) == n + 1 or n > 100  # many prompts: 0.01 % are more than one of them


def test_power_is_what_a_simulation_sees():
    x = np.random.default_rng(5).normal(0.5, 1, (20_000, 34))
    assert (ttest_1samp(x, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(means._power(0.5, 34, 0.95), abs=0.01)
    assert means._power(0, 34, 0.95) == pytest.approx(0.05)  # either direction
    assert means._power(5, 6, 0.95) == pytest.approx(1)  # where scipy has no number for the far tail


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"difference": 0}, "difference: 0 was found"),
        ({"sd": -1}, "sd: -1 was found"),
        ({"sd": math.nan}, "sd: nan was found"),
        ({"power": 1}, "power: 1 was found"),
        ({"power": 0.04}, r"power: 0.04 was found, a share between 0.05 \(chance\) and 1"),
        ({"confidence": 95}, "confidence: 95 was found"),
    ],
)
def test_needed_refuses_what_makes_no_sense(asked, message):
    with pytest.raises(UsageError, match=message):
        needed(**asked)
    if "difference" not in asked:
        with pytest.raises(UsageError, match=message):
            detectable(10, **asked)


NOTHING = math.nan


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            Paired("a", "b", 0.6, 0.2, 1.0, 20, 0.85),
            "a scores 0.60 higher than b (95 % interval +0.20 to +1.00, 20 prompts): the two can be told apart.",
        ),
        (Paired("a", "b", -0.6, -1.0, -0.2, 20, 0.85), "a scores 0.60 lower than b"),
        (
            Paired("a", "b", 0.1, -0.4, 0.6, 12, 0.8),
            "a and b can't be told apart by these scores (difference +0.10, 95 % interval -0.40 to +0.60, 12 prompts). "
            "To see a difference of 0.5 in 4 of 5 tries, 23 prompts are needed, at the spread seen (sd 0.80).",
        ),
        (
            Paired("a", "b", 0.1, -0.1, 0.3, 60, 0.8),
            "A difference of 0.29 or more would be seen in 4 of 5 tries, at the spread seen (sd 0.80).",
        ),
        (
            Paired("a", "b", 2.0, NOTHING, NOTHING, 4, 0.3),
            "can't be told apart by these scores (difference +2.00, 4 prompts). To see a difference of 0.5 in 4 of 5 "
            "tries, 34 prompts are needed, if the differences spread by 1 (sd).",
        ),
        (Paired("a", "b", 1.0, NOTHING, NOTHING, 1, NOTHING), "(difference +1.00, 1 prompt)"),
        (
            Paired("a", "b", 1.0, NOTHING, NOTHING, 6, 0.0),
            "1.00 higher than b on each of 6 prompts: the two can be told",
        ),
        (Paired("a", "b", 0.0, NOTHING, NOTHING, 8, 0.0), "can't be told apart by these scores (difference +0.00, 8"),
        (Paired("a", "b", 0.5, 0.0, 1.0, 9, 0.6), "can't be told apart"),
    ],
)
def test_a_sentence_says_what_the_scores_allow(found, said):
    assert said in sentence(found) and "nan" not in sentence(found)


def test_told_apart_is_what_the_interval_says():
    higher = frame([*rows("5" * 8, "a"), *rows("44443333", "b")])
    assert "the two can be told apart" in sentence(paired(higher, "a", "b"))
    assert "on each of 8 prompts" in sentence(paired(frame([*rows("5" * 8, "a"), *rows("4" * 8, "b")]), "a", "b"))


@pytest.mark.parametrize(("chances", "n"), [([0.02, 0.08, 0.2, 0.4, 0.3], 10), ([0.2] * 5, 20)])
def test_the_interval_of_a_mean_covers_what_it_says(chances, n):
    rng = np.random.default_rng(6)
    true = np.dot(chances, range(1, 6))
    scores = rng.choice(np.arange(1.0, 6), p=chances, size=(600, n))
    found = [means._interval(x, np.ones(n)) for x in scores]
    assert 0.92 <= np.mean([low <= true <= high for _, low, high in found]) <= 0.98


def test_two_equal_models_are_rarely_told_apart():
    rng = np.random.default_rng(7)
    apart = []
    for _ in range(200):
        a, b = ("".join(map(str, rng.integers(1, 6, 10))) for _ in range(2))
        apart.append("the two can be told apart" in sentence(paired(frame([*rows(a, "a"), *rows(b, "b")]), "a", "b")))
    assert np.mean(apart) <= 0.09  # 5 % is meant
