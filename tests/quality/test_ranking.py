"""Pairs to strengths: what is known is recovered, what isn't known is not claimed, and a judge's two orders are one."""

import itertools
import math

import choix
import numpy as np
import pytest

from slmbench.quality import ranking as ranks
from slmbench.quality.ranking import PROMPTS_FROM, consistency, ranking, sentence, verdicts
from slmbench.quality.scores import HUMAN, MODEL, Score, frame


def pair(choice, prompt="p", first="a", second="b", *, annotator="ana", kind=HUMAN, left=None, **fields):
    """first, second: aliases, one letter each."""
    item = f"{prompt} {first} {second}"
    given = {"task": "pair", "criteria": "c", "models": list(first), "others": list(second), "prompt_id": prompt}
    number = f"{kind} {annotator} {item} {left}"
    return Score(number, kind=kind, annotator=annotator, item=item, choice=choice, left=left, **{**given, **fields})


def judged(one, other, prompt="p", annotator="J", **fields):
    """A judge's verdicts with the first reply first, and with the second first; None: no usable one."""
    return [
        pair(
            choice,
            prompt,
            annotator=annotator,
            kind=MODEL,
            left=left,
            status="ok" if choice else "unparsable",
            **fields,
        )
        for choice, left in ((one, "first"), (other, "second"))
    ]


def met(rng, strengths, prompts, spread=0.0, models="abcdefgh"):
    """Each two models on each prompt, won by the odds of their strengths, which differ by `spread` between prompts."""
    pairs = []
    for prompt in range(prompts):
        here = np.asarray(strengths) + rng.normal(0, spread, len(strengths))
        for i, j in itertools.combinations(range(len(strengths)), 2):
            won = rng.random() < 1 / (1 + math.exp(here[j] - here[i]))
            pairs.append(pair("first" if won else "second", f"p{prompt}", models[i], models[j]))
    return frame(pairs)


def test_two_models_by_hand():
    table = ranking(frame([pair("first", f"p{n}") for n in range(10)]))
    assert list(table["model"]) == ["a", "b"]
    a, b = table.itertuples()
    assert a.strength - b.strength == pytest.approx(math.log(10.05 / 0.05))  # the prior is a tenth of a tie
    assert a.p_win == pytest.approx(10.05 / 10.1) and a.p_win + b.p_win == pytest.approx(1)
    assert (a.n_pairs, a.n_prompts, a.wins, a.ties, a.losses) == (10, 10, 10, 0, 0)
    assert (b.n_pairs, b.n_prompts, b.wins, b.ties, b.losses) == (10, 10, 0, 0, 10)
    assert math.isnan(a.low) and math.isnan(a.high)  # every resample is the same
    assert a.ahead_of == ["b"] and b.ahead_of == []


def test_ties_and_both_bad_are_half_a_win_each():
    choices = ["first", "tie", "both_bad", "second", "first"]
    a, b = ranking(frame([pair(choice, f"p{n}") for n, choice in enumerate(choices)])).itertuples()
    assert (a.wins, a.ties, a.losses, b.wins, b.ties, b.losses) == (2, 2, 1, 1, 2, 2)
    assert a.strength - b.strength == pytest.approx(math.log(3.05 / 2.05))


def test_known_strengths_come_out():
    true = np.array([1.5, 0.5, 0.0, -2.0])
    table = ranking(met(np.random.default_rng(0), true, 800), resamples=20).set_index("model").loc[list("abcd")]
    assert table["strength"].to_numpy() == pytest.approx(true, abs=0.25)
    assert table["strength"].sum() == pytest.approx(0, abs=1e-9)
    wins = [np.mean([1 / (1 + math.exp(o - s)) for j, o in enumerate(true) if j != i]) for i, s in enumerate(true)]
    assert table["p_win"].to_numpy() == pytest.approx(wins, abs=0.03)
    assert table["p_win"].to_numpy() == pytest.approx((table["wins"] / table["n_pairs"]).to_numpy(), abs=1e-3)


