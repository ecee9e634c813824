"""The house holds together: rooms, dependencies, lock files, and the README's two commands."""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from supply.locks import ASKED, LOCKS, ROOT, extra, pins, project, requirements

LIB = ROOT / "lib" / "slmbench"
EVERYONE = {"errors", "paths", "secret"}
ROOMS = {  # room of lib/slmbench: the rooms that it may import, besides `EVERYONE`'s
    "errors": set(),
    "paths": set(),
    "power": set(),
    "secret": set(),
    "records": set(),
    "config": {"records"},
    "store": {"records", "config"},
    "machine": {"records"},
    "models": {"config"},
    "endpoint": {"config", "records", "models", "machine", "power"},
    "truth": set(),
    "analyse": {"records"},
    "measure": {"records", "config", "store", "machine", "analyse"},
    "calibrate": {"records", "machine", "measure", "truth"},
    "quality": {"records", "config", "store", "analyse"},
    "show": {"records", "config", "store", "machine", "models", "measure", "analyse", "quality", "calibrate"},
    "parameters": {"config"},
    "doctor": {"config", "machine", "models", "endpoint"},
    "runner": {"records", "config", "store", "machine", "endpoint", "measure"},
    "adding": {"config", "models", "endpoint"},
    "adapters": {"config"},
    "routing": {"config", "analyse", "store"},
    "choosing": {"config", "store", "analyse", "quality", "routing", "runner"},
    "judging": {"config", "store", "models", "endpoint", "quality"},
    "board": {"config", "store", "parameters"},
    "fleet": {"records", "config", "store", "machine", "runner"},
}
ROOMS["cli"] = {*ROOMS}
TOOLS = {"hatchling", "jupyterlab", "pip", "voila"}  # in requirements.txt, and not imported by the library
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

sources = sorted(LIB.rglob("*.py"))
runnable = [*sources, *sorted((ROOT / "samples").rglob("*.py")), ROOT / "bootstrap.py", ROOT / "lib" / "venv_setup.py"]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path))


