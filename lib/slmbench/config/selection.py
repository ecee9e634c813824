"""selection.json: the limits that a model must keep to, how much each dimension counts, what energy costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slmbench import paths
from slmbench.config.checking import check, cure_if_missing, did_you_mean, in_file, schema
from slmbench.config.reading import as_path, clean, read_json
from slmbench.config.values import Origin, from_text, refuse_faults
from slmbench.errors import UsageError

SCHEMA = "selection.schema.json"
DIMENSIONS = ("latency", "throughput", "memory", "quality", "footprint")
_FORM = "See data/selection.json for an example: {limits: {…}, weights: {…}, cost: {…}}."
_PARTS = ("limits", "weights", "cost")


@dataclass(frozen=True, slots=True)
class Selection:
    """By what a model is chosen.

    limits: name -> value, in the order of the schema; those that are none are left out. weights: of each of
    DIMENSIONS, at least one above 0. cost: power_w (None: no estimate), price_per_kwh, currency,
    cloud_price_per_million_tokens (None: no comparison).
    """

    limits: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As selection.json has it; a limit that is none is null there, lest the kit's own came back."""
        limits = {name: self.limits.get(name) for name in _known("limits")}
        return {"limits": limits, "weights": dict(self.weights), "cost": dict(self.cost)}


def read_selection(path: str | Path | None = None) -> Selection:
    """Reads a selection.json. path: the kit's own data/selection.json if left out; what a file of one's own does not
    say, that one says.

    raises: UsageError with file, entry, what was found and what was expected.
    """
    shipped = _read(paths.data_file("selection.json"))
    return shipped if path is None else _over(shipped, _read(as_path(path, "selection")), "")


def with_changes(given: Selection, **parts: str | Mapping[str, Any] | None) -> Selection:
    """A selection with some of its values changed.

    parts: limits, weights or cost, each a mapping or a text such as "memory_mb=4000,ttft_s=0.3"; "none" takes a limit
        away, and alone all of them. None and "" change nothing.
    raises: UsageError that names the part and the value.
    """
    changed = given
    for part, value in parts.items():
        if value:
            none = part == "limits" and isinstance(value, str) and value.strip().lower() == "none"
            given_now = dict.fromkeys(_known(part)) if none else _values(part, value)
            changed = _over(changed, Selection(**{part: given_now}), part)
    return changed


def _read(file: Path) -> Selection:
    value = read_json(file, cure_if_missing(file, _FORM))
    check(value, SCHEMA, in_file(file), f"Correct it in {clean(file)}. {_FORM}")
    return Selection(**{part: value.get(part, {}) for part in _PARTS})


def _over(under: Selection, over: Selection, part: str) -> Selection:
    limits = {name: value for name in _known("limits") if (value := _either("limits", name, under, over)) is not None}
    weights = {name: float(_either("weights", name, under, over) or 0) for name in DIMENSIONS}
    if not any(weights.values()):
        raise UsageError(f"{part or 'weights'}: all are 0, at least one above 0 was expected", "weights quality=1")
    return Selection(limits, weights, {name: _either("cost", name, under, over) for name in _known("cost")})


def _either(part: str, name: str, under: Selection, over: Selection) -> Any:
    first = getattr(over, part)
    return first[name] if name in first else getattr(under, part).get(name)


def _known(part: str) -> Mapping[str, Any]:
    return schema(SCHEMA)["properties"][part]["properties"]


def _values(part: str, given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Values of one part, from a text or a mapping, each of them checked."""
    known = _known(part)
    example = "memory_mb=4000,ttft_s=0.3" if part == "limits" else ",".join(f"{name}=1" for name in list(known)[:2])
    origin = Origin(part, "parameter", f"as {part}={example}; known: {', '.join(known)}")
    pairs = _pairs(given, origin) if isinstance(given, str) else given
    if not isinstance(pairs, Mapping):
        raise origin.refuse(f"a value of the type {type(given).__name__}", "a mapping or a text")
    refuse_faults(dict(pairs), origin)
    found = {}
    for name, value in pairs.items():
        if name not in known:
            hint = did_you_mean(str(name), known) or "."
            raise UsageError(f"{origin.label}: unknown name {clean(name)!r}{hint}", origin.cure)
        read = _from_text(value, known[name]) if isinstance(value, str) else value
        check({part: {name: read}}, SCHEMA, lambda place: f"{part} (parameter), {place}", origin.cure)
        found[name] = read
    return found


def _pairs(text: str, origin: Origin) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in text.split(","):
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not value:
            raise origin.refuse(f'"{clean(word.strip(), 60)}"', "name=value")
        if name in pairs:
            raise origin.refuse(f"{clean(name)} twice", "each name once")
        pairs[name] = value
    return pairs


def _from_text(text: str, definition: Mapping[str, Any]) -> Any:
    kinds = definition.get("type", "number")  # a weight is a reference
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "null" in kinds and text.lower() in ("none", "null"):
        return None
    return from_text(text, kinds[0])
