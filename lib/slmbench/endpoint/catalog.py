"""Foundry Local's model catalogue, asked for in a process of its own (the SDK is not imported here)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from slmbench import secret
from slmbench.errors import KitError

OFFLINE = "Foundry Local's catalogue can't be reached (offline?)"


class CatalogError(KitError):
    """The catalogue or a download from it failed (exit code 1)."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One variant of a catalogue model. size_mb: of its download."""

    alias: str
    id: str
    default: bool = True  # the variant that the runtime itself chooses on this machine
    cached: bool = False
    folder: str | None = None  # of a cached one
    display_name: str | None = None
    publisher: str | None = None
    licence: str | None = None
    size_mb: float | None = None
    device: str | None = None
    execution_provider: str | None = None
    context_length: int | None = None
    capabilities: tuple[str, ...] = ()


def listing() -> list[CatalogModel]:
    """What the catalogue lists, an entry a variant; empty where it can't be reached. raises: CatalogError."""
    known = {f.name for f in fields(CatalogModel)}
    found = []
    for line in _lines("catalog"):
        _raise_error(line)
        found.append(CatalogModel(**{k: tuple(v) if isinstance(v, list) else v for k, v in line.items() if k in known}))
    return found


def providers() -> list[str]:
    """The execution providers that the runtime has registered; empty means the CPU alone. raises: CatalogError."""
    names: list[str] = []
    for line in _lines("providers"):
        _raise_error(line)
        names += [ep["name"] for ep in line.get("providers", []) if ep.get("registered")]
    return names


def download(alias: str, progress: Callable[[float], None] | None = None) -> str:
    """Download a catalogue model. progress: called with the percentage. returns: its folder. raises: CatalogError."""
    folder = ""
    for line in _lines("download", alias):
        _raise_error(line)
        if "done_pct" in line and progress:
            progress(line["done_pct"])
        folder = line.get("path", folder)
    return folder


def _raise_error(line: dict) -> None:
    if "error" in line:
        raise CatalogError(str(line["error"]), "check the connection, then slmbench models")


def _lines(*arguments: str) -> Iterator[dict]:
    command = [sys.executable, "-m", "slmbench.endpoint.foundry", *arguments]
    environment = {**secret.stripped(os.environ), "CI": "true", "PYTHONUTF8": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as child:
        for line in child.stdout:
            if line.startswith("{"):
                yield json.loads(line)
    if child.returncode not in (0, 1):
        raise CatalogError(f"The Foundry Local runtime ended with code {child.returncode}.", "slmbench doctor")
