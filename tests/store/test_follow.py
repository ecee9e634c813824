"""A run folder read while it grows: whole lines only, from where the last look ended; replaced, damaged, gone."""

import os

import pytest

from slmbench import store
from slmbench.records import to_frame
from slmbench.store import follow
from support.made_rows import request

PLAN = {"run": "r", "models": ["a"], "prompts": [{"id": "rag", "text": "?"}], "rounds": 3}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


def begin(path, **plan):
    path.mkdir(exist_ok=True)
    store.write_json(path / "plan.json", PLAN | plan)


def add(path, text):
    with (path / "rows.jsonl").open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def line(number, model="a"):
    return request(model, number=number).to_json() + "\n"


def test_it_waits_for_a_folder_and_takes_what_comes(path):
    run = follow.Follower(path)
    assert (run.poll(), run.is_there, run.rows) == (False, False, [])
    begin(path)
    assert (run.poll(), run.is_there, run.plan["rounds"]) == (True, True, 3)
    assert run.poll() is False
    add(path, line(0))
    assert (run.poll(), len(run.rows)) == (True, 1)
    add(path, line(1) + line(2)[:30])
    assert (run.poll(), len(run.rows)) == (True, 2)
    assert run.poll() is False  # the torn line is looked at again, and not taken
    add(path, line(2)[30:])
    assert (run.poll(), len(run.rows)) == (True, 3)
    assert run.frame().equals(to_frame(store.read(path).rows))


def test_only_what_was_added_is_parsed(path, monkeypatch):
    begin(path)
    add(path, "".join(line(n) for n in range(50)))
    run = follow.Follower(path)
    run.poll()
    parsed = []
    monkeypatch.setattr(
        follow, "row_of", lambda text, *where: parsed.append(where[1]) or store.reading.row_of(text, *where)
    )
    add(path, line(50))
    run.poll()
    assert (parsed, len(run.rows)) == ([51], 51)


def test_a_file_that_was_replaced_or_cut_is_read_anew(path):
    begin(path)
    add(path, line(0) + line(1))
    run = follow.Follower(path)
    run.poll()
    store.write_text(path / "rows.jsonl", line(7, "b"))
    assert (run.poll(), [row.model for row in run.rows]) == (True, ["b"])
    os.truncate(path / "rows.jsonl", 0)
    assert (run.poll(), run.rows) == (True, [])


def test_a_damaged_line_is_told_and_what_was_read_stays(path):
    begin(path)
    add(path, line(0) + "not a row\n" + line(1))
    run = follow.Follower(path)
    assert run.poll() is True
    assert "line 2: not a record" in run.problem
    assert len(run.rows) == 1
    assert run.poll() is False  # told once
    store.write_text(path / "rows.jsonl", line(0) + line(1))
    assert (run.poll(), run.problem, len(run.rows)) == (True, "", 2)


def test_other_files_are_read_again_when_they_change(path):
    begin(path)
    run = follow.Follower(path)
    run.poll()
    store.write_json(path / "machine.json", {"cpu": "one"})
    assert (run.poll(), run.machine) == (True, {"cpu": "one"})
    begin(path, rounds=5)
    assert (run.poll(), run.plan["rounds"]) == (True, 5)
    (path / "scores.jsonl").write_text("{}\n", encoding="utf-8")
    assert run.poll() is True  # whoever shows scores looks at them
    assert run.poll() is False
    (path / "plan.json").write_text("{", encoding="utf-8")
    assert (run.poll(), run.plan["rounds"]) == (True, 5)
    assert "plan.json" in run.problem


def test_a_folder_that_was_taken_away_is_forgotten(path):
    begin(path)
    add(path, line(0))
    run = follow.Follower(path)
    run.poll()
    path.rename(path.with_name("elsewhere"))
    assert (run.poll(), run.is_there, run.rows) == (True, False, [])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(path):
    begin(path)
    os.mkfifo(path / "rows.jsonl")
    run = follow.Follower(path)
    assert run.poll() is True
    assert "it is not a file" in run.problem


def test_a_byte_order_mark_is_passed_over(path):
    begin(path)
    add(path, b"\xef\xbb\xbf" + line(0).encode())
    run = follow.Follower(path)
    run.poll()
    assert (run.problem, len(run.rows)) == ("", 1)


def test_the_newest_run(tmp_path):
    assert follow.newest(tmp_path / "runs") is None
    for number, name in enumerate(("b", "a")):
        (tmp_path / name).mkdir()
        begin(tmp_path / name)
        os.utime(tmp_path / name / "plan.json", ns=(number, number))
    (tmp_path / "z").mkdir()  # no run
    assert follow.newest(tmp_path) == tmp_path / "a"
