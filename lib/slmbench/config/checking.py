"""Values against the JSON Schemas of `data/`: one clear sentence for the first thing that does not fit."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from slmbench import paths
from slmbench.config.reading import clean
from slmbench.errors import UsageError

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
# The kit's own files as they are shipped: the tests hold them to their schemas, so that a run need not load the
# validator for them (50 ms). A file that was changed in any way has another digest, and is checked.
_SHIPPED = {
    "models.schema.json": "654eb7a6dbeedaf02097f1d46566fc3022856fa64617513976a7cb9e9e37e1f4",
    "prompts.schema.json": "faf6cee010ae39fe8005d1927b063f415ef6d07bac7d7e783316d2e37096b282",
}
# Of run folders: a run reads its own back, and must not have to load the validator for it. Their schemas have no
# patterns, and nothing else that `_misfits` does not know.
_OF_RUNS = ("plan.schema.json", "machine.schema.json", "resource.schema.json", "score.schema.json")


def nearest(name: str, choices: Iterable[str], n: int = 3) -> list[str]:
    """Up to n of the choices that look most like `name`, best first; none if nothing is close.

    Upper and lower case don't matter, and a choice that begins with or contains the name is close too.

    >>> nearest("gemma", ["mistral-7b", "gemma-4-e2b-it"])
    ['gemma-4-e2b-it']
    """
    import difflib

    sought = name[:80].casefold()
    scores: list[tuple[float, str]] = []
    for choice in choices:
        folded = choice[:80].casefold()
        score = difflib.SequenceMatcher(None, sought, folded).ratio()
        if len(sought) >= 3 and (sought in folded or folded in sought):
            score = max(score, 0.75)
        if score >= 0.6:
            scores.append((score, choice))
    return [choice for _, choice in sorted(scores, key=lambda s: -s[0])[:n]]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing."""
    close = nearest(name, choices, 1)
    return f'; did you mean "{clean(close[0])}"?' if close else ""


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """A schema file of the kit's own `data/`."""
    return json.loads(paths.data_file(name).read_text(encoding="utf-8"))


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    import hashlib

    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@functools.cache
def _validator(name: str) -> Callable[[Any], Any]:
    import fastjsonschema  # here: only a file that is to be checked should cost its time

    return fastjsonschema.compile(schema(name), use_default=False)


def check(value: Any, name: str, label: Callable[[str], str], cure: str, part: str | None = None) -> None:
    """Holds a JSON value to the schema file `name`.

    label: from a path in the value, as `sets.rag4[2].id`, to the words that say where that is. part: the name of a
        definition in the file, if the value is to be held to that; for schemas of run folders only.
    raises: UsageError with where, what was found and what was expected.
    """
    if name in _OF_RUNS:
        root = schema(name)
        if first := next(_misfits(value, root["definitions"][part] if part else root, root), None):
            place, rule, found, definition = first
            raise UsageError(f"{label(clean(place.removeprefix('.')))}: {_sentence(rule, found, definition)}", cure)
        return
    if isinstance(value, dict) and digest(value) == _SHIPPED.get(name):
        return
    import fastjsonschema

    try:
        _validator(name)(value)
    except fastjsonschema.JsonSchemaValueException as error:
        place = error.name.removeprefix("data").removeprefix(".")
        sentence = _sentence(error.rule, error.value, error.definition)
        raise UsageError(f"{label(clean(place))}: {sentence}", cure) from None


Misfit = tuple[str, str, Any, Mapping[str, Any]]  # place, the rule it breaks, what is there, what the schema asks there


def _misfits(value: Any, definition: Mapping[str, Any], root: Mapping[str, Any], place: str = "") -> Iterator[Misfit]:
    """What in a JSON value is not as a schema asks, in the order of the document; none if it is valid."""
    if "$ref" in definition:
        definition = root["definitions"][definition["$ref"].rpartition("/")[2]]
    kind = {dict: "object", list: "array"}.get(type(value))
    if "type" in definition and not (kind in definition["type"] if kind else fits(value, definition)):
        yield place, "type", value, definition
    elif kind == "object":
        if not value.keys() >= set(definition.get("required", ())):
            yield place, "required", value, definition
        if "if" in definition and next(_misfits(value, definition["if"], root), None) is None:
            yield from _misfits(value, definition["then"], root, place)
        known, others = definition.get("properties", {}), definition.get("additionalProperties") or {}
        if _closed(definition) and not value.keys() <= known.keys():
            yield place, "additionalProperties", value, definition
        for key, inner in value.items():
            yield from _misfits(inner, known.get(key, others), root, f"{place}.{key}")
    elif kind == "array":
        if len(value) < definition.get("minItems", 0):
            yield place, "minItems", value, definition
        for number, inner in enumerate(value):
            yield from _misfits(inner, definition.get("items", {}), root, f"{place}[{number}]")


