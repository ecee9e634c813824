"""Reading a run folder: a torn tail costs one record, damage is told with its place."""

import os

import pytest
from made_runs import opened, row, written

from slmbench import store
from slmbench.store import files, reading


def test_a_tail_torn_at_any_byte_costs_its_own_record_only(tmp_path):
    path = written(tmp_path / "run", row(1), row(2)) / "rows.jsonl"
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        assert [r.cell for r in store.read(path.parent).rows] == ["c1"]
        os.close(files.open_append(path))  # what a writer does to the file before it adds to it
        assert path.read_bytes() == whole[:first]


@pytest.mark.parametrize("torn", [0, 1, 10, 11, 12, 40])
@pytest.mark.parametrize("block", [1, 7, 11])
def test_a_torn_tail_goes_however_long_it_is(tmp_path, monkeypatch, torn, block):
    monkeypatch.setattr(files, "BLOCK_BYTES", block)
    path = tmp_path / "rows.jsonl"
    for whole in (b"", b"0123456789\n", b"\n" * 3):
        path.write_bytes(whole + b"x" * torn)
        os.close(files.open_append(path))
        assert path.read_bytes() == whole


def test_lines_may_end_as_on_windows(tmp_path):
    path = written(tmp_path / "run", row(1), row(2)) / "rows.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert [r.cell for r in store.read(path.parent).rows] == store.frame(path.parent).cell.tolist() == ["c1", "c2"]


def test_a_value_of_the_wrong_kind_is_told_with_its_line(tmp_path):
    path = written(tmp_path / "run", row(1), row(2, latency_s=1.5)) / "rows.jsonl"
    path.write_bytes(path.read_bytes().replace(b"1.5", b'"fast"'))
    for attempt in (store.read, store.frame):
        with pytest.raises(store.StoreError, match=r'line 2: not a record \(latency_s: "fast" was found, float'):
            attempt(path.parent)


def test_a_damaged_record_in_the_middle_is_told_with_its_line(tmp_path):
    path = written(tmp_path / "run", row(1), row(2)) / "rows.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b'{"run": \n' + second)
    for attempt in (
        lambda: store.read(path.parent),
        lambda: store.frame(path.parent),
        lambda: opened(path.parent, resume=True),
    ):
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
    assert [r.cell for r in reading.read_rows(path / "rows.jsonl")] == ["c1"]


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(store.StoreError, match="no run folder"):
        store.read(tmp_path)
