"""Write the table of direct dependencies and the licences of all that is locked into a Markdown page.

    .venv/bin/python tests/supply/upkeep.py PAGE      (between the marks "upkeep" and "end of upkeep")

Versions are those of the locks; dates and sizes are the index's, as uv finds them for Linux x64 and the newest Python;
licences and names come from the metadata of what is installed. What this machine does not need is fetched for that
into a temporary folder, against the lock's hashes.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import getaddresses
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from licences import INSIDE, NOTES, asks_for_a_note, licence
from locks import ASKED, LOCKS, Pin, pins, project, requirements
from packaging.utils import canonicalize_name
from resolving import UV, Found, Target, resolve, run

ROOT = Path(__file__).parents[2]
MARK = "upkeep"
HERE = Target("x86_64-manylinux_2_28", "3.14")
ELSEWHERE = Target("x86_64-pc-windows-msvc", "3.14")  # has a wheel of all that only some machines need
HEAD = ("package", "for", "pinned", "newest", "licence", "MB", "wheel", "kept by")
KEEPERS = {"matplotlib": "Matplotlib development team"}  # its metadata name those who began it
QUIET = timedelta(days=365)


@dataclass(frozen=True)
class Row:
    """A direct dependency. pinned, newest: (version, day of its release). size: bytes of its best wheel."""

    name: str
    purpose: str
    pinned: tuple[str, date | None]
    newest: tuple[str, date | None]
    licence: str
    size: int | None
    pure: bool
    keeper: str

    def cells(self) -> list[str]:
        newest = "the same" if self.newest[0] == self.pinned[0] else _dated(*self.newest)
        size = "–" if self.size is None else "< 0.1" if self.size < 5e4 else f"{self.size / 1e6:.1f}"
        kind = "pure" if self.pure else "compiled"
        return [self.name, self.purpose, _dated(*self.pinned), newest, self.licence, size, kind, self.keeper]


def _dated(version: str, day: date | None) -> str:
    return f"{version} ({day})" if day else version


def direct() -> dict[str, str]:
    """{direct dependency: what it is for}: "run", of the library; "session", JupyterLab and tools; "tests"."""
    run_time, tests = requirements(ASKED[0]), requirements(ASKED[1])
    return {n: "run" if n in project() else "session" for n in run_time} | dict.fromkeys(tests, "tests")


@cache
def installed(*paths: str) -> dict[str, Distribution]:
    """{package: its metadata}, of this Python or of the folders given."""
    found = distributions(path=list(paths)) if paths else distributions()
    return {canonicalize_name(d.metadata["Name"]): d for d in found}


def of_locks(locked: Sequence[Pin], folder: Path) -> dict[str, Distribution]:
    """{locked package: its metadata}: as installed; or fetched into the folder, if this machine does not need it."""
    here = installed()
    lacking = {pin.name: pin for pin in locked if pin.name not in here}
    if lacking:
        hashes = {n: " ".join(f"--hash=sha256:{h}" for h in sorted(pin.hashes)) for n, pin in lacking.items()}
        file = folder / "lacking.txt"
        file.write_text("\n".join(f"{n}=={pin.version} {hashes[n]}" for n, pin in lacking.items()), encoding="utf-8")
        command = [UV, "pip", "install", "--target", folder / "packages", "--requirement", file, "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "--python-platform", ELSEWHERE.platform]
        done = run([*command, "--python-version", ELSEWHERE.python, "--no-python-downloads", "--no-progress"])
        if done.returncode:
            raise SystemExit(done.stderr)
        here = here | installed(str(folder / "packages"))
    wanted = {pin.name: {p.version for p in locked if p.name == pin.name} for pin in locked}
    if strange := [n for n, versions in wanted.items() if here[n].version not in versions]:
        raise SystemExit(f"{', '.join(strange)}: installed in another version than locked; run bootstrap.py test first")
    return {name: here[name] for name in sorted(wanted)}


def keeper(package: Distribution) -> str:
    """Who looks after a package, by its metadata: two names at most."""
    said = package.metadata
    if name := KEEPERS.get(canonicalize_name(said["Name"])):
        return name
    for field in ("Maintainer", "Maintainer-email", "Author", "Author-email"):
        names = people(said.get(field) or "", addresses=field.endswith("-email"))
        if names:
            return ", ".join(names[:2]) + (" and others" if len(names) > 2 else "")
    return "–"


def people(text: str, addresses: bool) -> list[str]:
    """The names in a list of people. An address alone is none."""
    names = [name for name, _ in getaddresses([text])] if addresses else re.split(r"[,;]", text)
    return [name.strip() for name in names if name.strip() not in ("", "Unknown") and "@" not in name]


def rows(packages: Mapping[str, Distribution], pinned: Mapping[str, Found], newest: Mapping[str, Found]) -> list[Row]:
    made = []
    for name, purpose in sorted(direct().items()):
        now, new = pinned[name], newest[name]
        best = now.wheels[0]
        made.append(
            Row(
                name,
                purpose,
                (now.version, best.uploaded),
                (new.version, new.wheels[0].uploaded),
                licence(packages[name]),
                best.size,
                best.file.endswith("-none-any.whl"),
                keeper(packages[name]),
            )
        )
    return made


def table(made: Iterable[Row]) -> str:
    cells = [list(HEAD), ["---"] * len(HEAD), *(row.cells() for row in made)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def grouped(told: Mapping[str, str]) -> str:
    """All locked packages by licence, the largest group first. told: {package: licence}."""
    groups: dict[str, list[str]] = {}
    for name, expression in sorted(told.items()):
        groups.setdefault(expression, []).append(name)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    lines = [f"| {expression} | {len(names)} | {', '.join(names)} |" for expression, names in ordered]
    return "\n".join(["| licence | packages | which |", "| --- | --- | --- |", *lines])


def second_look(told: Mapping[str, str]) -> str:
    """A line for each package that is not plainly permissive, and for those with other libraries inside."""
    lines = [
        f"- {name}, {expression}: {NOTES.get(name, 'NOT LOOKED AT')}"
        for name, expression in sorted(told.items())
        if asks_for_a_note(name, expression)
    ]
    return "\n".join([*lines, *(f"- {name} has inside: {what}" for name, what in INSIDE.items() if name in told)])


def quiet(made: Iterable[Row], today: date) -> str:
    """A sentence on what had no release for a year."""
    last = {row.name: row.newest[1] for row in made}
    names = [f"{name} ({day})" for name, day in last.items() if day and today - day > QUIET]
    return f"No release for a year: {', '.join(names) or 'none'}."


def page(made: Sequence[Row], told: Mapping[str, str], all_mb: float, today: date) -> str:
    run_time, more = {pin.name for pin in pins(LOCKS[0])}, {pin.name for pin in pins(LOCKS[1])}
    return "\n\n".join(
        [
            f"Looked up on {today}. *run*: the library imports it; *session*: JupyterLab and tools; *MB*: the wheel "
            f"for Linux x64 and Python {HERE.python}, where all that is locked comes to {all_mb:.0f} MB.",
            table(made),
            f"{quiet(made, today)} A newest version that is not pinned is younger than the locks, or needs a newer "
            "Python than 3.11.",
            f"The locks hold {len(run_time)} packages, and {len(more - run_time)} more for the tests; some are for "
            "some platforms or Pythons only. By licence:",
            grouped(told),
            "Not plainly permissive, or not told by the package itself:",
            second_look(told),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path, help="a Markdown file with the marks")
    given = parser.parse_args(arguments)
    sys.path.append(str(ROOT / "tests" / "bench"))  # as a script, it has its own folder there alone
    from run import place

    locked = pins()
    pinned = resolve(HERE, LOCKS, "--no-deps")
    newest = resolve(HERE, ["-"], "--no-deps", given="\n".join(direct()))
    with tempfile.TemporaryDirectory() as folder:
        packages = of_locks(locked, Path(folder))
        told = {name: licence(package) for name, package in packages.items()}
        made = rows(packages, pinned, newest)
    all_mb = sum(found.wheels[0].size or 0 for found in pinned.values()) / 1e6
    place(given.page, MARK, page(made, told, all_mb, datetime.now(UTC).date()))
    print(f"Written: {given.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
