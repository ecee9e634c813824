"""A plan on all stations of a room: asked, watched, gathered; and where each of them stands, with the reason.

A laptop that is absent, late or broken is a line of the table and stops nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distributed.scheduler import NoValidWorkerError

from slmbench.config.reading import clean
from slmbench.errors import KitError, UsageError
from slmbench.fleet import gathering
from slmbench.fleet.desk import Answer, Seen, Session, session
from slmbench.fleet.invitation import INVITE, Desk, FleetError
from slmbench.fleet.station import measure, tell
from slmbench.store import StoreError, rooms

TICK_S = 0.5
WRITE_S = 1.0
TELL_S = 60.0  # for a late station to tell what it has
LOST_S = 10.0  # for the rest of an answer whose task is done
MUTE = 1  # times that it is asked once more
PROGRESS_S = 15.0
BUSY = "busy with a plan of before; slmbench fleet stop ends that"
AWAY = ("left", "absent", "other version")  # nothing is to be waited for, unless it changes


@dataclass
class _Line:
    """One station, while the plan runs."""

    now: rooms.Station
    asking: Answer | None = None  # to measure
    telling: Answer | None = None
    was_there: bool = False
    why: str = ""  # what went wrong with measuring; what was measured before is gathered all the same
    late: bool = False
    over: bool = False  # nothing more will be asked of it
    done_at: dict[int, float] = field(default_factory=dict)
    mute: int = 0  # how often its task was done, and it told nothing

    def become(self, state: str, reason: str = "", **more: Any) -> None:
        fresh = replace(self.now, state=state, reason=clean(reason, 1000), **more)
        if fresh != self.now:
            self.now = replace(fresh, at=datetime.now(UTC).isoformat(timespec="seconds"))


class Asking:
    """One run of a plan. folder: the room's; one that is a room is gone on with. label: begins the name of the run
    folders on the stations, which is a new one for each run, so that nothing old is taken for new. expected: names
    of stations that should be there; whoever else is there is asked as well.
    raises: StoreError for a folder of another plan, or of a room that was collected.
    """

    def __init__(
        self,
        desk: Desk,
        asked: Mapping[str, Any],
        folder: Path,
        *,
        label: str,
        expected: Sequence[str] = (),
        limit_s: float = float("inf"),
        memory: bool = True,
        say: Callable[[str], None] = print,
    ):
        self._desk, self._asked, self._folder = desk, asked, folder
        self._limit_s, self._memory, self._say = limit_s, memory, say
        before, run = {}, None
        if rooms.is_room(folder):
            _, old, stations, run = rooms.about(folder)
            if run is None:
                told = f"--out: {clean(folder)} was collected from folders; there is nothing to go on with."
                raise StoreError(told, "name another --out: all stations are asked anew")
            if old != asked:
                raise StoreError(
                    f"--out: {clean(folder)} holds another plan.", "use the same options, or another --out"
                )
            before = {one.name: one for one in stations}
        self._run = run or rooms.new_run(label)
        names = dict.fromkeys([*before, *expected])
        new = {"state": "expected", "reason": ""}
        self._lines = {n: _Line(replace(before.get(n, rooms.Station(n, "expected")), **new)) for n in names}
        self._written, self._next, self._told, self._alone = None, 0.0, {}, False
        self._counts, self._count_at = (0, 0), time.monotonic() + PROGRESS_S

    @property
    def stations(self) -> list[rooms.Station]:
        return [self._lines[name].now for name in sorted(self._lines)]

    async def finish(self) -> list[rooms.Station]:
        """Until nothing more is to be had. returns: where each station stands.

        raises: FleetError if nobody joins, or the room closes.
        """
        began = time.monotonic()
        try:
            async with session(self._desk) as room:
                while not await self._tick(room, time.monotonic() - began):
                    await asyncio.sleep(TICK_S)
        except (OSError, TimeoutError) as e:  # of the connection
            gone = f"The room {self._desk.room} at {self._desk.address} was closed; what was gathered is kept."
            raise FleetError(gone, f"{INVITE}; then the same with --out {self._folder} --resume") from e
        finally:
            self._write(now=True)
        return self.stations

    async def _tick(self, room: Session, passed_s: float) -> bool:
        """Look once. returns: whether all is over."""
        there: dict[str, list[Seen]] = {}
        for one in await room.seen():
            there.setdefault(one.name, []).append(one)
        for name in there.keys() - self._lines.keys():
            self._lines[name] = _Line(rooms.Station(name, "joined"))
        if not self._lines:
            self._nobody(passed_s)
            return False
        for name, line in self._lines.items():
            await self._step(room, line, there.get(name, []), passed_s)
        self._write()
        return all(line.over or (line.now.state in AWAY and not line.telling) for line in self._lines.values())

    def _nobody(self, passed_s: float) -> None:
        """raises: FleetError where it has been so for too long."""
        wait_s, file = self._desk.wait_s, self._desk.join_file or "the join file"
        if passed_s > wait_s:
            lead = f"give {clean(file)} to the laptops; on each: slmbench fleet join FILE --name lap07"
            raise FleetError(f"Nobody has joined the room at {self._desk.address} in {wait_s:.0f} s.", lead)
        if not self._alone:
            self._alone = True
            self._say(f"Nobody is in the room yet; waiting, for {wait_s:.0f} s at most.")

    async def _step(self, room: Session, line: _Line, there: Sequence[Seen], passed_s: float) -> None:
        if line.over:
            return
        if there:
            line.was_there = True
            if misfit := there[-1].misfit():
                line.become("other version", misfit)
                return
            self._hear(line, there[-1])
        if line.telling:
            await self._take(line, passed_s)
            return
        if line.now.state in AWAY and not there:
            return
        if passed_s > self._limit_s:
            await self._give_up(room, line, there)
            return
        if line.asking is None:
            line.asking = room.ask(measure, line.now.name, run=self._run, asked=self._asked, memory=self._memory)
            if there:
                line.become("joined")
        await self._look(room, line)

    def _hear(self, line: _Line, one: Seen) -> None:
        """What the heartbeat tells of machine and progress; odd values are left out."""
        about = {n: one.about.get(n) for n in ("cpu", "cores", "memory_mb")}
        kinds = {"cpu": str, "cores": int, "memory_mb": int}
        fits = {n: v for n, v in about.items() if type(v) is kinds[n]}
        fits |= {"cpu": clean(fits["cpu"], 190)} if "cpu" in fits else {}
        news = one.news if one.news.get("run") == self._run else {}
        counts = {
            n: v for n, v in news.items() if n in ("done", "total", "failed") and type(v) is int and 0 <= v < 10**9
        }
        state = line.now.state
        left = _unfinished(counts)
        waits = line.asking and not line.asking.ended and state in ("expected", "joined", *AWAY)
        if waits and left:
            state = "measuring"
        reason = line.now.reason if state == line.now.state else ""
        if waits and state == "joined":
            reason = BUSY if _unfinished(one.news) and not news else ""
        line.become(state, reason, **{**fits, **counts})

    async def _look(self, room: Session, line: _Line) -> None:
        """Whether it has measured, or can't."""
        answer = line.asking
        if answer.ended:
            told = next((part for part in answer.parts if "outcome" in part), {})
            measured = told.get("outcome") == "measured"
            line.why = answer.problem or ("" if measured else str(told.get("reason", "it did not say why")))
            if measured and not line.why:
                line.become("measured", "" if told.get("new") else "nothing was left to do")
            line.telling = room.ask(tell, line.now.name, run=self._run)
            return
        if answer.future.status == "error":
            line.become(*await self._fault(line, answer))
            line.asking, line.over = None, line.now.state == "failed"
        elif _lost(line, answer):
            line.asking = None  # the desk was not listening; asked again, it answers at once
            self._mute(line)

    async def _fault(self, line: _Line, answer: Answer) -> tuple[str, str]:
        found = await answer.future.exception()
        if not isinstance(found, NoValidWorkerError):
            return "failed", f"task ended: {clean(found, 300)}"
        waited = f"{self._desk.wait_s:.0f} s"
        if line.was_there:
            return "left", f"gone, and not back within {waited}"
        return "absent", f"not joined within {waited}"

    async def _give_up(self, room: Session, line: _Line, there: Sequence[Seen]) -> None:
        """The time is over: what it has by now is gathered, and it goes on for itself."""
        if line.asking and not line.late:
            await room.forget(line.asking)
        line.late = True
        reason = f"not finished after {self._limit_s:.0f} s"
        line.become("late" if line.was_there else "absent", reason if line.was_there else "not joined")
        if there:
            line.telling = room.ask(tell, line.now.name, run=self._run)
        else:
            line.over = True

    async def _take(self, line: _Line, passed_s: float) -> None:
        """Take what was told, once it is whole."""
        answer = line.telling
        if answer.future.status == "error":
            line.become("left", "gone before its records were here; they are kept on it")
            line.telling = line.asking = None
            return
        if not answer.ended:
            if line.late and passed_s > self._limit_s + TELL_S:
                line.telling, line.over = None, True
            elif _lost(line, answer):
                line.telling = None  # asked again
                self._mute(line)
            return
        line.telling, line.over = None, True
        parts = [part for part in answer.parts if part]
        refused = next((str(part.get("reason")) for part in parts if "outcome" in part), answer.problem)
        try:
            if refused:
                raise UsageError(refused, "")
            rows = await asyncio.to_thread(gathering.take, self._folder, line.now.name, self._asked, parts)
        except KitError as e:
            line.become("failed", line.why or e.message)
            return
        answer.parts.clear()
        state, why = ("late", line.now.reason) if line.late else ("failed", line.why) if line.why else ("gathered", "")
        line.become(state, why, rows=rows)

    def _mute(self, line: _Line) -> None:
        line.mute += 1
        if line.mute > MUTE:
            line.over = True
            line.become("failed", line.why or "no answer, though it did what it was asked")

    def _write(self, *, now: bool = False) -> None:
        """room.json, and a line for each change of a state."""
        fresh: dict[tuple[str, str, str], list[str]] = {}
        for one in self.stations:
            stands = one.state, one.reason
            if self._told.get(one.name) != stands:
                self._told[one.name] = stands
                fresh.setdefault((*stands, "" if one.reason else one.name), []).append(one.name)
        for (state, reason, _), names in fresh.items():  # a reason that many have is told once
            self._say(f"{', '.join(names)}: {state}{f' ({reason})' if reason else ''}")
        self._progress()
        if self._lines and self._written != self.stations and (now or time.monotonic() >= self._next):
            self._written, self._next = self.stations, time.monotonic() + WRITE_S
            rooms.write(self._folder, self._desk.room, self._asked, self._written, self._run)

    def _progress(self) -> None:
        """Every so often, how far the room is, where that has changed."""
        counts = sum(one.done for one in self.stations), sum(one.total or 0 for one in self.stations)
        if time.monotonic() < self._count_at or counts == self._counts:
            return
        self._counts, self._count_at = counts, time.monotonic() + PROGRESS_S
        gathered = sum(one.state == "gathered" for one in self.stations)
        self._say(f"  {counts[0]} of {counts[1]} requests done; {gathered} of {len(self._lines)} stations gathered")


def _unfinished(news: Mapping[str, Any]) -> bool:
    """Whether a station is in the middle of what its news is about."""
    done, total = news.get("done"), news.get("total")
    return type(done) is type(total) is int and done < total and not news.get("ended")


def _lost(line: _Line, answer: Answer) -> bool:
    """Whether a task is done, and its answer has not come for a while."""
    if answer.future.status not in ("finished", "cancelled", "lost"):
        return False
    return time.monotonic() - line.done_at.setdefault(id(answer), time.monotonic()) > LOST_S


def run(asking: Asking) -> list[rooms.Station]:
    """`Asking.finish`, to its end or to Ctrl-C; either way room.json says where all of them stand."""
    with contextlib.suppress(asyncio.CancelledError):
        return asyncio.run(asking.finish())
    return asking.stations
