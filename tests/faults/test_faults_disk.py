"""What a disk and its users do to a run folder while it is written, or before it is gone on with."""

import os
import shutil
import subprocess
import sys

import pytest

from slmbench import store
from slmbench.measure import bench
from slmbench.records import OK
from support.killing import finished, kept, start, twice
from support.plans import Loader, settings, targets
from support.replies import behaved
from support.server import Server

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounts need root on Linux"
)
posix = pytest.mark.skipif(os.name == "nt", reason="Windows moves no folder with an open file in it")


@pytest.fixture
def measure():
    """A plan run by the loop itself, against a scripted server: measure(folder) -> (rows kept, requests sent).

    measure.acknowledged: (cell, attempt) of every row that a run has said to be kept.
    """

    def run(path, then=lambda *_: None, **given):
        asked, before = settings(warmup=0, max_tokens=8, **given), len(server.posts)
        wanted = targets(f"{server.root}/v1", "a")
        plan = asked.to_dict() | {"models": ["a"]}
        with store.RunFolder.open(path, plan, {}, resume=True) as folder:
            for number, row in enumerate(bench.run(wanted, asked, Loader(), folder)):
                run.acknowledged.add((row.cell, row.attempt))
                then(number, folder)
        return store.read(folder.path).rows, len(server.posts) - before

    run.acknowledged = set()
    with Server(behaved("a")) as server:
        yield run


@pytest.fixture
def disk(tmp_path):
    """A real file system of a size, in memory: disk(size) -> its folder."""
    mounted = []

    def make(size="128k", more=""):
        folder = tmp_path / "disk"
        folder.mkdir()
        options = f"size={size}" + (f",{more}" if more else "")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False).returncode:
            pytest.xfail("mounting is not allowed here, root or not")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.fault
@pytest.mark.timeout(300)
def test_cut_at_every_byte_of_the_last_record(tmp_path, measure, fault):
    whole = tmp_path / "whole"
    measure(whole, rounds=2)
    data = (whole / "rows.jsonl").read_bytes()
    before = data[:-1].rindex(b"\n") + 1  # where the last record begins
    earlier = [store.reading.row_of(line, whole, 0) for line in data[:before].splitlines()]
    acknowledged, found = set(), set()
    for end in range(before, len(data)):
        path = tmp_path / "cut"
        shutil.copytree(whole, path)
        (path / "rows.jsonl").write_bytes(data[:end])
        rows, requests = measure(path, rounds=2)
        assert requests == 1  # the one whose record was cut
        assert rows[:-1] == earlier and len({row.cell for row in rows}) == len(rows) == 4
        acknowledged |= {(end, row.cell) for row in earlier}
        found |= {(end, row.cell) for row in rows}
        shutil.rmtree(path)
    fault("the last record is cut off, at each of its bytes", len(data) - before, acknowledged, found)


@pytest.mark.fault
@posix
def test_moved_while_running(tmp_path, measure, fault):
    def move(number, _):
        if number == 2:
            (tmp_path / "run").rename(tmp_path / "elsewhere")

    rows, requests = measure(tmp_path / "run", move, rounds=3)
    assert requests == len(rows) == 6 and {row.run for row in rows} == {"run"}
    assert not (tmp_path / "run").exists()
    assert len(store.read(tmp_path / "elsewhere").rows) == 6
    fault("the run folder is moved", 1, measure.acknowledged, kept(tmp_path / "elsewhere"))


@pytest.mark.fault
@posix
def test_deleted_while_running(tmp_path, measure, fault):
    def delete(number, _):
        if number == 2:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(store.StoreError, match="was deleted while the run wrote to it; its 4 rows were written back"):
        measure(tmp_path / "run", delete, rounds=3)
    assert [row.status for row in store.read(tmp_path / "run").rows] == [OK] * 4
    rows, requests = measure(tmp_path / "run", rounds=3)
    assert (len(rows), requests) == (6, 2)
    fault("the run folder is deleted", 1, measure.acknowledged, kept(tmp_path / "run"))


@posix
def test_a_deleted_record_alone_is_written_back(tmp_path, measure):
    def delete(number, folder):
        if number == 1:
            (folder.path / "rows.jsonl").unlink()

    with pytest.raises(store.StoreError, match="its 3 rows were written back"):
        measure(tmp_path / "run", delete, rounds=3)
    assert len(store.read(tmp_path / "run").rows) == 3


