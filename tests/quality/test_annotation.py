"""One person judges a run: the order, what is saved, what is taken back, and where they go on after a restart."""

import pytest

from slmbench.errors import UsageError
from slmbench.quality.annotation import Annotation, Draft, checked_name
from slmbench.store import StoreError
from support.judged import run_with, saved


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def judge(annotation, score, **more):
    annotation.keep({"score": score, "aspects": [True, False], "note": "", **more})
    return annotation.save()


def test_judging_all_goes_through_every_reply_once_in_the_annotators_order(folder):
    ana, seen = Annotation(folder, "Ana"), []
    while ana.current:
        seen.append(ana.current.id)
        assert judge(ana, 1 + len(seen) % 5) == ""
    assert seen == [one.id for one in ana.todo] and len(set(seen)) == 8
    lines = saved(folder)
    assert [line["item"] for line in lines] == seen
    assert [line["position"] for line in lines] == list(range(8))
    assert {(line["annotator"], line["kind"], line["task"], tuple(line["aspects"])) for line in lines} == {
        ("Ana", "human", "score", (True, False))
    }
    assert (ana.n_done, ana.sides, ana.save()) == (8, (), "All is judged.")


def test_nothing_is_saved_without_a_score_and_it_says_so(folder):
    ana = Annotation(folder, "Ana")
    ana.keep({"score": None, "aspects": [True, True], "note": "good"})
    assert ana.save() == "Not saved yet: choose a score from 1 to 5 first."
    assert (ana.at, ana.draft.note) == (0, "good")
    assert not (folder / "scores.jsonl").exists()
    pairs = Annotation(folder, "Ana", compare=True)
    assert pairs.save() == "Not saved yet: choose which is better first."


def test_a_restart_goes_on_at_the_same_reply(folder):
    ana = Annotation(folder, "Ana")
    for score in (1, 2, 3):
        judge(ana, score)
    again = Annotation(folder, "Ana")
    assert (again.current.id, again.at, again.n_done) == (ana.current.id, 3, 3)


def test_undo_brings_the_earlier_judgement_back_and_saving_updates_it(folder):
    ana = Annotation(folder, "Ana")
    first, second = ana.todo[:2]
    judge(ana, 2, note="short")
    judge(ana, 3)
    assert ana.undo() == "" and ana.current == second
    assert ana.undo() == "" and ana.current == first
    assert ana.draft == Draft(score=2, aspects=(True, False), note="short")
    assert ana.undo() == "There is nothing before this to go back to." and ana.current == first
    judge(ana, 5)
    assert ana.at == 2  # not back to what is judged already
    line, other = saved(folder)
    assert (line["score"], line["earlier"][0]["score"], line["earlier"][0]["explanation"]) == (5, 2, "short")
    assert (other["score"], other["earlier"]) == (3, [])


def test_undo_after_a_restart_goes_to_what_was_saved_last(folder):
    ana = Annotation(folder, "Ana")
    judge(ana, 2)
    judge(ana, 3)
    again = Annotation(folder, "Ana")
    assert again.undo() == "" and again.at == 1 and again.draft.score == 3


def test_undo_when_all_is_judged_opens_the_last_one_again(folder):
    ana = Annotation(folder, "Ana", replies=2)
    judge(ana, 2)
    judge(ana, 3)
    assert ana.current is None
    assert ana.undo() == "" and ana.at == 1
    judge(ana, 4)
    assert ana.current is None and [line["score"] for line in saved(folder)] == [2, 4]


def test_annotators_do_not_see_each_others_scores(folder):
    judge(Annotation(folder, "Ana"), 5)
    bo = Annotation(folder, "Bo")
    assert (bo.n_done, bo.draft) == (0, Draft(aspects=(False, False)))
    judge(bo, 1)
    assert [line["annotator"] for line in saved(folder)] == ["Ana", "Bo"]


def test_the_same_annotator_in_two_notebooks_overwrites_nothing_of_the_other(folder):
    one, other = Annotation(folder, "Ana"), Annotation(folder, "Ana")
    judge(one, 1)
    judge(one, 2)
    judge(other, 3)  # the first reply again
    assert [line["score"] for line in saved(folder)] == [3, 2]
    assert other.at == 2  # it has heard of the second


def test_fewer_replies_are_the_same_ones_for_everybody(folder):
    ana, bo = Annotation(folder, "Ana", replies=4), Annotation(folder, "Bo", replies=4)
    assert {one.id for one in ana.todo} == {one.id for one in bo.todo}
    assert len(ana.todo) == 4 and {one.prompt.id for one in ana.todo} == {"p", "q", "r"}


