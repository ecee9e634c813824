"""Two plans beside each other: whether one only asks for more than the other, so that all that was measured still
counts; and in what they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

BY_TOOL = "the foundry tool's service"
RUNTIME = "foundry-local-sdk"
GROWS = ("rounds", "loads")  # may grow, as models may be added
# What may change, as it does not alter what a request measures.
FACTS = ("run", "hash", "started_at", "command", "versions", "targets", "entries", "prompts_from", "out", "resume")
ABOUT = ("checks", "needs")  # of a prompt
WEIGHTY = ("max_tokens", "prompts", "nonce", "stream", "concurrency", "rate", "arrivals")  # these change the work
_UNSAID: Mapping[str, Any] = {  # of a plan that is older than the setting
    "concurrency": 1,
    "rate": None,
    "arrivals": "poisson",
    "precision_pct": None,
    "budget_s": None,
    "slo": {},
    "retries": 0,
    "nonce": False,
}


def asked(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """A plan without its prompts' `checks` and `needs`: they say how replies are judged and which models a prompt is
    for, and nothing of what is asked.

    So a run is the same run, and can be gone on with, after its prompts were given some.
    """
    prompts = plan.get("prompts")
    if not prompts:
        return plan
    return {**plan, "prompts": [{k: v for k, v in prompt.items() if k not in ABOUT} for prompt in prompts]}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What keeps `new` from going on with `old`, each as `name: old -> new`; [] if it asks for the same or more.

    More is: more rounds, loads, models or levels of concurrency; a precision where none was asked for; a larger budget
    (or none) for one that was. On the kit's own service another version of the runtime is a change, too.

    >>> changes({"rounds": 2, "seed": 0}, {"rounds": 3, "seed": 1})
    ['seed: 0 -> 1']
    """
    old, new = asked(old), asked(new)
    changed = [
        f"{name}: {_short(_said(name, old))} -> {_short(_said(name, new))}"
        for name in sorted({*old, *new} - {*FACTS})
        if not _extends(name, _said(name, old), _said(name, new))
    ]
    was, now = _runtime(old), _runtime(new)
    return changed + ([f"{RUNTIME}: {was} -> {now}"] if None not in (was, now) and was != now else [])


def _runtime(plan: Mapping[str, Any]) -> str | None:
    """Which version of the runtime the kit's own service has: what is measured, then. None of another service."""
    endpoint = plan.get("endpoint")
    own = isinstance(endpoint, Mapping) and endpoint.get("own")
    return (plan.get("versions") or {}).get(RUNTIME) if own else None


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In which settings two plans differ, each as `name: one -> other`; bookkeeping and the server's address left out.

    Prompts are told by their ids: those that only one plan has, and those whose text differs.

    >>> differences({"rounds": 2, "seed": 0}, {"rounds": 3, "seed": 0})
    ['rounds: 2 -> 3']
    """
    names = sorted({*one, *other} - {*FACTS, "endpoint", "allow_remote", "prompts"})
    told = [
        f"{name}: {_short(_said(name, one))} -> {_short(_said(name, other))}"
        for name in names
        if _said(name, one) != _said(name, other)
    ]
    return told + _prompts(one, other)


def other_work(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Those of `differences` that make two plans ask for different work, so that their times can't be compared.

    >>> other_work({"rounds": 2, "max_tokens": 24}, {"rounds": 3, "max_tokens": 48})
    ['max_tokens: 24 -> 48']
    """
    return [told for told in differences(one, other) if told.split(":")[0].split(" ")[0] in WEIGHTY]


def _prompts(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """How the prompts of two plans differ."""
    texts, others = ({p["id"]: p["text"] for p in plan.get("prompts") or ()} for plan in (one, other))
    changed = [i for i, text in texts.items() if others.get(i, text) != text]
    found = {
        "with another text": changed,
        "in the first run only": [i for i in texts if i not in others],
        "in the second run only": [i for i in others if i not in texts],
    }
    return [f"prompts {how}: {', '.join(ids)}" for how, ids in found.items() if ids]


def _extends(name: str, old: Any, new: Any) -> bool:
    """Whether a new value of the plan leaves all that was measured under the old one in its place."""
    if name == "models":
        return set(old or ()) <= set(new or ())
    if name in GROWS:
        return (old or 1) <= (new or 1)
    if name == "concurrency":
        return set(_levels(old)) <= set(_levels(new))
    if name == "precision_pct" and old is None:
        return True  # further rounds of what was measured
    if name == "budget_s":
        return new is None or (old is not None and old <= new)
    return old == new


def _levels(value: int | list[int]) -> list[int]:
    return [value] if isinstance(value, int) else value


def _said(name: str, plan: Mapping[str, Any]) -> Any:
    """A value of a plan; of the endpoint only which server it is: the kit's own may come back on another port."""
    value = plan.get(name, _UNSAID.get(name))
    if name != "endpoint" or not isinstance(value, Mapping):
        return value
    if value.get("own"):
        return "the kit's own service"
    if value.get("source") == BY_TOOL:  # which gives it another port whenever it likes
        return BY_TOOL
    root = str(value.get("url")).rstrip("/").removesuffix("/v1").removesuffix("/catalogs/local")
    return root.replace("//localhost", "//127.0.0.1", 1)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
