"""The machines of a room: where each station stands, what it is, and what of that limits a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench import machine
from slmbench.config.plans import other_work
from slmbench.show import text
from slmbench.show.alt import plural
from slmbench.show.room_plots import listed
from slmbench.store.rooms import Room, Station

if TYPE_CHECKING:
    import pandas as pd

STATES: Mapping[str, str] = {  # the order of the table: whatever needs attention comes first
    "absent": "absent: it never joined",
    "left": "left before its records were here",
    "failed": "failed",
    "other version": "has other versions, so it was not asked",
    "late": "late: not done when the time was over",
    "expected": "expected, not there yet",
    "joined": "joined, nothing measured yet",
    "measuring": "still measuring",
    "measured": "measured, not gathered yet",
    "gathered": "delivered",
}
FINE = "gathered"
LINES = 60  # of a table; of more stations, those that are as they should be are named in a sentence
DIFFERENCES = 20  # of two machines; the rest is in their machine.json
PRIVATE = ("station", "calibration")  # a name, and a measurement
LOCAL = ("127.", "localhost", "[::1]")
TOGETHER = 0.8  # share of the requests of each that fell into the time that all have in common
FACT = 80  # characters of one that is shown


def delivered(room: Room) -> dict[str, list[Station]]:
    """The stations by what is here of what they were asked: "all" (failures are recorded, too), "part" or "nothing".

    A model that a station has not is a part that is missing.
    """
    found: dict[str, list[Station]] = {"all": [], "part": [], "nothing": []}
    for one in room.stations:
        here, lacks = bool(_asked(room, one)), _lacking(room, one)
        found["all" if here and one.state == FINE and not lacks else "part" if here else "nothing"].append(one)
    return found


def _asked(room: Room, one: Station) -> set[str]:
    """The models of which a station made a timed request, whatever came of it."""
    rows = room.runs[one.name].rows if one.name in room.runs else ()
    return {row.model for row in rows if row.phase == "timed" and row.status != "skipped"}


def _lacking(room: Room, one: Station) -> list[str]:
    """Models that were asked for, and of which it made no request."""
    return [model for model in room.asked.get("models") or () if model not in _asked(room, one)]


def _short_of(one: Station) -> int:
    """How many of its requests are without a usable reply, as far as it is known."""
    return max(0, (one.total or 0) - one.done)


def headline(room: Room) -> str:
    """How many stations of how many delivered, in a sentence or three."""
    groups, n = delivered(room), len(room.stations)
    if not n:
        return "No station is in this room."
    said = f"{len(groups['all'])} of {plural(n, 'station')} delivered all that was asked."
    for how in ("part", "nothing"):
        if groups[how]:
            why = []
            for one in groups[how]:
                lacks = f" (without {listed(_lacking(room, one), 4)})" if how == "part" and one.state == FINE else ""
                why.append(f"{one.name} ({one.state})" if one.state != FINE else f"{one.name}{lacks}")
            said += f" {len(groups[how])} delivered {'a part' if how == 'part' else 'nothing'}: {listed(why)}."
    return said


def standing(room: Room) -> list[str]:
    """The table of the stations, those first that are not as they should be."""
    import pandas as pd

    groups = delivered(room)
    fine = {one.name for one in groups["all"]}
    order = {state: place for place, state in enumerate(STATES)}
    ordered = sorted(room.stations, key=lambda one: (one.name in fine, order[one.state], one.name))
    shown = ordered if len(ordered) <= LINES else [one for one in ordered if one.name not in fine]
    lines = [
        {
            "Station": one.name,
            "State": STATES[one.state],
            "Reason": _reason(one, room) or "–",
            "Requests done": str(one.done) if one.total is None else f"{one.done} of {one.total}",
            "Attempts failed": one.failed,
            "Records here": len(room.runs[one.name].rows) if one.name in room.runs else 0,
        }
        for one in shown
    ]
    blocks = [text.table(pd.DataFrame(lines))] if lines else []
    if len(shown) < len(ordered):
        names = sorted(fine)
        blocks.append(f"{'The other ' * bool(lines)}{len(names)} delivered all: {', '.join(names)}.")
    return blocks


def _reason(one: Station, room: Room) -> str:
    if one.reason or one.state != FINE:
        return one.reason
    if one.name not in room.runs:
        return "its records are not here any more"
    short = f"{_short_of(one)} of {one.total} requests have no usable reply" if _short_of(one) else ""
    lacks = _lacking(room, one)
    return "; ".join(filter(None, [short, f"without {listed(lacks, 4)}" if lacks else ""]))


def facts(room: Room, one: Station) -> dict[str, str]:
    """What a reader needs to know of a station's machine, in words; "n/a" for what is not told."""
    told = room.runs[one.name].machine if one.name in room.runs else {}
    service = _mapping(told.get("service"))
    memory = told.get("memory_mb", one.memory_mb)
    gpus = told.get("gpus")
    known = {
        "CPU": told.get("cpu") or one.cpu,
        "Cores": told.get("cores_logical", one.cores),
        "Memory (GB)": text.number(memory / 1000) if type(memory) in (int, float) else None,
        "GPU": _gpus(gpus) if isinstance(gpus, list) else None,
        "On battery": {True: "yes", False: "no"}.get(told.get("on_battery")) if _is_flag(told) else None,
        "System": told.get("os_version") or told.get("os"),
        "Service": str(service.get("source") or "").partition(";")[0].partition(",")[0] or None,
        "Runtime": _version(service.get("foundry_local_sdk")),
        "Kit": _version(_mapping(told.get("packages")).get("slmbench")),
    }
    return {name: text.MISSING if value is None else _said(value) for name, value in known.items()}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_flag(told: Mapping[str, Any]) -> bool:
    return isinstance(told.get("on_battery"), bool)