def imported(module: ast.Module) -> Iterator[str]:
    """Dotted names of what a module imports anywhere; `from slmbench import x` gives slmbench.x."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that rooms can be told"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(LIB).parts[0].removesuffix(".py")


@functools.cache
def owners() -> dict[str, set[str]]:
    """{importable name: the packages that bring it} of what is installed here."""
    return {n: {canonicalize_name(d) for d in names} for n, names in metadata.packages_distributions().items()}


@pytest.mark.parametrize("path", [p for p in sources if p.parent != LIB or p.stem != "__init__"], ids=name)
def test_rooms_import_only_what_the_table_allows(path):
    room = room_of(path)
    assert room in ROOMS, "a new room: add it to the table"
    rooms = {n.split(".")[1] for n in imported(tree(path)) if n.startswith("slmbench.")}
    assert rooms - {room, "__version__"} - EVERYONE - ROOMS[room] == set()


def test_the_extras_are_no_part_of_what_everybody_needs():
    """Their rooms are imported where a command asks for them, after it has looked whether they are there."""
    for path in sources:
        if room_of(path) != "fleet":
            above = {n for node in tree(path).body for n in imported(ast.Module([node], [])) if is_import(node)}
            assert not any(n.startswith("slmbench.fleet") for n in above), name(path)


def test_the_tests_have_the_fleets_extra_as_it_is():
    asked = requirements("tests/requirements.txt")
    for package, wanted in extra("fleet").items():
        assert package not in asked or {*map(str, asked[package])} == {*map(str, wanted)}
        here = [pin.version for pin in pins() if pin.name == package]
        assert len(here) == len(wanted) and all(any(r.specifier.contains(v) for v in here) for r in wanted)


def is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_show_is_imported_by_the_command_line_only():
    importers = {room_of(p) for p in sources if any(n.startswith("slmbench.show") for n in imported(tree(p)))}
    assert importers <= {"show", "cli"}


def test_one_file_imports_the_runtimes_package():
    importers = [name(p) for p in runnable if any(n.split(".")[0] == "foundry_local_sdk" for n in imported(tree(p)))]
    assert importers == ["lib/slmbench/endpoint/foundry.py"]


@pytest.mark.parametrize("path", sources, ids=name)
def test_the_library_imports_what_it_declares(path):
    foreign = {n.split(".")[0] for n in imported(tree(path))} - sys.stdlib_module_names - {"slmbench"}
    declared = project().keys() | extra(room_of(path)).keys()  # a room may have an extra of its own
    undeclared = {n for n in foreign if not owners().get(n, set()) & declared}
    assert undeclared == set(), "add it to pyproject.toml and requirements.txt"


def test_the_tests_import_what_the_locks_install():
    tests = [p for p in (ROOT / "tests").rglob("*.py") if p.parts[-2] != "data"]
    installed = {pin.name for pin in pins()}
    own = {p.stem for p in tests} | {p.parent.name for p in tests} | {"slmbench"}
    foreign = {n.split(".")[0] for p in tests for n in imported(tree(p))} - sys.stdlib_module_names - own
    missing = {n for n in foreign if not owners().get(n, set()) & installed}
    assert missing == set(), "add it to tests/requirements.txt"


@pytest.mark.parametrize("path", runnable, ids=name)
def test_files_stay_readable(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_requirements_hold_the_projects_dependencies_and_the_tools():
    assert (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()[-1] == "-e ."
    wanted = requirements("requirements.txt")
    assert {n: r for n, r in wanted.items() if n not in TOOLS} == project()
    assert wanted.keys() >= TOOLS


@pytest.mark.parametrize("path", ASKED)
def test_requirements_are_bounded_on_both_sides(path):
    for requirement in (line for lines in requirements(path).values() for line in lines):
        operators = sorted(s.operator for s in requirement.specifier)
        assert operators in (["<", ">="], ["=="]), str(requirement)


@pytest.mark.parametrize("path", LOCKS)
def test_locks_hold_hashes_and_no_address(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert "/" not in text, "an address or a path"
    assert not re.search(r"^(-e|--index-url|--extra-index-url|--find-links|slmbench)", text, re.MULTILINE)
    assert all(pin.hashes for pin in pins(path))


@pytest.mark.parametrize("version", PYTHONS)
@pytest.mark.parametrize("machine", [("linux", "x86_64"), ("darwin", "arm64"), ("win32", "AMD64"), ("win32", "ARM64")])
@pytest.mark.parametrize(("lock", "asked"), list(zip(LOCKS, ASKED, strict=True)))
def test_locks_pin_what_is_asked_for(lock, asked, machine, version):
    at = {"python_version": version, "python_full_version": f"{version}.3"}
    at |= {"sys_platform": machine[0], "platform_machine": machine[1]}
    pinned = [pin for pin in pins(lock) if pin.marker is None or pin.marker.evaluate(at)]
    for package, lines in requirements(asked).items():
        [wanted] = [line for line in lines if line.marker is None or line.marker.evaluate(at)]
        here = [pin for pin in pinned if pin.name == package]
        assert len(here) == 1, package
        assert wanted.specifier.contains(Version(here[0].version)), str(here[0])


def test_both_locks_agree():
    run, tests = ({(pin.name, pin.version) for pin in pins(path)} for path in LOCKS)
    shared = {name for name, _ in run} & {name for name, _ in tests}
    assert {"packaging", "traitlets"} <= shared
    assert {(name, version) for name, version in tests if name in shared} <= run


def test_what_is_left_out_is_in_no_lock():
    left_out = requirements("tests/supply/excluded.txt").keys()
    assert left_out and not {pin.name for pin in pins()} & left_out


def test_gitignore_leaves_the_library_alone():
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert not {"lib", "lib/", "/lib/", "/lib"} & set(lines)
    assert ".venv/" in lines


def test_the_readme_begins_with_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert blocks[:2] == ["python3 bootstrap.py report\n", "python3 bootstrap.py test\n"]
    assert "py bootstrap.py report" in readme.replace("python3 bootstrap.py", "")


def test_the_package_says_which_pythons_it_supports():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    asked = Requirement("x" + tomllib.loads(text)["project"]["requires-python"]).specifier
    assert [v for v in ("3.10", *PYTHONS, "3.15") if asked.contains(f"{v}.0")] == list(PYTHONS)
