"""Whether a run folder can be made, or gone on with: asked before any request goes out."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slmbench.config import nearest
from slmbench.config.plans import changes
from slmbench.store.files import StoreError

NOTEBOOK = "in a notebook: resume = True"
ROW_BYTES = 2500  # of one row, without what grows with its tokens
TOKEN_BYTES = 60
SAME_MACHINE = ("os", "architecture", "cpu", "cores_logical")  # of machine.json: what tells one from another


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
        cure = "name another folder" + (f", or go on with it: --resume ({NOTEBOOK})" if "plan.json" in there else "")
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


def check_space(path: Path, plan: Mapping[str, Any]) -> None:
    """Whether the disk has room for all rows that the plan asks for. raises: StoreError.

    With a precision there may be more rows: how many is not known, and the rounds asked for are counted. A plan that
    leaves the models open is counted by its targets.
    """
    levels = plan.get("concurrency", 1)
    levels = levels if isinstance(levels, list | tuple) else [levels]
    requests = len(levels) * len(plan.get("prompts") or ()) * plan.get("rounds", 1) + plan.get("warmup", 0)
    requests += sum(levels) - len(levels) if plan.get("rate") is None else 0
    requests *= len(plan.get("models") or plan.get("targets") or ()) * plan.get("loads", 1)
    needed = (requests + 10) * (ROW_BYTES + TOKEN_BYTES * plan.get("max_tokens", 0))
    free = shutil.disk_usage(path).free
    if free < needed:
        raise StoreError(
            f"--out: {path} has {free / 1e6:.1f} MB free; about {needed / 1e6:.1f} MB are needed.",
            "free space, or another --out",
        )


def refuse_changes(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """raises: StoreError for anything but the same plan or one that asks for more; it names what differs."""
    changed = changes(old, new)
    if changed:
        raise StoreError(
            f"{path} holds another plan ({'; '.join(changed)}).",
            "use the same settings and service (more models, rounds, loads or budget will do), or another --out",
        )


def refuse_other_machine(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """raises: StoreError where a run would go on elsewhere than it began: its times would be of two machines."""
    told = [(name, old.get(name), new.get(name)) for name in SAME_MACHINE]
    changed = [f"{name}: {was} -> {now}" for name, was, now in told if None not in (was, now) and was != now]
    if changed:
        raise StoreError(
            f"{path} was measured on another machine ({'; '.join(changed)}).",
            "name another --out here; slmbench compare RUN_A RUN_B   (sets two machines side by side)",
        )


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
