"""The run that ships to be judged, and the copy that is worked on."""

import os
import re
import shutil
import threading

import pytest

from slmbench import paths, store
from slmbench.quality import checks, items, runs, scores
from slmbench.store import StoreError
from support.judged import run_with

README = paths.data_file("prompts.json").parents[1] / "README.md"
SHIPPED = paths.run_folder(paths.QUALITY)


def test_a_copy_is_made_once_and_what_ships_stays_as_it_is(tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in SHIPPED.iterdir()}
    copy = runs.working_copy(root=tmp_path / "runs")
    assert {path.name for path in copy.iterdir()} == set(runs.COPIED) <= before.keys()
    [first, *_] = items.items(store.read(copy))
    scores.save(copy, [scores.score_of(first, scores.HUMAN, "Ana", score=3)])
    assert runs.working_copy(root=tmp_path / "runs") == copy
    assert any(score.annotator == "Ana" for score in scores.read_scores(copy))
    assert {path.name: path.stat().st_mtime_ns for path in SHIPPED.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_two_notebooks_that_copy_at_once_share_the_copy(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(runs.working_copy(root=tmp_path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "quality_example"] * 6
    assert len(scores.read_scores(found[0])) > 26


def test_a_run_of_ones_own_is_taken_where_it_is(tmp_path):
    folder = run_with(tmp_path / "mine", {("a", "p"): "x"})
    assert runs.working_copy(folder) == folder
    with pytest.raises(StoreError, match="does not exist"):
        runs.working_copy(tmp_path / "none")


def test_a_place_that_can_not_be_written_is_told(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(StoreError, match="can't be written"):
        runs.working_copy(root=blocked)


def test_what_ships_is_as_its_readme_says():
    run, readme = store.read(SHIPPED), (SHIPPED / "README.md").read_text(encoding="utf-8")
    timed = [row for row in run.rows if row.phase == "timed"]
    of = items.items(run)
    assert [row.status for row in timed] == ["ok"] * 27 and len(of) == 26
    for words in (*run.plan["models"], "27 timed", "26 different", run.machine["cpu"], run.plan["command"]):
        assert words in readme, words
    found = scores.read_scores(SHIPPED)
    human = [score for score in found if score.kind == scores.HUMAN]
    assert {score.item for score in human} == {item.id for item in of} and len(human) == 26
    assert {score.criteria for score in human} == {items.criteria(item.prompt, item.rubric) for item in of}
    judge = [score for score in found if score.kind == scores.MODEL]
    unusable = sum(score.status == scores.UNPARSABLE for score in judge)
    pairs = len({score.item for score in judge if score.task == "pair"})
    assert f"26 replies ({unusable} answers are no judgement" in readme and f"{pairs} pairs in both orders" in readme
    top = README.read_text(encoding="utf-8")
    fives = sum(score.score == 5 for score in judge)
    second = [score.choice != score.left for score in judge if score.choice in ("first", "second")]
    assert f"gives {fives} of 26 replies a 5" in top
    assert f"the second in {sum(second)} of {len(second)} answers" in top
    text = "".join(path.read_text(encoding="utf-8") for path in SHIPPED.iterdir())
    assert re.findall(r'"/(?:home|root|tmp|Users|work)\b[^"]*', text) == [] and os.sep not in run.path.name


def test_what_ships_of_the_checks_is_what_they_find(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(SHIPPED, copy)
    before = [score for score in scores.read_scores(copy) if score.kind == scores.CODE]
    assert len(before) == 26
    after = scores.save(copy, checks.rate(items.items(store.read(copy))))
    assert [score for score in after if score.kind == scores.CODE] == before
