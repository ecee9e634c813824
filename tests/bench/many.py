"""One of the few processes of the simulated room: `python many.py JOIN_FILE OUT FIRST LAST URL,URL,…`.

Each station from FIRST to LAST is a Dask worker of its own, as a laptop's is, and measures in a thread of this process,
against one of the servers: what is simulated is the number of laptops, not what they send.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from pathlib import Path

import dask.config

from slmbench.fleet import certificates, measuring, plain, worker
from slmbench.fleet.invitation import Invitation
from slmbench.fleet.station import Here


class Simulated(Here):
    def measure(self, asked):
        folder = self.folder(asked["run"]).absolute()
        order = {"asked": asked["asked"], "memory": False, "out": str(folder), "endpoint": self.endpoint}
        return measuring.measure(order, lambda one: self.hear(asked["run"], one))

    def hear(self, run, one):
        if "done" in one:
            self.news = {"run": run, **one}


async def main() -> None:
    file, out, first, last, urls = sys.argv[1:]
    invitation, urls = Invitation(**json.loads(Path(file).read_text())), urls.split(",")
    papers = certificates.security("worker", invitation.desk_authority, invitation.certificate, invitation.key)
    workers = []
    for number in range(int(first), int(last)):
        name = f"lap{number:03}"
        here = Simulated(name, secrets.token_hex(8), Path(out, name), urls[number % len(urls)])
        workers.append(await worker.StationWorker(invitation.address, here, papers))
    print(len(workers), flush=True)
    await asyncio.gather(*(one.finished() for one in workers))


if __name__ == "__main__":
    with dask.config.set(worker.SETTINGS), plain.guarded():
        asyncio.run(main())
