"""From a name to an adapter: one that a package registers, a class of a module, or a class in a file."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from slmbench.adapters.contract import ModelAdapter
from slmbench.config.checking import did_you_mean, shown
from slmbench.config.reading import clean
from slmbench.errors import UsageError

GROUP = "slmbench.adapters"
FORM = "an adapter is a registered name, module:Class, or file.py:Class"
_FILE = "slmbench_adapter"  # what a file's module is called


def registered() -> dict[str, EntryPoint]:
    """The adapters that installed packages bring, by name, in order."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def found(spec: str) -> tuple[str, ModelAdapter]:
    """An adapter, not loaded yet, and the name that it is served under.

    spec: a registered name, `module:Class`, or `file.py:Class`.
    raises: UsageError for what is none, with the nearest registered name and all of them.
    """
    place, colon, what = spec.rpartition(":")
    known = registered()
    if not colon and spec not in known:
        listed = ", ".join(known) or "none"
        near = did_you_mean(spec, known)
        raise UsageError(f"adapter: {shown(spec)} is not registered{near}; registered: {listed}", FORM)
    if not colon:
        place, _, what = known[spec].value.partition(":")
    module = _module(place, spec)
    made = getattr(module, what, None)
    if not callable(made):
        near = did_you_mean(what, [name for name, value in vars(module).items() if isinstance(value, type)])
        raise UsageError(f"adapter: {clean(place)} has no class {shown(what)}{near}", FORM)
    return spec if not colon else what.lower(), _checked(made(), spec)


def _checked(adapter: Any, spec: str) -> ModelAdapter:
    if isinstance(adapter, ModelAdapter):
        return adapter
    lacks = [name for name in ("load", "generate") if not callable(getattr(adapter, name, None))]
    found = f"adapter: {shown(spec)} has no {' and no '.join(lacks)}"
    raise UsageError(found, "give it load(self, weights_path) and generate(self, prompt, **params)")


def _module(place: str, spec: str) -> ModuleType:
    """Import a module by its name or from its file. What goes wrong inside it is its author's to see, as it is."""
    if not place.endswith(".py"):
        if not all(part.isidentifier() for part in place.split(".")):
            raise UsageError(f"adapter: {shown(spec)}: {shown(place)} is no name of a module", FORM)
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as e:
            if not (e.name and f"{place}.".startswith(f"{e.name}.")):  # something else is missing, which it wants
                raise
            raise UsageError(f"adapter: {shown(spec)}: there is no module {shown(e.name)}", FORM) from None
    file = Path(place)
    if not file.is_file():
        raise UsageError(f"adapter: {shown(spec)}: there is no file {clean(file.absolute())}", FORM)
    about = importlib.util.spec_from_file_location(_FILE, file)
    module = importlib.util.module_from_spec(about)
    about.loader.exec_module(module)
    return module
