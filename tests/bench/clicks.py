"""How long a click in the annotator takes to be on disk: with nothing else at work, and while a benchmark runs.

The oldest and the newest ipykernel that the kit allows; 40 clicks each, sent as a browser sends them. Beside each,
what the clicks do to the benchmark: its time to first token without and with them. Prints a table; exit code 1 if one
click took a second or longer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from slmbench import store, truth
from support import clicking
from support.judged import run_with

BOUND_S = 1.0
CLICKS, GAP_S, ROUNDS = 40, 0.25, 40
SCHEDULE = truth.Schedule(ttft_s=0.1, gap_s=0.01, tokens=16)


def ttft_ms(measured: Path) -> np.ndarray:
    """Of the timed requests, in the order of the run."""
    return np.array([1e3 * row.ttft_s for row in store.read(measured).rows if row.phase == "timed"])


def tried(version: str | None, url: str, folder: Path) -> tuple[str, list[tuple[str, np.ndarray, np.ndarray]]]:
    """returns: the version of ipykernel, and of each situation its name, seconds a click, TTFT in ms."""
    found = []
    with clicking.clicker(version, folder / "packages") as kernel:
        for what in ("nothing else", "benchmark", "benchmark, no click"):
            replies = {("a", f"p{n}"): f"reply {n}" for n in range(CLICKS)}
            judged, measured = run_with(folder / f"{what} judged", replies), folder / f"{what} measured"
            if what != "nothing else":
                kernel.ran(clicking.START.format(url=url, out=str(measured), rounds=ROUNDS))
            name = kernel.show(judged)
            clicks = clicking.clicked(kernel, judged, CLICKS, GAP_S) if "no click" not in what else []
            if what != "nothing else":
                kernel.ran(clicking.FINISH)
            found.append((what, np.array(clicks), ttft_ms(measured) if what != "nothing else" else np.array([])))
    return name, found


def quantiles(values: np.ndarray, *shares: float) -> list[str]:
    return [f"{np.quantile(values, share):.1f}" if len(values) else "–" for share in shares]


def main() -> int:
    lines = [("ipykernel", "at work", "clicks", "ms from click to disk, p50", "max", "TTFT, ms, p50", "p95", "n")]
    lines += [("---", "---", *("---:",) * 6)]
    slowest = 0.0
    with truth.process({"steady": SCHEDULE}) as server, tempfile.TemporaryDirectory() as place:
        for version in (clicking.OLDEST, clicking.NEWEST):
            name, found = tried(version, server.base_url, Path(place) / str(version))
            for what, clicks, ttft in found:
                slowest = max(slowest, *clicks, 0.0)
                times = [*quantiles(1e3 * clicks, 0.5, 1), *quantiles(ttft, 0.5, 0.95)]
                lines.append((name, what, str(len(clicks)), *times, str(len(ttft))))
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    print(f"\nThe slowest click took {slowest:.2f} s; the bound is {BOUND_S:.0f} s. The server's TTFT is 100 ms.")
    return int(slowest >= BOUND_S)


if __name__ == "__main__":
    sys.exit(main())
