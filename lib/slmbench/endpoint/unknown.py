"""Aliases that nobody knows: looked for one by one, and told all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from slmbench import config
from slmbench.errors import UsageError

Found = TypeVar("Found")


class Unknown(Exception):
    """An alias that nobody knows, and what is most like it."""

    def __init__(self, alias: str, known: Iterable[str]):
        close = ", ".join(config.nearest(alias, dict.fromkeys(known)))
        self.alias, self.hint = alias, f"nearest: {close}" if close else ""


def each(aliases: Sequence[str], find: Callable[[str], Found], where: str, served: Sequence[str]) -> dict[str, Found]:
    """What `find` gives for each alias. where: what knows none of them, in words. served: what can be had there.

    raises: UsageError that names all for which `find` raised Unknown.
    """
    found, strange = {}, []
    for alias in aliases:
        try:
            found[alias] = find(alias)
        except Unknown as e:
            strange.append(e)
    if strange:
        raise _refusal(strange, where, ", ".join(served) or "nothing")
    return found


def _refusal(strange: Sequence[Unknown], where: str, served: str) -> UsageError:
    cure = "slmbench models   (lists all); slmbench fetch ALIAS   (gets one)"
    if len(strange) == 1:
        [one] = strange
        hint = f"; {one.hint}" if one.hint else ""
        return UsageError(f"models: {one.alias!r} is known neither to {where}{hint}; served there: {served}.", cure)
    names = ", ".join(f"{e.alias!r}{f' ({e.hint})' if e.hint else ''}" for e in strange)
    return UsageError(f"models: {names} are known neither to {where}; served there: {served}.", cure)
