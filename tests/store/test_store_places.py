"""Where a run folder may be made, or gone on with."""

import errno
import tempfile
from pathlib import Path

import pytest
from made_runs import opened, row, written

from slmbench import store


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    path = written(tmp_path / "run", row(1))
    before = sorted((p.name, p.read_bytes()) for p in path.iterdir() if p.name != ".lock")
    with pytest.raises(store.StoreError, match="is not empty") as refused:
        opened(path)
    assert "--resume" in refused.value.cure and "resume = True" in refused.value.cure  # command line and notebook
    assert before == sorted((p.name, p.read_bytes()) for p in path.iterdir() if p.name != ".lock")


def test_a_folder_of_somebody_else_is_not_taken_up(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(store.StoreError, match="no run folder"):
        opened(tmp_path, resume=True)
    with pytest.raises(store.StoreError, match="is not empty") as refused:
        opened(tmp_path)
    assert "--resume" not in refused.value.cure  # there is nothing to go on with
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_and_one_that_is_not_there_will_do(tmp_path):
    (tmp_path / "empty").mkdir()
    opened(tmp_path / "empty").close()
    opened(tmp_path / "a" / "b" / "c").close()
    opened(tmp_path / "new", resume=True).close()
    assert {p.name for p in (tmp_path / "a" / "b" / "c").iterdir()} >= {"plan.json", "machine.json", "rows.jsonl"}


@pytest.mark.parametrize("below", ["", "run"])
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(store.StoreError, match="--out: ") as refused:
        opened(tmp_path / "file" / below)
    assert str(tmp_path / "file") in str(refused.value)


@pytest.mark.parametrize("call", ["mkdir", "iterdir"])
def test_a_folder_that_may_not_be_touched_is_refused(tmp_path, monkeypatch, call):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(Path, call, denied)
    with pytest.raises(store.StoreError, match="Permission denied"):
        opened(tmp_path / "run")


def test_what_there_is_to_go_on_with(tmp_path):
    run = written(tmp_path / "monday", row(1))
    store.check_resume(run)
    (tmp_path / "empty").mkdir()
    for path, found, cure in (
        (tmp_path / "mondy", "mondy is not there", f"Is it {run}?"),
        (tmp_path / "empty", "empty is no run folder", "leave --resume out"),
        (None, "no run folder was named", "--out DIR"),
    ):
        with pytest.raises(store.StoreError, match=f"--resume: .*{found}") as refused:
            store.check_resume(path)
        assert cure in refused.value.cure
    assert {p.name for p in tmp_path.iterdir()} == {"monday", "empty"}


def test_no_place_named_is_a_new_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store.check_place(None) == set()
    with pytest.raises(store.StoreError, match="no run folder was named"):
        store.check_place(None, resume=True)


def test_a_place_is_tried_and_left_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    for path in (tmp_path / "a" / "b", tmp_path / "there"):
        assert store.check_place(path) == set()
    assert [p.name for p in tmp_path.rglob("*")] == ["there"]

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    with pytest.raises(store.StoreError, match="can't be written: Permission denied"):
        store.check_place(tmp_path / "there")


def test_the_default_folder_tells_the_plan(tmp_path):
    names = [store.default_path(h, tmp_path).name for h in ("abcdef012345", "123456abcdef")]
    assert [name[-7:] for name in names] == ["-abcdef", "-123456"]
    assert all(len(name) == len("20260101T120000-abcdef") for name in names)
