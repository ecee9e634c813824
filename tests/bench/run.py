"""All benches, or those that are named; their tables go into README.md beside this file.

    python3 bootstrap.py bench [PART ...]      (parts: fidelity, faults, simulation, scale)

Exit code 1 if a bound is missed. Nothing else should run on the machine meanwhile: what is measured is time.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from slmbench import machine

HERE = Path(__file__).parent
PAGE = HERE / "README.md"
PARTS = ("fidelity", "faults", "simulation", "scale")


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
    found = re.search(r"^\|.*", output, re.MULTILINE | re.DOTALL)
    body = found[0].strip() if found else "No table was made."
    where = f"{machine.cpu_name()}, {os.cpu_count()} logical cores, {platform.system()}"
    where += f", Python {platform.python_version()}"
    verdict = "All bounds held." if code == 0 else "Bounds were missed, see below the table."
    return f"{verdict} Made on {datetime.now(UTC):%Y-%m-%d} ({where}).\n\n{body}"


def placed(page: str, part: str, text: str) -> str:
    """The page with a new text between the marks of a part. raises: ValueError if the marks are not there."""
    marks = f"<!-- {part} -->", f"<!-- end of {part} -->"
    if not all(page.count(mark) == 1 for mark in marks):
        raise ValueError(f"{PAGE}: the marks {marks[0]} and {marks[1]} were expected once each")
    before, _, rest = page.partition(marks[0])
    return f"{before}{marks[0]}\n\n{text}\n\n{marks[1]}{rest.partition(marks[1])[2]}"


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
        PAGE.write_text(placed(PAGE.read_text(encoding="utf-8"), part, section(output, code)), encoding="utf-8")
    print(f"Written: {PAGE}", *(f"Missed: {part}" for part in missed), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
