"""A run folder, read back: the plan, the machine, and every record as it was written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.records import Row, to_frame
from slmbench.store.files import StoreError, lines, no_garbage_collection, read_json

if TYPE_CHECKING:
    import pandas as pd


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


def read(path: Path | str) -> Run:
    """A run folder as it stands; a torn last line (a writer was killed) is passed over.

    raises: StoreError if it is no run folder, or a record in the middle is damaged.
    """
    path = run_folder(path)
    machine = path / "machine.json"
    return Run(
        path,
        read_json(path / "plan.json"),
        read_json(machine) if machine.exists() else {},
        read_rows(path / "rows.jsonl"),
        read_resources(path / "resources.jsonl"),
    )


def run_folder(path: Path | str) -> Path:
    """raises: StoreError if there is no run folder."""
    path = Path(path)
    if not path.exists():
        raise StoreError(f"{path} does not exist; a run folder was expected.", "slmbench run --out DIR   (makes one)")
    if not (path / "plan.json").is_file():
        raise StoreError(f"{path} is no run folder: it has no plan.json.", "slmbench run --out DIR   (makes one)")
    return path


def read_rows(path: Path) -> list[Row]:
    """raises: StoreError that names the line which is no row."""
    with no_garbage_collection():
        return [row_of(line, path, number) for number, line in enumerate(lines(path), 1)]


def row_of(line: bytes, path: Path, number: int) -> Row:
    """One line of rows.jsonl. path, number: where it stands, for the error. raises: StoreError."""
    try:
        return Row.from_json(line)
    except ValueError as e:
        raise StoreError(f"{path}, line {number}: not a record ({e}).", "move that line to another file") from e


def read_resources(path: Path) -> list[dict[str, Any]]:
    """raises: StoreError if a line is not JSON."""
    try:
        return [json.loads(line) for line in lines(path)]
    except ValueError as e:
        raise StoreError(f"{path}: a line is not valid JSON ({e}).", "move that line to another file") from e
