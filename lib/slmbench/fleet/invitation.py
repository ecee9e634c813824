"""What the desk hands out, and what it keeps: the join file, and the room's folder in the kit's cache."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from slmbench import paths
from slmbench.config.checking import check, in_file
from slmbench.config.reading import clean, read_json
from slmbench.errors import KitError, UsageError

JOIN, DESK_FILE, PID = "join.json", "desk.json", "scheduler.json"
PACKAGES = ("slmbench", "distributed", "dask")  # that must be of one version: they talk to each other
ASK_AGAIN = "ask the instructor for the room's join file   (slmbench fleet invite makes it)"
INVITE = "slmbench fleet invite --host ADDRESS   (opens a room)"


class FleetError(KitError):
    """The room could not be reached, or ended (exit code 1)."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Invitation:
    """The join file: what a station needs. Whoever has it can join, until then.

    address: of the scheduler, tls://host:port. desk_authority, certificate, key: PEM texts.
    """

    room: str
    address: str
    versions: Mapping[str, str]
    desk_authority: str
    certificate: str
    key: str
    until: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What the instructor's machine keeps of a room, for itself. authorities: PEM, the stations' and its own."""

    room: str
    address: str
    authorities: str
    certificate: str
    key: str
    until: str
    wait_s: float  # how long an absent station is waited for
    join_file: str = ""  # as `invite` was told it, for what the desk says


def versions() -> dict[str, str]:
    """Of the packages that must be the same on all machines of a room."""
    return {name: metadata.version(name) for name in PACKAGES}


def read_invitation(path: Path) -> Invitation:
    """raises: UsageError for what is no join file, one that is over, or one of another version."""
    value = read_json(path, ASK_AGAIN)
    check(value, "join.schema.json", in_file(path), ASK_AGAIN)
    found = Invitation(**value)
    if not found.address.startswith("tls://"):
        raise UsageError(f"{clean(path)}: address: {clean(found.address, 80)} was found, tls://… expected", ASK_AGAIN)
    with contextlib.suppress(ValueError):
        if datetime.fromisoformat(found.until) < datetime.now(UTC):
            raise UsageError(f"{clean(path)}: the room was open until {found.until}", ASK_AGAIN)
    refuse_other_versions(found.versions, versions(), f"the room {clean(found.room)}")
    return found


def refuse_other_versions(wanted: Mapping[str, str], here: Mapping[str, str], who: str) -> None:
    """raises: UsageError where a package has another version there than here: records would mean different things."""
    told = [
        f"{name} {clean(wanted[name], 20)}, and here is {here[name]}"
        for name in wanted
        if wanted[name] != here.get(name)
    ]
    if told:
        pins = " ".join(f"{name}=={clean(wanted[name], 20)}" for name in wanted if name != "slmbench")
        cure = f"get the same clone as the instructor, then pip install {pins}"
        raise UsageError(f"{who} has {'; '.join(told)}. The same versions were expected on all machines.", cure)


def folder(room: str) -> Path:
    """Where the desk keeps what belongs to a room."""
    return paths.home() / "fleet" / room


def write_private(path: Path, value: Any) -> None:
    """JSON that only its owner may read: it holds a private key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as out:
        json.dump(value if isinstance(value, Mapping) else asdict(value), out, indent=1)
        out.write("\n")


def read_desk(room: str | None = None) -> Desk:
    """The room that is open on this machine; `room` says which, if there are several. raises: FleetError."""
    open_ = [one for one in rooms() if room in (None, one)]
    if not open_:
        which = f"no room {clean(room)}" if room else "no room"
        raise FleetError(f"There is {which} open on this machine.", INVITE)
    if len(open_) > 1:
        raise FleetError(f"Several rooms are open here: {', '.join(open_)}.", "say which: --room NAME")
    value = json.loads((folder(open_[0]) / DESK_FILE).read_text(encoding="utf-8"))
    return Desk(**value)


def rooms() -> list[str]:
    """The rooms whose scheduler lives, by name."""
    files = sorted((paths.home() / "fleet").glob(f"*/{PID}"))
    return [file.parent.name for file in files if _lives(file)]


def _lives(file: Path) -> bool:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        return abs(psutil.Process(value["pid"]).create_time() - value["started"]) < 1
    except (OSError, ValueError, KeyError, psutil.Error):
        return False
