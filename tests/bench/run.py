"""All benches, or those that are named; their tables go into README.md beside this file, a digest into the README.

    python3 bootstrap.py bench [PART ...]      (parts: fidelity, faults, simulation, scale, records, clicks, charts,
                                            rooms)

Exit code 1 if a bound is missed. Nothing else should run on the machine meanwhile: what is measured is time.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from slmbench import machine

HERE = Path(__file__).parent
PAGE = HERE / "README.md"
FRONT = HERE.parents[1] / "README.md"
PARTS = ("fidelity", "faults", "simulation", "scale", "records", "clicks", "charts", "rooms")
PAGES = {"records": HERE.parent / "faults" / "README.md"}  # of the others: PAGE


def ran(part: str) -> tuple[int, str]:
    """One bench in a process of its own, its output shown as it comes. returns: exit code, what it printed."""
    env = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(HERE / f"{part}.py")]
    lines = []
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def section(output: str, code: int) -> str:
    """What of a bench's output belongs on the page: from its table on, and on what it was made."""
    body = f"\n{output}".partition("\n|")[2].strip()
    where = f"{machine.cpu_name()}, {os.cpu_count()} logical cores, {platform.system()}"
    where += f", Python {platform.python_version()}"
    verdict = "All bounds held." if code == 0 else "Bounds were missed, see below the table."
    return f"{verdict} Made on {datetime.now(UTC):%Y-%m-%d} ({where}).\n\n| {body}"


def digest(output: str) -> str:
    """The errors of the time to first token out of the fidelity bench's table: a line a client, a column a load."""
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in _table(output))
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        cells = dict(zip(head, line, strict=True))
        found.setdefault(cells["client"], {})[cells["streams"]] = cells["TTFT error, ms"]
    loads = list(dict.fromkeys(load for cells in found.values() for load in cells))
    rows = [["TTFT error, ms (p50 / p99)", *(f"{load} at once" for load in loads)], ["---"] * (len(loads) + 1)]
    rows += [[client, *(cells.get(load, "–") for load in loads)] for client, cells in found.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _table(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("|")]


def place(page: Path, part: str, text: str) -> None:
    """Put a new text between the marks of a part. raises: ValueError if the marks are not there."""
    marks, old = (f"<!-- {part} -->", f"<!-- end of {part} -->"), page.read_text(encoding="utf-8")
    if not all(old.count(mark) == 1 for mark in marks):
        raise ValueError(f"{page}: the marks {marks[0]} and {marks[1]} were expected once each")
    before, _, rest = old.partition(marks[0])
    new = f"{before}{marks[0]}\n\n{text}\n\n{marks[1]}{rest.partition(marks[1])[2]}"
    page.write_text(new, encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bootstrap.py bench", description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; none: all")
    given = parser.parse_args(arguments).part
    if strange := set(given) - set(PARTS):
        parser.error(f"{', '.join(sorted(strange))}: one of {', '.join(PARTS)} was expected")
    missed = []
    for part in given or PARTS:
        print(f"== {part}", flush=True)
        code, output = ran(part)
        missed += [part] if code else []
        if not _table(output):  # it broke down: what the page has from an earlier run stays
            continue
        place(PAGES.get(part, PAGE), part, section(output, code))
        if part == "fidelity":
            place(FRONT, part, digest(output))
    print(f"Written: {PAGE}, {', '.join(map(str, PAGES.values()))}", *(f"Missed: {part}" for part in missed), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
