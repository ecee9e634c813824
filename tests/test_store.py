"""Run folders: what was acknowledged is kept, whatever breaks off, fills up or comes in between."""

import errno
import os
import subprocess
import sys

import pytest

from slmbench import config, store
from slmbench.records import Row

PLAN = {"models": ["a"], "prompts": [{"id": "p1", "text": "Hi"}], "rounds": 2, "max_tokens": 8, "temperature": 0.0}


def row(number, **more):
    return Row(run="r", cell=f"c{number}", model="a", text=f"reply {number} नमस्ते", **more)


def opened(path, plan=PLAN, **more):
    return store.RunFolder.open(path, plan, {"os": "test"}, **more)


def written(path, *rows):
    with opened(path) as folder:
        for one in rows:
            folder.append(one)
    return path


def test_what_is_appended_is_read_again(tmp_path):
    rows = [row(1, ttft_s=0.1, latency_s=0.5), row(2, status="timeout", error="late"), row(3, flags=["clock_jump"])]
    with opened(tmp_path / "run") as folder:
        for one in rows:
            folder.append(one)
        folder.append_resource({"kind": "load", "load_s": 1.5})
    found = store.read(tmp_path / "run")
    assert found.rows == rows
    assert (found.plan, found.machine, found.resources) == (PLAN, {"os": "test"}, [{"kind": "load", "load_s": 1.5}])
    assert list(found.frame().latency_s.dropna()) == [0.5]


def test_a_record_is_on_disk_when_append_returns(tmp_path):
    with opened(tmp_path / "run") as folder:
        for number in range(3):
            folder.append(row(number))
            lines = (tmp_path / "run" / "rows.jsonl").read_bytes().split(b"\n")
            assert (len(lines), lines[-1]) == (number + 2, b"")
            assert lines[-2].isascii()


def test_numbers_that_json_has_no_form_for_are_refused(tmp_path):
    with opened(tmp_path / "run") as folder:
        with pytest.raises(ValueError, match="not JSON compliant"):
            folder.append(row(1, ttft_s=float("nan")))
        folder.append(row(2))
    assert [r.cell for r in store.read(tmp_path / "run").rows] == ["c2"]


def test_a_tail_torn_at_any_byte_costs_its_own_record_only(tmp_path):
    path = written(tmp_path / "run", row(1), row(2)) / "rows.jsonl"
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        assert [r.cell for r in store.read(path.parent).rows] == ["c1"]
        os.close(store._open_append(path))  # what a writer does to the file before it adds to it
        assert path.read_bytes() == whole[:first]


@pytest.mark.parametrize("left", [1, 100, -1])
def test_after_a_torn_tail_a_writer_goes_on(tmp_path, left):
    path = written(tmp_path / "run", row(1), row(2)) / "rows.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n") + 1 + left] if left > 0 else whole[:left])
    with opened(path.parent, resume=True) as folder:
        assert (folder.finished, [r.cell for r in folder.rows]) == ({"c1"}, ["c1"])
        folder.append(row(3))
    assert [r.cell for r in store.read(path.parent).rows] == ["c1", "c3"]


def test_a_damaged_record_in_the_middle_is_told_with_its_line(tmp_path):
    path = written(tmp_path / "run", row(1), row(2)) / "rows.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b'{"run": \n' + second)
    for attempt in (lambda: store.read(path.parent), lambda: opened(path.parent, resume=True)):
        with pytest.raises(store.StoreError, match=r"rows\.jsonl, line 2: not a record"):
            attempt()
    path.write_bytes(first + second)  # the refused writer has let go of the folder
    opened(path.parent, resume=True).close()


def test_damaged_resources_are_told(tmp_path):
    path = written(tmp_path / "run", row(1))
    (path / "resources.jsonl").write_bytes(b"{\n")
    with pytest.raises(store.StoreError, match=r"resources\.jsonl: a line is not valid JSON"):
        store.read(path)


@pytest.mark.parametrize("text", ["{", "\xff", ""])
def test_a_damaged_plan_is_told(tmp_path, text):
    path = written(tmp_path / "run", row(1))
    (path / "plan.json").write_text(text, encoding="latin-1")
    for attempt in (lambda: store.read(path), lambda: opened(path, resume=True)):
        with pytest.raises(store.StoreError, match=r"plan\.json: not valid JSON"):
            attempt()
    assert [r.cell for r in store._rows(path / "rows.jsonl")] == ["c1"]


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(store.StoreError, match="no run folder"):
        store.read(tmp_path)


def test_a_second_writer_is_refused(tmp_path):
    with opened(tmp_path / "run") as folder:
        with pytest.raises(store.StoreError, match="being written by another run"):
            opened(tmp_path / "run", resume=True)
        folder.append(row(1))
    opened(tmp_path / "run", resume=True).close()  # and welcome once the first has closed


def test_a_second_writer_in_another_process_is_refused(tmp_path):
    code = f"from slmbench import store; store.RunFolder.open({str(tmp_path / 'run')!r}, {{}}, {{}}, resume=True)"
    with opened(tmp_path / "run", plan={}):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is being written by another run" in done.stderr


def test_a_killed_writer_leaves_no_lock_and_no_loss(tmp_path):
    code = f"""
import os
from slmbench import store
from slmbench.records import Row
folder = store.RunFolder.open({str(tmp_path / "run")!r}, {PLAN!r}, {{}})
for number in range(3):
    folder.append(Row(run="r", cell=str(number), model="a"))
os.write(folder._files["rows.jsonl"], b'{{"run": "r", "ce')
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with opened(tmp_path / "run", resume=True) as folder:
        assert [r.cell for r in folder.rows] == ["0", "1", "2"]


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
    monkeypatch.setattr(store.Path, call, denied)
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

    monkeypatch.setattr(store.tempfile, "TemporaryFile", denied)
    with pytest.raises(store.StoreError, match="can't be written: Permission denied"):
        store.check_place(tmp_path / "there")


def test_further_files_are_kept_with_the_plan(tmp_path):
    opened(tmp_path / "run", more={"prompts.json": ["नमस्ते?"]}).close()
    assert config.read_prompts(tmp_path / "run" / "prompts.json")[0].text == "नमस्ते?"


STATUSES = {"ok": 1, "skipped": 1, "http_404": 1, "http_429": 1, "http_500": 0, "timeout": 0, "interrupted": 0}
STATUSES |= {"truncated": 0, "refused": 0, "connection_error": 0, "protocol_error": 0, "empty_reply": 0}


@pytest.mark.parametrize(("status", "finished"), STATUSES.items())
def test_what_is_finished(tmp_path, status, finished):
    path = written(tmp_path / "run", row(1, status=status))
    with opened(path, resume=True) as folder:
        assert folder.finished == ({"c1"} if finished else set())
        assert folder.attempts == {"c1": 1}


def test_the_last_attempt_decides(tmp_path):
    path = written(
        tmp_path / "run", row(1, status="timeout"), row(1, attempt=2), row(2), row(2, status="timeout", attempt=2)
    )
    with opened(path, resume=True) as folder:
        assert folder.finished == {"c1"}
        assert folder.attempts == {"c1": 2, "c2": 2}


def test_the_default_folder_tells_the_plan(tmp_path):
    names = [store.default_path(h, tmp_path).name for h in ("abcdef012345", "123456abcdef")]
    assert [name[-7:] for name in names] == ["-abcdef", "-123456"]
    assert all(len(name) == len("20260101T120000-abcdef") for name in names)
