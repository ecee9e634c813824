"""What a picture that grows beside a benchmark does to it: no picture, the live chart, the board in another process.

The three take turns in one run, request by request against a server that stamps what it writes, so that each figure
can be held against the truth of its own requests. Prints a table; exit code 1 where, against no picture, the time to
first token at p95 or the largest gap between tokens is off by more than 2 ms.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from jupyter_client.manager import start_new_kernel

from slmbench import store, truth

HERE = Path(__file__).parent
BOUND_MS = 2.0
TURNS, ROUNDS = 6, 15  # of each; requests in a turn
SCHEDULE = truth.Schedule(ttft_s=0.1, gap_s=0.01, tokens=32)
READY = """
from slmbench import config, runner
from slmbench.endpoint import connect, resolve
from slmbench.show import live
asked = {{"models": ["steady"], "prompts": ["Say something."], "rounds": {rounds}, "max_tokens": 32}}
settings = config.settings(endpoint={url!r}, **asked)
service = connect(settings.endpoint)
targets = resolve(service, settings.models, config.read_models())
"""
PLAIN = """
for row in runner.rows(settings, service, targets, out={out!r}, memory=False, say=str):
    pass
"""
CHART = """
chart = live.LiveChart({rounds} + 1, live=True, scale="projector")
rows = runner.rows(settings, service, targets, out={out!r}, memory=False, say=chart.say, begin=chart.begin)
benchmark = chart.follow(rows)
"""
WAIT = "await benchmark"


class Kernel:
    """A notebook's kernel, whose cells are run to their ends."""

    def __init__(self, client):
        self.client = client

    def run(self, code: str) -> None:
        reply = self.client.execute_interactive(code, timeout=120, output_hook=lambda _: None)["content"]
        assert reply["status"] == "ok", reply


@contextmanager
def kernel() -> Iterator[Kernel]:
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextmanager
def board(folder: Path) -> Iterator[None]:
    """The board's own process, drawing for a projector, at the priority that `slmbench board` gives it."""
    child = subprocess.Popen([sys.executable, HERE / "watching.py", folder], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()  # it has drawn once
        yield
    finally:
        child.kill()
        child.communicate()


def turn(what: str, one: Kernel, folder: Path) -> None:
    words = {"out": str(folder), "rounds": ROUNDS}
    if what == "live chart":
        one.run(CHART.format(**words))
        one.run(WAIT)
    elif what == "board":
        with board(folder):
            one.run(PLAIN.format(**words))
    else:
        one.run(PLAIN.format(**words))


def figures(folders: list[Path], records: dict[int, truth.Record]) -> dict[str, float]:
    """In ms: what was reported, and what it is off by from what was written."""
    rows = [row for folder in folders for row in store.read(folder).rows if row.phase == "timed" and row.status == "ok"]
    true = [records[truth.number_of(row.text)] for row in rows]
    ttft, ttft_true = (np.array([1e3 * one.ttft_s for one in of]) for of in (rows, true))
    gap, gap_true = (
        np.array([1e3 * max(b - a for a, b in pairwise(one.chunk_s)) for one in of]) for of in (rows, true)
    )
    return {
        "n": len(rows),
        "ttft_p95": float(np.quantile(ttft, 0.95)),
        "ttft_off": float(np.quantile(ttft, 0.95) - np.quantile(ttft_true, 0.95)),
        "gap": float(gap.max()),
        "gap_off": float(gap.max() - gap_true.max()),
    }


def measure() -> dict[str, dict[str, float]]:
    kinds = ("no picture", "live chart", "board")
    folders: dict[str, list[Path]] = {kind: [] for kind in kinds}
    with (
        tempfile.TemporaryDirectory() as place,
        truth.process({"steady": SCHEDULE}) as server,
        kernel() as one,
    ):
        one.run(READY.format(url=server.base_url, rounds=ROUNDS))
        for number in range(TURNS):
            for kind in kinds[number % 3 :] + kinds[: number % 3]:
                folder = Path(place, f"{kind} {number}")
                turn(kind, one, folder)
                folders[kind].append(folder)
        records = {record.number: record for record in server.records(0)}
        return {kind: figures(of, records) for kind, of in folders.items()}


def main() -> int:
    found = measure()
    print("| | n | TTFT p95, ms | off the truth, ms | largest gap, ms | off the truth, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, f in found.items():
        print(
            f"| {kind} | {f['n']} | {f['ttft_p95']:.2f} | {f['ttft_off']:.2f} | {f['gap']:.2f} | {f['gap_off']:.2f} |"
        )
    plain, wrong = found["no picture"], []
    for kind, f in found.items():
        for name in ("ttft_off", "gap_off"):
            if abs(f[name] - plain[name]) > BOUND_MS:
                wrong.append(f"{kind}: {name} differs by {f[name] - plain[name]:.2f} ms")
    print("", *(wrong or ["All bounds hold."]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
