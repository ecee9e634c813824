"""What is to be judged: every distinct reply once, in an order that is each annotator's own."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from slmbench import config, store
from slmbench.errors import UsageError
from slmbench.quality import items as made
from support.judged import run_with


def items_of(folder, **given):
    return made.items(store.read(folder), **given)


def test_the_same_reply_of_two_models_is_one_item(folder):
    found = items_of(folder)
    assert [(i.prompt.id, i.models) for i in found] == [
        *(("p", (m,)) for m in "abc"),
        *(("q", ("a",)), ("q", ("b", "c"))),
        *(("r", (m,)) for m in "abc"),
    ]
    assert len({i.id for i in found}) == 8


def test_the_same_text_to_two_prompts_is_two_items(tmp_path):
    found = items_of(run_with(tmp_path / "run", {("a", "p"): "yes", ("a", "q"): "yes"}))
    assert len({i.id for i in found}) == 2


def test_only_the_first_whole_timed_reply_counts(tmp_path):
    folder = run_with(
        tmp_path / "run",
        {
            ("warm", "p"): {"model": "a", "phase": "warmup", "text": "warm"},
            ("bad", "p"): {"model": "a", "status": "truncated", "text": "torn"},
            ("first", "p"): {"model": "a", "text": "first", "finish_reason": "length"},
            ("later", "p"): {"model": "a", "text": "later"},
            ("empty", "q"): {"model": "a", "status": "empty_reply"},
        },
    )
    assert [(i.text, i.cut) for i in items_of(folder)] == [("first", True), ("", False)]


def test_a_run_without_replies_is_refused(tmp_path):
    folder = run_with(tmp_path / "run", {("a", "p"): {"status": "timeout"}})
    with pytest.raises(UsageError, match="no reply to judge: 1 rows, none of them a whole timed reply"):
        items_of(folder)


def test_the_prompts_rubric_is_used_and_an_unknown_one_is_the_default(tmp_path):
    own = config.Rubric("own", "Is it short?", ("no", "hardly", "so-so", "nearly", "yes"))
    rubrics = {**config.read_rubrics(), "own": own}
    folder = run_with(tmp_path / "run", {("a", "p"): "x"}, rubric="own")
    [item] = items_of(folder, rubrics=rubrics)
    assert item.rubric == own
    [item] = items_of(folder)
    assert item.rubric.name == "default"
    assert made.criteria(item.prompt, own) != made.criteria(item.prompt, item.rubric)


def test_pairs_are_of_one_prompt_and_of_different_replies(folder):
    found = made.pairs(items_of(folder))
    assert Counter(p.prompt.id for p in found) == {"p": 3, "q": 1, "r": 3}
    assert all(p.first.prompt == p.second.prompt and p.first.text != p.second.text for p in found)
    assert len({p.id for p in found}) == 7


def test_which_reply_of_a_pair_is_first_does_not_follow_the_models(tmp_path):
    folder = run_with(tmp_path / "run", {(m, f"p{n}"): f"{m} {n}" for m in "ab" for n in range(60)})
    firsts = Counter(p.first.models for p in made.pairs(items_of(folder)))
    assert 15 <= firsts[("a",)] <= 45


def test_an_order_is_the_annotators_own_and_stays_when_replies_are_added(folder):
    found = items_of(folder)
    ana = [i.id for i in made.ordered(found, "Ana")]
    assert ana == [i.id for i in made.ordered(found[::-1], "Ana")]
    assert sorted(ana) == sorted(i.id for i in found)
    orders = {tuple(i.id for i in made.ordered(found, name)) for name in ("Ana", "Bo", "Cy", "Di")}
    assert len(orders) == 4
    assert ana != [i.id for i in made.ordered(found, "Ana", seed=1)]
    fewer = [i.id for i in made.ordered(found[:5], "Ana")]
    assert fewer == [name for name in ana if name in fewer]


def test_sides_are_drawn_anew_for_each_pair_and_annotator(tmp_path):
    folder = run_with(tmp_path / "run", {(m, f"p{n}"): f"{m} {n}" for m in "ab" for n in range(80)})
    found = made.pairs(items_of(folder))
    ana, bo = ([made.left_of(p, name) for p in found] for name in ("Ana", "Bo"))
    assert ana == [made.left_of(p, "Ana") for p in found]
    assert 20 <= ana.count("first") <= 60 and 20 <= sum(a == b for a, b in zip(ana, bo, strict=True)) <= 60


@given(st.integers(1, 12))
def test_a_sample_takes_prompts_in_turn_and_grows(n):
    prompts = [config.Prompt(f"p{i % 3}", f"about {i % 3}") for i in range(12)]
    rubric = config.read_rubrics()["default"]
    found = [made.Item(f"i{n}", prompt, rubric, f"text {n}") for n, prompt in enumerate(prompts)]
    chosen = made.sample(found, n)
    counts = Counter(i.prompt.id for i in chosen)
    assert len({i.id for i in chosen}) == n
    assert max(counts.values()) - min(counts.get(f"p{i}", 0) for i in range(3)) <= 1
    assert chosen == made.sample(found[::-1], 12)[:n] or set(counts) <= {"p0", "p1", "p2"}
    assert {i.id for i in chosen} <= {i.id for i in made.sample(found, n + 1)}


def test_an_identifier_tells_its_parts_apart():
    assert made.identifier("a", "bc") != made.identifier("ab", "c")
    assert made.identifier("\ud800") != made.identifier("\ud801")
