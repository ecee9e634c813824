"""A run folder, read back: the plan, the machine, and every record as it was written.

A run folder may come from a stranger. What is read here has the form that the kit writes, or is refused with its file
and place; what a plan names (files, an address, a command) is told, and neither read nor called.
"""

from __future__ import annotations

import codecs
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.config.checking import check, in_file
from slmbench.config.reading import clean, parse_json, read_json
from slmbench.errors import UsageError
from slmbench.records import Row, to_frame
from slmbench.store.files import StoreError, lines, no_garbage_collection

if TYPE_CHECKING:
    import pandas as pd

PLAN, MACHINE, ROWS, RESOURCES = "plan.json", "machine.json", "rows.jsonl", "resources.jsonl"
MAX_BYTES = 64 * 1024 * 1024  # of all but the rows: a plan may hold 8 MiB of prompts, up to 6 bytes a character
MAKES_ONE = "slmbench run --out DIR   (makes one)"


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
    return Run(
        path,
        read_plan(path / PLAN),
        read_machine(path / MACHINE),
        read_rows(path / ROWS),
        read_resources(path / RESOURCES),
    )


def run_folder(path: Path | str) -> Path:
    """raises: StoreError if there is no run folder."""
    path = Path(path)
    if not _is_there(path):
        raise StoreError(f"{clean(path)} does not exist; a run folder was expected.", MAKES_ONE)
    if not _is_there(path / PLAN):
        raise StoreError(f"{clean(path)} is no run folder: it has no plan.json.", MAKES_ONE)
    return path


def read_plan(path: Path) -> dict[str, Any]:
    """raises: StoreError if it is no plan."""
    return _stored(path, "plan.schema.json")


def read_machine(path: Path) -> dict[str, Any]:
    """{} if the file is not there. raises: StoreError if it holds no facts."""
    return _stored(path, "machine.schema.json") if _is_there(path) else {}


def read_calibration(path: Path) -> dict[str, Any] | None:
    """What `slmbench calibrate` kept. raises: StoreError if it is not there, or no calibration."""
    return _stored(path, "machine.schema.json", "calibration", "slmbench calibrate   (makes it anew)")


def _stored(path: Path, schema: str, part: str | None = None, cure: str = "") -> dict[str, Any]:
    cure = cure or f"restore {clean(path.name)} in {clean(path.parent)}, or start a new run folder"
    try:
        value = read_json(path, cure, max_bytes=MAX_BYTES, any_text=True)
        check(value, schema, in_file(path), cure, part)
    except UsageError as e:
        raise StoreError(e.message, e.cure) from None
    return value


def read_rows(path: Path) -> list[Row]:
    """raises: StoreError that names the line which is no row."""
    with no_garbage_collection():
        return [row_of(line, path, number) for number, line in enumerate(record(path), 1)]


def row_of(line: bytes, path: Path, number: int) -> Row:
    """One line of rows.jsonl. path, number: where it stands, for the error. raises: StoreError."""
    try:
        return Row.from_json(line)
    except ValueError as e:
        raise StoreError(f"{path}, line {number}: not a record ({e}).", "move that line to another file") from e


def read_resources(path: Path) -> list[dict[str, Any]]:
    """raises: StoreError that names the line which is no such record."""
    return [_resource(line, path, number) for number, line in enumerate(record(path, MAX_BYTES), 1)]


def _resource(line: bytes, path: Path, number: int) -> dict[str, Any]:
    cure = "move that line to another file"
    try:
        value = parse_json(line)
    except ValueError as e:
        raise StoreError(f"{clean(path)}: a line is not valid JSON (line {number}: {e}).", cure) from None
    try:
        check(value, "resource.schema.json", in_file(f"{path}, line {number}"), cure)
    except UsageError as e:
        raise StoreError(e.message, e.cure) from None
    return value


def record(path: Path, max_bytes: int | None = None) -> Iterator[bytes]:
    """The whole lines of a record, as `files.lines` gives them, without a byte order mark before the first; none if
    the file is not there.

    max_bytes: a larger file is not read.
    raises: StoreError for what is no file (a pipe would be waited for), is too large, or can't be read.
    """
    if not _is_there(path):
        return
    cure = f"restore {clean(path.name)}, or look at the rest of the folder without it"
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise StoreError(f"{clean(path)}: it is not a file.", cure)
        if max_bytes is not None and about.st_size > max_bytes:
            raise StoreError(f"{clean(path)}: {about.st_size} bytes were found, at most {max_bytes} are read.", cure)
        found = lines(path)
        for first in found:
            yield first.removeprefix(codecs.BOM_UTF8)  # some editors write one
            break
        yield from found
    except OSError as e:
        raise StoreError(f"{clean(path)}: it cannot be read: {e.strerror}.", cure) from None


def _is_there(path: Path) -> bool:
    """raises: StoreError where that can't be told: a name that no system has, a folder that may not be looked into."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as e:
        raise StoreError(f"{clean(path)}: it cannot be read: {getattr(e, 'strerror', None) or e}.", MAKES_ONE) from None
    return True
