"""A room of 10, 50, 100 and 200 laptops on one machine: how long gathering takes, and what the desk needs for it.

Real scheduler, real workers with TLS, real requests; a few processes hold many workers each. Servers answer by
schedules drawn from a log-normal distribution (seed fixed). Prints a table; exit code 1 where a station's rows are not
all here, an absent station is named more than 5 s after its time, or the times that a station measures are off by
2 ms more than those of a run on its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import charts
import numpy as np
import psutil

from slmbench import truth
from slmbench.store import rooms
from support.fleets import SLMBENCH, Rooms, room

HERE = Path(__file__).parent
SIZES = (10, 50, 100, 200)
TURNS = 4  # of the comparison, 20 requests each
SERVERS, PROCESSES, ROUNDS, PROMPTS, WAIT_S = 8, 4, 3, 4, 10
PER_STATION = ROUNDS * PROMPTS + 1
SEED = 20260301


@contextlib.contextmanager
def servers() -> Iterator[list[str]]:
    """TTFT around 0.3 s and 20 tokens/s, each by a factor of its own: 95 % lie between 1/2 and 2."""
    factors = np.exp(np.random.default_rng(SEED).normal(0, 0.35, SERVERS))
    with contextlib.ExitStack() as stack:
        made = [truth.Schedule(ttft_s=float(0.3 * f), gap_s=float(0.05 * f), tokens=32) for f in factors]
        yield [stack.enter_context(truth.process({"quick": one})).base_url for one in made]


@contextlib.contextmanager
def laptops(opened: Rooms, n: int, urls: list[str]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        edges = np.linspace(0, n, PROCESSES + 1).astype(int)
        children = []
        for first, last in pairwise(edges):
            words = [
                HERE / "many.py",
                opened.join_file,
                opened.folder / "laptops",
                str(first),
                str(last),
                ",".join(urls),
            ]
            child = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            stack.callback(child.communicate)
            stack.callback(child.kill)
            children.append(child)
        for child in children:
            assert child.stdout.readline(), "a process of laptops did not come up"
        yield


def asked(opened: Rooms, out: Path) -> tuple[dict[str, dict[str, float]], float]:
    """`slmbench fleet run`, its lines with their times. returns: ({station: {state: s}}, s in all)."""
    words = [*SLMBENCH, "fleet", "run", "--models", "quick", "--rounds", str(ROUNDS), "--no-memory", "--out", str(out)]
    env = {**os.environ, **opened.env}
    began, when = time.monotonic(), {}
    with subprocess.Popen(
        [*words, "--stations", "ghost"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env
    ) as child:
        for line in child.stderr:
            name, _, state = line.partition(": ")
            when.setdefault(name, {})[state.partition(" (")[0].strip()] = time.monotonic() - began
    return when, time.monotonic() - began


def sizes(opened: Rooms) -> tuple[float, float]:
    """(kB of what one station tells in the end, kB of one of its heartbeats), medians over some stations."""
    from slmbench.fleet.station import Here

    told = []
    for place in sorted((opened.folder / "laptops").iterdir())[:20]:
        (run,) = place.iterdir()
        parts = Here(place.name, "t", place).tell({"run": run.name})
        told.append(sum(len(json.dumps(part)) for part in parts) / 1e3)
    status = json.loads(opened.say("fleet", "status", "--json").stdout)["stations"]
    beat = [len(json.dumps(one)) / 1e3 for one in status]
    return float(np.median(told)), float(np.median(beat))


def one_size(n: int, urls: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place, room(Path(place), wait_s=WAIT_S) as opened:
        began = time.monotonic()
        with laptops(opened, n, urls):
            joined_s = time.monotonic() - began
            desk = psutil.Process(opened.desk.pid)
            before_mb, cpu = desk.memory_info().rss / 1e6, sum(desk.cpu_times()[:2])
            when, whole_s = asked(opened, opened.folder / "out")
            after_mb, cpu = desk.memory_info().rss / 1e6, sum(desk.cpu_times()[:2]) - cpu
            tell_kb, beat_kb = sizes(opened)
        found = rooms.read_room(opened.folder / "out")
        laps = {name: states for name, states in when.items() if name.startswith("lap")}
        waits = [states["gathered"] - states["measured"] for states in laps.values() if "gathered" in states]
        last = max((states["measured"] for states in laps.values() if "measured" in states), default=np.nan)
        return {
            "n": n,
            "gathered": sum(one.state == "gathered" and one.rows == PER_STATION for one in found.stations),
            "joined_s": joined_s,
            "whole_s": whole_s,
            "after_last_s": max(states.get("gathered", np.nan) for states in laps.values()) - last,
            "wait_p50_s": float(np.median(waits)),
            "wait_max_s": float(max(waits)),
            "ghost_s": when["ghost"]["absent"] - when["ghost"]["expected"],
            "before_mb": before_mb,
            "after_mb": after_mb,
            "cpu_s": cpu,
            "tell_kb": tell_kb,
            "beat_kb": beat_kb,
        }


def beside() -> dict[str, dict[str, float]]:
    """`slmbench run` on its own, and as a station of a room with its worker beside it, in turns in one run."""
    folders: dict[str, list[Path]] = {"on its own": [], "in a room": []}
    plan = ("--models", "steady", "--rounds", "5", "--no-memory")
    with (
        tempfile.TemporaryDirectory() as place,
        truth.process({"steady": charts.SCHEDULE}) as server,
        room(Path(place), wait_s=WAIT_S) as opened,
    ):
        opened.join("lap01", server.base_url)
        for turn in range(TURNS):
            own = Path(place, f"own-{turn}")
            done = opened.say("run", *plan, "--endpoint", server.base_url, "--out", str(own))
            folders["on its own"].append(own)
            done = done if done.returncode else opened.run(*plan, "--label", f"t{turn}", "--out", f"room-{turn}")
            assert done.returncode == 0, done.stderr
            folders["in a room"] += opened.runs("lap01").glob(f"t{turn}-*")
        records = {record.number: record for record in server.records(0)}
        return {kind: charts.figures(of, records) for kind, of in folders.items()}


def main() -> int:
    chosen = [int(word) for word in sys.argv[1:]] or SIZES
    with servers() as urls:
        found = [one_size(n, urls) for n in chosen]
    print()
    heads = ("laptops", "delivered", "all joined, s", "run, s", "gathering one, s (p50 / max)", "last one, s")
    heads += ("absent one named, s", "scheduler, MB (before / after)", "its CPU, s", "one tells, kB", "status, kB")
    print(f"| {' | '.join(heads)} |")
    print(f"|{' --- |' * len(heads)}")
    for one in found:
        cells = (f"{one['n']}", f"{one['gathered']}", f"{one['joined_s']:.0f}", f"{one['whole_s']:.0f}")
        cells += (f"{one['wait_p50_s']:.1f} / {one['wait_max_s']:.1f}", f"{one['after_last_s']:.1f}")
        cells += (f"{one['ghost_s']:.1f}", f"{one['before_mb']:.0f} / {one['after_mb']:.0f}", f"{one['cpu_s']:.1f}")
        cells += (f"{one['tell_kb']:.0f}", f"{one['beat_kb']:.2f}")
        print(f"| {' | '.join(cells)} |")
    alone, together = (figures := beside()).values()
    print("\n| one station | n | TTFT p95, ms | off the truth, ms | largest gap, ms | off the truth, ms |")
    print(f"|{' --- |' * 6}")
    for kind, f in figures.items():
        times = f"{f['ttft_p95']:.2f} | {f['ttft_off']:.2f} | {f['gap']:.2f} | {f['gap_off']:.2f}"
        print(f"| {kind} | {f['n']} | {times} |")
    missed = [one["n"] for one in found if one["gathered"] < one["n"] or one["ghost_s"] > WAIT_S + 5]
    print(f"\n{'All bounds hold.' if not missed else f'Missed with {missed} laptops.'}")
    off = {name: together[name] - alone[name] for name in ("ttft_off", "gap_off")}
    wrong = [f"{name} differs by {ms:.2f} ms" for name, ms in off.items() if abs(ms) > charts.BOUND_MS]
    print(*wrong, sep="\n")
    return 1 if missed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
