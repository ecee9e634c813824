"""Rooms whose truth is known: each station answers the same requests so many times as slowly as the first one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slmbench.records import Row, to_frame
from slmbench.store.reading import Run
from slmbench.store.rooms import Room, Station

PROMPTS = {"short": 1.0, "long": 1.6}  # seconds on a machine of ratio 1
ASKED = {
    "prompts": [{"id": name, "text": f"A {name} one"} for name in PROMPTS],
    "models": ["m"],
    "rounds": 6,
    "max_tokens": 24,
    "concurrency": 1,
    "loads": 1,
}
MACHINE = {
    "os": "Windows",
    "os_version": "Windows-11",
    "cpu": "Core i7",
    "cores_logical": 12,
    "memory_mb": 16000,
    "gpus": [],
    "on_battery": False,
    "packages": {"slmbench": "0.1.0"},
    "service": {
        "url": "http://127.0.0.1:5273/v1",
        "source": "the kit's own service, started now",
        "foundry_local_sdk": "2.2.1",
    },
}


def rows(
    station: str, ratio: float, *, model: str = "m", rounds: int = 6, noise: float = 0.03, **more: Any
) -> list[Row]:
    """Every prompt `rounds` times. noise: standard deviation of the log of each latency. A reply of 11 tokens."""
    chance, made = random.Random(f"{station}/{model!a}"), []
    for number in range(rounds):
        for prompt, latency in PROMPTS.items():
            latency_s = latency * ratio * chance.lognormvariate(0, noise)
            values = {"ttft_s": latency_s / 10, "latency_s": latency_s, "output_tokens": 11, "prompt_tokens": 5}
            values |= {"prompt_id": prompt, "round": number, "load_index": 0, "order": len(made)}
            values |= {"token_source": "server", "text": f"reply {number}", "station": station}
            values |= {
                "started_at": f"2026-03-01T10:{number:02}:00+00:00",
                "execution_provider": "CPUExecutionProvider",
            }
            cell = f"{station}{model}{prompt}{number}"
            made.append(Row(**({"run": "r", "cell": cell, "model": model} | values | more)))
    return made


def skipped(station: str, model: str = "m", error: str = "it is not here") -> Row:
    return Row("r", f"{station}{model}", model, status="skipped", error=error, station=station)


def frame(ratios: Mapping[str, float], **given: Any):
    return to_frame(row for station, ratio in ratios.items() for row in rows(station, ratio, **given))


def run(found: Iterable[Row], *, plan: Mapping[str, Any] = ASKED, machine: Mapping[str, Any] = MACHINE) -> Run:
    return Run(Path("run"), dict(plan), dict(machine), list(found), [])


def room(path: Path, runs: Mapping[str, Run], others: Sequence[Station] = (), **given: Any) -> Room:
    """All of `runs` gathered, and other stations."""
    here = [Station(n, "gathered", "", len(r.rows), None, 0, len(r.rows)) for n, r in runs.items()]
    return Room(path, given.get("name", "monday"), given.get("asked", ASKED), [*here, *others], runs)


def three() -> dict[str, Run]:
    return {name: run(rows(name, ratio)) for name, ratio in (("lap01", 1.0), ("lap02", 2.0), ("lap03", 4.0))}
