"""The pages that promise something name the tests that hold it, and these tests exist."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("tests/faults/README.md", "SECURITY.md")
HELD = "held by"
NAMED = re.compile(r"`(tests/[^`:]+\.py)::(\w+)`")


def rows(page: str) -> list[str]:
    """The lines of the tables whose last column names tests."""
    found, inside = [], False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("|") and line.rstrip("| ").endswith(HELD):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not set(line) <= set("|- :"):
            found.append(line)
    return found


@functools.cache
def named_in(path: str) -> set[str]:
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def faults() -> set[tuple[str, str]]:
    """Every test marked `fault`."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and "pytest.mark.fault" in map(ast.unparse, node.decorator_list):
                found.add((path.relative_to(ROOT).as_posix(), node.name))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_each_promise_names_the_tests_that_hold_it(page):
    promises = rows(page)
    assert len(promises) >= 10
    for line in promises:
        named = NAMED.findall(line.rstrip("| ").rpartition("|")[2])
        assert named, f"no test is named: {line}"
        assert [f"{path}::{test}" for path, test in named if test not in named_in(path)] == []


def test_each_fault_that_is_tried_is_promised():
    named = {match for line in rows(PAGES[0]) for match in NAMED.findall(line)}
    assert len(faults()) >= 15
    assert faults() - named == set()
