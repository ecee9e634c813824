"""Values against the JSON Schemas of `data/`: one clear sentence for the first thing that does not fit."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
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


@functools.cache
def _validator(name: str) -> Callable[[Any], Any]:
    import fastjsonschema  # here: 14 ms that only a file to be checked should cost

    return fastjsonschema.compile(schema(name), use_default=False)


def check(value: Any, name: str, label: Callable[[str], str], cure: str) -> None:
    """Holds a JSON value to the schema file `name`.

    label: from a path in the value, as `sets.rag4[2].id`, to the words that say where that is.
    raises: UsageError with where, what was found and what was expected.
    """
    import fastjsonschema

    try:
        _validator(name)(value)
    except fastjsonschema.JsonSchemaValueException as error:
        place = error.name.removeprefix("data").removeprefix(".")
        sentence = _sentence(error.rule, error.value, error.definition)
        raise UsageError(f"{label(clean(place))}: {sentence}", cure) from None


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
        known = definition["properties"]
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
    if "const" in definition:  # a setting to come: whatever was found, there is one value it can have
        only = "nothing" if definition["const"] is None else shown(definition["const"])
        return f"{shown(value)} was found, {only} was expected ({definition['description']})"
    if rule == "uniqueItems":
        twice = next(item for i, item in enumerate(value) if item in value[:i])
        return f"{shown(twice)} stands twice in the list, once was expected"
    if rule in ("minItems", "minProperties"):
        return f"{shown(value)} with nothing in it was found, at least one entry was expected"
    if rule in ("maxItems", "maxProperties"):
        return f"{len(value)} entries were found, at most {definition[rule]} were expected"
    close = did_you_mean(value, definition["enum"]) if rule == "enum" and isinstance(value, str) else ""
    return f"{shown(value)} was found, {expected(definition)} was expected{close}"


def _closed(definition: Mapping[str, Any]) -> bool:
    return definition.get("additionalProperties") is False


def expected(definition: Mapping[str, Any]) -> str:
    """What a schema asks of one value, in words."""
    if "enum" in definition:
        return "one of " + ", ".join(definition["enum"])
    if "pattern" in definition:
        return definition["description"]
    kinds = definition["type"]
    words = " or ".join(_TYPES[k] for k in ([kinds] if isinstance(kinds, str) else kinds))
    if "exclusiveMinimum" in definition:
        words += f" above {definition['exclusiveMinimum']} and up to {definition['maximum']}"
    elif "minimum" in definition:
        words += f" from {definition['minimum']} to {definition['maximum']}"
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
