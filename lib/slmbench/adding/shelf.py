"""What stands beside the kit's models: the user's own models.json, and which names are free for more."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slmbench import config, models, paths
from slmbench.config.checking import did_you_mean, shown
from slmbench.config.models import capabilities
from slmbench.config.reading import clean
from slmbench.errors import UsageError
from slmbench.models import disk

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
NAMES = "1 to 64 of the letters A-Z a-z, digits and . _ -, beginning with a letter or digit, without a dot at the end"
# names that Windows gives to devices, whatever stands behind a dot; and what a list of models takes for something else
_RESERVED = {"con", "prn", "aux", "nul", "auto", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def added_entries() -> dict[str, config.ModelEntry]:
    """The models that were added, by alias. raises: UsageError for a broken file."""
    kits = config.read_models(paths.data_file("models.json")).entries
    return {alias: entry for alias, entry in config.read_models().entries.items() if alias not in kits}


def models_folder() -> Path:
    return paths.home() / "models"


def is_kits(name: str) -> bool:
    kits = {*config.read_models(paths.data_file("models.json")).entries, *models.EMBEDDED}
    return name.casefold() in {alias.casefold() for alias in kits}


def refuse_name(name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UsageError(f"--name: {shown(name)} was found, {NAMES} was expected", "for example --name my-model-int4")
    if name.partition(".")[0].casefold() in _RESERVED:
        found = f"--name: {shown(name)} was found, which Windows or the kit keeps for something else"
        raise UsageError(f"{found}; another name was expected", f"for example --name my-{name}")


def refuse_taken(name: str, replace: bool) -> None:
    """Folders have one name in capital and small letters, on Windows and macOS."""
    if is_kits(name):
        found = f"--name: {shown(name)} was found, which is a model of the kit's; a new name was expected"
        raise UsageError(found, f"give another name, as --name my-{name}")
    same = next((alias for alias in added_entries() if alias.casefold() == name.casefold()), None)
    folder = models_folder() / name
    if same is None and folder.exists() and not models.manifest(folder):
        found = f"--name: {clean(folder)} is there already, and slmbench has not made it; a new name was expected"
        raise UsageError(found, "give another name, or move it away")
    if same not in (None, name):
        found = f"--name: {shown(name)} was found, and {shown(same)} was added before; a new name was expected"
        raise UsageError(found, f"give another name, or take that one away: slmbench remove {same}")
    if (same or folder.exists()) and not replace:
        found = f"--name: {shown(name)} was added before; a new name was expected"
        raise UsageError(found, f"slmbench remove {name}   (takes it away), or add --replace")


def refuse_tag(tag: Any) -> None:
    known = capabilities()
    if tag not in known:
        near = did_you_mean(str(tag), known)
        raise UsageError(
            f"--capabilities: {shown(tag)} was found, one of {', '.join(known)} was expected{near}",
            "for example --capabilities chat,summarise",
        )


def write(entries: Mapping[str, config.ModelEntry]) -> None:
    """The user's own models.json, whole or not at all."""
    file = config.own_file()
    plain = {}
    for alias, entry in entries.items():
        said = {name: value for name, value in dataclasses.asdict(entry).items() if value not in (None, ())}
        plain[alias] = {name: value for name, value in said.items() if name != "alias"}
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps({"models": plain}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    disk.sync(part)
    part.replace(file)
