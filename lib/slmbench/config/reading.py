"""Files to text and to plain JSON values: strictly, and with errors that say where."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.errors import UsageError

MAX_BYTES = 8 * 1024 * 1024  # of a file written by people: more is a mistake
MAX_DEPTH = 24  # the kit's own files need 5
_UTF8 = "Save it as UTF-8 (most editors: Save as, encoding UTF-8)."
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # a UTF-32 mark starts with the first of them


def as_path(given: Any, name: str) -> Path:
    """`given` as a path, with `~` for the home folder.

    raises: UsageError, which calls it `name`, if it is not one.
    """
    if not isinstance(given, str | Path) or not str(given).strip():
        found = f'"{given}"' if isinstance(given, str) else f"a value of the type {type(given).__name__}"
        raise UsageError(f"{name}: {found} was found, the path of a file was expected", "Give a path, or leave it out.")
    try:
        return Path(given).expanduser()
    except RuntimeError:  # ~name of a user that is not there
        return Path(given)


def read_text(path: Path, cure: str) -> str:
    """The text of a UTF-8 file, with `\\n` for every line end and without the byte order mark some editors write.

    cure: what to do if the file is missing.
    raises: UsageError if it is missing, not a file, too large, or not UTF-8 text.
    """
    try:
        if not path.is_file():
            here = "" if path.is_absolute() else f" (looked for from {clean(Path.cwd())})"
            found = "it is not a file" if path.exists() else f"there is no such file{here}"
            raise UsageError(f"{clean(path)}: {found}", cure)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(f"{clean(path)}: {size} bytes were found, at most {MAX_BYTES} are read", cure)
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path that no system can have
        raise UsageError(f"{clean(path)}: it cannot be read: {error}", cure) from None
    return _decoded(data, path).replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, path: Path) -> str:
    if data.startswith(_UTF16_MARKS):
        raise UsageError(f"{clean(path)}: UTF-16 or UTF-32 text was found, UTF-8 was expected", _UTF8)
    data = data.removeprefix(codecs.BOM_UTF8)
    if (at := data.find(0)) >= 0:
        raise UsageError(f"{clean(path)}: a NUL byte was found at byte {at}, UTF-8 text was expected", _UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte {error.start} (0x{data[error.start]:02X}) is not valid UTF-8"
        raise UsageError(f"{clean(path)}, line {line}: {found}", _UTF8) from None


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands in the parsed value for something that strict JSON does not allow, so that its path can be told."""

    found: str


def read_json(path: Path, cure: str) -> Any:
    """The value of a JSON file.

    raises: UsageError as `read_text`, and for invalid JSON (line and column), a key that stands twice, NaN and
        numbers too large to be read, lone surrogates, NUL characters, and very deep nesting (path in the JSON).
    """
    text = read_text(path, cure)
    if not text.strip():
        raise UsageError(f"{clean(path)}: it is empty, JSON was expected", cure)
    try:
        value = json.loads(
            text, object_pairs_hook=_once_each, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except json.JSONDecodeError as error:
        near = clean(text[error.pos : error.pos + 20].partition("\n")[0])
        place = f"{clean(path)}, line {error.lineno}, column {error.colno}"
        hint = f', at "{near}"' if near else ""
        raise UsageError(
            f"{place}: not valid JSON: {error.msg}{hint}",
            "Look at that line and the one above it: a comma too many or too few, a missing quote or bracket?",
        ) from None
    except RecursionError:
        raise UsageError(f"{clean(path)}: it is nested too deeply, at most {MAX_DEPTH} levels are read", cure) from None
    for place, found in faults(value):
        raise UsageError(f"{clean(path)}, {place or 'top level'}: {found}", f"Correct that place in {clean(path)}.")
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> Any:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))
    return _Fault(f'the key "{clean(twice)}" stands twice in one object, once was expected')


def _constant(text: str) -> Any:
    return _Fault(f"{text} was found, a finite number was expected")


def _float(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else _Fault(f"{clean(text)} was found, which is too large a number")


def _int(text: str) -> Any:
    return int(text) if len(text) <= 18 else _Fault(f"{clean(text)} was found, which is too large a number")


def faults(value: Any) -> Iterator[tuple[str, str]]:
    """Places in a JSON value that can't be used: `(path, what was found)`, in the order of the document.

    Iterative, as the value may be nested more deeply than Python's own stack.
    """
    waiting: list[tuple[str, int, Any]] = [("", 0, value)]
    while waiting:
        place, depth, item = waiting.pop()
        if isinstance(item, _Fault):
            yield place, item.found
        elif depth > MAX_DEPTH:
            yield place, f"nested too deeply, at most {MAX_DEPTH} levels are read"
        elif isinstance(item, str):
            if found := _bad_text(item):
                yield place, found
        elif isinstance(item, float) and not math.isfinite(item):
            yield place, f"{item} was found, a finite number was expected"
        elif isinstance(item, dict):
            for key in item:
                if found := _bad_text(str(key)):
                    yield place, f"in a key: {found}"
            inside = [(f"{place}.{clean(key)}" if place else clean(key), depth + 1, v) for key, v in item.items()]
            waiting += reversed(inside)
        elif isinstance(item, list | tuple):
            waiting += reversed([(f"{place}[{i}]", depth + 1, v) for i, v in enumerate(item)])


def _bad_text(text: str) -> str:
    if "\0" in text:
        return "a NUL character was found in a text"
    for character in text:
        if 0xD800 <= ord(character) <= 0xDFFF:
            return f"half a character (the lone surrogate U+{ord(character):04X}) was found in a text"
    return ""


def clean(text: Any, limit: int = 200) -> str:
    """Foreign text for a message: what cannot be printed is escaped, and it is cut at `limit` characters."""
    text = str(text)
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