@posix
def test_what_stands_in_the_place_of_a_deleted_folder_is_left_alone(tmp_path, measure):
    def replace(number, folder):
        if number == 1:
            shutil.rmtree(folder.path)
            folder.path.write_text("mine", encoding="utf-8")

    with pytest.raises(store.StoreError, match="its 3 rows were written to"):
        measure(tmp_path / "run", replace, rounds=3)
    assert (tmp_path / "run").read_text(encoding="utf-8") == "mine"
    [beside] = tmp_path.glob("run-kept-*")
    assert measure.acknowledged <= kept(beside)
    rows, requests = measure(beside, rounds=3)
    assert (len(rows), requests) == (6, 3)


@pytest.mark.fault
@pytest.mark.root
@linux
def test_a_disk_of_128_kb_that_fills_up(disk, measure, fault):
    """What else is on it takes the last of the room; the run's own check came before."""
    folder = disk("128k")

    def fill(number, _):
        if number == 3:
            with (folder / "more").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while True:
                    file.write(bytes(1024))

    with pytest.raises(store.StoreError, match=r"the disk is full; [0-9]+ rows are kept") as full:
        measure(folder / "run", fill, rounds=10)
    earlier = store.read(folder / "run").rows
    assert len(earlier) >= 4 and f"{len(earlier)} rows are kept" in full.value.message
    assert "free space, then go on:" in full.value.cure
    (folder / "more").unlink()
    rows, requests = measure(folder / "run", rounds=10)
    assert rows[: len(earlier)] == earlier
    assert len({row.cell for row in rows}) == len(rows) == 20 and requests == 20 - len(earlier)
    fault("a disk of 128 kB fills up", 1, measure.acknowledged, kept(folder / "run"))


@pytest.mark.fault
@pytest.mark.root
@linux
def test_a_folder_that_has_become_read_only(disk, measure, fault):
    folder = disk("4m")
    measure(folder / "run", rounds=1)
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    with pytest.raises(store.StoreError, match="can't be written: Read-only file system"):
        measure(folder / "run", rounds=3)
    assert len(store.read(folder / "run").rows) == 2  # it can still be read
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    rows, requests = measure(folder / "run", rounds=3)
    assert (len(rows), requests) == (6, 4)
    fault("the run folder has become read-only", 1, measure.acknowledged, kept(folder / "run"))


@pytest.mark.fault
def test_two_writers(tmp_path, fault):
    """Two real runs that are to go on with one folder at the same time."""
    with Server(behaved("a:1")) as server:
        given = {"endpoint": server.root, "models": ["a"], "rounds": 200, "warmup": 0}
        with start(tmp_path / "run", given) as first:
            told = first.stdout.readline()
            with start(tmp_path / "run", given) as second:
                said = second.communicate(timeout=60)[1]
            assert second.returncode != 0 and "is being written by another run" in said
            told += first.stdout.read()
            assert first.wait(60) == 0
        rows = store.read(tmp_path / "run").rows
    assert len(finished(tmp_path / "run")) == len(rows) == len(server.posts) == 800 and twice(tmp_path / "run") == []
    acknowledged = {(cell, int(attempt)) for cell, attempt, *_ in map(str.split, told.splitlines())}
    assert len(acknowledged) == 800
    fault("a second run writes to the same folder", 1, acknowledged, kept(tmp_path / "run"))


def test_a_run_is_not_gone_on_with_on_another_machine(tmp_path):
    plan = settings().to_dict() | {"models": ["a"]}
    here = {"os": "Linux", "cpu": "One", "cores_logical": 4, "memory_available_mb": 1}
    store.RunFolder.open(tmp_path / "run", plan, here).close()
    store.RunFolder.open(tmp_path / "run", plan, here | {"memory_available_mb": 2}, resume=True).close()
    with pytest.raises(store.StoreError, match=r"on another machine \(cpu: One -> Two\)") as refused:
        store.RunFolder.open(tmp_path / "run", plan, here | {"cpu": "Two"}, resume=True)
    assert "slmbench compare" in refused.value.cure
    store.RunFolder.open(tmp_path / "run", plan, here | {"cpu": None}, resume=True).close()  # nobody knows
