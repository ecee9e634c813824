"""How often intervals cover, verdicts are wrong and alarms are false, in many made-up runs.

PYTHONPATH=tests python tests/bench/simulation.py [--runs N]     prints a table; exit code 1 if a bound is missed

Seeded: the same numbers each time. Of the intervals at every n from 6 to 60 (median) and 72 to 300 (p95), the table has
a few and the one that came nearest to its bound.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from operator import attrgetter

from support import simulate, simulate_race
from support.simulate import Case

RUNS = 20_000
NOISES = (0.03, 0.05, 0.08, 0.1, 0.12, 0.16, 0.2, 0.25)
SHOWN = {"6", "12", "20", "59", "60", "72", "100", "300"}  # sizes of a sample that the table has in any case
FEW = 20  # lines of one name that are all shown


def measure(runs: int = RUNS) -> list[Case]:
    """A case for everything that is simulated, `runs` times each (a fifth of that or more where a run is a frame)."""
    return [
        *simulate.quantile("median, 95 % interval", 0.5, range(6, 61), runs),
        *simulate.quantile("p95, 95 % interval", 0.95, range(72, 301), runs),
        *simulate.quantile("p95, 95 % upper bound", 0.95, range(59, 301), runs, upper=True),
        *simulate.adaptive(runs, noises=NOISES),
        *simulate.across_loads(runs),
        *simulate.false_verdicts(runs),
        *simulate.false_across_loads(runs),
        *simulate.false_ties(runs),
        *simulate.power(runs),
        *simulate_race.false_calls(runs),
        *simulate_race.calls_in_time(runs),
        *simulate.spread_bound(runs // 5),
        *simulate.outlier_alarms(runs * 3 // 10),
        *simulate.drift_alarms(runs // 5),
    ]


def _shown(cases: Sequence[Case]) -> Iterator[Case]:
    for _, group in itertools.groupby(cases, attrgetter("name")):
        lines = list(group)
        nearest = min(lines, key=lambda case: min(case.simulated - case.low, case.high - case.simulated))
        yield from (c for c in lines if len(lines) <= FEW or c.n in SHOWN or c is nearest or not c.held)


def table(cases: Sequence[Case]) -> str:
    """The cases in Markdown."""
    titles = ["what", "n", "runs", "theory %", "simulated %", "bound %", "held"]
    rows = []
    for c in _shown(cases):
        theory = "–" if math.isnan(c.exact) else f"{c.exact:.1f}"
        rows.append([c.name, c.n, f"{c.runs:,}", theory, f"{c.simulated:.1f}", c.bound(), "yes" if c.held else "NO"])
    lines = (titles, ["---", "---", *["---:"] * 5], *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Coverage, false verdicts and false alarms in made-up runs.")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each case (default: {RUNS})")
    cases = measure(parser.parse_args(argv).runs)
    print(table(cases))
    missed = [sentence for case in cases for sentence in case.missed()]
    print(f"\n{len(cases)} cases, {len(missed)} of them missed their bound.", *missed, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
