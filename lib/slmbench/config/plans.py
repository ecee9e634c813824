"""Two plans of one run folder: whether the newer one only asks for more, so that all that was measured still counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

GROWS = ("rounds", "loads")  # may grow, as models may be added
# What may change, as it does not alter what a request measures.
FACTS = ("run", "hash", "started_at", "command", "versions", "targets", "entries", "prompts_from", "out", "resume")


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What keeps `new` from going on with `old`, each as `name: old -> new`; [] if it asks for the same or more.

    >>> changes({"rounds": 2, "seed": 0}, {"rounds": 3, "seed": 1})
    ['seed: 0 -> 1']
    """
    return [
        f"{name}: {_short(_said(name, old))} -> {_short(_said(name, new))}"
        for name in sorted({*old, *new} - {*FACTS})
        if not _extends(name, _said(name, old), _said(name, new))
    ]


def _extends(name: str, old: Any, new: Any) -> bool:
    """Whether a new value of the plan leaves all that was measured under the old one in its place."""
    if name == "models":
        return set(old or ()) <= set(new or ())
    if name in GROWS:
        return (old or 1) <= (new or 1)
    return old == new


def _said(name: str, plan: Mapping[str, Any]) -> Any:
    """A value of a plan; of the endpoint only which server it is: the kit's own may come back on another port."""
    value = plan.get(name)
    if name != "endpoint" or not isinstance(value, Mapping):
        return value
    if value.get("own"):
        return "the kit's own service"
    root = str(value.get("url")).rstrip("/").removesuffix("/v1").removesuffix("/catalogs/local")
    return root.replace("//localhost", "//127.0.0.1", 1)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
