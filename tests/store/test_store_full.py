"""Run folders on a disk that fills up, takes little at a time, or takes nothing."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from made_runs import PLAN, opened, row, written

from slmbench import store
from slmbench.store import checks


def full_after(monkeypatch, nbytes):
    """A disk that takes so many more bytes, and then is full."""
    write, left = os.write, [nbytes]

    def limited(file, data):
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(data)[: left[0]]
        left[0] -= len(part)
        return write(file, part)

    monkeypatch.setattr(os, "write", limited)


@pytest.mark.parametrize("room", [0, 1, 100])
def test_a_full_disk_leaves_no_torn_record(tmp_path, monkeypatch, room):
    with opened(tmp_path / "run") as folder:
        folder.append(row(1))
        with monkeypatch.context() as patched:
            full_after(patched, room)
            with pytest.raises(store.StoreError, match="the disk is full; 1 rows are kept"):
                folder.append(row(2))
        assert (tmp_path / "run" / "rows.jsonl").read_bytes().count(b"\n") == 1
        folder.append(row(3))  # after space was made
    assert [r.cell for r in store.read(tmp_path / "run").rows] == ["c1", "c3"]


@pytest.mark.parametrize("name", ["write", "fsync"])
def test_an_interrupt_in_a_record_leaves_it_nowhere(tmp_path, monkeypatch, name):
    """Half of it is on the disk, or all of it: nobody was told that it is kept, and it may be appended again."""

    def interrupted(file, data=b""):
        if data:
            write(file, bytes(data)[:50])
        raise KeyboardInterrupt

    write = os.write
    with opened(tmp_path / "run") as folder:
        folder.append(row(1))
        with monkeypatch.context() as patched:
            patched.setattr(os, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                folder.append(row(2))
        assert [r.cell for r in folder.rows] == ["c1"]
        folder.append(row(2))
    assert [r.cell for r in store.read(tmp_path / "run").rows] == ["c1", "c2"]


def test_a_folder_that_could_not_be_begun_can_be_begun_later(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(store.StoreError, match="No space left"):
            opened(tmp_path / "run")
    with opened(tmp_path / "run") as folder:
        folder.append(row(1))


def test_a_slow_disk_that_takes_a_few_bytes_at_a_time(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:7]))
    path = written(tmp_path / "run", row(1), row(2))
    assert [r.cell for r in store.read(path).rows] == ["c1", "c2"]


def test_too_little_space_is_told_before_anything_runs(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(store.StoreError, match=r"has 0\.0 MB free; about [0-9.]+ MB are needed"):
        opened(tmp_path / "run")
    assert not (tmp_path / "run" / "plan.json").exists()


@pytest.mark.parametrize(
    ("more", "requests"),
    [
        ({}, 1 * 1 * 2),
        ({"models": ["a", "b"], "loads": 3}, 2 * 2 * 3),
        ({"warmup": 1}, 2 + 1),
        ({"concurrency": 4, "rate": None}, 2 + 3),  # and those that keep the other streams busy
        ({"concurrency": [1, 2, 4], "warmup": 1}, 3 * 2 + 1 + 1 + 3),
        ({"precision_pct": 5.0, "budget_s": 60.0}, 2),  # how many more is not known
        ({"models": None, "targets": [{"alias": "a"}, {"alias": "b"}]}, 2 * 2),
    ],
    ids=str,
)
def test_the_space_needed_is_that_of_all_requests(tmp_path, monkeypatch, more, requests):
    needed = (requests + 10) * (2500 + 60 * 8)  # max_tokens 8
    usage = shutil.disk_usage(tmp_path)
    for free, enough in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        if enough:
            checks.check_space(tmp_path, PLAN | more)
        else:
            with pytest.raises(store.StoreError, match="MB are needed"):
                checks.check_space(tmp_path, PLAN | more)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_file_that_may_not_grow_keeps_whole_records(tmp_path):
    code = f"""
import resource
from slmbench import store
from slmbench.store import checks
from slmbench.records import Row
with store.RunFolder.open({str(tmp_path / "run")!r}, {PLAN!r}, {{}}) as folder:
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    for number in range(100):
        folder.append(Row(run="r", cell=str(number), model="a"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    found = store.read(tmp_path / "run").rows
    assert f"File too large; {len(found)} rows are kept" in done.stderr
    assert [r.cell for r in found] == [str(n) for n in range(len(found))] and len(found) >= 3
    assert (tmp_path / "run" / "rows.jsonl").read_bytes().endswith(b"}\n")


@pytest.mark.root
@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounting needs root on Linux")
def test_a_really_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=False).returncode:
        pytest.xfail("mounting is not allowed here, root or not")
    try:
        with opened(disk / "run", PLAN | {"rounds": 1}) as folder:
            kept = 0
            with pytest.raises(store.StoreError, match="the disk is full"):
                for kept in range(1000):
                    folder.append(row(kept))
        found = store.read(disk / "run").rows
        assert [r.cell for r in found] == [f"c{n}" for n in range(kept)]
        assert kept > 10
        with pytest.raises(store.StoreError, match="MB are needed"):
            opened(disk / "run", PLAN | {"rounds": 1}, resume=True)
        with pytest.raises(store.StoreError):
            opened(disk / "other")
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.root
@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounting needs root on Linux")
def test_a_really_read_only_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], check=False).returncode:
        pytest.xfail("mounting is not allowed here, root or not")
    try:
        with pytest.raises(store.StoreError, match="can't be written: Read-only file system"):
            opened(disk / "run")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_derived_files_are_whole_or_as_they_were(tmp_path, monkeypatch):
    path = tmp_path / "summary.csv"
    store.write_text(path, "old\n")

    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        store.write_text(path, "new\n" * 1000)
    assert path.read_text(encoding="utf-8") == "old\n"
