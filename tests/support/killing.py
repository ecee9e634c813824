"""A run that is killed again and again, at moments that a seed decides, and gone on with each time."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from slmbench import store
from slmbench.records import OK

ACKS = Path(__file__).with_name("acks.py")
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has one way to end a process
START_S = 60  # for the first row
LONGEST_S = 0.4  # from the first row of a life to its end


@dataclass
class Killed:
    """What became of a run. Cells are told by their keys."""

    kills: int = 0
    acknowledged: set[tuple[str, int]] = field(default_factory=set)  # (cell, attempt), told by the run itself
    lost: set[tuple[str, int]] = field(default_factory=set)
    rerun: int = 0  # finished cells that were asked again
    torn: int = 0  # times that a record was cut off in its middle
    orphans: int = 0  # processes of the run that outlived it


def start(folder: Path, given: dict) -> subprocess.Popen:
    command = [sys.executable, str(ACKS), str(folder), json.dumps(given)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def kill_again_and_again(
    folder: Path, given: dict, kills: int, *, seed: int = 0, how: int = KILL, longest_s: float = LONGEST_S
) -> Killed:
    """Start the run, end it after its first row and a random time, compare; so often, and then to its end.

    given: settings that have more to do than `kills` lives get done. how: the signal.
    """
    chance, found = random.Random(seed), Killed()
    for _ in range(kills):
        life(folder, given, found, chance.uniform(0, longest_s), how)
    life(folder, given, found, None, how)
    return found


def life(folder: Path, given: dict, found: Killed, seconds: float | None, how: int) -> None:
    """One start of the run. seconds: after its first row, until it is killed; None lets it come to its end."""
    before = finished(folder)
    with start(folder, given) as process:
        lines: list[str] = []
        first = threading.Event()

        def read() -> None:
            for line in process.stdout:
                lines.append(line)
                first.set()
            first.set()

        reader = threading.Thread(target=read)
        reader.start()
        errors = threading.Thread(target=lambda: lines_of_error.append(process.stderr.read()))
        lines_of_error: list[str] = []
        errors.start()
        assert first.wait(START_S), "no row came"
        family = psutil.Process(process.pid).children(recursive=True) if seconds is not None else []
        if seconds is not None:
            time.sleep(seconds)
            if process.poll() is None:
                found.kills += 1
                process.send_signal(how)
        process.wait(120)
        reader.join()
        errors.join()
        if seconds is None:
            assert process.returncode == 0, lines_of_error
    _, left = psutil.wait_procs(family, timeout=10)
    found.orphans += len(left)
    compare(folder, found, before, [line.split() for line in lines if line.endswith("\n")])


def kept(folder: Path) -> set[tuple[str, int]]:
    """(cell, attempt) of every record in a run folder."""
    return {(row.cell, row.attempt) for row in store.read(folder).rows}


def compare(folder: Path, found: Killed, before: set[str], said: list[list[str]]) -> None:
    found.torn += not (folder / "rows.jsonl").read_bytes().endswith(b"\n")
    told = {(cell, int(attempt)) for cell, attempt, *_ in said}
    found.acknowledged |= told
    found.lost |= found.acknowledged - kept(folder)
    found.rerun += sum(phase == "timed" and cell in before for cell, _, phase, _ in said)


def finished(folder: Path) -> set[str]:
    """The timed cells with a good reply."""
    if not (folder / "plan.json").exists():
        return set()
    return {row.cell for row in store.read(folder).rows if row.phase == "timed" and row.status == OK}


def twice(folder: Path) -> list[str]:
    """Timed cells that have more than one good reply."""
    rows = store.read(folder).rows
    good = Counter(row.cell for row in rows if row.phase == "timed" and row.status == OK)
    return [cell for cell, count in good.items() if count > 1]
