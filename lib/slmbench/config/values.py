"""Single values that need more than a schema: text from outside, model names, the endpoint's address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.config.checking import shown
from slmbench.config.reading import as_path, clean, faults
from slmbench.errors import UsageError

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][+-]?[0-9]{1,3})?")
_TRUTH = {"0": False, "1": True, "false": False, "true": True}
_NAME = re.compile(r"[^\s,'\"`\[\]{}()<>]{1,200}")
MODELS_MAX = 1000
URL_MAX = 2000  # characters
_EXAMPLE = "http://localhost:5273/v1"
_HOST = re.compile(r"[A-Za-z0-9.:_-]+")
STREAMS_MAX = 512


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from, for messages: `name (kind)` says it, `cure` says how to change it there."""

    name: str  # rounds, --rounds, BENCH_ROUNDS, or run.rounds
    kind: str  # parameter, option, environment variable, or the path of the file
    cure: str
    is_text: bool = False  # all that comes from there is text: numbers and truth values are read from it
    folder: Path | None = None  # what relative paths start from; None: the current folder

    @property
    def label(self) -> str:
        return f"{self.name} ({self.kind})"

    def refuse(self, found: str, expected: str) -> UsageError:
        return UsageError(f"{self.label}: {found} was found, {expected} was expected", self.cure)


def from_text(text: str, kind: str) -> Any:
    """A number or truth value out of a text; the text itself if it isn't one.

    kind: the schema's type, integer | number | boolean | string.
    """
    if kind == "integer" and _WHOLE.fullmatch(text.strip()):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text.strip()):
        return float(text)
    return _TRUTH.get(text.strip().lower(), text) if kind == "boolean" else text


def refuse_faults(value: Any, origin: Origin) -> None:
    """raises: UsageError for NaN, infinities, lone surrogates and NUL characters anywhere in the value."""
    for place, found in faults(value):
        raise UsageError(f"{origin.label}{f' {place}' if place else ''}: {found}", origin.cure)


def model_names(value: Any, origin: Origin) -> tuple[str, ...]:
    """Aliases from a list, or from one text with commas between.

    raises: UsageError for an empty or strange name, one that stands twice, "auto" beside others, and far too many.
    """
    if not isinstance(value, str | list | tuple):
        raise origin.refuse(shown(value), 'a list of aliases, or "a,b"')
    names = [n.strip() for n in value.split(",")] if isinstance(value, str) else list(value)
    if not names:
        raise origin.refuse("an empty list", "at least one alias")
    if len(names) > MODELS_MAX:
        raise origin.refuse(f"{len(names)} names", f"at most {MODELS_MAX}")
    refuse_faults(names, origin)
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise origin.refuse(f"{shown(name)} in place {i + 1}", "an alias (text)")
        if not name.strip():
            raise origin.refuse(f"an empty name in place {i + 1}", "an alias")
        if not _NAME.fullmatch(name) or not name.isprintable():
            expected = "an alias of up to 200 visible characters without spaces, quotes and brackets"
            raise origin.refuse(f"{shown(name)} in place {i + 1}", expected)
        if name in names[:i]:
            raise origin.refuse(f"{shown(name)} twice", "each alias once")
        if name == "auto":
            raise origin.refuse('"auto" beside other names', 'either "auto" alone or aliases')
    return tuple(names)


def streams(value: Any, origin: Origin) -> tuple[int, ...]:
    """How many requests at once, one number or several in the order they are to be measured in.

    value: 4, [1, 2, 4] or "1,2,4".
    raises: UsageError for what is no whole number from 1 to `STREAMS_MAX`, a number twice, or none at all.
    """
    several = isinstance(value, list | tuple)
    found = [from_text(part, "integer") for part in value.split(",")] if isinstance(value, str) else value
    numbers = list(found) if several or isinstance(value, str) else [value]
    if not numbers:
        raise origin.refuse("an empty list", "at least one number")
    for i, number in enumerate(numbers):
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= STREAMS_MAX:
            place = f" in place {i + 1}" if len(numbers) > 1 else ""
            expected = f"a whole number from 1 to {STREAMS_MAX}, or several, as 1,2,4,"
            raise origin.refuse(f"{shown(number)}{place}", expected)
        if number in numbers[:i]:
            raise origin.refuse(f"{number} twice", "each number once")
    return tuple(numbers)


def endpoint_url(text: str, origin: Origin, allow_remote: bool, allow_hint: str) -> str:
    """The endpoint's address without a slash at its end; with or without /v1, as it was given.

    raises: UsageError unless it is http(s)://host[:port][/path] of this machine, or of any with `allow_remote`.
        What is not expected (a password, a query) is not repeated in the message.
    """
    from urllib.parse import urlsplit

    form = f"an address as {_EXAMPLE}"
    url = text.strip()
    if len(url) > URL_MAX:
        raise origin.refuse(f"an address of {len(url)} characters", f"one of at most {URL_MAX}")
    if re.search(r"[^\x21-\x7e]|\\", url):
        raise origin.refuse("an address with spaces, backslashes or characters that are not ASCII", form)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # not repeated either: it may hold a password
        raise origin.refuse("an address whose host or port cannot be read", form) from None
    if parts.scheme not in ("http", "https"):
        found = f'the scheme "{clean(parts.scheme, 20)}"' if "://" in url else "an address without http:// before it"
        raise origin.refuse(found, f"http or https, as in {_EXAMPLE},")
    if "@" in parts.netloc:
        raise UsageError(
            f"{origin.label}: a user name or password was found in the address, {form} was expected",
            "Take it out. A key belongs in the environment variable FOUNDRY_LOCAL_API_KEY.",
        )
    if parts.query or parts.fragment or url[-1] in "?#":
        raise origin.refuse("an address with ? or #", form)
    if not host or port == 0 or not _HOST.fullmatch(host):
        raise origin.refuse("an address without a host or port that can be called", form)
    if not allow_remote and not _is_loopback(host):
        raise UsageError(
            f'{origin.label}: the host "{clean(host, 80)}" was found, this machine (localhost, 127.0.0.1 or [::1]) was '
            "expected: prompts are sent nowhere else unless that is allowed",
            f"If you trust that machine and the way to it, {allow_hint}.",
        )
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{f':{port}' if port else ''}{parts.path}".rstrip("/")


def _is_loopback(host: str) -> bool:
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def folder(value: Any, origin: Origin) -> Path:
    """The path of a folder that is there or is to be made, as it was given, but for ~.

    raises: UsageError for what is no text or only spaces, and for a path that no system has: with NUL or half
        characters, or too long.
    """
    if not isinstance(value, str | Path) or not str(value).strip():
        raise origin.refuse(shown(value), "the path of a folder")
    refuse_faults(str(value), origin)
    try:
        path = as_path(value, origin.label)
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # to be made; whether that can be done is asked where it is
    except OSError as error:
        raise origin.refuse(f"{shown(str(value))} ({error.strerror})", "the path of a folder") from None
    return path