def test_a_pair_is_stored_by_which_reply_not_by_the_side(folder):
    ana = Annotation(folder, "Ana", compare=True)
    better = []
    while ana.current:
        left, right = ana.sides
        better.append((left, right)[len(better) % 2])
        ana.keep({"choice": ("left", "right")[(len(better) - 1) % 2]})
        assert ana.save() == ""
    lines = saved(folder)
    assert {line["left"] for line in lines} == {"first", "second"}
    for line, item in zip(lines, better, strict=True):
        assert list(item.models) == line["models" if line["choice"] == "first" else "others"]
        assert line["aspects"] is None and line["score"] is None
    ana.undo()
    assert ana.draft.choice == ("left", "right")[(len(better) - 1) % 2]


def test_ties_and_both_bad_are_kept_as_they_are(folder):
    ana = Annotation(folder, "Ana", compare=True, replies=2)
    for choice in ("tie", "both_bad"):
        ana.keep({"choice": choice})
        ana.save()
    assert [line["choice"] for line in saved(folder)] == ["tie", "both_bad"]


def test_the_time_is_the_browsers_if_it_is_one_else_the_clocks(folder):
    clock = Clock()
    ana = Annotation(folder, "Ana", clock=clock)
    for spent in (2.5, None, float("nan"), -1, "3", 1e9):
        clock.now += 7
        ana.keep({"score": 3})
        ana.save(spent)
    assert [line["spent_s"] for line in saved(folder)] == [2.5, 7, 7, 7, 7, 7]


@pytest.mark.parametrize(
    "draft",
    [
        {"score": 0},
        {"score": 6},
        {"score": "3"},
        {"score": True},
        {"score": 2.0},
        {"choice": "first"},
        {"score": 3, "aspects": [True]},
        {"score": 3, "aspects": ["yes", "no"]},
        {"score": 3, "note": ["x"]},
    ],
)
def test_what_no_browser_of_ours_sends_is_refused(folder, draft):
    ana = Annotation(folder, "Ana")
    with pytest.raises(UsageError, match="no such choice exists"):
        ana.keep(draft)
    assert ana.draft.score is None


def test_a_draft_is_kept_when_saving_fails(folder):
    ana = Annotation(folder, "Ana")
    ana.keep({"score": 4, "note": "fine"})
    (folder / "plan.json").rename(folder / "plan.bak")
    with pytest.raises(StoreError, match=r"no plan\.json"):
        ana.save()
    assert (ana.at, ana.draft.score) == (0, 4)
    (folder / "plan.bak").rename(folder / "plan.json")
    assert ana.save() == "" and saved(folder)[0]["explanation"] == "fine"


@pytest.mark.parametrize("name", ["", "  ", None, 3, "a" * 41, "a\x00b", "\u202eevil", "two\u200blines"])
def test_a_name_that_is_none_is_refused(folder, name):
    with pytest.raises(UsageError, match=r"annotator: .* a name of 1 to 40 visible characters was expected"):
        Annotation(folder, name)


@pytest.mark.parametrize(
    ("name", "kept"), [("  Ana   Li ", "Ana Li"), ("Zoe\u0308", "Zoë"), ("नेपाली", "नेपाली"), ("<b>Bo</b>", "<b>Bo</b>")]
)
def test_names_are_kept_in_one_spelling(name, kept):
    assert checked_name(name) == kept


@pytest.mark.parametrize("replies", [0, -1, "8", 2.5, True])
def test_a_number_of_replies_that_is_none_is_refused(folder, replies):
    with pytest.raises(UsageError, match=r"replies: .* a whole number from 1 on was expected"):
        Annotation(folder, "Ana", replies=replies)


def test_a_run_with_one_model_has_nothing_to_compare(tmp_path):
    folder = run_with(tmp_path / "run", {("a", "p"): "one", ("a", "q"): "two"})
    with pytest.raises(UsageError, match="no two different replies to one prompt"):
        Annotation(folder, "Ana", compare=True)


def test_a_prompt_without_aspects_has_none_to_tick(tmp_path):
    folder = run_with(tmp_path / "run", {("a", "p"): "one"}, aspects=[])
    ana = Annotation(folder, "Ana")
    ana.keep({"score": 3, "aspects": []})
    ana.save()
    assert saved(folder)[0]["aspects"] is None
