"""A room on the instructor's board: where each of its stations stands, in words, and which have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from slmbench.show import alt, room_tiles, room_views
from slmbench.show.board_views import Shown
from slmbench.store import rooms
from slmbench.store.follow_room import RoomFollower
from slmbench.store.reading import PLAN

NEWS = 56  # characters of names in what is said of changes: a line on a projector
TAKES_NO_PART = ("left", "absent", "other version")


class OneRoom:
    """What the board shows of a room: the same attributes and methods as `board_runs.Runs`."""

    views: Mapping[str, str] = {name: label for name, (label, _) in room_views.VIEWS.items()}

    def __init__(self, folder: Path):
        self._room = RoomFollower(folder)

    @property
    def runs(self) -> list[RoomFollower]:
        return [self._room]

    @property
    def said(self) -> str:
        changes, reasons = self._room.changes, {one.name: one.reason for one in self._room.stations}
        if len(changes) == 1 and (why := reasons.get(changes[0][0])):
            why = why if len(why) <= NEWS else f"{why[:NEWS]}…"
            return f"{news(changes)} ({why})"
        return news(changes) if changes else "No change yet."

    def poll(self) -> bool:
        return self._room.poll()

    def turned(self) -> Path | None:
        """The folder, if it has become a run folder."""
        path = self._room.path
        return path if not rooms.is_room(path) and (path / PLAN).is_file() else None

    def shown(self, view: str, size: tuple[int, int], **_: bool) -> Shown:
        if not self._room.is_there:
            return Shown("Waiting for the room.", [])
        return room_views.look(self._room, view, size)

    def replayed(self, _: str) -> None:
        return None

    def progress(self) -> tuple[int, int | None]:
        return progress(self._room.stations)

    def lines(self) -> list[str]:
        room = self._room
        if not room.is_there:
            return [f"{room.name}: {room.problem or 'waiting for it'}"]
        stations = room.stations
        done, total = progress(stations)
        parts = [
            f"{room.room}: {alt.plural(len(stations), 'station')}",
            room.problem,
            ", ".join(f"{n} {state}" for state, n in room_tiles.counts(stations).items()),
            f"{done} of {total} requests" if total else f"{done} requests",
            f"{sum(one.failed for one in stations)} failed",
            last_news(stations),
        ]
        return [" · ".join(filter(None, parts))]


def progress(stations: Sequence[rooms.Station]) -> tuple[int, int | None]:
    """Requests that are done, and all of them; None where no station has told.

    All stations are asked the same: one that takes part and has not told how much that is, is to do what the others do.
    """
    asked = [one for one in stations if one.state not in TAKES_NO_PART]
    usual = max((one.total for one in asked if one.total), default=None)
    done = sum(one.done for one in asked)
    return done, sum(one.total or usual for one in asked) if usual else None


def news(changes: Sequence[tuple[str, str]]) -> str:
    """Changes of states as one short line: "gathered: lap03, lap07; failed: lap01". Of many, the number."""
    by_state: dict[str, list[str]] = {}
    for name, state in changes:
        by_state.setdefault(state, []).append(name)
    room = NEWS // len(by_state)
    return "; ".join(f"{state}: {_some(names, room)}" for state, names in by_state.items())


def _some(names: Sequence[str], room: int) -> str:
    kept = len(names)
    while kept > 1 and len(", ".join(names[:kept])) > room:
        kept -= 1
    more = f" and {len(names) - kept} more" if kept < len(names) else ""
    return ", ".join(names[:kept]) + more


def last_news(stations: Sequence[rooms.Station]) -> str:
    """When a station was last heard of, as the clock of this machine has it; "" if no time was told."""
    found = []
    for one in stations:
        try:
            found.append(datetime.fromisoformat(one.at or "").astimezone())
        except (ValueError, OverflowError, OSError):  # a stranger's text
            continue
    return f"last news {max(found):%H:%M}" if found else ""
