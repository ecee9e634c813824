"""scores.jsonl: each judgement on disk at once and whole, one line for each id, nothing lost on the way."""

import dataclasses
import json
import os
import subprocess
import sys
import threading

import pytest
from filelock import FileLock
from hypothesis import given, strategies as st

from slmbench import store
from slmbench.quality import items, scores
from slmbench.store import StoreError
from support.judged import run_with, saved
from support.made_rows import request


@pytest.fixture
def found(folder):
    return items.items(store.read(folder))


def human(item, annotator="Ana", **fields):
    return scores.score_of(item, scores.HUMAN, annotator, **{"score": 3, "spent_s": 1.5, **fields})


def test_a_score_is_read_back_as_it_was_saved(folder, found):
    given = [human(found[0], explanation="नमस्ते \ud800", aspects=[True, False]), human(found[1], score=5)]
    assert scores.save(folder, given) == given
    assert scores.read_scores(folder) == given
    assert saved(folder)[0] | {"aspects": [True, False], "kind": "human"} == saved(folder)[0]


def test_saving_again_updates_and_keeps_what_was_there(folder, found):
    first = human(found[0], scored_at="2026-01-01T00:00:00+00:00", explanation="hm")
    scores.save(folder, [first, human(found[1])])
    scores.save(folder, [dataclasses.replace(first, score=4, explanation=None, scored_at="2026-01-02T00:00:00+00:00")])
    one, two = scores.read_scores(folder)
    assert (one.score, one.explanation, one.spent_s) == (4, None, 3.0)
    said = {"score": 3, "explanation": "hm", "status": "ok", "scored_at": "2026-01-01T00:00:00+00:00"}
    assert one.earlier == [said]
    assert two == human(found[1])


def test_saving_the_same_again_changes_nothing(folder, found):
    scores.save(folder, [human(found[0], scored_at="2026-01-01T00:00:00+00:00")])
    before = (folder / "scores.jsonl").read_bytes()
    scores.save(folder, [human(found[0], scored_at="2026-01-02T00:00:00+00:00")])
    assert (folder / "scores.jsonl").read_bytes() == before


def test_what_checks_found_anew_takes_the_place_of_what_they_found_before(folder, found):
    one = {"kind": "words", "name": "words", "passed": True, "found": "3", "expected": "at most 5"}
    for told in ("3", "4"):
        given = {"checks": [{**one, "found": told}], "explanation": "1 of 1 checks passed"}
        scores.save(folder, [scores.score_of(found[0], scores.CODE, "checks", **given)])
    [score] = scores.read_scores(folder)
    assert (score.checks[0]["found"], score.earlier[0]["checks"][0]["found"]) == ("4", "3")


def test_ids_tell_annotators_kinds_and_a_judges_orders_apart(found):
    [pair, *_] = items.pairs(found)
    ids = {
        human(found[0]).id,
        human(found[0], "Bo").id,
        human(found[1]).id,
        scores.score_of(found[0], scores.MODEL, "Ana").id,
        human(pair, left="first").id,
        scores.score_of(pair, scores.MODEL, "j", left="first").id,
        scores.score_of(pair, scores.MODEL, "j", left="second").id,
    }
    assert len(ids) == 7
    assert human(pair, left="first").id == human(pair, left="second").id  # a person sees it once
    assert human(pair).models == list(pair.first.models) and human(pair).others == list(pair.second.models)