def test_strengths_are_the_most_likely_ones():
    """By another algorithm of choix, from the list of wins; with and without the prior there is no difference here."""
    table = met(np.random.default_rng(1), [1.0, 0.0, -0.5], 2000)
    wins = [
        ("abc".index(r.models[0]), "abc".index(r.others[0]))[:: 1 if r.choice == "first" else -1]
        for r in table.itertuples()
    ]
    by_model = ranking(table, resamples=2).set_index("model")["strength"].loc[list("abc")]
    assert by_model.to_numpy() == pytest.approx(choix.opt_pairwise(3, wins), abs=1e-3)


def test_swapping_sides_turns_nothing_but_the_sides():
    table = met(np.random.default_rng(2), [1.0, 0.0, -0.5], 12, 1.0)
    other = {"first": "second", "second": "first"}
    turned = table.assign(models=table["others"], others=table["models"], choice=table["choice"].map(other))
    one, two = ranking(table, resamples=50), ranking(turned, resamples=50)
    one, two = (ranked.set_index("model").loc[list("abc"), list(ranks.NUMBERS)].to_numpy() for ranked in (one, two))
    assert two == pytest.approx(one, abs=1e-5)


def test_models_with_the_same_results_are_equal():
    cycle = [pair("first", f"p{n}", *sides) for n in range(9) for sides in ("ab", "bc", "ca")]
    table = ranking(frame(cycle))
    assert table["strength"].to_numpy() == pytest.approx([0, 0, 0], abs=1e-6)
    assert table["p_win"].to_numpy() == pytest.approx([0.5] * 3, abs=1e-6)
    assert [len(names) for names in table["ahead_of"]] == [0, 0, 0]


def test_a_reply_of_several_models_is_compared_for_each():
    table = ranking(frame([pair("first", "p", "ab", "bc")]))  # a-b, a-c, b-c; b with itself is no comparison
    numbers = table.set_index("model")[["wins", "losses", "n_pairs", "n_prompts"]]
    assert numbers.loc["a"].tolist() == [2, 0, 2, 1]
    assert numbers.loc["b"].tolist() == [1, 1, 2, 1]
    assert numbers.loc["c"].tolist() == [0, 2, 2, 1]
    assert len(ranking(frame([pair("first", "p", "a", "a")]))) == 0


def test_what_is_no_verdict_is_left_out():
    rows = [pair(None), pair("first", status="failed"), pair("first", task="score"), pair("second", "q")]
    a, b = ranking(frame(rows)).sort_values("model").itertuples()
    assert (a.n_pairs, a.losses, b.wins) == (1, 1, 1)


@pytest.mark.parametrize("rows", [[], [pair(None)], judged("first", None)])
def test_without_verdicts_there_is_an_empty_ranking(rows):
    table = ranking(frame(rows))
    assert len(table) == 0 and list(table.columns) == ["model", "field", *ranks.NUMBERS, "ahead_of"]
    assert sentence(table) == "No two models were compared."
    assert len(verdicts(frame(rows))) == 0


def test_more_pairs_of_one_prompt_are_not_more_evidence():
    """The same verdicts by ten people: strengths the same, and the interval no narrower."""
    choices = ["first"] * 7 + ["second"] * 3
    one = [pair(choice, f"p{n}") for n, choice in enumerate(choices)]
    many = [pair(choice, f"p{n}", annotator=str(who)) for n, choice in enumerate(choices) for who in range(10)]
    alone, crowd = ranking(frame(one)).iloc[0], ranking(frame(many)).iloc[0]
    assert (alone.n_prompts, crowd.n_prompts, crowd.n_pairs) == (10, 10, 100)
    assert crowd.high - crowd.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert alone.high - alone.low > 0.4
    few = ranking(frame([pair(c, f"p{n % 7}") for n, c in enumerate(choices * 4)])).iloc[0]
    assert few.n_pairs == 40 and few.n_prompts == 7 < PROMPTS_FROM and math.isnan(few.low) and few.ahead_of == []


