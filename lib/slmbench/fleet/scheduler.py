"""The room itself: Dask's scheduler on the instructor's machine, with TLS, and with few doors."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dask.config
import psutil
from distributed import Scheduler
from distributed.comm import Comm, CommClosedError

from slmbench.config.reading import clean
from slmbench.errors import UsageError
from slmbench.fleet import certificates, plain
from slmbench.fleet.invitation import (
    DESK_FILE,
    PID,
    Desk,
    FleetError,
    Invitation,
    folder,
    versions,
    write_private,
)
from slmbench.fleet.station import TAKEN, TOPIC

PORT = 8786
LINES = 1000
DESK_DOORS = ("register-client", "identity")  # what a client says once it is there is in the scheduler's stream
STATION_DOORS = ("register-worker", "heartbeat_worker", "unregister")
STATION_STREAM = (  # what a worker says once it is there
    *("task-finished", "task-erred", "release-worker-data", "add-keys", "long-running", "reschedule", "keep-alive"),
    *("worker-status-change", "request-refresh-who-has", "close-stream"),
)
SETTINGS = {
    "distributed.comm.require-encryption": True,
    "distributed.comm.timeouts.connect": "15s",
    "distributed.comm.timeouts.tcp": "15s",  # less breaks a connection under load
    "distributed.scheduler.worker-ttl": "60s",  # a worker that is offline for 25 s has ended by itself
    "distributed.scheduler.allowed-failures": 1000,  # a laptop that is closed and opened is no broken task
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.preload": [],
    "distributed.admin.low-level-log-length": 4,  # else what stations have told stays in memory
    "distributed.admin.tick.limit": "30s",
}


class RoomScheduler(Scheduler):
    """A Dask scheduler whose peers' certificates say what they may ask. It has no web page."""

    def __init__(self, say: Callable[[str], None] = print, **how: Any):
        super().__init__(extensions={}, dashboard=False, **how)
        self._say, self._said = say, set[str]()
        for name in self.handlers.keys() - {*DESK_DOORS, *STATION_DOORS}:
            del self.handlers[name]

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """None: it would listen without encryption."""

    async def add_worker(
        self, comm: Comm, *, name: Any, resources: Mapping[str, Any], metrics: Mapping[str, Any], **more: Any
    ) -> None:
        """As Dask's, but for a name that another machine has, and for whose parts tell of several."""
        station = clean(str(name).partition(" ")[0], 40)
        if refused := self._refused(str(name), resources, metrics):
            self._once(f"  {station} is not let in: {refused}.")
            await comm.write({"status": "error", "message": refused, "time": time.time()})
        else:
            self._once(f"  {station} has joined.")
            await super().add_worker(comm, name=name, resources=resources, metrics=metrics, **more)

    def _once(self, text: str) -> None:
        """Tell it, but not again, and no stranger's thousand lines."""
        if text not in self._said and len(self._said) < LINES:
            self._said.add(text)
            self._say(text)

    def _refused(self, name: str, resources: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
        """Why a worker is not let in, or "". name: station, token of its joining, and a number of this start."""
        station, token, *_ = [*name.split(" "), ""]
        told = metrics.get("slmbench")
        alike = isinstance(told, dict) and (told.get("station"), told.get("token")) == (station, token)
        if not alike or any(key.split(" ")[1:2] != [station] for key in resources):
            return "it says that it is several stations, or none"
        others = (str(worker.name).split(" ") for worker in self.workers.values())
        taken = any(other[0] == station and other[1:2] != [token] for other in others)
        return f"{TAKEN} {station}" if taken else ""

    async def handle_comm(self, comm: Comm) -> None:
        if not certificates.is_of_desk(comm.extra_info.get("peercert")):
            _narrow(comm)
        await super().handle_comm(comm)


def _narrow(comm: Comm) -> None:
    """Let a station say what stations say, and nothing else; another word ends the connection."""
    whole = comm.read

    async def read(*how: Any, **more: Any) -> Any:
        message = await whole(*how, **more)
        several = isinstance(message, tuple | list)
        kept = [one for one in (message if several else [message]) if _may(comm, one)]
        return kept if several else message

    comm.read = read


def _may(comm: Comm, message: Any) -> bool:
    """Whether to hear it. raises: CommClosedError for what a station has no business to say."""
    if not isinstance(message, dict) or "op" not in message:
        return True
    if message["op"] == "log-event":
        return message.get("topic") == TOPIC
    if message["op"] not in {*STATION_DOORS, *STATION_STREAM}:
        comm.abort()
        raise CommClosedError(f"{comm.peer_address} is a station, and asked for {str(message['op'])[:40]!r}")
    if message["op"] == "task-erred":  # in words: an exception would be a pickle of its own
        message["exception"] = plain.in_words(str(message.get("exception_text"))[:300])
        message["traceback"] = None
    return True


def open_room(
    host: str, room: str, join_file: Path, *, port: int | None, days: int, wait_s: float, say: Callable[[str], None]
) -> None:
    """Make certificates and the join file, and be the scheduler until somebody ends it.

    host: an address of this machine. port: None for the usual one, or the next free. wait_s: how long a station that
    is not there is waited for before it is called absent.
    raises: UsageError for an address that this machine has not, or a port that is taken.
    """
    desk, station, until = certificates.papers(room, days)
    port = _free(host, port)
    shown = f"[{host}]" if ":" in host else host
    ends = until.isoformat(timespec="seconds")
    papers = desk.authority + station.authority, desk.certificate, desk.key
    kept = Desk(room, f"tls://{shown}:{port}", *papers, ends, wait_s, str(join_file))
    invitation = Invitation(room, kept.address, versions(), desk.authority, station.certificate, station.key, ends)
    place = folder(room)
    with contextlib.ExitStack() as undo:
        write_private(place / DESK_FILE, kept)
        undo.callback((place / DESK_FILE).unlink, missing_ok=True)
        try:
            write_private(join_file, invitation)
        except OSError as e:
            raise UsageError(f"--out: {join_file} can't be written: {e.strerror}", "name another file") from e
        started = psutil.Process().create_time()
        logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)  # what is refused needs no traceback
        undo.enter_context(dask.config.set({**SETTINGS, "distributed.scheduler.no-workers-timeout": f"{wait_s}s"}))
        undo.enter_context(plain.guarded())

        def ready() -> None:
            write_private(place / PID, {"pid": os.getpid(), "started": started})
            undo.callback((place / PID).unlink, missing_ok=True)
            say(_welcome(kept, join_file, until))

        asyncio.run(_serve(kept, host, port, ready, say))


