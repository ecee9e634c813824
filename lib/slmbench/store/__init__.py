"""A run is a folder. `rows.jsonl` is the record of truth: one line a request, on disk before the next one starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from slmbench.store.checks import check_place, check_resume
from slmbench.store.files import StoreError, write_bytes, write_json, write_text
from slmbench.store.folder import RunFolder
from slmbench.store.frames import frame
from slmbench.store.reading import Run, read, read_calibration, run_folder

__all__ = [
    "Run",
    "RunFolder",
    "StoreError",
    "check_place",
    "check_resume",
    "default_path",
    "frame",
    "read",
    "read_calibration",
    "run_folder",
    "write_bytes",
    "write_json",
    "write_text",
]


def default_path(plan_hash: str, root: Path | str = "runs") -> Path:
    """runs/<UTC time>-<short hash>, in the current folder unless `root` says otherwise."""
    return Path(root) / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{plan_hash[:6]}"
