"""Limits of a good reply, as in `--slo ttft=500ms,tpot=100ms`: from text or JSON to seconds, and back to text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from slmbench.config.checking import did_you_mean, shown
from slmbench.config.reading import clean
from slmbench.config.values import Origin
from slmbench.errors import UsageError

NAMES = ("ttft", "ttfa", "tpot", "latency")  # of each, the column has _s behind it
COLUMNS = tuple(f"{name}_s" for name in NAMES)
SECONDS_MIN, SECONDS_MAX = 0.000001, 86400
FORM = 'limits as ttft=500ms,tpot=100ms, or {"ttft_s": 0.5}'
_PER_SECOND: Mapping[str, float] = {"s": 1, "ms": 1e3, "us": 1e6, "µs": 1e6, "μs": 1e6}  # micro sign, Greek mu
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,24})?)\s*([a-zA-Zµμ]+)")


def limits(value: Any, origin: Origin) -> tuple[tuple[str, float], ...]:
    """Limits in seconds, in the order of `NAMES`, however they were written.

    value: "ttft=500ms,tpot=100ms" (units s, ms, us), or {"ttft_s": 0.5} (seconds; as text too), or pairs as returned.
    returns: (("ttft_s", 0.5), ("tpot_s", 0.1)).
    raises: UsageError for an unknown name, a name twice, a time without its unit, or one that is not above 0 s.
    """
    if isinstance(value, str):
        pairs = _in_json(value, origin) if value.lstrip().startswith("{") else _in_words(value, origin)
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list | tuple) and all(isinstance(p, list | tuple) and len(p) == 2 for p in value):
        pairs = [(name, seconds) for name, seconds in value]
    else:
        raise origin.refuse(shown(value), FORM)
    found: dict[str, float] = {}
    for name, seconds in pairs:
        if not isinstance(name, str) or name not in COLUMNS:
            raise _unknown(name, COLUMNS, origin)
        if name in found:
            raise origin.refuse(f"{name} twice", "each limit once")
        found[name] = _checked(name, seconds, origin)
    return tuple((name, found[name]) for name in COLUMNS if name in found)


def limits_text(slo: Sequence[tuple[str, float]]) -> str:
    """Limits as they may be written on a command line; `limits` of that gives the same.

    >>> limits_text((("ttft_s", 0.5), ("tpot_s", 0.0125)))
    'ttft=500ms,tpot=12.5ms'
    """
    return ",".join(f"{name.removesuffix('_s')}={_time(seconds)}" for name, seconds in slo)


def _time(seconds: float) -> str:
    from decimal import Decimal  # all digits, and no exponent

    milli = Decimal(repr(seconds)) * 1000
    if seconds < 1 and float(milli) / 1e3 == seconds:
        return f"{milli.normalize():f}ms"
    return f"{Decimal(repr(seconds)).normalize():f}s"


def _in_json(text: str, origin: Origin) -> list[tuple[Any, Any]]:
    try:
        value = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise origin.refuse(shown(text), FORM) from None
    return value


def _in_words(text: str, origin: Origin) -> list[tuple[str, float]]:
    pairs = []
    for part in text.split(","):
        name, equals, time = (p.strip() for p in part.partition("="))
        if not equals:
            raise origin.refuse(shown(part.strip()), FORM)
        if name not in NAMES:
            raise _unknown(name, NAMES, origin)
        match = _TIME.fullmatch(time)
        unit = match[2].lower() if match else ""
        if unit not in _PER_SECOND:
            raise origin.refuse(f"{name}={clean(time, 40)}", f"a time with its unit (s, ms or us), as {name}=500ms,")
        pairs.append((f"{name}_s", float(match[1]) / _PER_SECOND[unit]))
    return pairs


def _checked(name: str, seconds: Any, origin: Origin) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise origin.refuse(f"{name}: {shown(seconds)}", "a number of seconds")
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:  # NaN is refused as well
        raise origin.refuse(f"{name}: {shown(seconds)}", f"a time from {SECONDS_MIN:f} to {SECONDS_MAX} seconds")
    return float(seconds)


def _unknown(name: Any, known: Sequence[str], origin: Origin) -> UsageError:
    hint = did_you_mean(name, known) if isinstance(name, str) else ""
    message = f"{origin.label}: unknown limit {shown(name)}{hint or '.'} Known: {', '.join(known)}"
    return UsageError(message, origin.cure)