async def _serve(desk: Desk, host: str, port: int, ready: Callable[[], None], say: Callable[[str], None]) -> None:
    security = certificates.security("scheduler", desk.authorities, desk.certificate, desk.key)
    try:
        scheduler = await RoomScheduler(say, host=host, port=port, protocol="tls", security=security)
    except OSError as e:
        raise FleetError(f"{host}, port {port}: {e.strerror or e}", "another --port, or another --host") from e
    async with scheduler:
        ready()
        await scheduler.finished()


def _welcome(desk: Desk, join_file: Path, until: datetime) -> str:
    return "\n".join(
        (
            f"The room {desk.room} is open at {desk.address}, until Ctrl-C ({until:%d %B %Y at the latest}).",
            f"1. Give everybody the file {join_file}. Whoever has it can join: no public place.",
            "2. Each laptop, under a name of its own, beside its local service:",
            f"     slmbench fleet join {join_file.name} --name lap07",
            "3. Here, in another terminal:",
            "     slmbench fleet status",
            "     slmbench fleet run --rounds 3 --out runs/room",
            "     slmbench report runs/room",
        )
    )


def addresses() -> list[str]:
    """This machine's own addresses at which others may reach it, loopback last."""
    found = [
        a.address.partition("%")[0]
        for name, all_ in psutil.net_if_addrs().items()
        for a in all_
        if a.family in (socket.AF_INET, socket.AF_INET6)
    ]
    told = [one for one in dict.fromkeys(found) if not ipaddress.ip_address(one).is_link_local]
    return sorted(told, key=lambda one: (ipaddress.ip_address(one).is_loopback, ":" in one))


def check_host(host: str | None) -> str:
    """An address of this machine, not a name and not all of them. raises: UsageError that lists what there is."""
    here = addresses()
    if host in here:
        return host
    found = "nothing was found" if host is None else f"{host[:80]!r} was found"
    listed = ", ".join(here[:6]) or "none is known"
    raise UsageError(
        f"--host: {found}, an address of this machine was expected: {listed}",
        f"slmbench fleet invite --host {here[0] if here else '192.0.2.1'}   (the one that the laptops can reach)",
    )


def _free(host: str, port: int | None) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for one in [port] if port else [*range(PORT, PORT + 20)]:
        with socket.socket(family) as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, one))
                return one
            except OSError as e:
                why = e.strerror
    raise UsageError(f"--port: {port or PORT} can't be had at {host}: {why}", "another --port, or none")
