"""models.json: what is known of each model before it is measured, and how a run is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slmbench import paths
from slmbench.config.checking import check, cure_if_missing, did_you_mean, in_file, schema
from slmbench.config.reading import as_path, clean, read_json
from slmbench.errors import UsageError

_FORM = (
    "models.json has the form {alias: {…}} or {models: {alias: {…}}, run: {…}}; see data/models.json for an example."
)
_ENTRY = "Restore plan.json, or make the run again."


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of models.json. None means not known."""

    alias: str
    source: str = "catalog"  # local | catalog
    capabilities: tuple[str, ...] = ()  # what its publisher says it is for
    size_mb: float | None = None  # on disk, CPU variant
    size_source: str | None = None  # where size_mb comes from, if it was not measured with this kit
    licence: str | None = None
    licence_url: str | None = None
    commercial_use: bool | None = None  # None: it depends, or not known
    display_name: str | None = None
    parameters_m: float | None = None  # millions
    publisher: str | None = None
    catalog_alias: str | None = None  # what the catalogue calls it, if not by its alias
    nearest: str | None = None  # of a model that can't be had: the alias of one that can
    variant_of: str | None = None  # the alias whose weights this one shares
    weights: str | None = None  # number format, as int4
    threads: int | None = None  # CPU threads the runtime is held to
    file: str | None = None  # of an added model: what it was made from
    sha256: str | None = None  # of that file, or of that folder's list of checksums
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ModelsFile:
    """A models.json that was read and found valid."""

    path: Path
    entries: dict[str, ModelEntry]  # by alias, in the order of the file
    run: dict[str, Any]  # the plain values of "run"; {} if the file has none


def capabilities() -> list[str]:
    """The capabilities that an entry may name."""
    return schema("models.schema.json")["definitions"]["entry"]["properties"]["capabilities"]["items"]["enum"]


def own_file() -> Path:
    """The user's own models.json: what `slmbench add` has added, beside the kit's."""
    return paths.home() / "models.json"


def read_models(path: str | Path | None = None) -> ModelsFile:
    """Reads a models.json, both the full form and the flat `{alias: {…}}`.

    path: if left out, the kit's own data/models.json together with the user's own (`own_file`).
    raises: UsageError with file, entry, what was found and what was expected.
    """
    if path is not None:
        return _read(as_path(path, "models file"))
    shipped = _read(paths.data_file("models.json"))
    return replace(shipped, entries=shipped.entries | own_entries(shipped))


def own_entries(shipped: ModelsFile) -> dict[str, ModelEntry]:
    """The entries of the user's own models.json; {} if there is none.

    raises: UsageError as `read_models`; also for an alias that the kit ships, and for a "run", which isn't read there.
    """
    file = own_file()
    if not file.exists():
        return {}
    own = _read(file)
    kits = {alias.casefold() for alias in shipped.entries}
    cure = f"Correct it in {clean(file)}, or move that file away: slmbench add makes a new one."
    if taken := next((alias for alias in own.entries if alias.casefold() in kits), None):
        raise UsageError(
            f'{clean(file)}: "{clean(taken)}" was found, which the kit ships; another alias was expected', cure
        )
    if own.run:
        raise UsageError(f'{clean(file)}: "run" was found, only models were expected', cure)
    return own.entries


def _read(file: Path) -> ModelsFile:
    value = read_json(file, cure_if_missing(file, _FORM))
    _refuse_misspelt_top(value, file)
    check(value, "models.schema.json", in_file(file), f"Correct it in {clean(file)}. {_FORM}")
    full = "models" in value or "run" in value
    given = value.get("models", {}) if full else {k: v for k, v in value.items() if k != "$schema"}
    entries = {alias: _entry(alias, fields) for alias, fields in given.items()}
    return ModelsFile(path=file, entries=entries, run=value.get("run", {}) if full else {})


def entry_for(alias: str, models_file: ModelsFile) -> ModelEntry | None:
    """The entry of an alias, or of what the catalogue calls it; None if the file knows neither."""
    if alias in models_file.entries:
        return models_file.entries[alias]
    return next((e for e in models_file.entries.values() if e.catalog_alias == alias), None)


def entry_from(fields: Mapping[str, Any]) -> ModelEntry:
    """An entry out of plain JSON values, as plan.json holds it; fields of other versions are passed over.

    raises: UsageError for a value of another kind than its field's.
    """
    check(fields, "plan.schema.json", lambda place: f"entry of a plan, {place or 'top level'}", _ENTRY, part="entry")
    known = {name: value for name, value in fields.items() if name in ModelEntry.__slots__}
    return _entry(known.pop("alias"), known)


def _entry(alias: str, fields: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry(alias=alias, **{**fields, "capabilities": tuple(fields.get("capabilities", ()))})


def _refuse_misspelt_top(value: Any, file: Path) -> None:
    """`{"modles": {alias: {…}}}` would pass for the flat form with one strange entry: say what it is."""
    if not isinstance(value, dict) or "models" in value or "run" in value:
        return
    of_an_entry = schema("models.schema.json")["definitions"]["entry"]["properties"].keys()
    for key, inner in value.items():
        hint = did_you_mean(key, ["models", "run"])
        if hint and isinstance(inner, dict) and inner and not inner.keys() & of_an_entry:
            raise UsageError(f'{clean(file)}: unknown key "{clean(key)}"{hint}', _FORM)
