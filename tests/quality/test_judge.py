"""A judge model at work: every answer kept as it came, each asked once, its own replies with a warning."""

import json

import pytest

from slmbench import store
from slmbench.quality import items, judge, ranking, scores
from slmbench.quality.judge import Judge, NoAnswer, Said
from support.judged import saved


@pytest.fixture
def of(folder):
    return items.items(store.read(folder))


class Asked:
    """A judge with a script: a function of the reply's text, or of both for a pair; keeps what it was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def __call__(self, messages, _):
        content = messages[1]["content"]
        self.asked.append(content)
        answer = self.answer(content)
        if isinstance(answer, BaseException):
            raise answer
        return Said(answer if isinstance(answer, str) else json.dumps(answer), 0.5, 100, 20)


def four(_):
    return {"reason": "fine", "aspects": [True, False], "score": 4}


def run(of, ask, folder, alias="judge", kin=(), **how):
    told = []
    return list(judge.judge(of, Judge(alias, ask, kin), folder, say=told.append, **how)), told


def test_each_reply_is_judged_once_and_kept_with_time_and_tokens(folder, of):
    found, told = run(of, Asked(four), folder)
    assert scores.read_scores(folder) == found and len(found) == len(of) == 8
    line = saved(folder)[0]
    assert (line["kind"], line["annotator"], line["score"], line["aspects"]) == ("model", "judge", 4, [True, False])
    assert (line["latency_s"], line["prompt_tokens"], line["output_tokens"]) == (0.5, 100, 20)
    assert line["explanation"] == "fine" and json.loads(line["reply"]) == four(None)
    assert told == [] and line["flags"] == []


def test_what_is_no_judgement_is_a_row_that_says_so(folder, of):
    found, _ = run(of, Asked(lambda _: "I would give it a 5."), folder)
    assert {(s.status, s.score, s.aspects, s.explanation, s.reply) for s in found} == {
        ("unparsable", None, None, None, "I would give it a 5.")
    }
    assert all("does not begin with a JSON object" in s.error for s in found)


def test_a_failed_request_is_a_row_and_the_rest_goes_on(folder, of):
    texts = iter([NoAnswer("APITimeoutError: timed out"), *[None] * 20])
    found, _ = run(of, Asked(lambda content: next(texts) or four(content)), folder)
    assert [s.status for s in found] == ["failed"] + ["ok"] * 7
    assert found[0].error == "APITimeoutError: timed out" and found[0].latency_s is None
    again, _ = run(of, Asked(four), folder)
    assert [s.id for s in again] == [found[0].id]  # failed ones are asked again, the others are not
    assert scores.read_scores(folder)[0].status == "ok"


def test_a_judge_that_is_interrupted_goes_on_and_asks_nothing_twice(folder, of):
    ask = Asked(lambda content: KeyboardInterrupt() if len(ask.asked) == 4 else four(content))
    with pytest.raises(KeyboardInterrupt):
        run(of, ask, folder)
    assert len(saved(folder)) == 3
    rest = Asked(four)
    run(of, rest, folder)
    assert len(rest.asked) == 5 and len(saved(folder)) == 8
    assert run(of, Asked(four), folder)[0] == []
    assert len(run(of, Asked(four), folder, again=True)[0]) == 8


def test_other_criteria_are_asked_anew(folder, of):
    run(of, Asked(four), folder)
    from slmbench import config

    rubric = config.Rubric("default", "Is it short?", ("1", "2", "3", "4", "5"))
    changed = items.items(store.read(folder), {"default": rubric})
    assert len(run(changed, Asked(four), folder)[0]) == 8
    assert len(saved(folder)) == 8


def test_a_pair_is_asked_in_both_orders_and_kept_by_reply(folder, of):
    pairs = items.pairs(of)
    first_place = Asked(lambda _: {"reason": "A comes first", "winner": "A"})
    found, _ = run(pairs, first_place, folder)
    assert len(found) == 2 * len(pairs) and {s.left for s in found} == {"first", "second"}
    assert all(s.choice == s.left for s in found)  # whoever says A says the left one
    [line] = ranking.consistency(scores.frame(found)).to_dict("records")
    assert line["share"] == 0 and line["n_pairs"] == len(pairs)


def test_a_judge_that_reads_is_consistent(folder, of):
    def smaller(content):
        sides = [part.split("\n")[2] for part in content.split("\nReply ")[1:]]
        return {"reason": "", "winner": "A" if sides[0] < sides[1] else "B"}

    found, _ = run(items.pairs(of), Asked(smaller), folder)
    [line] = ranking.consistency(scores.frame(found)).to_dict("records")
    assert line["share"] == 1 and line["n_pairs"] == 7


def test_its_own_replies_are_flagged_and_told_of_once(folder, of):
    found, told = run(of, Asked(four), folder, alias="a", kin={"b"})
    assert told == ["Careful: a judges replies of a, b, which are its own or of the same weights."]
    flags = {tuple(s.models): s.flags for s in found}
    assert flags[("a",)] == ["self_judged"] and flags[("b",)] == ["same_weights"] and flags[("c",)] == []
    assert flags[("b", "c")] == ["same_weights"]


def test_a_server_that_takes_no_schema_is_told_in_the_row(folder, of):
    def ask(*_):
        return Said(json.dumps(four(None)), 0.1, forced=False)

    found, _ = run(of[:1], ask, folder)
    assert found[0].flags == ["form_not_forced"] and found[0].prompt_tokens is None
