"""Where the kit keeps things: the user's cache folder, and the data files that ship with it."""

from __future__ import annotations

import os
from pathlib import Path

CALIBRATION = "calibration.json"  # in `home()`
EXAMPLE, QUALITY = "example", "quality"  # names of the runs that ship with the kit: to be read, and to be judged


def home() -> Path:
    """The folder for everything the kit caches: models, the runtime's files, the service's state.

    `SLMBENCH_HOME` names another one; else the platform's cache folder for slmbench.
    """
    given = os.environ.get("SLMBENCH_HOME")
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs  # here: a run whose endpoint is given needs no folder

    return platformdirs.user_cache_path("slmbench", appauthor=False)


def data_file(name: str) -> Path:
    """A file of `data/`: beside the package in a wheel, at the top of the clone otherwise."""
    packaged = Path(__file__).parent / "data" / name
    return packaged if packaged.exists() else Path(__file__).parents[2] / "data" / name


def notebook(name: str) -> Path:
    """A notebook that a command shows: in the package in a wheel, in `notebooks/` of the clone otherwise."""
    packaged = Path(__file__).parent / "notebooks" / name
    return packaged if packaged.exists() else Path(__file__).parents[2] / "notebooks" / name


def run_folder(name: Path | str) -> Path:
    """A run by its name: `example` and `quality` are those that ship with the kit, anything else a folder's path."""
    if name in (EXAMPLE, QUALITY):
        return data_file(f"{name}_run")
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~name of a user that is not there
        return Path(name)