def fits(value: Any, definition: Mapping[str, Any]) -> bool:
    """Whether a single value (no list, no object) has the type, range or choice of a schema's property."""
    if isinstance(value, bool) or value is None:
        kinds = {"boolean"} if value is not None else {"null"}
    else:
        kinds = {str: {"string"}, int: {"integer", "number"}, float: {"number"}}.get(type(value), set())
    if not kinds & ({definition["type"]} if isinstance(definition["type"], str) else set(definition["type"])):
        return False
    if isinstance(value, str):
        return value in definition.get("enum", (value,)) and len(value) >= definition.get("minLength", 0)
    if isinstance(value, bool) or value is None:
        return True
    above, least, most = (definition.get(k) for k in ("exclusiveMinimum", "minimum", "maximum"))
    low = (above is None or value > above) and (least is None or value >= least)
    return low and (most is None or value <= most)


def cure_if_missing(file: Path, form: str) -> str:
    """What to say if a file is not there: the nearest name beside it, or `form`."""
    try:
        beside = [p.name for p in file.parent.iterdir() if p.suffix in (".json", ".txt") and p.name != file.name]
    except (OSError, ValueError):
        beside = []
    close = nearest(file.name, beside, 1)
    return f'Is it "{clean(file.with_name(close[0]))}"?' if close else form


def in_file(path: Any) -> Callable[[str], str]:
    """The label of a place in a file."""
    return lambda place: f"{clean(path)}, {place or 'top level'}"


def _sentence(rule: str, value: Any, definition: Mapping[str, Any]) -> str:
    if rule in ("additionalProperties", "required"):
        known = definition.get("properties", {})
        # a key that is missing is most often one that is misspelt: the strange key comes first
        strange = next((k for k in value if k not in known), None) if _closed(definition) else None
        if strange is not None:
            hint = did_you_mean(strange, known) or "."
            return f'unknown key "{clean(strange)}"{hint} Known keys: {", ".join(k for k in known if k != "$schema")}'
    if rule == "propertyNames":
        pattern = definition["propertyNames"]["pattern"]
        key = next(k for k in value if not re.fullmatch(pattern, k))
        return f'"{clean(key)}" was found as a name, {definition["propertyNames"]["description"]} was expected'
    if rule == "required":
        missing = ", ".join(f'"{k}"' for k in definition["required"] if k not in value)
        return f"{missing} is missing, {_TYPES['object']} with {', '.join(definition['required'])} was expected"
    if rule == "uniqueItems":
        twice = next(item for i, item in enumerate(value) if item in value[:i])
        return f"{shown(twice)} stands twice in the list, once was expected"
    if rule in ("minItems", "minProperties"):
        return f"{shown(value)} with nothing in it was found, at least one entry was expected"
    if rule in ("maxItems", "maxProperties"):
        return f"{len(value)} entries were found, at most {definition[rule]} were expected"
    return misfit(value, definition)


def misfit(value: Any, definition: Mapping[str, Any]) -> str:
    """What was found and what was expected of a single value."""
    close = did_you_mean(value, definition["enum"]) if "enum" in definition and isinstance(value, str) else ""
    return f"{shown(value)} was found, {expected(definition)} was expected{close}"


def _closed(definition: Mapping[str, Any]) -> bool:
    return definition.get("additionalProperties") is False


def expected(definition: Mapping[str, Any]) -> str:
    """What a schema asks of one value, in words."""
    if "enum" in definition:
        return "one of " + ", ".join(definition["enum"])
    if "pattern" in definition:
        return definition["description"]
    kinds = [definition["type"]] if isinstance(definition["type"], str) else definition["type"]
    words = " or ".join(_TYPES[k] for k in kinds if k != "null")
    if "exclusiveMinimum" in definition:
        words += f" above {definition['exclusiveMinimum']} and up to {definition['maximum']}"
    elif "minimum" in definition:
        words += f" from {definition['minimum']} to {definition['maximum']}"
    words += " or null" if "null" in kinds else ""
    meaning = definition.get("description")
    return f"{words} ({meaning})" if meaning else words


def shown(value: Any) -> str:
    """A found value in a few characters: numbers and short texts as they are, of the rest only the kind."""
    if isinstance(value, str):
        return f'"{clean(value, 60)}"'
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a number of more than 18 digits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a value of the type {type(value).__name__}"
