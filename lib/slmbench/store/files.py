"""The files of a run folder: written whole or not at all, read as far as they are whole."""

from __future__ import annotations

import contextlib
import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slmbench.errors import UsageError

BLOCK_BYTES = 128 * 1024


class StoreError(UsageError):
    """The run folder can't be written, or is not what was expected; what is recorded in it stays."""


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def write_text(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Whole or not at all: a temporary file, renamed."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding=encoding, newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def read_json(path: Path) -> dict[str, Any]:
    """raises: StoreError if the file holds no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:
        raise StoreError(f"{path}: not valid JSON ({e}).", "restore the file, or start a new run folder") from e


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
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
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
