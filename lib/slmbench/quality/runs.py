"""Which run is worked on: one of your own, or a copy of one that ships with the kit."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from slmbench import paths
from slmbench.store import StoreError, run_folder

COPIED = ("plan.json", "machine.json", "prompts.json", "resources.jsonl", "rows.jsonl", "scores.jsonl")
COPIES = {paths.QUALITY: "quality_example", paths.EXAMPLE: "speed_example"}


def working_copy(run: Path | str = paths.QUALITY, root: Path | str = "runs") -> Path:
    """The folder of a run that may be written to. run: "quality" or "example" for a copy of the kit's own, which is
    made under `root` once, so that what ships stays as it is; else the path of a run folder.

    raises: StoreError if there is no run folder, or the copy can't be made.
    """
    if run not in COPIES:
        return run_folder(paths.run_folder(run))
    copy = (Path(root) / COPIES[run]).absolute()  # whoever reads of it may be in another folder
    if (copy / "plan.json").exists():
        return run_folder(copy)
    part = None
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".copy-", dir=copy.parent))
        for name in COPIED:
            if (kept := paths.run_folder(run) / name).exists():
                shutil.copyfile(kept, part / name)
        part.chmod(0o755)
        part.rename(copy)
    except OSError as e:
        if not (copy / "plan.json").exists():  # else another notebook was faster
            raise StoreError(
                f"{copy} can't be written: {e.strerror}.", "work in a folder of your own, or name a run"
            ) from e
    finally:
        if part:
            shutil.rmtree(part, ignore_errors=True)
    return run_folder(copy)
