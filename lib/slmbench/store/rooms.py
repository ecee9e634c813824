"""A room: many machines that were asked the same, one folder for the whole, a run folder for each station in it.

    room.json                    what was asked, and where each station stands, with the reason
    stations/<name>/             plan.json, machine.json, rows.jsonl, resources.jsonl: a run folder, and read as one

A station is a machine under the name that its owner has chosen for it; it stands in every row and in machine.json.
What comes from a station is taken as data of a stranger: it is held to the forms of a run folder, and refused by name.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.config.checking import check, in_file
from slmbench.config.reading import clean, read_json
from slmbench.errors import UsageError
from slmbench.records import Row, to_frame
from slmbench.store.files import StoreError, open_append, write_json
from slmbench.store.reading import MACHINE, PLAN, RESOURCES, ROWS, Run, read, read_plan, read_rows

if TYPE_CHECKING:
    import pandas as pd

ROOM, STATIONS = "room.json", "stations"
# expected: not there yet; joined: there; measured: all done there; gathered: and all of it is here
STATES = (
    "expected",
    "joined",
    "measuring",
    "measured",
    "gathered",
    "late",
    "failed",
    "left",
    "absent",
    "other version",
)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
NAMED = "1 to 32 small letters, digits, '.', '_' and '-', the first one a letter or digit"
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # names of devices on Windows
MAKES_ONE = "slmbench fleet run   (makes one), or slmbench fleet collect FOLDER …"


@dataclass(frozen=True, slots=True)
class Station:
    """Where a station stands.

    state: one of `STATES`. reason: in a sentence, where it is not as it should be. done, total: requests that need
    no further attempt, and all that are asked for, warm-ups included (None: not known); failed: of the attempts.
    rows: that are here. at: ISO 8601, UTC, of the last news. cpu, cores, memory_mb: of its machine, as far as it told.
    """

    name: str
    state: str
    reason: str = ""
    done: int = 0
    total: int | None = None
    failed: int = 0
    rows: int = 0
    at: str | None = None
    cpu: str | None = None
    cores: int | None = None
    memory_mb: int | None = None


class About(NamedTuple):
    """room.json. run: what the stations' own run folders are called; None where they were collected."""

    name: str
    asked: dict[str, Any]
    stations: list[Station]
    run: str | None


@dataclass(frozen=True, slots=True)
class Room:
    """A room as it stands. asked: the settings, as `Settings.to_dict` gives them. runs: by station, where rows came."""

    path: Path
    name: str
    asked: Mapping[str, Any]
    stations: Sequence[Station]
    runs: Mapping[str, Run]

    def frame(self) -> pd.DataFrame:
        """All rows of all stations, in the order of their names; column `station` tells whose.

        Each station's derived columns are of its own run: whoever was first to send a prompt, was so on its machine.
        """
        import pandas as pd

        parts = {name: self.runs[name].frame() for name in sorted(self.runs) if self.runs[name].rows}
        if not parts:
            return to_frame([])
        whole = pd.concat(parts.values(), ignore_index=True)
        names = [name for name, part in parts.items() for _ in range(len(part))]
        return whole.assign(station=pd.array(names, dtype=whole["station"].dtype))


def is_room(path: Path | str) -> bool:
    try:
        return Path(path, ROOM).is_file()
    except (OSError, ValueError):  # a name that no system has
        return False


def check_name(name: str, label: str = "name") -> str:
    """A station's name, which is a folder's as well. raises: UsageError."""
    if not isinstance(name, str) or not NAME.fullmatch(name) or RESERVED.fullmatch(name) or name.endswith("."):
        found = f'"{clean(name, 60)}"' if name else "an empty name"
        raise UsageError(f"{label}: {found} was found, {NAMED} were expected", f"for example {label} lap07")
    return name


def new_run(label: str) -> str:
    """A name for run folders on the stations that none of them has yet: old records are never taken for new ones."""
    return f"{label[:13]}-{datetime.now(UTC):%y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def write(path: Path, name: str, asked: Mapping[str, Any], stations: Iterable[Station], run: str | None = None) -> None:
    """room.json, whole or not at all. run: as in `About`. raises: StoreError."""
    about = {s.name: {k: v for k, v in dataclasses.asdict(s).items() if k != "name"} for s in stations}
    try:
        path.mkdir(parents=True, exist_ok=True)
        named = {"run": run} if run else {}
        write_json(path / ROOM, {"room": name, **named, "asked": dict(asked), "stations": about})
    except OSError as e:
        raise StoreError(f"{clean(path)} can't be written: {e.strerror}.", "name another folder: --out DIR") from e


def about(path: Path | str) -> About:
    """What room.json has. raises: StoreError if it is no such file."""
    file = Path(path, ROOM)
    cure = f"restore it, or gather again: {MAKES_ONE}"
    if not file.is_file():
        raise StoreError(f"{clean(path)} is no room: it has no {ROOM}.", MAKES_ONE)
    try:
        value = read_json(file, cure, any_text=True)
        check(value, "room.schema.json", in_file(file), cure)
        if value["asked"]:  # nothing, where no station's records could be read
            check(value["asked"], "plan.schema.json", in_file(file), cure)
        stations = [Station(check_name(name), **fields) for name, fields in value["stations"].items()]
        run = check_name(value["run"], f"{clean(file)}: run") if "run" in value else None
    except UsageError as e:
        raise StoreError(e.message, e.cure) from None
    return About(value["room"], value["asked"], stations, run)


def read_room(path: Path | str) -> Room:
    """A room's folder. A station whose records are damaged is `failed`, with the reason. raises: StoreError."""
    path = Path(path)
    name, asked, stations, _ = about(path)
    runs, kept = {}, []
    for station in stations:
        folder, now = path / STATIONS / station.name, station
        try:
            if (folder / PLAN).is_file():
                runs[station.name] = read(folder)
        except StoreError as e:
            now = dataclasses.replace(station, state="failed", reason=e.message)
        kept.append(now)
    return Room(path, name, asked, kept, runs)


def take(
    path: Path,
    station: str,
    *,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    rows: Iterable[Row],
) -> int:
    """Keep what came from a station; what is here already is not kept twice, so that it can be sent again.

    returns: the number of rows of it that are here now. raises: StoreError, also where what is here is another run.
    """
    folder = path / STATIONS / check_name(station)
    if (folder / PLAN).is_file() and (here := read_plan(folder / PLAN).get("run")) != plan.get("run"):
        told = f"{clean(folder)} has the records of {clean(here)}; those of {clean(plan.get('run'))} came."
        raise StoreError(told, "name another --out, or another name for it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / PLAN, dict(plan))
        write_json(folder / MACHINE, {**machine, "station": station})
        here = {row.to_json() for row in read_rows(folder / ROWS)}
        fresh = [line for row in rows if (line := dataclasses.replace(row, station=station).to_json()) not in here]
        _append(folder / ROWS, fresh)
        known = set(_lines(folder / RESOURCES))
        _append(folder / RESOURCES, [line for line in map(_line, resources) if line not in known])
    except OSError as e:
        raise StoreError(f"{clean(folder)} can't be written: {e.strerror}.", "free space, then gather again") from e
    return len(here | set(fresh))


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=True, allow_nan=False)


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        yield from path.read_text(encoding="ascii", errors="replace").splitlines()


def _append(path: Path, lines: Sequence[str]) -> None:
    file = open_append(path)  # cuts a torn tail off
    try:
        left = memoryview("".join(f"{line}\n" for line in dict.fromkeys(lines)).encode("ascii"))
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)
