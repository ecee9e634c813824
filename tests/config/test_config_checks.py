"""A prompt's checks: read, written into a plan and back, and no part of what a run asks."""

import dataclasses
import json

import pytest
from hypothesis import given, settings, strategies as st

from slmbench import config
from slmbench.config import Check, plans
from slmbench.config.checks import SCRIPTS, TAKES, script_of

CHECKS = [
    {"kind": "sentences", "min": 2, "max": 2, "aspect": "two sentences"},
    {"kind": "keywords", "groups": ["Li", ["6 March", "March 6"]], "min": 1},
    {"kind": "script", "script": "Devanagari"},
    {"kind": "repetition"},
]
PROMPT = {"id": "a", "text": "t", "aspects": ["two sentences"], "checks": CHECKS}


def read(tmp_path, *prompts):
    (tmp_path / "p.json").write_text(json.dumps({"sets": {"s": prompts}}), encoding="utf-8")
    return config.read_prompts(tmp_path / "p.json")


def test_checks_are_read_as_they_are_written(tmp_path):
    [prompt] = read(tmp_path, PROMPT)
    assert prompt.checks == (
        Check("sentences", 2, 2, aspect="two sentences"),
        Check("keywords", 1, groups=(("Li",), ("6 March", "March 6"))),
        Check("script", script="Devanagari"),
        Check("repetition"),
    )
    assert hash(prompt) and prompt.to_dict()["checks"] == CHECKS


def test_a_prompt_without_checks_has_none_in_the_plan(tmp_path):
    [prompt] = read(tmp_path, {"id": "a", "text": "t"})
    assert prompt.checks == ()
    plan = config.settings(environ={}, prompts=[prompt]).to_dict()
    assert plan["prompts"] == [
        {"id": "a", "text": "t", "aspects": [], "weight": 1.0, "language": None, "rubric": None},
    ]


@pytest.mark.parametrize("name", ["rag4", "meeting-notes", "nepali"])
def test_a_plan_gives_back_the_shipped_prompts(name):
    plan = json.loads(json.dumps(config.settings(environ={}, prompts=name).to_dict()))
    assert tuple(config.prompt_from(fields) for fields in plan["prompts"]) == config.read_prompts(name)


def test_the_shipped_checks_decide_what_can_be_counted():
    decided = {p.id: {c.aspect: c.kind for c in p.checks} for n in ("rag4", "nepali") for p in config.read_prompts(n)}
    assert decided["rag-principle"] == {"exactly 2 sentences": "sentences"}
    assert decided["privacy-benefits"] == {"exactly 3 items": "items"}
    assert decided["ne-suchana"]["उत्तर नेपालीमा, ठीक दुई वाक्य"] == "sentences"
    notes = {p.id: [(c.kind, c.min, c.max) for c in p.checks] for p in config.read_prompts("meeting-notes")}
    assert ("items", 1, 5) in notes["release-date"]
    assert ("sentences", 1, 4) in notes["school-trip"] and ("sentences", 1, 3) in notes["no-decision"]


def test_checks_of_another_version_are_passed_over_in_a_plan():
    later = [{"kind": "rhymes", "min": 2}, {"kind": "script", "script": "Klingon"}]
    prompt = config.prompt_from(PROMPT | {"checks": [*later, {"kind": "words", "max": 9, "of_tomorrow": [1]}]})
    assert prompt.checks == (Check("words", max=9),)


def test_checks_change_neither_hash_nor_plan():
    with_checks = config.settings(environ={}, models="a").to_dict()
    bare = dict(with_checks, prompts=[{k: v for k, v in p.items() if k != "checks"} for p in with_checks["prompts"]])
    assert bare != with_checks
    assert config.plan_hash(bare) == config.plan_hash(with_checks)
    assert plans.changes(bare, with_checks) == plans.changes(with_checks, bare) == []
    assert plans.differences(bare, with_checks) == []
    other = dict(bare, prompts=[dict(p, text="other") for p in bare["prompts"]])
    assert config.plan_hash(other) != config.plan_hash(bare)
    [change] = plans.changes(with_checks, other)
    assert change.startswith("prompts: ") and "checks" not in change


def test_the_hash_of_a_plan_without_checks_is_what_it_was():
    """Of the session's four prompts with all defaults, as computed before prompts had checks."""
    plan = config.settings(environ={}, models="smollm2-135m-int4").to_dict()
    assert config.plan_hash(plan) == "4e4a2663d512"


@pytest.mark.parametrize(
    ("language", "script"),
    [
        *[("en", "Latin"), ("ne", "Devanagari"), ("pt-BR", "Latin"), ("zh-Hant-TW", "Han"), ("ja", "Japanese")],
        *[("sr", None), ("sr-Cyrl", "Cyrillic"), ("en-SA", "Latin"), ("ur-Latn", "Latin"), ("xx", None), (None, None)],
    ],
)
def test_the_script_of_a_language(language, script):
    assert script_of(language) == script


def test_schema_kinds_and_scripts_are_those_of_the_code():
    properties = config.checking.schema("prompts.schema.json")["definitions"]["check"]["properties"]
    assert properties["kind"]["enum"] == list(TAKES)
    assert properties["script"]["enum"] == sorted(SCRIPTS)
    assert set(properties) == {f.name for f in dataclasses.fields(Check)}


limit = st.none() | st.integers(1, 9)
words = st.text("abc", min_size=1, max_size=4)
made = st.one_of(
    st.builds(Check, st.sampled_from(["words", "characters", "sentences", "items"]), st.just(2), st.integers(2, 9)),
    st.builds(Check, st.just("keywords"), groups=st.lists(st.tuples(words), min_size=1, max_size=3).map(tuple)),
    st.builds(Check, st.just("keywords"), max=st.just(0), groups=st.just((("a", "b*"),))),
    st.builds(Check, st.just("script"), script=st.sampled_from(sorted(SCRIPTS)), aspect=st.just("x")),
)


@settings(deadline=None, database=None)
@given(checks=st.lists(made, max_size=4).map(tuple))
def test_any_checks_come_back_from_a_plan(checks):
    prompt = config.Prompt("a", "t", ("x",), checks=checks)
    assert config.prompt_from(json.loads(json.dumps(prompt.to_dict()))) == prompt