def test_the_interval_begins_with_its_floor_for_each_model():
    assert 2 * 0.5**PROMPTS_FROM < 0.01 < 2 * 0.5 ** (PROMPTS_FROM - 1)  # all one way by chance
    rows = [pair(("first", "second")[n % 3 == 0], f"p{n}", "a", "b") for n in range(PROMPTS_FROM)]
    rows += [pair(("first", "second")[n % 3 == 0], f"p{n}", "b", "c") for n in range(PROMPTS_FROM - 1)]
    table = ranking(frame(rows)).set_index("model")
    assert table["low"].isna().to_dict() == {"a": False, "b": False, "c": True}
    assert table.loc["a", "low"] < table.loc["a", "p_win"] < table.loc["a", "high"]


def test_models_that_were_never_compared_are_ranked_apart():
    rows = [pair("first", f"p{n}", *sides) for n in range(12) for sides in ("ab", "cd")]
    table = ranking(frame(rows)).set_index("model")
    assert table["field"].to_dict() == {"a": 0, "b": 0, "c": 1, "d": 1}
    assert table.loc["a", "ahead_of"] == ["b"] and table.loc["c", "ahead_of"] == ["d"]
    assert "not compared with each other" in sentence(ranking(frame(rows)))
    joined = ranking(frame([*rows, pair("first", "p0", "b", "c")]))
    assert set(joined["field"]) == {0} and list(joined["model"]) == list("abcd")


def test_clear_differences_are_told_and_chance_is_not():
    rng = np.random.default_rng(3)
    table = ranking(met(rng, [2.0, 0.0, -2.0], 40, 0.5), resamples=300)
    assert list(table["ahead_of"]) == [["b", "c"], ["c"], []]
    claimed = [ranking(met(rng, [0, 0, 0], 12, 1.0), resamples=100)["ahead_of"].map(len).any() for _ in range(60)]
    assert np.mean(claimed) <= 0.15  # 5 % is meant; a plain comparison of the best with the worst claims 30 %


def test_the_interval_covers_the_share_of_wins():
    """One model against another that wins 70 % of prompts; by the prompt, as one verdict is one prompt."""
    rng = np.random.default_rng(4)
    covered = []
    for seed in range(150):
        rows = [pair("first" if rng.random() < 0.7 else "second", f"p{n}") for n in range(20)]
        line = ranking(frame(rows), resamples=200, seed=seed).set_index("model").loc["a"]
        covered.append(line.low <= 0.7 <= line.high)
    assert 0.88 <= np.mean(covered) <= 0.995


def test_the_same_frame_gives_the_same_ranking():
    table = met(np.random.default_rng(5), [1.0, 0.0, -1.0], 12, 1.0)
    assert ranking(table, resamples=100).equals(ranking(table, resamples=100))
    assert not ranking(table, resamples=100)["low"].equals(ranking(table, resamples=100, seed=1)["low"])


def test_a_judges_two_orders_are_one_verdict():
    rows = [
        *judged("first", "first", "p1"),
        *judged("second", "first", "p2"),
        pair("both_bad", "p1", left="second", criteria=None),
        *judged("both_bad", "both_bad", "p3"),
        *judged("tie", "both_bad", "p4", flags=["cut_off"]),
        *judged("first", None, "p5"),
        *judged(None, "first", "p6"),
        *judged("second", "second", "p7", criteria=None),
    ]
    table = verdicts(frame(rows))
    assert list(table["prompt_id"]) == ["p1", "p2", "p1", "p3", "p4", "p7"]
    assert list(table["choice"]) == ["first", "tie", "both_bad", "both_bad", "tie", "second"]
    inconsistent = ["position_inconsistent"]
    assert list(table["flags"]) == [[], inconsistent, [], [], ["cut_off", *inconsistent], []]
    assert list(table["left"].fillna("")) == ["", "", "second", "", "", ""]
    assert list(table.columns) == list(frame(rows).columns)
    assert rows[2].flags == [] and rows[7].flags == ["cut_off"]  # what was given is as it was
    a, b = ranking(frame(rows)).sort_values("model").itertuples()
    assert (a.wins, a.ties, a.losses, a.n_pairs) == (1, 4, 1, 6) and (b.wins, b.losses) == (1, 1)


def test_two_judges_and_other_criteria_are_kept_apart():
    rows = [*judged("first", "first"), *judged("second", "second", annotator="K")]
    assert list(verdicts(frame(rows))["choice"]) == ["first", "second"]
    mixed = [judged("first", "first")[0], judged("first", "first", criteria="other")[1]]
    assert len(verdicts(frame(mixed))) == 0


