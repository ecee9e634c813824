"""Facts about this machine, and the memory of a process tree."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

MB = 1e6
PASSING = ("memory_available_mb", "pid", "url", "source")  # facts that differ between any two runs
PACKAGES = (
    "slmbench",
    "foundry-local-sdk",
    "onnxruntime",
    "onnxruntime-genai-core",
    "openai",
    "numpy",
    "pandas",
    "scipy",
)


def facts() -> dict[str, Any]:
    """What a reader needs to know about the machine that measured; None where the machine does not say.

    Sizes in MB (10^6 bytes). Host and user names are left out on purpose.
    """
    return {
        "os": platform.system(),
        "os_version": platform.platform(terse=True),
        "architecture": platform.machine(),
        "cpu": cpu_name(),
        "cores_logical": os.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_mb": round(psutil.virtual_memory().total / MB),
        "memory_available_mb": round(psutil.virtual_memory().available / MB),
        "gpus": gpus(),
        "on_battery": _on_battery(),
        "python": platform.python_version(),
        "packages": packages(),
    }


def differences(one: Mapping[str, Any], other: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """In what two machines differ, as `name: one -> other`; what is not told by both is left out.

    one, other: from `facts`, or what a machine.json holds.

    >>> list(differences({"cpu": "M3", "packages": {"numpy": "1"}}, {"cpu": "M3", "packages": {"numpy": "2"}}))
    ['packages numpy: 1 -> 2']
    """
    for name in one:
        if name not in other or name in PASSING or one[name] == other[name]:
            continue
        if isinstance(one[name], dict) and isinstance(other[name], dict):
            yield from differences(one[name], other[name], f"{within}{name} ")
        else:
            yield f"{within}{name}: {_said(one[name])} -> {_said(other[name])}"


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def packages(names: tuple[str, ...] = PACKAGES) -> dict[str, str | None]:
    """Installed versions; None for what is not installed."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def cpu_name() -> str | None:
    """The processor's own name, as the operating system tells it."""
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
        )
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or None
    return platform.processor() or None


def gpus() -> list[dict[str, Any]]:
    """NVIDIA GPUs as nvidia-smi lists them ({name, memory_mb, driver}); empty where there is no such program.
    memory_mb is None where the GPU shares the machine's memory.

    An empty list does not prove that there is no GPU: other makers' are not looked for.
    """
    told = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    rows = [[cell.strip() for cell in row] for row in csv.reader(told.splitlines())]
    return [{"name": r[0], "memory_mb": _mib_as_mb(r[1]), "driver": r[2]} for r in rows if len(r) == 3]


def tree_memory_mb(pid: int) -> tuple[float | None, float | None]:
    """(RSS, USS) of a process and its children, MB. USS, what only they use, is None where access is denied."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    rss_mb = sum(p.memory_info().rss for p in family) / MB
    try:
        uss_mb = sum(p.memory_full_info().uss for p in family) / MB
    except psutil.AccessDenied:
        return round(rss_mb, 1), None
    return round(rss_mb, 1), round(uss_mb, 1)


def tree_rss_mb(pid: int) -> float:
    """RSS of a process and its children, MB: what `tree_memory_mb` gives first, in a twentieth of its time."""
    process = psutil.Process(pid)
    return round(sum(p.memory_info().rss for p in (process, *process.children(recursive=True))) / MB, 1)


def tree_cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of a process and its children so far."""
    process = psutil.Process(pid)
    times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def peak_rss_mb(pid: int) -> float | None:
    """The most memory that a process ever had resident, as the system remembers it, MB; None where it does not."""
    if sys.platform == "linux":
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        kib = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
        return None if kib is None else round(kib * 1024 / MB, 1)
    if os.name == "nt":
        return round(psutil.Process(pid).memory_info().peak_wset / MB, 1)
    return None


def _mib_as_mb(text: str) -> int | None:
    """MB of a number of MiB; None for what nvidia-smi writes in its place, as [N/A]."""
    return round(int(text) * 1024 * 1024 / MB) if text.isdecimal() else None


def _on_battery() -> bool | None:
    sensor = getattr(psutil, "sensors_battery", None)
    battery = sensor() if sensor else None
    return None if battery is None or battery.power_plugged is None else not battery.power_plugged


def _output(program: str, *arguments: str) -> str:
    """What a program prints, "" where it is not there or fails."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, timeout=10, check=False, encoding="utf-8", errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
