"""What is here and what is missing, one line each, with one cure a line."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from slmbench import machine, paths
from slmbench.endpoint import connect, tool
from slmbench.endpoint.find import NOT_RUNNING
from slmbench.models import DEFAULT_SET, is_complete

FREE_MB = 1500  # fetched file, the converted variants, and room for runs
MEMORY_MB = 2000  # the three default models loaded at once, the runtime, and a notebook


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the examination. state: ok | note | missing; only `missing` stands in the way of a run."""

    name: str
    state: str
    found: str
    cure: str = ""

    def __str__(self) -> str:
        mark = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}[self.state]
        return f"{mark} {self.name}: {self.found}" + (f"\n          -> {self.cure}" if self.cure else "")


def examine(endpoint: str | None = None, *, allow_remote: bool = False) -> list[Check]:
    """Look at the interpreter, the packages, the disk, the memory, the models and the service. Changes nothing.

    endpoint: the one that a run would be told of; None looks where a run would look.
    raises: UsageError for an address that is not allowed.
    """
    service_line = _endpoint(endpoint, allow_remote)
    return [_python(), _packages(), _disk(), _memory(), _models(), service_line, _tool(), _gpu()]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 15):
        return Check("Python", "ok", f"{version} ({sys.executable})")
    return Check("Python", "missing", f"{version} ({sys.executable})", "use Python 3.11 to 3.14")


def _packages() -> Check:
    found = machine.packages(("slmbench", "foundry-local-sdk", "openai", "pandas", "matplotlib", "papermill"))
    absent = [name for name, version in found.items() if version is None]
    if absent:
        return Check("Packages", "missing", f"not installed: {', '.join(absent)}", "python3 bootstrap.py setup")
    return Check("Packages", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def _disk() -> Check:
    place = paths.home()
    while not place.exists():
        place = place.parent
    free_mb = shutil.disk_usage(place).free / machine.MB
    if not os.access(place, os.W_OK):
        return Check("Cache folder", "missing", f"{place} can't be written", "set SLMBENCH_HOME to a folder of yours")
    ready = all(is_complete(paths.home() / "models" / alias) for alias in DEFAULT_SET)
    if free_mb < FREE_MB and not ready:
        found = f"{place} has {free_mb:,.0f} MB free, {FREE_MB:,} MB are wanted"
        return Check("Cache folder", "missing", found, "free space, or set SLMBENCH_HOME to another disk")
    return Check("Cache folder", "ok", f"{paths.home()} ({free_mb / 1000:,.0f} GB free)")


def _memory() -> Check:
    facts = machine.facts()
    found = (
        f"{facts['memory_available_mb']:,} of {facts['memory_mb']:,} MB available, {facts['cores_logical']} CPU threads"
    )
    if facts["memory_available_mb"] < MEMORY_MB:
        return Check("Memory", "note", found, "stop other programs and models, or measure one model at a time")
    return Check("Memory", "ok", found)


def _models() -> Check:
    ready = [alias for alias in DEFAULT_SET if is_complete(paths.home() / "models" / alias)]
    if len(ready) == len(DEFAULT_SET):
        return Check("Embedded models", "ok", ", ".join(ready))
    missing = [alias for alias in DEFAULT_SET if alias not in ready]
    found = f"not prepared yet: {', '.join(missing)} (a run does it, 93 MB to download once)"
    return Check("Embedded models", "note", found, f"slmbench fetch {' '.join(missing)}")


def _endpoint(endpoint: str | None, allow_remote: bool) -> Check:
    """What a run would talk to now."""
    found = connect(endpoint, allow_remote=allow_remote, start=False, say=lambda _: None)
    if found.ids:
        return Check("Service", "ok", f"{found.base_url} ({found.source}, {len(found.ids)} models)")
    if found.source == NOT_RUNNING:
        return Check("Service", "note", "not running (a run starts it)", "slmbench serve")
    why = str(found.fault) if found.fault else "it lists no model"
    cure = "start it, or correct FOUNDRY_LOCAL_ENDPOINT or --endpoint; unset, a run starts the kit's own service"
    return Check("Service", "missing", f"{found.base_url} ({found.source}): {why}", cure)


def _tool() -> Check:
    if shutil.which("foundry") is None:
        return Check("foundry program", "note", "not installed; the kit's own service is used")
    address = tool.running_service()
    return Check("foundry program", "ok", f"service at {address}" if address else "installed; no service found running")


def _gpu() -> Check:
    names = [gpu["name"] for gpu in machine.gpus()]
    if names:
        return Check("GPU", "ok", ", ".join(names))
    return Check("GPU", "note", "none that nvidia-smi lists: models run on the CPU")