def _gpus(gpus: Sequence[Any]) -> str:
    return "; ".join(_said(_mapping(gpu).get("name", gpu)) for gpu in gpus) or "none found"


def _version(value: Any) -> str | None:
    return None if value is None else str(value)


def _said(value: Any) -> str:
    shown, more = text.shortened(str(value), FACT)
    return f"{shown}…" if more else shown


def hardware(room: Room) -> list[str]:
    """A line for each kind of machine, with the stations that are of it; those without any fact apart."""
    import pandas as pd

    kinds: dict[tuple, list[str]] = {}
    for one in sorted(room.stations, key=lambda one: one.name):
        kinds.setdefault(tuple(facts(room, one).items()), []).append(one.name)
    unknown = [names for kind, names in kinds.items() if all(value == text.MISSING for _, value in kind)]
    lines = [
        {"Stations": listed(names, LINES), "n": len(names), **dict(kind)}
        for kind, names in kinds.items()
        if names not in unknown
    ]
    blocks = [text.table(pd.DataFrame(lines[:LINES]))] if lines else []
    if len(lines) > LINES:
        blocks.append(f"{LINES} of {len(lines)} kinds of machines; all are in stations.csv.")
    return [*blocks, *(f"Nothing is known of {listed(names, LINES)}." for names in unknown)]


def apart(room: Room) -> dict[str, str]:
    """Stations that were asked for other work than the room was: in what, as `config.plans.other_work` tells."""
    found = {}
    for name, run in room.runs.items():
        asked = {key: value for key, value in run.plan.items() if key in room.asked}
        if asked and (told := other_work({key: room.asked[key] for key in asked}, asked)):
            found[name] = "; ".join(told)
    return found


def differences(room: Room, one: str, other: str) -> list[str]:
    """In what two stations' machines differ, each as `name: one -> other`, as far as both told it."""
    sides = [{k: v for k, v in room.runs[n].machine.items() if k not in PRIVATE} for n in (one, other)]
    told = [text.shortened(line, 200)[0] for line in machine.differences(*sides)]
    more = len(told) - DIFFERENCES
    return told if more <= 0 else [*told[:DIFFERENCES], f"and {plural(more, 'more fact')}, in machine.json of both"]


def limits(room: Room, frame: pd.DataFrame) -> Iterator[str]:
    """What of the machines limits a comparison, a sentence each."""
    shared = sharing(room)
    yield from _times(frame, "" if shared else "each with its own service on its own machine, as far as they told; ")
    known = {one.name: facts(room, one) for one in room.stations if one.name in room.runs}
    battery = [name for name, told in known.items() if told["On battery"] == "yes"]
    if battery:
        they = "it may" if len(battery) == 1 else "they may"
        yield f"On battery: {listed(battery)}; {they} have been slower than when plugged in."
    for name in ("Runtime", "Kit"):
        versions = grouped((told[name], station) for station, told in known.items() if told[name] != text.MISSING)
        if len(versions) > 1:
            yield f"{name} differs: {said_groups(versions)}. What the versions change is in the ratios."
    for server, names in shared.items():
        yield f"{one_server(server, names)}."


def sharing(room: Room) -> dict[str, list[str]]:
    """Servers that several stations asked, with those stations."""
    servers = grouped((url, name) for name, run in room.runs.items() if (url := _shareable(run.machine)))
    return {server: names for server, names in servers.items() if len(names) > 1}


def one_server(server: str, names: Sequence[str]) -> str:
    told = f"{listed(names)} asked one server, {_said(server)}"
    return f"{told}: their times tell of it and of who asked when, not of machines apart"


def _times(frame: pd.DataFrame, own: str) -> Iterator[str]:
    times = frame.loc[(frame["phase"] == "timed") & frame["started_at"].notna(), ["station", "started_at"]]
    if times["station"].nunique() < 2:
        return
    ends = times.groupby("station")["started_at"].agg(["min", "max"])  # ISO 8601, UTC: in order as texts
    first, last = (_said(at)[:19].replace("T", " ") for at in (ends["min"].min(), ends["max"].max()))
    when = f"from {first} to {last} UTC"
    among = times["started_at"].between(ends["min"].max(), ends["max"].min())
    share = among.groupby(times["station"]).mean()
    if share.min() >= TOGETHER:
        yield f"The stations measured at the same time, {when}, {own}times are of their own clocks."
        return
    least = f"of the requests of {share.idxmin()}, {share.min():.0%} fell into the time in which all of them measured"
    yield f"The stations did not all measure at the same time ({when}; {least}), {own}times are of their own clocks."


def _shareable(told: Mapping[str, Any]) -> str:
    """The server that a station has asked, in words that two stations share only with the server; "" where unknown.

    Address and process id tell a kit's own service on loopback: both stations are on one machine.
    """
    service = _mapping(told.get("service"))
    url, pid = service.get("url"), service.get("pid")
    if not isinstance(url, str):
        return ""
    if not url.partition("://")[2].startswith(LOCAL):
        return url
    return f"{url} (process {pid}) of one machine" if type(pid) is int else ""


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """(value, station) as value -> stations, the value of most first."""
    found: dict[str, list[str]] = {}
    for value, station in pairs:
        found.setdefault(value, []).append(station)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def said_groups(groups: Mapping[str, Sequence[str]]) -> str:
    """For instance "2.2.1 (27 stations), 2.1.0 (lap03)": of the most, how many; of the others, who."""
    first, *others = groups.items()
    said = [f"{_said(first[0])} ({plural(len(first[1]), 'station')})"]
    return ", ".join([*said, *(f"{_said(value)} ({listed(names)})" for value, names in others)])
