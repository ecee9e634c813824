"""A room's folder that another process may be writing, read as it changes. Nothing is written here, nothing locked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.records import to_frame
from slmbench.store import rooms
from slmbench.store.files import StoreError
from slmbench.store.follow import Follower, sign_of

if TYPE_CHECKING:
    import pandas as pd

GONE = f"{rooms.ROOM} is not there any more; this is what it said last"


class RoomFollower:
    """What a room's folder holds so far; `poll` looks again. The folder need not be there yet.

    room: its name. asked: as in `rooms.Room`. runs: a `Follower` of each station whose folder is there, by its name.
    changes: (station, state) of all whose state the last change of room.json has changed; none for the first reading.
    problem: why room.json can't be read, in a sentence; "" when all is well.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.room, self.problem = "", ""
        self.asked: dict[str, Any] = {}
        self.runs: dict[str, Follower] = {}
        self.changes: list[tuple[str, str]] = []
        self._told: list[rooms.Station] = []
        self._frames: dict[str, pd.DataFrame] = {}
        self._seen: tuple[int, ...] | None = None
        self._misses = 0

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_there(self) -> bool:
        """Whether it has been read once; what was read stays, also when the folder is taken away."""
        return bool(self.room)

    @property
    def stations(self) -> list[rooms.Station]:
        """As room.json tells of them; one whose records are damaged is `failed`, with the reason."""
        return [self._held(station) for station in self._told]

    def frame(self) -> pd.DataFrame:
        """All rows so far, as `rooms.Room.frame` gives them, but that of each only what `Row.light` keeps."""
        import pandas as pd

        here = {one.name: run for one in self._told if (run := self.runs.get(one.name)) and run.rows}
        for name in here.keys() - self._frames.keys():
            self._frames[name] = here[name].frame().assign(station=name)
        parts = [self._frames[name] for name in sorted(here)]
        return pd.concat(parts, ignore_index=True) if parts else to_frame([])

    def poll(self) -> bool:
        """Read what has changed. returns: whether anything is new, a problem or its end included."""
        before = self.problem
        changed = self._room()
        for name in self._folders():
            run = self.runs.setdefault(name, Follower(self.path / rooms.STATIONS / name, light=True))
            if run.poll():
                changed = True
                self._frames.pop(name, None)
        return changed or self.problem != before

    def _room(self) -> bool:
        """room.json, where it is another one than before. What can't be read once may be about to be written."""
        file = self.path / rooms.ROOM
        sign = sign_of(file)
        if sign is not None and sign == self._seen:
            return False
        if sign is None and not self.is_there:
            self.problem = ""
            return False
        try:
            room, asked, stations, _ = rooms.about(self.path)
        except StoreError as e:
            self._misses += 1
            if self._misses > 1 or not self.is_there:
                self.problem = GONE if sign is None else e.message
                self._seen = sign
            return False
        if self.is_there:
            old = {station.name: station.state for station in self._told}
            changes = [(one.name, one.state) for one in stations if old.get(one.name) != one.state]
            self.changes = changes or self.changes
        changed = (room, asked, stations) != (self.room, self.asked, self._told)
        self.room, self.asked, self._told = room, asked, stations
        self.problem, self._seen, self._misses = "", sign, 0
        return changed

    def _folders(self) -> list[str]:
        """Stations of room.json that have a folder; those that had one are looked at until they have none."""
        try:
            there = {folder.name for folder in (self.path / rooms.STATIONS).iterdir()}
        except (OSError, ValueError):
            there = set()
        return [one.name for one in self._told if one.name in there or one.name in self.runs]

    def _held(self, station: rooms.Station) -> rooms.Station:
        run = self.runs.get(station.name)
        if run is None or not run.problem:
            return station
        return dataclasses.replace(station, state="failed", reason=run.problem)
