"""What uv resolves for a machine that is not this one, wheels only, with the package index that pip or uv is set to.

A dry run of an installation looks at no hash. A resolution written as a pylock.toml does name the wheels that fit the
platform, with the index's own sha256 of each: these are what a lock must hold.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
EXCLUDED = ROOT / "tests/supply/excluded.txt"
UV = find_uv_bin()  # once, here: it is not safe in several threads
PATIENCE_S = 300
REFUSED = re.compile(r"Because (?:only )?([A-Za-z0-9][\w.-]*)==\S+ has no (?:usable )?wheels")


class Unresolved(Exception):
    """No resolution. package: the one that has no wheel there, "" where the reason is another one."""

    def __init__(self, package: str, said: str):
        super().__init__(said)
        self.package = package


@dataclass(frozen=True)
class Wheel:
    file: str
    sha256: str
    size: int | None
    uploaded: date | None


@dataclass(frozen=True)
class Found:
    """A resolved package with its wheels that fit the platform, the best first."""

    name: str
    version: str
    wheels: tuple[Wheel, ...]


@dataclass(frozen=True)
class Target:
    """A machine: uv's name of the platform, the minor version of Python, what uv needs in its environment."""

    platform: str
    python: str
    env: Mapping[str, str] = field(default_factory=dict)


def resolve(target: Target, asked: Sequence[str | Path], *options: str | Path, given: str = "") -> dict[str, Found]:
    """{package: what uv finds}. asked: requirement files; "-" is the text `given`. raises: Unresolved."""
    command = [UV, "pip", "compile", *asked, "--format", "pylock.toml", "--only-binary", ":all:"]
    command += ["--python-platform", target.platform, "--python-version", target.python, "--python", sys.executable]
    command += ["--excludes", EXCLUDED]
    done = run([*command, "--no-header", "--no-progress", *options], target.env, given)
    if done.returncode:
        refused = REFUSED.search(done.stderr)
        raise Unresolved(refused[1] if refused else "", done.stderr.strip())
    return read(done.stdout)


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None, given: str = ""):
    """A command with its output as text; uv is led to pip's index where only pip was set to one."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **index(), **(env or {})},
        input=given,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )


def read(text: str) -> dict[str, Found]:
    """The packages of a pylock.toml."""
    packages = tomllib.loads(text).get("packages", [])
    return {p["name"]: Found(p["name"], p["version"], tuple(map(_wheel, p.get("wheels", [])))) for p in packages}


def _wheel(said: Mapping) -> Wheel:
    file = said.get("name") or (said.get("url") or said["path"]).rpartition("/")[2]
    uploaded = said.get("upload-time")
    day = uploaded.date() if isinstance(uploaded, datetime) else None  # not every index tells it
    return Wheel(file, said["hashes"]["sha256"], said.get("size"), day)


@cache
def index() -> dict[str, str]:
    """uv's variable for the index that pip is set to, {} where neither is set, or uv is set itself."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    return as_uv(said.splitlines(), os.environ)


def as_uv(settings: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """uv's variable for the index among the lines of `pip config list`; a variable of pip comes before its files."""
    if {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & environ.keys():
        return {}
    set_to = dict(line.split("=", 1) for line in settings if "=" in line)
    for name in (":env:.index-url", "global.index-url"):
        if name in set_to:
            return {"UV_DEFAULT_INDEX": set_to[name].strip("'\"")}
    return {}
