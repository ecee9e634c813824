"""The one writer of a run folder: what was acknowledged is kept, whatever breaks off, fills up or comes in between."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from slmbench.records import OK, RESTARTED, Row
from slmbench.store.checks import NOTEBOOK, check_place, check_space, refuse_changes, refuse_other_machine
from slmbench.store.files import StoreError, is_at, open_append, place_of, sync_folder, write_json
from slmbench.store.reading import read_machine, read_plan, read_rows

ROWS = "rows.jsonl"
COPY_BYTES = 1 << 20


class RunFolder:
    """The one writer of a run folder; a context manager. `finished` holds the cells that need no further attempt.

    rows: all rows so far, each as `Row.light` makes it, so that a long run does not fill the memory.
    path: where the folder is; it changes if somebody moves the folder meanwhile. name: as it was called at first.

    Records are written and synced by the thread that appends them. A thread of their own would let no measured
    reply come earlier: with several streams the replies are read and stamped in another process
    (`measure.reader`), whose sockets buffer while this one waits for the disk; one at a time, no request is out.
    """

    def __init__(self, path: Path, lock: FileLock, about: Mapping[str, Any]):
        self.path, self.name, self._opened_at = path, path.name, path
        self._lock, self._about = lock, about
        self.rows = [row.light() for row in read_rows(path / ROWS)]  # before anything is opened: it may refuse
        with contextlib.ExitStack() as undo:
            self._files = {}
            for name in (ROWS, "resources.jsonl"):
                self._files[name] = open_append(path / name)
                undo.callback(os.close, self._files[name])
            sync_folder(path)
            undo.pop_all()
        self._at_close: list[Callable[[], object]] = []
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

        raises: StoreError for a folder that is not empty (without resume), another plan or machine in it (the
            difference is named), another writer, a place that can't be written, too little space.
        """
        path = Path(path).absolute()
        there = check_place(path, resume=resume)
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path / ".lock", thread_local=False)  # `close` may come from another thread
            lock.acquire(timeout=0)
        except Timeout as e:
            raise StoreError(f"{path} is being written by another run.", "wait for it, or name another folder") from e
        except (OSError, NotImplementedError) as e:  # a disk without locks
            why = getattr(e, "strerror", None) or str(e)
            raise StoreError(f"--out: {path} can't be written: {why}.", "name a folder of your own") from e
        try:
            check_space(path, plan)
            if "plan.json" in there:
                refuse_changes(path, read_plan(path / "plan.json"), plan)
            if "machine.json" in there:
                refuse_other_machine(path, read_machine(path / "machine.json"), machine)
            about = {"plan.json": plan, "machine.json": machine, **(more or {})}
            try:
                for name, value in about.items():
                    write_json(path / name, value)
                folder = cls(path, lock, about)
                sync_folder(path.parent)
            except OSError as e:
                raise StoreError(
                    f"--out: {path} can't be written: {e.strerror}.", "free space, or another --out"
                ) from e
        except BaseException:
            lock.release()
            raise
        return folder

    @property
    def resume_command(self) -> str:
        """What goes on with this run: its own command, with this folder."""
        words = shlex.split(self._about["plan.json"].get("command", "slmbench run"))
        words += ["--out", str(self.path), "--resume"]
        old, new = (str(place / "prompts.json") for place in (self._opened_at, self.path))  # prompts kept in the folder
        words = [new if word == old else word for word in words]
        return f"{subprocess.list2cmdline(words) if os.name == 'nt' else shlex.join(words)}   ({NOTEBOOK})"

    def append(self, row: Row) -> None:
        """On disk when this returns. raises: StoreError (a full disk, a deleted folder); earlier rows stay whole.

        After a KeyboardInterrupt in here the row is either whole and among `rows`, or nowhere.
        """
        rows, size = len(self.rows), os.fstat(self._files[ROWS]).st_size
        before = self.attempts.get(row.cell), row.cell in self.finished
        try:
            self._write(ROWS, row.to_json())
            self._note(row)
            self.rows.append(row.light())
        except KeyboardInterrupt:
            if len(self.rows) == rows:
                os.ftruncate(self._files[ROWS], size)
                self._forget(row.cell, *before)
            raise
        self._follow()

    def _forget(self, cell: str, attempt: int | None, finished: bool) -> None:
        self.attempts.pop(cell, None)
        if attempt is not None:
            self.attempts[cell] = attempt
        (self.finished.add if finished else self.finished.discard)(cell)

    def append_resource(self, record: Mapping[str, Any]) -> None:
        self._write("resources.jsonl", json.dumps(record, ensure_ascii=True, allow_nan=False))

    def at_close(self, call: Callable[[], object]) -> None:
        """Have something called by the thread that closes the folder, before that, while it can still be written."""
        self._at_close.append(call)

    def _note(self, row: Row) -> None:
        self.attempts[row.cell] = max(self.attempts.get(row.cell, 0), row.attempt)
        refused = row.status.startswith("http_4") and RESTARTED not in row.flags
        if row.status in (OK, "skipped") or refused:
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
                f"{self.path / name}: {what}; {len(self.rows)} rows are kept.",
                f"{'free space' if full else 'see to that'}, then go on: {self.resume_command}",
            ) from e

    def _follow(self) -> None:
        """Go with a folder that was moved; bring back one that was deleted. raises: StoreError for the latter."""
        file = self._files[ROWS]
        if is_at(file, self.path / ROWS):
            return
        place = place_of(file)
        if place:
            self.path = place.parent
            return
        gone = self.path
        for self.path in (gone, gone.with_name(f"{gone.name}-kept-{os.getpid()}")):  # what stands there is not ours
            try:
                self._bring_back()
            except OSError as e:
                fault = e
                continue
            where = "written back" if self.path == gone else f"written to {self.path}"
            found = f"{gone} was deleted while the run wrote to it; its {len(self.rows)} rows were {where}."
            raise StoreError(found, f"to go on: {self.resume_command}")
        self.path = gone
        raise StoreError(
            f"{gone} was deleted while the run wrote to it, and its {len(self.rows)} rows can't be written back: "
            f"{fault.strerror}.",
            "another --out",
        ) from fault

    def _bring_back(self) -> None:
        """Write a deleted folder anew, from the files that are still open here. raises: OSError if one is there."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name, file in self._files.items():
            if is_at(file, self.path / name):
                continue
            fresh = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
            try:
                os.lseek(file, 0, os.SEEK_SET)
                while part := memoryview(os.read(file, COPY_BYTES)):
                    while part:
                        part = part[os.write(fresh, part) :]
                os.fsync(fresh)
            finally:
                os.close(fresh)
        for name, value in self._about.items():
            write_json(self.path / name, value)

    def close(self) -> None:
        try:
            while self._at_close:
                self._at_close.pop()()
        finally:
            for file in self._files.values():
                os.close(file)
            self._files = {}
            self._lock.release()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
