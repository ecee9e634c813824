"""The writer of a run folder: what was acknowledged is kept, and there is one writer at a time."""

import subprocess
import sys

import pytest
from made_runs import PLAN, opened, row, written

from slmbench import config, store


def test_what_is_appended_is_read_again(tmp_path):
    rows = [row(1, ttft_s=0.1, latency_s=0.5), row(2, status="timeout", error="late"), row(3, flags=["clock_jump"])]
    with opened(tmp_path / "run") as folder:
        for one in rows:
            folder.append(one)
        folder.append_resource(load := {"kind": "load", "model": "a", "load_s": 1.5})
    found = store.read(tmp_path / "run")
    assert found.rows == rows
    assert (found.plan, found.machine, found.resources) == (PLAN, {"os": "test"}, [load])
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


@pytest.mark.parametrize("left", [1, 100, -1])
def test_after_a_torn_tail_a_writer_goes_on(tmp_path, left):
    path = written(tmp_path / "run", row(1), row(2)) / "rows.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n") + 1 + left] if left > 0 else whole[:left])
    with opened(path.parent, resume=True) as folder:
        assert (folder.finished, [r.cell for r in folder.rows]) == ({"c1"}, ["c1"])
        folder.append(row(3))
    assert [r.cell for r in store.read(path.parent).rows] == ["c1", "c3"]


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
