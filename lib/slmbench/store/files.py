"""The files of a run folder: written whole or not at all, read as far as they are whole."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from slmbench.errors import UsageError

BLOCK_BYTES = 128 * 1024


class StoreError(UsageError):
    """The run folder can't be written, or is not what was expected; what is recorded in it stays."""


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):  # half a character, from a server's list
        text = json.dumps(value, allow_nan=False, indent=1)
    write_text(path, text + "\n")


def without_nan(value: Any) -> Any:
    """The same of plain values that JSON has: None for NaN and infinity, numpy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(key): without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [without_nan(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_text(path: Path, text: str, encoding: str = "utf-8") -> None:
    write_bytes(path, text.encode(encoding))


def write_bytes(path: Path, data: bytes) -> None:
    """Whole or not at all, also if the power fails: a temporary file of this process alone, renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def sync_folder(path: Path) -> None:
    """Have the names in a folder on disk: a file that is synced itself may be lost with its name.

    Nothing where a folder can't be opened (Windows) or its file system can't do this.
    """
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(folder)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(folder)


def lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a record, one after the other; none if the file is not there.

    A torn last line (a writer was killed, or is at work) is passed over.
    """
    if not path.exists():
        return
    with path.open("rb", buffering=BLOCK_BYTES) as file:
        yield from (line for line in file if line.endswith(b"\n"))


def open_append(path: Path) -> int:
    """Open for appending; a torn tail goes first, for it would swallow the next record."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o644)
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        end = start + found + 1 if found >= 0 else start
        if found >= 0:
            break
    os.ftruncate(file, end)
    return file


def is_at(file: int, path: Path) -> bool:
    """Whether an open file is what stands at `path`."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def place_of(file: int) -> Path | None:
    """Where an open file is now, if the system can tell: it may have been moved. None for one that was deleted."""
    try:
        if sys.platform == "darwin":
            import fcntl

            found = os.fsdecode(fcntl.fcntl(file, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        else:
            found = Path(f"/proc/self/fd/{file}").readlink()
    except OSError:
        return None
    return Path(found) if is_at(file, Path(found)) else None


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """For reading many records: millions of lists come without a cycle among them, and looking for one takes long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
