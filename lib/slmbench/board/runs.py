"""Which run folders, or which room, the board is to show: asked before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from slmbench import paths, store
from slmbench.config.reading import clean
from slmbench.config.values import Origin, folder as checked
from slmbench.errors import UsageError
from slmbench.store.follow import SIDE_BY_SIDE
from slmbench.store.rooms import STATIONS, is_room

CURE = "name a run folder or a room's, or one that is about to be made; or none: the newest under runs/ is shown"


def run_folders(given: Sequence[str], say: Callable[[str], None] = print) -> list[Path]:
    """The folders that are named, as absolute paths, each once.

    given: names and paths as for `paths.run_folder`. A folder that is not there yet, or that is empty, is waited for
        by the board if the folder around it is there; `say` is told so. A room is shown alone.
    raises: UsageError for a path that no system has, for a file, for a room beside another folder, and for more than
        SIDE_BY_SIDE; StoreError for one that can't be looked into, and for a folder that holds something else.
    """
    found = list(dict.fromkeys(_folder(name, say) for name in dict.fromkeys(given)))
    if len(found) > SIDE_BY_SIDE:
        raise UsageError(f"RUN: {len(found)} folders were found, at most {SIDE_BY_SIDE} were expected", "name fewer")
    if len(found) > 1 and (beside := [clean(path) for path in found if is_room(path)]):
        raise UsageError(f"RUN: {beside[0]} is a room, and {len(found)} folders were found", "a room is shown alone")
    return found


def _folder(name: str, say: Callable[[str], None]) -> Path:
    checked(name, Origin("RUN", "argument", CURE))
    path = paths.run_folder(name).absolute()
    shown = clean(path)
    try:
        if not path.exists():
            if not path.parent.is_dir():
                raise UsageError(
                    f"RUN: {shown} was found, a run folder was expected, or one to wait for: "
                    f"but there is no folder {clean(path.parent)} to wait in",
                    CURE,
                )
        elif not path.is_dir():
            raise UsageError(f"RUN: the file {shown} was found, a run folder was expected", CURE)
        elif is_room(path):
            return path
        elif {inside.name for inside in path.iterdir()} - {STATIONS}:
            return store.run_folder(path)
    except OSError as e:
        raise store.StoreError(f"RUN: {shown}: it can't be read: {e.strerror}.", CURE) from e
    say(f"Waiting for {shown}: the board shows it as soon as a run, or a room, has begun there.")
    return path
