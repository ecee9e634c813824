"""What stations have measured, taken into one folder: over the network, or from folders on a share or a stick."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slmbench import store
from slmbench.config.checking import check
from slmbench.config.reading import clean
from slmbench.errors import KitError, UsageError
from slmbench.fleet.measuring import ASKED
from slmbench.records import OK, Row
from slmbench.store import StoreError, rooms

RUN_FOLDER = "name folders of slmbench run, or a folder that holds them"
CURE = "see that its kit is the same as here, then gather again"


def take(folder: Path, station: str, asked: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> int:
    """Keep what a station has told. parts: as `station.Here.tell` makes them.

    returns: the number of its rows that are here. raises: UsageError for what is no record, and for another plan.
    """
    first = parts[0] if parts else {}
    plan, machine, resources = (first.get(name) for name in ("plan", "machine", "resources"))
    for value, schema in ((plan, "plan.schema.json"), (machine, "machine.schema.json")):
        check(value, schema, lambda place: f"what {station} sent, {place or 'top level'}", CURE)
    if not isinstance(resources, list):
        raise UsageError(f"what {station} sent: no list of resources was found", CURE)
    for record in resources:
        check(record, "resource.schema.json", lambda place: f"what {station} sent, {place or 'a resource'}", CURE)
    refuse_another(plan, asked, station)
    kept = [_row(row, station) for part in parts[1:] for row in _listed(part, station)]
    return rooms.take(folder, station, plan=plan, machine=machine, resources=resources, rows=kept)


def _listed(part: Mapping[str, Any], station: str) -> list[Any]:
    rows = part.get("rows", [])
    if not isinstance(rows, list):
        raise UsageError(f"what {station} sent: {type(rows).__name__} was found, a list of rows was expected", CURE)
    return rows


def _row(value: Any, station: str) -> Row:
    try:
        return Row.from_json(json.dumps(value, allow_nan=False))
    except ValueError as e:
        raise UsageError(f"what {station} sent is not a record ({clean(e)})", CURE) from None


def refuse_another(plan: Mapping[str, Any], asked: Mapping[str, Any], whose: str) -> None:
    """raises: UsageError where a plan asks for something else than the room does."""
    names = [n for n in ASKED if asked.get(n) is not None and n in plan and plan[n] != asked[n]]
    theirs, ours = ({p["id"]: p["text"] for p in one.get("prompts") or ()} for one in (plan, asked))
    names += ["prompts"] if theirs != ours else []
    if names:
        told = ", ".join(names)
        raise UsageError(f"{whose} measured another plan: {told} differ{'s' * (len(names) == 1)} from the room's", CURE)


def progress(rows: Iterable[Row]) -> tuple[int, int]:
    """(requests that need no further attempt, attempts that failed)."""
    rows = list(rows)
    done = {row.cell for row in rows if row.status in (OK, "skipped")}
    return len(done), sum(row.status not in (OK, "skipped") for row in rows)


def collect(folders: Sequence[str], out: Path, name: str, *, run: str | None = None) -> list[rooms.Station]:
    """Merge run folders that came from a share or a stick into the room `out`; it may be there, and is added to.

    folders: each a run folder, a folder that holds run folders or folders of them, or NAME=FOLDER. A station is called
    as it is said, else as its machine.json says, else as the folder in the one that was named. The plan of the first
    one is the room's. run: where a machine has several run folders, the ones of this name.
    returns: where each station stands now. One that can't be taken is among them, with the reason.
    raises: UsageError if there is no run folder at all, or a name is used for two.
    """
    found = _named(folders, run)
    asked: Mapping[str, Any] | None = None
    stations: dict[str, rooms.Station] = {}
    asked_as = None
    if rooms.is_room(out):
        name, asked, before, asked_as = rooms.about(out)
        stations = {one.name: one for one in before}
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"--out: {clean(out)} is not empty, and no room.", "name another folder")
    for station, folder in found.items():
        try:
            one = store.read(folder)
            asked = asked or {n: one.plan[n] for n in (*ASKED, "prompts") if n in one.plan}
            refuse_another(one.plan, asked, clean(folder))
            what = {"plan": one.plan, "machine": one.machine, "resources": one.resources, "rows": one.rows}
            rows = rooms.take(out, station, **what)
            done, failed = progress(one.rows)
            told = {"cpu": one.machine.get("cpu"), "cores": one.machine.get("cores_logical")}
            told["memory_mb"] = one.machine.get("memory_mb")
            stations[station] = rooms.Station(station, "gathered", "", done, None, failed, rows, **told)
        except KitError as e:
            kept = stations.get(station, rooms.Station(station, "failed"))
            stations[station] = replace(kept, state="failed", reason=clean(e.message, 1000))
    rooms.write(out, name, asked or {}, stations.values(), asked_as)
    return list(stations.values())


def _named(folders: Sequence[str], run: str | None) -> dict[str, Path]:
    """station -> run folder; run: as for `collect`. raises: UsageError."""
    found: dict[str, Path] = {}
    for word in folders:
        said, sep, rest = word.partition("=")
        whole = Path(word).expanduser()
        said, place = (said, Path(rest).expanduser()) if sep and not whole.exists() else ("", whole)
        if said:
            rooms.check_name(said, "NAME=FOLDER")
        for named, folder in _runs(place):
            if run and folder.name != run:
                continue
            station = said or _called(folder, named)
            if station in found and found[station] != folder:
                both = f"{clean(found[station])} and {clean(folder)}"
                other = f"a name of its own: {station}-2={shlex.quote(clean(folder))}"
                cure = other if said else _apart(found[station], folder)
                raise UsageError(f"{station}: two run folders were found for it, {both}", cure)
            found[station] = folder
    if not found:
        raise UsageError(f"FOLDER: no run folder was found in {', '.join(clean(f) for f in folders)}", RUN_FOLDER)
    return found


def _runs(place: Path) -> list[tuple[str, Path]]:
    """(name, run folder): the place itself; or of the folders in it, each of which is one, or holds one or more."""
    if not place.is_dir():
        raise UsageError(f"FOLDER: {clean(place)} is no folder", RUN_FOLDER)
    try:
        if (place / "plan.json").is_file():
            return [(place.absolute().name, place)]
        if inside := sorted(plan.parent for plan in place.glob("*/plan.json")):
            return [(folder.name, folder) for folder in inside]
        deeper = sorted(place.glob("*/*/plan.json")) or sorted(place.glob("*/*/*/plan.json"))
        return [(plan.relative_to(place).parts[0], plan.parent) for plan in deeper]
    except OSError as e:
        raise UsageError(f"FOLDER: {clean(place)} can't be read: {e.strerror}", RUN_FOLDER) from None


def _called(folder: Path, named: str) -> str:
    """What machine.json, else the folder, calls the machine, as a name. raises: UsageError if neither gives one."""
    try:
        machine = store.reading.read_machine(folder / "machine.json")
    except StoreError:
        machine = {}  # told when it is read
    name = str(machine.get("station") or named).lower().replace(" ", "-")
    try:
        return rooms.check_name(name)
    except UsageError:
        found = f"{clean(folder)}: {clean(name, 60)} can't be a station's name ({rooms.NAMED})"
        raise UsageError(found, f"lap07={shlex.quote(clean(folder))}, with its name for lap07") from None


def _apart(one: Path, other: Path) -> str:
    """What to say instead: which run; or, of folders of two machines, both names, from where their paths differ."""
    pairs = list(zip(one.absolute().parts, other.absolute().parts, strict=False))
    differ = next((pair for pair in pairs[:-1] if pair[0] != pair[1]), None)
    if (one.name != other.name and one.parent == other.parent) or differ is None:
        return f"--run {shlex.quote(clean(other.name))}   (which of them, of all machines)"
    names = [part.lower() if rooms.NAME.fullmatch(part.lower()) else "NAME" for part in differ]
    return " ".join(f"{name}={shlex.quote(clean(at))}" for name, at in zip(names, (one, other), strict=True))
