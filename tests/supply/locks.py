"""What is asked for and what is pinned: requirements.txt, pyproject.toml and the lock files, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "tests/requirements.lock")
ASKED = ("requirements.txt", "tests/requirements.txt")


@dataclass(frozen=True)
class Pin:
    """One entry of a lock: a version, where it applies (None: everywhere), and the sha256 of its files."""

    name: str
    version: str
    marker: Marker | None
    hashes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


def pins_in(text: str) -> list[Pin]:
    """The entries of a lock's text. A package has several where they differ by platform."""
    found = []
    for entry in text.replace("\\\n", "").splitlines():
        pin, *hashes = entry.split("--hash=sha256:")
        asked = Requirement(pin)
        operators = [s.operator for s in asked.specifier]
        if operators != ["=="]:
            raise ValueError(f"{asked}: a version pinned with == was expected")
        version = next(iter(asked.specifier)).version
        found.append(Pin(canonicalize_name(asked.name), version, asked.marker, frozenset(h.strip() for h in hashes)))
    return found


def pins(*paths: str) -> list[Pin]:
    """The entries of the locks (by default, of both)."""
    return [pin for path in paths or LOCKS for pin in pins_in((ROOT / path).read_text(encoding="utf-8"))]


def requirements(path: str) -> dict[str, list[Requirement]]:
    """{package: what a requirements.txt asks for}; several where it differs by platform."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return _by_name(line for line in lines if line[0] not in "-#")


def project() -> dict[str, list[Requirement]]:
    """{package: what pyproject.toml asks for}."""
    return _by_name(_pyproject()["dependencies"])


def extra(name: str) -> dict[str, list[Requirement]]:
    """{package: what an extra of pyproject.toml asks for}; {} if there is no such extra."""
    return _by_name(_pyproject()["optional-dependencies"].get(name, []))


def _by_name(lines: Iterable[str]) -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for requirement in map(Requirement, lines):
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
