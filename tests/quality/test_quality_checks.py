"""The checks of a prompt on a reply: what they find, what they decide, and how far people agree with them."""

import dataclasses

import pytest

from slmbench import config, paths, store
from slmbench.config import Check, Prompt
from slmbench.quality import checks, items, scores
from slmbench.quality.checks import rate
from support.judged import run_with, saved

RUBRIC = config.read_rubrics()["default"]
ASPECTS = ("two sentences", "three items", "by 6 March", "in English")


def item(text, *given, cut=False, language="en", aspects=ASPECTS):
    return items.Item("i", Prompt("p", "?", aspects, language=language, checks=given), RUBRIC, text, cut, ("a",))


def told(text, *given, **more):
    return {one.name: (one.passed, one.found, one.expected) for one in checks.check(item(text, *given, **more))}


def test_three_checks_apply_without_being_written_down():
    assert told("It is local.") == {
        "script": (True, "100 % of the letters are Latin", "mostly Latin"),
        "repetition": (
            True,
            "sentences: 0 said again, 0 % of the words repeated",
            "no sentence said again, at most 20 % of the words repeated",
        ),
        "end of the reply": (True, "ended by itself", "ended by itself"),
    }
    assert told("It is", cut=True)["end of the reply"] == (False, "cut off by the token limit", "ended by itself")
    assert "script" not in told("It is local.", language=None)
    assert "script" not in told("It is local.", language="sr")


def test_what_is_written_down_stands_first_and_in_place_of_the_standing_one():
    found = checks.check(item("नेपाली", Check("script", script="Devanagari", aspect="in English"), Check("words", 1, 2)))
    assert [(one.kind, one.passed) for one in found] == [
        ("script", True),
        ("words", True),
        ("repetition", True),
        ("ended", True),
    ]


@pytest.mark.parametrize(
    ("check", "text", "passed", "found", "expected"),
    [
        (Check("sentences", 2, 2), "One. Two.", True, "2", "exactly 2"),
        (Check("sentences", 2, 2), "One. Two. Three.", False, "3", "exactly 2"),
        (Check("sentences", max=4), "One.", True, "1", "at most 4"),
        (Check("items", 1, 5), "No list.", False, "0", "1 to 5"),
        (Check("items", max=0), "- a", False, "1", "none"),
        (Check("words", 3), "two words", False, "2", "at least 3"),
        (Check("characters", max=5), "  a b\nc ", True, "5", "at most 5"),
    ],
)
def test_counts(check, text, passed, found, expected):
    one = checks.check(item(text, check))[0]
    assert (one.passed, one.found, one.expected) == (passed, found, expected)


GROUPS = (("Li",), ("6 Mar*", "Mar* 6"), ("noon",))


@pytest.mark.parametrize(
    ("limits", "passed", "expected"),
    [
        ({}, False, "all of: Li; 6 Mar* or Mar* 6; noon"),
        ({"min": 2}, True, "at least 2 of: Li; 6 Mar* or Mar* 6; noon"),
        ({"min": 3}, False, "all of: Li; 6 Mar* or Mar* 6; noon"),
        ({"max": 1}, False, "at most 1 of: Li; 6 Mar* or Mar* 6; noon"),
        ({"max": 0}, False, "none of: Li; 6 Mar* or Mar* 6; noon"),
        ({"min": 1, "max": 2}, True, "1 to 2 of: Li; 6 Mar* or Mar* 6; noon"),
        ({"min": 2, "max": 2}, True, "exactly 2 of: Li; 6 Mar* or Mar* 6; noon"),
    ],
)
def test_keywords(limits, passed, expected):
    one = checks.check(item("Li: memory, by March 6th", Check("keywords", groups=GROUPS, **limits)))[0]
    found = "2 of 3; found: Li; 6 Mar* or Mar* 6; missing: noon"
    assert (one.passed, one.found, one.expected) == (passed, found, expected)


@pytest.mark.parametrize(
    ("text", "passed", "found"),
    [
        ("नेपालीमा उत्तर (answer)", True, "68 % of the letters are Devanagari"),
        ("The answer is नेपाली", False, "35 % of the letters are Devanagari"),
        ("520", True, "no letters"),
        ("", False, "no letters"),
        (" \n", False, "no letters"),
    ],
)
def test_script(text, passed, found):
    assert told(text, language="ne")["script"] == (passed, found, "mostly Devanagari")


def test_a_rating_is_a_score_without_a_number(tmp_path):
    given = [{"kind": "sentences", "min": 2, "max": 2, "aspect": "says why"}, {"kind": "words", "max": 5}]
    folder = run_with(
        tmp_path / "run", {("a", "p"): "One. Two.", ("b", "p"): "One of six words is this."}, checks=given
    )
    first, second = rate(items.items(store.read(folder)))
    assert (first.kind, first.annotator, first.score, first.aspects, first.status) == (
        "code",
        "checks",
        None,
        None,
        "ok",
    )
    assert (first.explanation, second.explanation) == ("4 of 4 checks passed", "2 of 4 checks passed")
    assert first.checks[0] == {
        "kind": "sentences",
        "name": "sentences",
        "passed": True,
        "found": "2",
        "expected": "exactly 2",
        "aspect": 1,
        "decides": True,
    }
    assert [one["aspect"] for one in first.checks] == [1, None, None, None]
    scores.save(folder, [first, second])
    assert scores.read_scores(folder) == [first, second]
    assert saved(folder)[0]["checks"] == first.checks


def test_a_run_from_before_the_checks_is_rated_with_those_of_today():
    run = store.read(paths.run_folder("example"))
    found = items.items(run)
    assert {len(score.checks) for score in rate(found)} == {3}
    today = rate(found, config.read_prompts("rag4"))
    assert {score.prompt_id: len(score.checks) for score in today} == {
        "rag-principle": 4,
        "privacy-benefits": 4,
        "size-latency": 3,
        "slm-over-llm": 3,
    }
    assert [score.item for score in today] == [one.id for one in found]
    assert all(score.checks[-1]["found"] == "cut off by the token limit" for score in today)
    other = dataclasses.replace(config.read_prompts("rag4")[0], text="Another?")
    assert rate(found, [other]) == rate(found)


def test_a_list_in_prose_leaves_the_number_of_items_open():
    three = Check("items", 3, 3, aspect="three items")
    [prose, *_] = checks.check(item("First data, second logs, third offline use.", three))
    assert (prose.passed, prose.found, prose.decides) == (False, "0", False)
    [listed, *_] = checks.check(item("- one", three))
    assert (listed.passed, listed.decides) == (False, True)
    [few, *_] = checks.check(item("No list.", Check("items", max=5, aspect="three items")))
    assert (few.passed, few.decides) == (True, True)
