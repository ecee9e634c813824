"""The one writer of a run folder: what was acknowledged is kept, whatever breaks off, fills up or comes in between."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from slmbench.records import OK, Row
from slmbench.store.checks import NOTEBOOK, check_place, check_space, refuse_changes
from slmbench.store.files import StoreError, open_append, read_json, write_json
from slmbench.store.reading import read_rows


class RunFolder:
    """The one writer of a run folder; a context manager. `finished` holds the cells that need no further attempt.

    Records are written and synced by the thread that appends them. A thread of their own would let no measured
    reply come earlier: with several streams the replies are read and stamped in another process
    (`measure.reader`), whose sockets buffer while this one waits for the disk; one at a time, no request is out.
    """

    def __init__(self, path: Path, lock: FileLock):
        self.path = path
        self._lock = lock
        self.rows = read_rows(path / "rows.jsonl")  # before anything is opened: it may refuse
        self._files = {name: open_append(path / name) for name in ("rows.jsonl", "resources.jsonl")}
        self.attempts: dict[str, int] = {}
        self.finished: set[str] = set()
        for row in self.rows:
            self._note(row)

    @classmethod
    def open(
        cls,
        path: Path | str,
        plan: Mapping[str, Any],
        machine: Mapping[str, Any],
        *,
        resume: bool = False,
        more: Mapping[str, Any] | None = None,
    ) -> RunFolder:
        """Make the folder, or take up one that is there. more: further JSON files to keep in it, by name.

        raises: StoreError for a folder that is not empty (without resume), another plan in it (the difference is
            named), another writer, a place that can't be written, too little space.
        """
        path = Path(path).absolute()
        there = check_place(path, resume=resume)
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path / ".lock")
            lock.acquire(timeout=0)
        except Timeout as e:
            raise StoreError(f"{path} is being written by another run.", "wait for it, or name another folder") from e
        except OSError as e:
            raise StoreError(f"--out: {path} can't be written: {e.strerror}.", "name a folder of your own") from e
        try:
            check_space(path, plan)
            if "plan.json" in there:
                refuse_changes(path, read_json(path / "plan.json"), plan)
            try:
                for name, value in {"plan.json": plan, "machine.json": machine, **(more or {})}.items():
                    write_json(path / name, value)
                return cls(path, lock)
            except OSError as e:
                raise StoreError(
                    f"--out: {path} can't be written: {e.strerror}.", "free space, or another --out"
                ) from e
        except BaseException:
            lock.release()
            raise

    def append(self, row: Row) -> None:
        """On disk when this returns. raises: StoreError (a full disk); earlier rows stay whole.

        After a KeyboardInterrupt in here the row is either whole and among `rows`, or nowhere.
        """
        rows, size = len(self.rows), os.fstat(self._files["rows.jsonl"]).st_size
        try:
            self._write("rows.jsonl", row.to_json())
            self.rows.append(row)
            self._note(row)
        except KeyboardInterrupt:
            del self.rows[rows:]
            os.ftruncate(self._files["rows.jsonl"], size)
            raise

    def append_resource(self, record: Mapping[str, Any]) -> None:
        self._write("resources.jsonl", json.dumps(record, ensure_ascii=True, allow_nan=False))

    def _note(self, row: Row) -> None:
        self.attempts[row.cell] = max(self.attempts.get(row.cell, 0), row.attempt)
        if row.status in (OK, "skipped") or row.status.startswith("http_4"):
            self.finished.add(row.cell)
        else:
            self.finished.discard(row.cell)

    def _write(self, name: str, line: str) -> None:
        file = self._files[name]
        data = (line + "\n").encode("ascii")
        before = os.fstat(file).st_size
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        except KeyboardInterrupt:
            os.ftruncate(file, before)  # no torn record stays behind
            raise
        except OSError as e:
            with contextlib.suppress(OSError):  # else the next one to open it cuts the tail off
                os.ftruncate(file, before)
            full = e.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "the disk is full" if full else e.strerror
            raise StoreError(
                f"{self.path / name}: {what}; {len(self.rows)} rows are kept.", f"free space, --resume ({NOTEBOOK})"
            ) from e

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files = {}
        self._lock.release()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
