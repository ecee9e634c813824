"""The verb fleet: a room of laptops. invite, run, status and collect are the instructor's; join is everybody's."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slmbench import config, store
from slmbench.cli import arguments
from slmbench.cli.bench import aloud, asked as settings_asked
from slmbench.config.checking import shown
from slmbench.config.reading import clean
from slmbench.config.settings import option
from slmbench.config.values import Origin, from_text
from slmbench.errors import NothingMeasured, UsageError
from slmbench.show.text import plain
from slmbench.store import rooms

EXTRA = '.venv/bin/pip install -e ".[fleet]"   (in the clone; Windows: .venv\\Scripts\\pip)'
JOIN_FILE = "room.join.json"
LONG = 40  # characters of a reason that is told once


def fleet(given: argparse.Namespace) -> int:
    if given.do != "collect":
        needs_dask()
    return {verb.__name__: verb for verb in (invite, join, run, status, stop, collect)}[given.do](given)


def needs_dask() -> None:
    """raises: UsageError where the extra is not installed."""
    missing = [n for n in ("distributed", "cryptography") if importlib.util.find_spec(n) is None]
    if missing:
        found = f"{' and '.join(missing)}, which the fleet needs, can't be found in {clean(sys.prefix)}"
        raise UsageError(found, EXTRA)


def invite(given: argparse.Namespace) -> int:
    from slmbench.fleet import scheduler

    host = scheduler.check_host(given.host)
    room = rooms.check_name(given.room or f"room-{datetime.now(UTC):%m%d}", "--room")
    wait_s = number("--wait-s", given.wait_s, 1, 86400)
    days = int(number("--days", given.days, 1, 30, "integer"))
    file = Path(given.out or JOIN_FILE)
    if file.exists():
        _say(f"{clean(file)} is replaced: whoever has the one from before needs the new one.")
    try:
        scheduler.open_room(host, room, file, port=given.port, days=days, wait_s=wait_s, say=_say)
    except KeyboardInterrupt:
        _say(f"The room {room} is closed, and {file} lets nobody in any more. Laptops keep what they have measured.")
    return 0


def join(given: argparse.Namespace) -> int:
    from slmbench.fleet import invitation, joining, private

    found = invitation.read_invitation(Path(given.file))
    name = rooms.check_name(given.name or _asked_name(), "--name")
    endpoint = config.settings(given_as="option", endpoint=given.endpoint).endpoint
    _say(private.listed(clean(found.room), name))
    if not given.yes:
        _agree()
    base = Path(given.out or "runs")
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"--out: {clean(base)} can't be written: {e.strerror}", "name a folder of your own") from e
    try:
        joining.stay(found, name, base, endpoint, say=_say)
    except KeyboardInterrupt:
        _say("Left the room." + (f" What was measured is in {base.absolute()}." if any(base.iterdir()) else ""))
    return 0


def _asked_name() -> str:
    if not sys.stdin.isatty():
        raise UsageError("--name: nothing was found, a name for this machine was expected", "--name lap07")
    return input("A name for this machine (not its own, nor yours), as lap07: ").strip()


def _agree() -> None:
    """raises: UsageError unless somebody says yes."""
    if not sys.stdin.isatty():
        raise UsageError("Nobody was there to agree to that.", "add --yes, if you agree")
    if input("Join? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("Not joined; nothing was sent.", "run it again, and answer y, to join")


def run(given: argparse.Namespace) -> int:
    from slmbench.fleet import invitation, running

    if given.resume and not given.out:
        raise UsageError("--resume: no --out was found, the room to go on with was expected", "add --out DIR")
    asked = _plan(given)
    expected = [rooms.check_name(name.strip(), "--stations") for name in (given.stations or "").split(",") if name]
    limit_s = number("--limit-s", given.limit_s, 1, 604800)
    desk = invitation.read_desk(given.room)
    out = given.out or store.default_path(config.plan_hash(asked))
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: {clean(out)} is a file, a folder was expected", "name another")
    if not given.resume and out.exists() and any(out.iterdir()):
        raise UsageError(f"--out: {clean(out)} is not empty", "add --resume to go on with it, or name another folder")
    label = rooms.check_name(given.label, "--label") if given.label else desk.room
    asking = running.Asking(
        desk,
        asked,
        out,
        label=label,
        expected=expected,
        limit_s=limit_s,
        memory=given.memory,
        say=aloud,
    )
    aloud(f"Room folder: {out}   (slmbench board {out} shows it)")
    try:
        stations = running.run(asking)
    except KeyboardInterrupt:
        aloud("Stopped here. Stations measure on, and keep it (slmbench fleet stop ends that).")
        aloud(f"To gather what they have: the same with --out {out} --resume")
        raise
    return _told(given, out, stations)


def _plan(given: argparse.Namespace) -> dict[str, Any]:
    """What every station is asked, checked here first: of a run folder that is to be done again, or by the options."""
    from slmbench.fleet.measuring import ASKED, settings_of

    if given.plan:
        if options := [n for n in ASKED if getattr(given, n, None) is not None] + ["prompts"] * bool(given.prompts):
            named = ", ".join(option(n) for n in options)
            raise UsageError(f"{named}: found beside PLAN, which says it all", "leave one of the two out")
        settings = settings_of(store.read(given.plan).plan)
    else:
        given.endpoint, given.allow_remote = None, None  # each station finds its own
        settings = settings_asked(given, arguments.models_file(given.models_file))
    whole = settings.to_dict()
    return {name: whole[name] for name in (*ASKED, "prompts")}


def status(given: argparse.Namespace) -> int:
    from slmbench.fleet import desk, invitation

    papers = invitation.read_desk(given.room)
    seen = desk.seen(papers)
    lines = [
        {
            "station": one.name,
            "state": "other version" if one.misfit() else "in the room",
            "reason": one.misfit(),
            **{n: one.about.get(n) for n in ("cpu", "cores", "memory_mb")},
            **{n: one.news.get(n) for n in ("run", "done", "total", "failed")},
        }
        for one in sorted(seen, key=lambda one: one.name)
    ]
    if given.json:
        print(json.dumps({"room": papers.room, "address": papers.address, "stations": lines}, indent=1))
        return 0
    _say(f"Room {papers.room} at {papers.address}: {len(lines)} station{'s' * (len(lines) != 1)}.")
    for line in lines:
        done = "" if line["total"] is None else f", {line['done']} of {line['total']} requests of {line['run']}"
        about = f"{line['cpu']}, {line['cores']} cores, {(line['memory_mb'] or 0) / 1000:.0f} GB"
        _say(f"  {line['station']}: {line['state']}{done} · {about}{' · ' if line['reason'] else ''}{line['reason']}")
    return 0


def stop(given: argparse.Namespace) -> int:
    """Call off what the stations measure now."""
    from slmbench.fleet import desk, invitation

    answered, silent = desk.stop(invitation.read_desk(given.room))
    _say(f"Measuring nothing now, with all kept: {', '.join(answered) or 'nobody'}.")
    if silent:
        raise NothingMeasured(f"No answer from {', '.join(silent)}.", "slmbench fleet status; then once more")
    return 0


def collect(given: argparse.Namespace) -> int:
    from slmbench.fleet import gathering

    name = rooms.check_name(given.room or "collected", "--room")
    return _told(given, given.out, gathering.collect(given.folder, given.out, name, run=given.run))


def _told(given: argparse.Namespace, out: Path, stations: Sequence[rooms.Station]) -> int:
    """The table of the stations. raises: NothingMeasured if none of them has a row here."""
    if given.json:
        lines = [
            {n: getattr(one, n) for n in ("name", "state", "reason", "done", "failed", "rows")} for one in stations
        ]
        print(json.dumps({"room": str(out), "stations": lines}, indent=1, ensure_ascii=False))
    else:
        width = max((len(one.name) for one in stations), default=0)
        first: dict[str, str] = {}
        for one in stations:
            alike = first.setdefault(one.reason, one.name)
            why = one.reason if alike == one.name or len(one.reason) < LONG else f"(as {alike})"
            _say(f"{one.name:{width}}  {one.state:13}  {one.rows:6} rows  {why}".rstrip())
    if not any(one.rows for one in stations):
        raise NothingMeasured("No station delivered anything.", _cure(given, out, stations))
    aloud(f"Make the report: slmbench report {out}")
    return 0


def _cure(given: argparse.Namespace, out: Path, stations: Sequence[rooms.Station]) -> str:
    if given.do == "collect":
        return "mend what the reasons say, then collect again"
    if any(one.state == "failed" for one in stations):
        return (
            f"mend what the reasons say: on the stations, then add --out {clean(out)} --resume; or ask for other models"
        )
    return "slmbench fleet status   (who is in the room)"


def number(name: str, given: str, low: float, high: float, kind: str = "number") -> float:
    """An option that is a number. kind: "integer" or "number". raises: UsageError."""
    found = from_text(given, kind)
    if isinstance(found, str) or not low <= found <= high:
        what = "a whole number" if kind == "integer" else "a number"
        origin = Origin(name, "option", f"Change {name}, or leave it out; for example {name} {low:g}")
        raise origin.refuse(shown(found), f"{what} from {low:g} to {high:g}")
    return found


def _say(text: str) -> None:
    print(plain(text, keep="\n"), flush=True)
