"""Rooms as another process might write them: stations in every state, records that were gathered; and a board in
Voilà, without a browser."""

from __future__ import annotations

from slmbench.show import front
from slmbench.store import rooms
from slmbench.store.rooms import Station
from support.made_rows import streamed

PROJECTOR, WINDOW = (1200, 675), (1176, 480)  # a whole picture, and what a projector's page leaves for one
CPUS = ("Intel(R) Core(TM) i7-1260P CPU @ 2.10GHz", "Apple M2 Pro", "AMD Ryzen 7 7840U w/ Radeon 780M Graphics")
REASONS = {
    "other version": "slmbench 0.0.9 is there, 0.1.0 is asked for",
    "late": "it was still measuring when the time was up: 12 of 40 done",
    "failed": "no space is left on its disk: free some, then slmbench fleet join again",
    "left": "its owner has ended it",
    "absent": "no news for 40 s: asleep, or without network",
}
USUAL = ("gathered", "gathered", "measuring", "measuring", "measured", "joined")
PLAN = {"prompts": [{"id": "rag", "text": "What is RAG?"}], "models": ["quick", "slow"], "rounds": 8}


def station(name: str, state: str = "measuring", **given) -> Station:
    """One of which everything was told; whatever is given wins."""
    done = {"gathered": 40, "measured": 40, "measuring": 13, "failed": 24}.get(state, 0)
    total = None if state in ("joined", "absent", "other version") else 40
    values = {"reason": REASONS.get(state, ""), "done": done, "total": total, "at": "2026-01-01T10:00:00+00:00"}
    return Station(name, state, **{**values, "cpu": CPUS[0], "cores": 16, "memory_mb": 16000, **given})


def many(n: int) -> list[Station]:
    """n stations; of seven, one is not as it should be. Every state is there from 36 on."""
    troubled = [*REASONS]
    states = [troubled[i // 7 % len(troubled)] if i % 7 == 3 else USUAL[i % 6] for i in range(n)]
    return [station(f"lap{i + 1:02}", s, failed=(0, 0, 2, 11)[i % 4], cpu=CPUS[i % 3]) for i, s in enumerate(states)]


def write(path, stations, asked=PLAN, name="monday") -> None:
    rooms.write(path, name, asked, stations)


def rows(name: str, speed: float = 1.0, number: int = 8):
    """What a station measured: two models, the second of half the speed. speed: 10 tokens/s of the first, times it."""
    return [
        streamed(model, "rag", i, gaps=((0.1 + i / 1000) * slower / speed,) * 9, station=name)
        for model, slower in (("quick", 1), ("slow", 2))
        for i in range(number)
    ]


def gather(path, name: str, speed: float = 1.0, number: int = 8) -> None:
    made = rows(name, speed, number)
    rooms.take(path, name, plan=PLAN, machine={"cpu": CPUS[0]}, resources=[], rows=made)


def in_voila(patch) -> None:
    """A board that is shown from now on takes Voilà to be there."""
    patch.setattr("IPython.display.display", lambda *_, **__: None)
    patch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    patch.setattr(front, "kernel", object)


def pressed(board) -> list[str]:
    """The buttons that are down."""
    return [button["id"] for button in board._stage.view["buttons"] if button["pressed"]]
