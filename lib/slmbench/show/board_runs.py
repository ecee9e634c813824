"""Run folders on the instructor's board: which ones, what is known of them, and where each stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench import paths
from slmbench.errors import KitError
from slmbench.quality.scores import Score, read_scores
from slmbench.show import board_views as views
from slmbench.store import rooms
from slmbench.store.follow import Follower, newest

if TYPE_CHECKING:
    import pandas as pd

RUNS = "runs"  # where new runs are made: in the current folder
ROOM_BESIDE = "it is a room, and a room is shown alone: slmbench board ROOM"


class Runs:
    """What the board shows of run folders. auto: the newest run in the current folder, also when another one begins;
    before there is any, the recorded example.

    views: labels of the buttons, by the names of the views. said: what is read out when it changes.
    """

    views: Mapping[str, str] = {name: label for name, (label, _) in views.VIEWS.items()}
    said = ""

    def __init__(self, folders: Sequence[Path], *, auto: bool = False):
        self.runs = [Follower(folder) for folder in folders]
        self._auto = auto
        self._scores: dict[Path, list[Score]] = {}

    def poll(self) -> bool:
        """Look at the folders. returns: whether anything is new."""
        changed = self._find()
        for run in self.runs:
            if run.poll():
                changed = True
                self._scores.pop(run.path, None)
        return changed

    def turned(self) -> Path | None:
        """The folder, if the one that is waited for has turned out to be a room."""
        if self._auto or len(self.runs) != 1 or not rooms.is_room(self.runs[0].path):
            return None
        return self.runs[0].path

    def shown(self, view: str, size: tuple[int, int], *, staged: bool) -> views.Shown:
        """One look. staged: other widgets than the picture can show something, too."""
        states = [views.State.of(run, self._of(run)) for run in self.runs if run.is_there]
        if not states:
            return views.Shown("Waiting for the first run.", [])
        if view == "tokens" and staged:  # another widget moves them
            return views.Shown("", [])
        return views.look(states, view, size)

    def replayed(self, view: str) -> pd.DataFrame | None:
        """The rows that the widget for tokens is to show; None in another view."""
        if view != "tokens":
            return None
        return self.runs[0].frame() if self.runs else None

    def progress(self) -> tuple[int, int | None]:
        """Requests that are done, and all of them (None where nobody knows)."""
        at = [views.progress(run.plan, run.frame()) for run in self.runs if run.is_there]
        totals = [one["total"] for one in at]
        return sum(one["done"] for one in at), None if None in totals or not totals else sum(totals)

    def lines(self) -> list[str]:
        """Where each run stands."""
        return [self._line(run) for run in self.runs] or [f"Waiting for a run in {Path(RUNS).absolute()}."]

    def _line(self, run: Follower) -> str:
        if run.problem:
            return f"{run.name}: {run.problem}"
        if not run.is_there:
            return f"{run.name}: {ROOM_BESIDE if rooms.is_room(run.path) else 'waiting for it'}"
        at = views.progress(run.plan, run.frame())
        done = f"{at['done']} of {at['total']}" if at["total"] else str(at["done"])
        left = "" if math.isnan(at["left_s"]) or at["done"] == at["total"] else f"about {at['left_s']:.0f} s left"
        state = "all done" if at["done"] == at["total"] else "last: " + ", ".join(at["last"]) if at["last"] else ""
        parts = [
            f"{run.name}: {done} timed requests",
            state,
            left,
            f"{at['failed']} failed",
            views.machine_of(run.machine),
        ]
        return " · ".join(filter(None, parts))

    def _find(self) -> bool:
        if not self._auto:
            return False
        found = newest(RUNS) or paths.run_folder(paths.EXAMPLE)
        if [run.path for run in self.runs] == [found]:
            return False
        self.runs = [Follower(found)]
        return True

    def _of(self, run: Follower) -> list[Score]:
        if run.path not in self._scores:
            try:
                self._scores[run.path] = read_scores(run.path)
            except KitError as e:
                run.problem, self._scores[run.path] = e.message, []
        return self._scores[run.path]
