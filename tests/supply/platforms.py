"""Check that every pinned package has a wheel, with its hash in the lock, on every platform and Python.

    .venv/bin/python tests/supply/platforms.py [PLATFORM ...]

For each, uv resolves twice with wheels only and the platform's own markers: the locks as they are, and what is asked
for with all that it needs. Both must give the same packages in the same versions, and each a wheel that fits there and
whose sha256 the lock has. Prints a table of how many packages that are; exit code 1 if anything is missing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from locks import ASKED, LOCKS, Pin, pins, requirements
from resolving import Found, Target, Unresolved, resolve

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {  # uv's name: what uv needs in its environment. The least versions are those of FIT in lib/venv_setup.py.
    "x86_64-manylinux_2_28": {},
    "aarch64-manylinux_2_34": {},
    "aarch64-apple-darwin": {"MACOSX_DEPLOYMENT_TARGET": "14.0"},
    "x86_64-pc-windows-msvc": {},
    "aarch64-pc-windows-msvc": {},
}
# bootstrap.py refuses these. They are resolved nevertheless: so each run shows that a missing wheel is seen.
UNFIT = {("aarch64-pc-windows-msvc", "3.11"): {"pyyaml"}}
WORKERS = 2


@dataclass(frozen=True)
class Cell:
    """One platform and Python. packages: how many resolved. wrong: a sentence for each thing that is missing."""

    packages: int
    wrong: tuple[str, ...] = ()
    unfit: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.wrong:
            return f"FAILED: {len(self.wrong)}"
        return f"no wheel: {', '.join(sorted(self.unfit))}" if self.unfit else f"{self.packages} ok"


def check(target: Target, locked: Sequence[Pin]) -> Cell:
    expected = UNFIT.get((target.platform, target.python), set())
    try:
        found, lacking = with_wheels(target, locked)
        needed = {} if lacking else resolve(target, ["-"], *constraints(), given=asked())
    except Unresolved as e:
        return Cell(0, (f"uv could not resolve: {e}",))
    wrong = [f"{name} has no wheel" for name in sorted(lacking - expected)]
    wrong += [f"{name} has a wheel by now: bootstrap.py need not refuse it" for name in sorted(expected - lacking)]
    wrong += unlocked(found, locked)
    wrong += [] if lacking else differences(found, needed)
    return Cell(len(found), tuple(wrong), frozenset(lacking & expected))


def with_wheels(target: Target, locked: Sequence[Pin]) -> tuple[dict[str, Found], set[str]]:
    """What of the locks resolves, and the packages without a wheel; uv names one at a time. raises: Unresolved."""
    lacking: set[str] = set()
    while True:
        text = "\n".join(str(pin) for pin in locked if pin.name not in lacking)
        try:
            return resolve(target, ["-"], "--no-deps", given=text), lacking
        except Unresolved as e:
            if not e.package or e.package in lacking:
                raise
            lacking.add(e.package)


def asked() -> str:
    """What requirements.txt and that of the tests ask for. (slmbench asks for no more: tests/test_house.py.)"""
    return "\n".join(str(line) for path in ASKED for lines in requirements(path).values() for line in lines)


def constraints() -> list[str]:
    return [word for path in LOCKS for word in ("--constraints", path)]


def unlocked(found: Mapping[str, Found], locked: Iterable[Pin]) -> list[str]:
    """Sentences on packages of which no wheel that fits has its hash in the lock. Pure."""
    hashes: dict[tuple[str, str], set[str]] = {}
    for pin in locked:
        hashes.setdefault((pin.name, pin.version), set()).update(pin.hashes)
    return [
        f"{p.name} {p.version}: the lock has no hash of {', '.join(wheel.file for wheel in p.wheels) or 'a wheel'}"
        for p in found.values()
        if not {wheel.sha256 for wheel in p.wheels} & hashes.get((p.name, p.version), set())
    ]


def differences(found: Mapping[str, Found], needed: Mapping[str, Found]) -> list[str]:
    """Sentences on what is needed and not locked, locked and not needed, or needed in another version. Pure."""
    wrong = [f"{name} is needed, and not in the locks" for name in sorted(needed.keys() - found.keys())]
    wrong += [f"{name} is in the locks, and not needed" for name in sorted(found.keys() - needed.keys())]
    for name in sorted(found.keys() & needed.keys()):
        if found[name].version != needed[name].version:
            wrong.append(f"{name} is locked as {found[name].version}, and needed as {needed[name].version}")
    return wrong


def table(cells: Mapping[tuple[str, str], Cell]) -> str:
    """Markdown: a line a platform, a column a Python. Pure."""
    platforms = dict.fromkeys(platform for platform, _ in cells)
    pythons = list(dict.fromkeys(python for _, python in cells))
    rows = [["packages with a locked wheel", *pythons], ["---"] * (len(pythons) + 1)]
    rows += [[platform, *(str(cells[platform, python]) for python in pythons)] for platform in platforms]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("platform", nargs="*", help=f"of {', '.join(PLATFORMS)}; none: all")
    chosen = parser.parse_args(arguments).platform or list(PLATFORMS)
    if strange := set(chosen) - PLATFORMS.keys():
        parser.error(f"{', '.join(sorted(strange))}: one of {', '.join(PLATFORMS)} was expected")
    started, locked = time.monotonic(), pins()
    targets = [Target(platform, python, PLATFORMS[platform]) for platform in chosen for python in PYTHONS]
    with ThreadPoolExecutor(WORKERS) as pool:
        checked = list(pool.map(lambda target: check(target, locked), targets))
    cells = {(t.platform, t.python): cell for t, cell in zip(targets, checked, strict=True)}
    print(table(cells))
    wrong = [f"{platform}, Python {python}: {said}" for (platform, python), c in cells.items() for said in c.wrong]
    print(
        f"\n{len({pin.name for pin in locked})} packages are locked. Taken: {time.monotonic() - started:.0f} s",
        *wrong,
        sep="\n",
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