def test_a_torn_last_line_is_passed_over_and_goes_with_the_next_save(folder, found):
    scores.save(folder, [human(found[0])])
    with (folder / "scores.jsonl").open("ab") as file:
        file.write(b'{"id": "torn')
    assert len(scores.read_scores(folder)) == 1
    scores.save(folder, [human(found[1])])
    assert len(saved(folder)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 6}, r"line 1, score: 6 was found, a whole number from 1 to 5 or null"),
        ({"score": "4"}, r'score: "4" was found'),
        ({"score": True}, r"score: true was found"),
        ({"score": 4.5}, r"score: 4.5 was found"),
        ({"kind": "cat"}, r'kind: "cat" was found, one of human, model, code'),
        ({"choice": "left"}, r'choice: "left" was found, one of first, second, tie, both_bad'),
        ({"models": []}, r"models: a list with nothing in it"),
        ({"aspects": [1]}, r"aspects\[0\]: 1 was found"),
        ({"spent_s": -1}, r"spent_s: -1 was found"),
        ({"id": None}, r"id: null was found"),
        ({"checks": [{"kind": "words"}]}, r'checks\[0\]: "name", "passed", "found", "expected" is missing'),
    ],
)
def test_a_line_that_is_no_score_is_named(folder, found, change, message):
    line = {**dataclasses.asdict(human(found[0])), **change}
    (folder / "scores.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(StoreError, match=message):
        scores.read_scores(folder)
    with pytest.raises(StoreError, match=message):  # nor is it written over
        scores.save(folder, [human(found[1])])
    assert saved(folder) == [line]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    (folder / "plan.json").write_text("{}")
    (folder / "scores.jsonl").write_bytes(data + b"\n")
    try:
        assert scores.read_scores(folder) == []
    except StoreError as e:
        assert "scores.jsonl" in e.message


def test_further_keys_of_a_later_version_are_passed_over(folder, found):
    line = {**dataclasses.asdict(human(found[0])), "colour": "blue"}
    (folder / "scores.jsonl").write_text(json.dumps(line) + "\n")
    assert scores.read_scores(folder) == [human(found[0])]


def test_what_is_no_run_folder_is_refused(tmp_path, found):
    with pytest.raises(StoreError, match="is no run folder"):
        scores.save(tmp_path, [human(found[0])])
    assert not (tmp_path / "scores.jsonl").exists()


def test_a_failed_write_keeps_what_was_saved(folder, found, monkeypatch):
    scores.save(folder, [human(found[0])])
    before = (folder / "scores.jsonl").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="can't be written: No space left on device"):
        scores.save(folder, [human(found[1])])
    assert (folder / "scores.jsonl").read_bytes() == before
    assert [p.name for p in folder.glob("*.part")] == []


def test_a_lock_that_stays_is_told_of(folder, found, monkeypatch):
    monkeypatch.setattr(scores, "WAIT_S", 0.1)
    with FileLock(folder / ".scores.lock"), pytest.raises(StoreError, match="another program has kept it locked"):
        scores.save(folder, [human(found[0])])


def test_a_run_that_is_being_written_does_not_stand_in_the_way(folder, found):
    with store.RunFolder.open(folder, store.read(folder).plan, {}, resume=True):
        scores.save(folder, [human(found[0])])
    assert len(saved(folder)) == 1


def test_annotators_who_save_at_once_lose_nothing(folder, found):
    def all_of(annotator):
        for item in found:
            scores.save(folder, [human(item, annotator)])

    threads = [threading.Thread(target=all_of, args=(name,)) for name in ("Ana", "Bo", "Cy")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({line["id"] for line in saved(folder)}) == len(saved(folder)) == 3 * len(found)


KILLED = """
import sys
from slmbench import store
from slmbench.quality import items, scores
folder = sys.argv[1]
found = items.items(store.read(folder))
number = 0
while True:
    for item in found:
        scores.save(folder, [scores.score_of(item, scores.HUMAN, f"a{number}", score=3)])
        print(number, item.id, flush=True)
    number += 1
"""


@pytest.mark.fault
def test_kill_9_loses_no_score_that_was_acknowledged(folder, fault):
    told = set()
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(17):
            told.add(tuple(child.stdout.readline().split()))
        child.kill()
        told |= {tuple(line.split()) for line in child.communicate()[0].splitlines() if line.count(" ") == 1}
    kept = {(line["annotator"][1:], line["item"]) for line in saved(folder)}
    assert told <= kept
    fault("kill -9 while scores are saved", 5, told, kept)


def test_a_frame_has_a_line_a_score(found):
    frame = scores.frame([human(found[0]), scores.score_of(found[1], scores.CODE, "checks")])
    assert list(frame["rater"]) == ["human: Ana", "code: checks"]
    assert frame["score"].iloc[0] == 3.0 and frame["score"].isna().iloc[1]
    assert len(scores.frame([])) == 0


def test_a_model_that_comes_later_with_the_same_reply_has_its_score(folder, found):
    plan = store.read(folder).plan
    scores.save(folder, [human(item) for item in found])
    with store.RunFolder.open(folder, {**plan, "models": ["a", "b", "c", "d"]}, {}, resume=True) as run:
        run.append(request("d", "p", 99, text="a on p"))
    kept = {tuple(s.models) for s in scores.of_run(store.read(folder))}
    assert ("a", "d") in kept and ("d",) not in kept
    assert ["a"] in [line["models"] for line in saved(folder)]  # as it was when it was judged


def test_a_run_without_scores_has_none(tmp_path):
    assert scores.of_run(store.read(run_with(tmp_path / "new", {("a", "p"): {"status": "timeout"}}))) == []
