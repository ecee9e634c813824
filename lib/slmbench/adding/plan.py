"""What is to be added, looked at before anything is written: a GGUF file, or a ready GenAI folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench import config, models
from slmbench.config.checking import did_you_mean, shown
from slmbench.config.reading import clean
from slmbench.errors import UsageError

SCHEME = "int4"
LICENCE_MAX = 100  # characters
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What is to be added, as far as it can be told without writing anything."""

    source: Path
    make: Callable[[Path, Progress | None], Path]
    cure: str  # if the runtime can't use it
    parameters_m: float | None = None
    licence: str | None = None

    def entry(self, name: str, folder: Path, licence: str | None, capabilities: tuple[str, ...]) -> config.ModelEntry:
        said = models.manifest(folder)
        licence = licence or self.licence
        return config.ModelEntry(
            alias=name,
            source="local",
            capabilities=capabilities,
            size_mb=float(f"{models.disk_mb(folder):.3g}"),
            licence=clean(licence, LICENCE_MAX) if licence else None,
            parameters_m=float(f"{self.parameters_m:.4g}") if self.parameters_m else None,
            weights=said["scheme"],
            threads=said["threads"],
            file=clean(self.source.name),
            sha256=_sum(said) if self.source.is_dir() else said["source"]["sha256"],
        )


def planned(source: Path, scheme: str | None) -> Plan:
    """raises: UsageError for what can't become a model of the kit."""
    if not source.exists():
        found = f"PATH: there is no {clean(source)}; a GGUF file or an ONNX Runtime GenAI folder was expected"
        raise UsageError(found, "check the path")
    if source.is_dir():
        return _planned_folder(source, scheme)
    from slmbench.models import gguf

    scheme = SCHEME if scheme is None else scheme
    if scheme not in models.SCHEMES:
        raise UsageError(
            f"--scheme: {shown(scheme)} was found, one of {', '.join(models.SCHEMES)} was expected"
            f"{did_you_mean(str(scheme), models.SCHEMES)}",
            f"leave it out for {SCHEME}",
        )
    found = gguf.read(source)

    def make(folder: Path, progress: Progress | None) -> Path:
        layers = progress and (lambda done, total: progress(f"convert {folder.name}", done, total))
        return models.convert(source, folder, scheme, checkpoint=found, progress=layers)

    cure = "try --scheme fp32, or another file of the model"
    return Plan(source, make, cure, found.parameters_m, found.about.get("general.license"))


def _planned_folder(source: Path, scheme: str | None) -> Plan:
    from slmbench.models import ready

    if scheme is not None:
        raise UsageError(f"--scheme: {shown(scheme)} was found; a ready folder stays as it is", "leave --scheme out")
    files, said = ready.files_of(source), models.manifest(source)
    facts = {"converter": None, "scheme": None, "threads": None, "source": {"file": source.name, "sha256": ""}}
    facts |= {key: said[key] for key in facts if key in said}  # it is one of the kit's own

    def make(folder: Path, _: Progress | None) -> Path:
        return models.take(files, folder, facts)

    return Plan(source, make, f"have it made anew, for this version of the runtime; {ready.FORM}")


def _sum(said: Mapping[str, Any]) -> str:
    """One checksum for a folder: of the lines `checksum  name`, in order, as sha256sum prints them."""
    lines = "".join(f"{value}  {name}\n" for name, value in sorted(said["sha256"].items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()
