"""What breaks off, and what is lost of the records: the tests marked `fault`, all of them, as a table.

Prints a table; exit code 1 if a test fails or a record is lost. Run it as a part of run.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Tried:
    """One test. fault: what happened; "" where the test ended before it could say. problem: "" if it passed."""

    test: str
    fault: str
    tried: int
    records: int
    lost: int
    problem: str


def run_tests() -> tuple[int, str]:
    """pytest's exit code, and its report as JUnit XML."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "faults.xml"
        command = [sys.executable, "-m", "pytest", "tests", "-m", "fault", "-q", "-n", "0", f"--junitxml={report}"]
        command += ["-o", "junit_family=xunit1"]  # the newer form has no properties of a test
        done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
        return done.returncode, report.read_text(encoding="utf-8") if report.exists() else "<none/>"


def tried(report: str) -> Iterator[Tried]:
    """The tests of a report, in its order; where a test has a short and a long form, the long one."""
    found: dict[str, Tried] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):  # noqa: S314  pytest's own, of a moment ago
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '').partition('[')[0]}"
        problem = next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "")
        said = [p.get("value") for p in case.iter("property") if p.get("name") == "fault"]
        fact = json.loads(said[0]) if said else {"fault": "", "tried": 0, "records": 0, "lost": 0}
        one = Tried(name, **fact, problem=problem)
        key = one.fault or f"{name} {case.get('name')}"
        if key not in found or found[key].tried < one.tried:
            found[key] = one
    yield from found.values()


def table(rows: list[Tried]) -> str:
    lines = [("what happens", "tried", "survived", "records acknowledged", "lost", "test")]
    lines.append(("---", "---:", "---:", "---:", "---:", "---"))
    for one in rows:
        what, survived = one.fault or f"({one.problem})", 0 if one.problem else one.tried
        lines.append((what, f"{one.tried:,}", f"{survived:,}", f"{one.records:,}", str(one.lost), f"`{one.test}`"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    code, report = run_tests()
    rows = list(tried(report))
    print(table(rows))
    bad = [one for one in rows if one.problem or one.lost]
    times, records, lost = (sum(getattr(one, name) for one in rows) for name in ("tried", "records", "lost"))
    print(f"\n{len(rows)} faults tried {times:,} times; {records:,} records acknowledged, {lost} lost.")
    return 1 if code or bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
