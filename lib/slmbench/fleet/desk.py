"""The instructor's side: a connection to the room, who is there, and the two things that can be asked of a station."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import dask.config
from distributed import Client, Future

from slmbench.config.reading import clean, parse_json
from slmbench.errors import UsageError
from slmbench.fleet import certificates, plain, station
from slmbench.fleet.invitation import INVITE, Desk, FleetError, versions
from slmbench.fleet.worker import resource
from slmbench.store import rooms

CONNECT_S = 15
STOP_S = 40  # for a request under way, and its record
ANSWER_CHARS = 256_000_000  # of one station, at most: it is held in memory
SETTINGS = {
    "distributed.comm.require-encryption": True,
    "distributed.comm.timeouts.connect": "15s",
    "distributed.comm.timeouts.tcp": "15s",
    "distributed.client.preload": [],
}


class _Client(Client):
    _default_event_handlers: ClassVar = {}  # they would print, and unpickle, what a station says


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker as the scheduler knows it. All but `address` is what it says of itself."""

    address: str
    name: str
    token: str
    versions: Mapping[str, str]
    about: Mapping[str, Any]
    news: Mapping[str, Any]

    def misfit(self) -> str:
        """In which versions it differs from this machine, in a sentence; "" if it does not."""
        told = [f"{n} {clean(self.versions.get(n), 20)}" for n, v in versions().items() if self.versions.get(n) != v]
        here = ", ".join(f"{n} {v}" for n, v in versions().items())
        return f"{', '.join(told)}; the desk has {here}" if told else ""


@dataclass
class Answer:
    """What came for one request so far. parts: JSON objects. problem: why it was refused."""

    future: Future
    station: str
    parts: list[dict[str, Any]] = field(default_factory=list)
    whole: bool = False
    problem: str = ""
    _text: list[str] = field(default_factory=list)
    _chars: int = 0

    def hear(self, text: Any, *, whole: bool, last: bool) -> None:
        """One message. Whatever is not JSON is refused, with its reason."""
        if self.problem or self.whole:
            return
        if not isinstance(text, str):
            self.problem = f"sent {type(text).__name__}, a JSON text was expected"
            return
        self._chars += len(text)
        if self._chars > ANSWER_CHARS:
            self.problem = f"sent more than {ANSWER_CHARS / 1e6:.0f} million characters"
            return
        self._text.append(text)
        if not whole:
            return
        try:
            part = parse_json("".join(self._text).encode("utf-8", "surrogatepass"))
        except ValueError as e:
            self.problem = f"no JSON was sent: {clean(e, 200)}"
            return
        self._text = []
        if not isinstance(part, dict):
            self.problem = f"sent {clean(type(part).__name__)}, a JSON object was expected"
            return
        self.parts.append(part)
        self.whole = last

    @property
    def ended(self) -> bool:
        return bool(self.problem) or self.whole


class Session:
    """A connection to the room; made by `session`. answers: by the number of the request."""

    def __init__(self, client: Client):
        self._client = client
        self._numbers = itertools.count(1)
        self.answers: dict[str, Answer] = {}
        self._by: dict[str, str] = {}  # a worker's address -> its station
        self._tag = client.id

    async def seen(self) -> list[Seen]:
        """The workers in the room; what says nothing that can be understood is left out."""
        told = await self._client.scheduler.identity(n_workers=-1)
        found = [one for address, w in told["workers"].items() if (one := _seen(address, w))]
        self._by = {one.address: one.name for one in found}
        return found

    def ask(self, what: Any, name: str, **asked: Any) -> Answer:
        """Ask a station, wherever it is now, and whenever it comes. what: `station.measure` or `station.tell`."""
        request = f"{self._tag}-{next(self._numbers)}"
        future = self._client.submit(
            what,
            json.dumps({**asked, "request": request}),
            key=f"{what.__name__}-{name}-{request}",
            resources={resource(what.__name__, name, versions()): 1},
            pure=False,
            priority=int(what is station.tell),  # else it waits behind a plan that waits for the one before
        )
        self.answers[request] = Answer(future, name)
        return self.answers[request]

    async def forget(self, answer: Answer) -> None:
        """Wait for it no more. (A station goes on with what it measures, and keeps it.)"""
        await self._client.cancel([answer.future], asynchronous=True, force=True)

    async def hear(self, event: Any) -> None:
        """An event from a worker: a part of an answer, or nothing that is waited for."""
        message = event[1] if isinstance(event, tuple | list) and len(event) == 2 else None
        answer = self.answers.get(str(message.get("request"))) if isinstance(message, dict) else None
        if answer is None:
            return
        if message.get("worker") not in self._by:
            await self.seen()
        if self._by.get(message.get("worker")) == answer.station:  # the scheduler has written there who it is
            answer.hear(message.get("text"), whole=message.get("whole") is True, last=message.get("last") is True)


def _seen(address: str, worker: Mapping[str, Any]) -> Seen | None:
    told = worker.get("metrics", {}).get("slmbench")
    if not isinstance(told, dict) or str(worker.get("name")).split(" ")[0] != told.get("station"):
        return None
    parts = [told.get(name) for name in ("versions", "about", "news")]
    if not all(isinstance(part, dict) for part in parts):
        return None
    try:
        name = rooms.check_name(told.get("station"))
    except UsageError:
        return None
    return Seen(address, name, str(told.get("token"))[:64], *parts)


def seen(papers: Desk) -> list[Seen]:
    """Who is in the room now. raises: FleetError."""

    async def look() -> list[Seen]:
        async with session(papers) as room:
            return await room.seen()

    return asyncio.run(look())


def stop(papers: Desk) -> tuple[list[str], list[str]]:
    """Have all stations end what they measure, with all of it kept. returns: names, of those who did, and the rest."""

    async def end() -> tuple[list[str], list[str]]:
        async with session(papers) as room:
            names = sorted({one.name for one in await room.seen() if not one.misfit()})
            answers = [room.ask(station.tell, name, stop=True) for name in names]
            until = time.monotonic() + STOP_S
            while not all(one.ended for one in answers) and time.monotonic() < until:
                await asyncio.sleep(0.1)
            return [one.station for one in answers if one.ended], [one.station for one in answers if not one.ended]

    return asyncio.run(end())


@contextlib.asynccontextmanager
async def session(desk: Desk) -> AsyncIterator[Session]:
    """Connected to the room. raises: FleetError if it does not answer."""
    security = certificates.security("client", desk.authorities, desk.certificate, desk.key)
    for name in ("distributed", "distributed.client"):  # what happens is told in the kit's own words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with dask.config.set(SETTINGS), plain.guarded(strict=False):
        try:
            client = await _Client(desk.address, security=security, asynchronous=True, timeout=CONNECT_S)
        except (OSError, TimeoutError) as e:
            raise FleetError(f"The room {desk.room} at {desk.address} does not answer: {clean(e, 200)}.", INVITE) from e
        try:
            found = Session(client)
            client.subscribe_topic(station.TOPIC, found.hear)
            yield found
        finally:
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                await client.close()
