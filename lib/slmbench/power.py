"""Energy, power and GPU memory, where the machine itself counts them: RAPL on Linux, NVML with an NVIDIA driver.

RAPL's counters of the processor can be read by root alone on most Linux systems; Windows and macOS give none to a
program without special rights. Where nothing is counted, nothing is made up: `analyse.cost` estimates from a power that
somebody names, and says so.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

POWERCAP = Path("/sys/class/powercap")
WHOLE, PACKAGE, MEMORY = "psys", "package", "dram"  # what RAPL's zones are named


class Used(NamedTuple):
    """energy_j: joules, None where nothing is counted; method: what counted them, "" then. seconds: between the two
    readings."""

    energy_j: float | None
    method: str
    seconds: float


class Zone(NamedTuple):
    """A counter of RAPL, in microjoules, which begins again from 0 after `range_uj`."""

    file: Path
    range_uj: int

    def read_uj(self) -> int:
        return int(self.file.read_text(encoding="ascii"))


class Meter:
    """Reads the energy counters at its start and with `used`. The whole machine is counted, other programs too.

    powercap: where the zones are. nvml: the module pynvml, or what stands in for it; None: none.
    """

    def __init__(self, powercap: Path = POWERCAP, nvml: ModuleType | Any | None = None):
        self._nvml, self._gpus = nvml, gpu_handles(nvml)
        self._zones, self._names = zones(powercap)
        self._started = time.perf_counter()
        self._before_uj = [zone.read_uj() for zone in self._zones]
        self._before_mj = self._gpu_mj()

    def used(self) -> Used:
        """What was used since the start."""
        seconds = time.perf_counter() - self._started
        parts: list[float] = []
        names: list[str] = []
        if self._zones:
            after = [zone.read_uj() for zone in self._zones]
            each = zip(self._zones, self._before_uj, after, strict=True)
            parts.append(sum((b - a) % zone.range_uj for zone, a, b in each) / 1e6)
            names.append(f"RAPL {' + '.join(self._names)}")
        if self._before_mj is not None and (now := self._gpu_mj()) is not None:
            parts.append((now - self._before_mj) / 1e3)
            names.append("NVML" if self._zones else "NVML (the GPU alone)")
        return Used(round(sum(parts), 3) if parts else None, " + ".join(names), seconds)

    def _gpu_mj(self) -> int | None:
        """Millijoules of all GPUs since their driver was loaded; None where one does not count them (before Volta)."""
        if not self._gpus:
            return None
        try:
            return sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) for gpu in self._gpus)
        except self._nvml.NVMLError:
            return None


def zones(powercap: Path = POWERCAP) -> tuple[list[Zone], list[str]]:
    """The counters that together are the machine (psys), or its processors and, where it is apart, their memory; [] if
    there are none that may be read. A package counts its cores: these are left out.
    """
    found: dict[str, list[Zone]] = {}
    for folder in sorted(powercap.glob("intel-rapl*:*")):
        try:
            name = (folder / "name").read_text(encoding="ascii").strip()
            zone = Zone(folder / "energy_uj", int((folder / "max_energy_range_uj").read_text(encoding="ascii")) + 1)
            zone.read_uj()
        except (OSError, ValueError):  # not for us to read, or not there
            continue
        found.setdefault(name.split("-")[0], []).append(zone)
    names = [WHOLE] if WHOLE in found else [name for name in (PACKAGE, MEMORY) if name in found]
    return [zone for name in names for zone in found[name]], names


def nvml() -> ModuleType | None:
    """The module pynvml, started; None where there is no NVIDIA driver. `shut` ends it."""
    import pynvml  # here: it looks for the driver's library

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def shut(module: ModuleType | Any | None) -> None:
    if module is not None:
        module.nvmlShutdown()


def gpu_handles(module: ModuleType | Any | None) -> list[Any]:
    """The GPUs that NVML knows."""
    if module is None:
        return []
    return [module.nvmlDeviceGetHandleByIndex(i) for i in range(module.nvmlDeviceGetCount())]


def gpu_memory_mb(pids: set[int], module: ModuleType | Any | None) -> float | None:
    """Memory that some processes have on NVIDIA GPUs, in MB (10^6 bytes); None where no driver tells."""
    if module is None:
        return None
    told = []
    for gpu in gpu_handles(module):
        try:
            running = module.nvmlDeviceGetComputeRunningProcesses(gpu)
        except module.NVMLError:
            continue
        told += [process.usedGpuMemory or 0 for process in running if process.pid in pids]
    return round(sum(told) / 1e6, 1)
