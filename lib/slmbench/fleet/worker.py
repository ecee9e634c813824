"""The process of a station that is one Dask worker: `python -m slmbench.fleet.worker`, its order on standard input.

It ends when the scheduler is gone for good, or its parent is; the parent (`joining`) starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.config
from distributed import Security, Worker

from slmbench.fleet import certificates, plain, tether
from slmbench.fleet.invitation import Invitation, versions
from slmbench.fleet.station import TAKEN, Here

KEPT = ("get_data", "terminate", "ping", "identity", "echo", "connection_stream", "free_keys")  # of a worker's doors
SETTINGS = {
    "distributed.comm.require-encryption": True,
    "distributed.comm.timeouts.connect": "15s",
    "distributed.comm.timeouts.tcp": "15s",  # less breaks a connection under load
    "distributed.worker.profile.enabled": False,  # it would look at the stacks of what measures, 100 times a second
    "distributed.worker.preload": [],
    "distributed.worker.heartbeat-interval": "1s",
    "distributed.admin.tick.limit": "30s",
}
GONE_S = 40  # without a scheduler


def resources(name: str, here: Mapping[str, str]) -> dict[str, int]:
    """What a station offers, and what a task for it asks for: its name, and the versions that it has to have.

    So a task finds the same station again after it was started anew, and none of another version.
    """
    return {resource(kind, name, here): 1 for kind in ("measure", "tell")}


def resource(kind: str, name: str, of: Mapping[str, str]) -> str:
    return f"{kind} {name} {' '.join(f'{package} {of[package]}' for package in sorted(of))}"


def nowhere() -> str:
    """An address that leads nowhere (RFC 3849), for the scheduler to tell workers apart by: no station is called."""
    return f"tls://[{ipaddress.IPv6Address(0x20010DB8 << 96 | secrets.randbits(96))}]:1"


class StationWorker(Worker):
    """A Dask worker that has two doors (`station.measure`, `station.tell`), no web page, and tells no host's name."""

    def __init__(self, scheduler: str, here: Here, security: Security, **more: Any):
        self.here = here
        about, mine = here.about(), versions()

        def news(_: Worker) -> dict[str, Any]:
            told = {"station": here.name, "token": here.token, "versions": mine, "about": about}
            return {**told, "news": dict(here.news)}

        super().__init__(
            scheduler,
            nthreads=2,  # one measures, one tells
            name=f"{here.name} {here.token} {secrets.token_hex(4)}",
            host="127.0.0.1",  # all that it says goes over the connection that it opens itself
            contact_address=nowhere(),
            resources=resources(here.name, mine),
            security=security,
            protocol="tls",
            memory_limit=0,
            extensions={},
            metrics={"slmbench": news},
            death_timeout=GONE_S,
            **more,
        )
        for name in self.handlers.keys() - set(KEPT):
            del self.handlers[name]

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """None: it would listen without encryption."""

    async def _register_with_scheduler(self) -> None:
        kept, self.local_directory = self.local_directory, "-"  # which may hold the user's name
        try:
            await super()._register_with_scheduler()
        finally:
            self.local_directory = kept

    async def get_metrics(self) -> dict:
        """Without what else goes on in this machine."""
        told = await super().get_metrics()
        return {name: value for name, value in told.items() if not name.startswith("host_")}


async def work(invitation: Invitation, here: Here) -> None:
    """Until the scheduler ends it, or is gone. raises: OSError, ValueError, TimeoutError where it can't join."""
    papers = invitation.desk_authority, invitation.certificate, invitation.key
    worker = StationWorker(invitation.address, here, certificates.security("worker", *papers))
    try:
        await worker
    except RuntimeError as e:  # Dask's words around the reason
        raise e.__cause__ or e from e
    async with worker:
        print(json.dumps({"joined": here.name}), flush=True)
        try:
            await worker.finished()
        finally:
            await asyncio.to_thread(here.stop)  # else Dask waits for what measures, until somebody kills it


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order = json.loads(sys.stdin.buffer.readline())
    tether.tied()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what happens is told in the kit's own words
    here = Here(order["name"], order["token"], Path(order["base"]), order["endpoint"])
    with dask.config.set(SETTINGS), plain.guarded(), contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(work(Invitation(**order["invitation"]), here))
        except (OSError, ValueError, TimeoutError) as e:
            refused = f"{TAKEN} {here.name}"
            told = {"refused": refused} if refused in str(e) else {"problem": f"{type(e).__name__}: {e}"}
            print(json.dumps(told), flush=True)
            sys.exit(1)
        finally:
            here.stop()


if __name__ == "__main__":
    main()
