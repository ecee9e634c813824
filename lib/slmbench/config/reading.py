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
_SYNTAX = "Look at that line and the one above it: a comma too many or too few, a missing quote or bracket?"
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
        return _decoded(_read_bytes(path, cure, MAX_BYTES))
    except _Unreadable as e:
        place = f", {e.place}" if e.place else ""
        raise UsageError(f"{clean(path)}{place}: {e.found}", e.cure) from None


def _read_bytes(path: Path, cure: str, max_bytes: int) -> bytes:
    """raises: UsageError for what is no file (a pipe would be waited for), or is larger than `max_bytes`."""
    try:
        if not path.is_file():
            here = "" if path.is_absolute() else f" (looked for from {clean(Path.cwd())})"
            found = "it is not a file" if path.exists() else f"there is no such file{here}"
            raise UsageError(f"{clean(path)}: {found}", cure)
        with path.open("rb") as file:
            size = path.stat().st_size
            data = file.read(max_bytes + 1) if size <= max_bytes else b""
    except (OSError, ValueError) as error:  # ValueError: a path that no system can have
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{clean(path)}: it cannot be read: {why}", cure) from None
    size = max(size, len(data))  # what the system makes up as it is read has no size
    if size > max_bytes:
        raise UsageError(f"{clean(path)}: {size} bytes were found, at most {max_bytes} are read", cure)
    return data


class _Unreadable(ValueError):
    """Bytes that are not what was expected of them: where, what was found, and what to do ("" where that depends)."""

    def __init__(self, found: str, place: str = "", cure: str = ""):
        super().__init__(f"{place}: {found}" if place else found)
        self.found, self.place, self.cure = found, place, cure


def _decoded(data: bytes) -> str:
    if data.startswith(_UTF16_MARKS):
        raise _Unreadable("UTF-16 or UTF-32 text was found, UTF-8 was expected", cure=_UTF8)
    data = data.removeprefix(codecs.BOM_UTF8)
    if (at := data.find(0)) >= 0:
        raise _Unreadable(f"a NUL byte was found at byte {at}, UTF-8 text was expected", cure=_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte {error.start} (0x{data[error.start]:02X}) is not valid UTF-8"
        raise _Unreadable(found, f"line {line}", _UTF8) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands in the parsed value for something that strict JSON does not allow, so that its path can be told."""

    found: str


def read_json(path: Path, cure: str, *, max_bytes: int | None = None, any_text: bool = False) -> Any:
    """The value of a JSON file.

    max_bytes: more is not read; MAX_BYTES if left out. any_text: as for `parse_json`.
    raises: UsageError as `read_text`, and for invalid JSON (line and column), a key that stands twice, NaN and
        numbers too large to be read, lone surrogates, NUL characters, and very deep nesting (path in the JSON).
    """
    data = _read_bytes(path, cure, MAX_BYTES if max_bytes is None else max_bytes)
    try:
        value = _parsed(_decoded(data))
    except _Unreadable as e:
        raise UsageError(f"{clean(path)}: not valid JSON: {e}", e.cure or cure) from None
    for place, found in faults(value, any_text=any_text):
        raise UsageError(f"{clean(path)}, {place or 'top level'}: {found}", f"Correct that place in {clean(path)}.")
    return value


def parse_json(data: bytes) -> Any:
    """The JSON value of one line, as strictly as `read_json` reads it, but that texts may hold any character.

    raises: ValueError that says where and what.
    """
    try:
        value = _parsed(_decoded(data))
    except _Unreadable as e:
        place = e.place.removeprefix("line 1").removeprefix(", ")
        raise ValueError(f"{place}: {e.found}" if place else e.found) from None
    for place, found in faults(value, any_text=True):
        raise ValueError(f"{place or 'top level'}: {found}")
    return value


def _parsed(text: str) -> Any:
    """A JSON value, in which a `_Fault` may stand. raises: _Unreadable."""
    if not text.strip():
        raise _Unreadable("it is empty")
    try:
        return json.loads(
            text, object_pairs_hook=_once_each, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except json.JSONDecodeError as error:
        near = clean(text[error.pos : error.pos + 20].partition("\n")[0])
        hint = f', at "{near}"' if near else ""
        raise _Unreadable(f"{error.msg}{hint}", f"line {error.lineno}, column {error.colno}", _SYNTAX) from None
    except RecursionError:
        raise _Unreadable(f"it is nested too deeply, at most {MAX_DEPTH} levels are read") from None


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
    return value if math.isfinite(value) else _Fault(f"{clean(text, 40)} was found, which is too large a number")


def _int(text: str) -> Any:
    return int(text) if len(text) <= 18 else _Fault(f"{clean(text, 40)} was found, which is too large a number")


def faults(value: Any, *, any_text: bool = False) -> Iterator[tuple[str, str]]:
    """Places in a JSON value that can't be used: `(path, what was found)`, in the order of the document.

    any_text: lone surrogates and NUL are none; a server may have written them, and a record keeps what came.
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
            if not any_text and (found := _bad_text(item)):
                yield place, found
        elif isinstance(item, float) and not math.isfinite(item):
            yield place, f"{item} was found, a finite number was expected"
        elif isinstance(item, dict):
            for key in () if any_text else item:
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
