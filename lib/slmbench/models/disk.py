"""Folders that are there whole or not at all, and plain words when a disk is full or closed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slmbench.errors import KitError

MB = 1_000_000
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


class DiskError(KitError):
    """No room, or no right to write (exit code 1)."""

    exit_code = 1


def disk_mb(folder: Path) -> float:
    """Size of all files under a folder in MB (10**6 bytes); a hard-linked file counts in full."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / MB


def require_room(folder: Path, needed_bytes: int) -> None:
    """raises: DiskError if the disk of `folder` (which need not exist yet) has less room than this."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        found = f"{folder}: {free / MB:,.0f} MB free, {needed_bytes / MB:,.0f} MB needed"
        raise DiskError(found, "free some space, or set SLMBENCH_HOME to a folder on a larger disk")


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """A full or closed disk inside the block becomes a DiskError; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            cure = "free some space, or set SLMBENCH_HOME to a folder on a larger disk"
            raise DiskError(f"{folder}: the disk is full ({error.strerror})", cure) from error
        if error.errno in CLOSED:
            cure = "stop what uses it (slmbench stop), or set SLMBENCH_HOME to a folder that you may write to"
            raise DiskError(f"{error.filename or folder}: cannot be written ({error.strerror})", cure) from error
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time for what will become `folder`; others wait. The system frees it when a process dies."""
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(beside(folder, "lock")):
        yield


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to write into, which takes the place of `folder` if the block ends well.

    A reader sees the old folder, or none for a moment, or the new one; never a half-written one, not even after
    a kill or a power cut. Call it inside `locked`, after `clear`.
    """
    fresh = beside(folder, "new")
    fresh.mkdir(parents=True)
    try:
        yield fresh
        put(fresh, folder)
    finally:
        clear(folder)


def put(fresh: Path, folder: Path) -> None:
    """Have a finished folder of the same disk take the place of `folder`. Call it inside `locked`, and `clear` then."""
    for file in fresh.iterdir():
        sync(file)
    sync(fresh)
    if folder.exists():
        folder.replace(beside(folder, "old"))
    fresh.replace(folder)
    sync(folder.parent)


def clear(folder: Path) -> None:
    """Undo a replacement of `folder` that was broken off, by a kill or an error, and remove what is left of any."""
    fresh, old = beside(folder, "new"), beside(folder, "old")
    if old.exists() and not folder.exists():
        old.replace(folder)
    for leftover in fresh, old:
        if leftover.exists():
            shutil.rmtree(leftover)


def sync(path: Path) -> None:
    """Wait until a file is on the disk; also a folder, where the system can do that."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def beside(path: Path, kind: str) -> Path:
    """A hidden neighbour of the path, for the time of work on it."""
    return path.with_name(f".{path.name}.{kind}")