def test_consistency_by_hand():
    rows = [
        *itertools.chain(*(judged("first", "first", f"same{n}") for n in range(6))),
        *judged("first", "second", "left"),  # both times the one shown first
        *judged("first", "second", "left too"),
        *judged("tie", "first", "half"),  # `second` was shown first, and not chosen
        *judged("tie", "tie", "tie"),
        *judged("first", None, "torn"),
        *judged(None, None, "never", annotator="K"),
        pair("first", left="first"),
    ]
    j, k = consistency(frame(rows)).itertuples()
    assert (j.rater, j.n_pairs, j.consistent, j.share) == ("model: J", 10, 7, 0.7)
    assert (j.low, j.high) == pytest.approx((0.397, 0.892), abs=5e-4)  # Wilson's interval of 7 of 10
    assert (j.n_decided, j.left_share) == (17, pytest.approx((6 + 4 + 0) / 17))
    assert j.left_low < 0.5 < j.left_high and "no favoured place is to be seen" in j.sentence
    assert "for 7 of 10 pairs (70 %, 95 % interval 40 to 89 %)" in j.sentence
    assert "isn't shown to do better than a coin" in j.sentence
    assert (k.rater, k.n_pairs) == ("model: K", 0) and math.isnan(k.share) and math.isnan(k.left_share)
    assert "no pair was judged in both orders" in k.sentence


@pytest.mark.parametrize(("choices", "place"), [(("first", "second"), "first"), (("second", "first"), "second")])
def test_a_judge_that_looks_at_the_place_only_is_found_out(choices, place):
    [line] = consistency(frame([row for n in range(10) for row in judged(*choices, f"p{n}")])).itertuples()
    assert line.consistent == 0 and line.n_decided == 20
    assert line.left_share == (place == "first")
    # 20 verdicts of 10 pairs, which are no more than 10: Wilson's interval of 10 of 10 begins at 72 %, of 20 at 84 %
    assert max(line.left_low, 1 - line.left_high) == pytest.approx(0.722, abs=1e-3)
    assert f"it favours the {place} place" in line.sentence


def test_a_judge_that_is_always_the_same_has_no_bias():
    [line] = consistency(frame([row for n in range(20) for row in judged("first", "first", f"p{n}")])).itertuples()
    assert (line.share, line.left_share) == (1.0, 0.5) and line.low > 0.8
    assert "coin" not in line.sentence and "no favoured place" in line.sentence


def test_a_judge_that_never_chooses_says_so():
    [line] = consistency(frame(judged("tie", "tie"))).itertuples()
    assert (line.n_pairs, line.n_decided) == (1, 0) and math.isnan(line.left_low)
    assert "for 1 of 1 pair (" in line.sentence and "never chose one of the two" in line.sentence
    assert "nan" not in line.sentence


def test_without_a_judge_consistency_is_empty():
    assert list(consistency(frame([pair("first")])).columns) == list(ranks.CONSISTENCY)
    assert len(consistency(frame([pair("first")]))) == len(consistency(frame([]))) == 0


def test_sentences_promise_no_more_than_is_known():
    few = sentence(ranking(frame([pair("first", f"p{n}") for n in range(3)])))
    assert few == (
        f"From 3 comparisons on 3 prompts nobody can be called better: it takes {PROMPTS_FROM} prompts. So far a has "
        "3 won, 0 tied, 0 lost, against b."
    )
    flat = sentence(ranking(frame([pair("first", f"p{n}") for n in range(10)])))
    assert "a is expected to win 100 % of comparisons" in flat and "every prompt says the same" in flat
    assert flat.endswith("It is better than b.")
    rows = met(np.random.default_rng(6), [1.0, 0.9, -3.0], 20)
    said = sentence(ranking(rows, resamples=200))
    assert "40 comparisons on 20 prompts" in said
    assert said.startswith("b is expected") and said.endswith("It is better than c, but not to be told from a.")
    even = sentence(ranking(frame([pair("tie", f"p{n}") for n in range(10)])))
    assert even.endswith("It is not to be told from b.")


def test_lists_of_names():
    assert [ranks._listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
