"""A station that means harm: `python hostile_station.py JOIN_FILE NAME HOW MARKER`. It is in the room by right.

Whoever unpickles an `Evil` makes the folder MARKER.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import warnings
from pathlib import Path

import dask.config
from distributed import get_worker
from distributed.protocol.serialize import ToPickle, to_serialize

from slmbench.fleet import certificates, station, worker
from slmbench.fleet.invitation import Invitation

FILE, NAME, HOW, MARKER = sys.argv[1:]


class Evil(Exception):
    def __reduce__(self):
        elsewhere = f"__import__('os').getpid() != {os.getpid()} and __import__('os').mkdir({MARKER!r})"
        return eval, (elsewhere,)


def _event(text, **more):
    request = json.loads(more.pop("asked"))["request"]
    message = {"request": request, "text": text, "whole": True, "last": True, **more}
    get_worker().batched_send({"op": "log-event", "topic": station.TOPIC, "msg": message})


def measure(text):
    if HOW == "pickled-text":
        _event(ToPickle(Evil()), asked=text)
    elif HOW == "serialized-text":
        _event(to_serialize(Evil()), asked=text)
    elif HOW == "error":
        raise Evil
    elif HOW == "result":
        return Evil()
    elif HOW == "no-json":
        _event("{'a': __import__('os')}", asked=text)
    elif HOW == "no-object":
        _event("[NaN]", asked=text)
    elif HOW == "other-topic":
        message = {"args": (ToPickle(Evil()),), "category": b"", "message": b""}
        get_worker().batched_send({"op": "log-event", "topic": "warn", "msg": message})
        _event('{"outcome": "failed", "reason": "\\u001b[31mred"}', asked=text)
    elif HOW == "as-a-client":
        get_worker().batched_send(
            {"op": "cancel-keys", "keys": [], "client": "x", "force": True, "reason": "", "msg": ""}
        )
    else:
        _event('{"outcome": "measured"}', asked=text)
    return "{}"


def tell(text):
    if HOW == "no-rows":
        first = {"plan": json.loads(text), "machine": {}, "resources": []}
        _event(json.dumps(first), asked=text)
    elif HOW == "others-answer":
        for number in range(30):  # as if it were another station
            _event('{"outcome": "failed", "reason": "not me"}', asked=text, request=f"guess-{number}")
        _event(json.dumps({"plan": {"prompts": []}, "machine": {}, "resources": []}), asked=text)
    else:
        _event('{"outcome": "failed", "reason": "none"}', asked=text)
    return "{}"


async def main() -> None:
    invitation = Invitation(**json.loads(Path(FILE).read_text()))
    papers = invitation.desk_authority, invitation.certificate, invitation.key
    here = station.Here(NAME, "token", Path())
    async with worker.StationWorker(invitation.address, here, certificates.security("worker", *papers)) as one:
        print("In the room as", NAME, flush=True)
        await one.finished()


warnings.simplefilter("ignore")
station.measure, station.tell = measure, tell
measure.__module__ = tell.__module__ = station.__name__
if HOW == "other-version":
    worker.versions = lambda: {"slmbench": "0.0.1", "distributed": "2020.1.0", "dask": "x" * 5000}
if HOW == "two-names":
    offered = worker.resources
    worker.resources = lambda name, here: offered(name, here) | offered("lap01", here)
if HOW == "odd-heartbeat":
    station.Here.about = lambda _: {"cpu": ["\x1b[31m"] * 3, "cores": -1.5, "memory_mb": "1e999", "more": "x" * 100}
with dask.config.set(worker.SETTINGS):
    asyncio.run(main())
