"""A run is a folder. `rows.jsonl` is the record of truth: one line a request, on disk before the next one starts."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from slmbench.config import nearest
from slmbench.config.plans import changes
from slmbench.errors import UsageError
from slmbench.records import OK, Row, to_frame

if TYPE_CHECKING:
    import pandas as pd

NOTEBOOK = "in a notebook: resume = True"
ROW_BYTES = 2500  # of one row, without what grows with its tokens
TOKEN_BYTES = 60


class StoreError(UsageError):
    """The run folder can't be written, or is not what was expected; what is recorded in it stays."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, read."""

    path: Path
    plan: dict[str, Any]
    machine: dict[str, Any]
    rows: list[Row]
    resources: list[dict[str, Any]]

    def frame(self) -> pd.DataFrame:
        """All rows, warm-up and skipped ones too, as `records.to_frame` makes it."""
        return to_frame(self.rows)


def default_path(plan_hash: str, root: Path | str = "runs") -> Path:
    """runs/<UTC time>-<short hash>, in the current folder unless `root` says otherwise."""
    return Path(root) / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{plan_hash[:6]}"


def read(path: Path | str) -> Run:
    """A run folder as it stands; a torn last line (a writer was killed) is passed over.

    raises: StoreError if it is no run folder, or a record in the middle is damaged.
    """
    path = Path(path)
    if not (path / "plan.json").is_file():
        raise StoreError(f"{path} is no run folder: it has no plan.json.", "slmbench run --out DIR   (makes one)")
    return Run(
        path,
        _json(path / "plan.json"),
        _json(path / "machine.json") if (path / "machine.json").exists() else {},
        _rows(path / "rows.jsonl"),
        _resources(path / "resources.jsonl"),
    )


def check_place(path: Path | str | None, *, resume: bool = False) -> set[str]:
    """Whether a run folder may be made (or taken up) at `path`; a caller may ask before a long preparation.

    path: None for a new one under runs/.
    returns: the names of what is there. raises: StoreError.
    """
    if path is None:
        if resume:
            check_resume(None)
        return set()
    path = Path(path).absolute()
    if path.exists() and not path.is_dir():
        raise StoreError(f"--out: {path} is a file; a folder was expected.", "name another folder")
    try:
        there = {p.name for p in path.iterdir()} - {".lock"} if path.exists() else set()
    except OSError as e:
        raise StoreError(f"--out: {path} can't be read: {e.strerror}.", "name a folder of your own") from e
    if there and not resume:
        cure = f"name another folder, or go on with it: --resume ({NOTEBOOK})"
        raise StoreError(f"--out: {path} is not empty.", cure)
    if "plan.json" not in there and any(not name.startswith(".") for name in there):
        raise StoreError(f"--out: {path} is no run folder: it has no plan.json.", "name another folder")
    try:
        _try_writing(path)
    except OSError as e:
        raise StoreError(f"--out: {path} can't be written: {e.strerror}.", "name a folder of your own") from e
    return there


def check_resume(path: Path | str | None) -> None:
    """Whether there is a run to go on with at `path`. raises: StoreError; it names the nearest folder beside it."""
    if path is None:
        raise StoreError("--resume: no run folder was named, --out DIR was expected.", "add --out DIR (notebook: out)")
    path = Path(path).absolute()
    if (path / "plan.json").is_file():
        return
    found = "is no run folder: it has no plan.json" if path.exists() else "is not there"
    runs = [p.parent.name for p in path.parent.glob("*/plan.json")]
    close = nearest(path.name, runs, 1)
    cure = f"Is it {path.with_name(close[0])}?" if close else "leave --resume out: that makes a new run"
    raise StoreError(f"--resume: {path} {found}; a run to go on with was expected.", cure)


def _try_writing(path: Path) -> None:
    """Write something where the folder is or is to be, and take it away again. raises: OSError."""
    if path.exists():
        with tempfile.TemporaryFile(dir=path):
            return
    made = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # somebody else may have put something in it by now
        for folder in made:
            folder.rmdir()


class RunFolder:
    """The one writer of a run folder; a context manager. `finished` holds the cells that need no further attempt."""

    def __init__(self, path: Path, lock: FileLock):
        self.path = path
        self._lock = lock
        self.rows = _rows(path / "rows.jsonl")  # before anything is opened: it may refuse
        self._files = {name: _open_append(path / name) for name in ("rows.jsonl", "resources.jsonl")}
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
            _check_space(path, plan)
            if "plan.json" in there:
                _refuse_changes(path, _json(path / "plan.json"), plan)
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
        """On disk when this returns. raises: StoreError (a full disk); earlier rows stay whole."""
        self._write("rows.jsonl", row.to_json())
        self.rows.append(row)
        self._note(row)

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
        except OSError as e:
            os.ftruncate(file, before)  # no torn record stays behind
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


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def write_text(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Whole or not at all: a temporary file, renamed."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding=encoding, newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _open_append(path: Path) -> int:
    """Open for appending; a torn tail goes first, for it would swallow the next record."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    data = path.read_bytes()
    os.ftruncate(file, data.rfind(b"\n") + 1)
    return file


def _lines(path: Path) -> list[bytes]:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1].splitlines()


def _rows(path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(_lines(path), 1):
        try:
            rows.append(Row.from_json(line))
        except (ValueError, TypeError) as e:
            raise StoreError(f"{path}, line {number}: not a record ({e}).", "move that line to another file") from e
    return rows


def _resources(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in _lines(path)]
    except ValueError as e:
        raise StoreError(f"{path}: a line is not valid JSON ({e}).", "move that line to another file") from e


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:
        raise StoreError(f"{path}: not valid JSON ({e}).", "restore the file, or start a new run folder") from e


def _check_space(path: Path, plan: Mapping[str, Any]) -> None:
    requests = (
        len(plan.get("models") or ()) * len(plan.get("prompts") or ()) * plan.get("rounds", 1) * plan.get("loads", 1)
    )
    needed = (requests + 10) * (ROW_BYTES + TOKEN_BYTES * plan.get("max_tokens", 0))
    free = shutil.disk_usage(path).free
    if free < needed:
        raise StoreError(
            f"--out: {path} has {free / 1e6:.1f} MB free; about {needed / 1e6:.1f} MB are needed.",
            "free space, or another --out",
        )


def _refuse_changes(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """raises: StoreError for anything but the same plan or one that asks for more; it names what differs."""
    changed = changes(old, new)
    if changed:
        raise StoreError(
            f"{path} holds another plan ({'; '.join(changed)}).",
            "use the same settings and service (more models, rounds or loads will do), or another --out",
        )
