"""A service that ended, hung or moved in the middle of a run: found again, or started again where it is the kit's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import psutil

from slmbench import machine
from slmbench.endpoint import rest, service
from slmbench.endpoint.rest import RestError
from slmbench.endpoint.target import Endpoint, Target

WAIT_S = 10.0  # for a service that is not ours to start
LOOK_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Revival:
    """A service that had ended is back.

    said: what happened, as a sentence. old, new: its addresses without /v1. facts: more, for resources.jsonl.
    """

    said: str
    old: str
    new: str
    facts: dict[str, Any] = field(default_factory=dict)

    def at(self, target: Target) -> Target:
        """The same model, where it is now."""
        base_url, load_url = (url and moved(url, self.old, self.new) for url in (target.base_url, target.load_url))
        return replace(target, base_url=base_url, load_url=load_url)


def revive(endpoint: Endpoint, targets: Sequence[Target]) -> Revival | None:
    """See to it that the service is there, after a request that failed as it does where it is not.

    targets: those that were loaded. The endpoint is changed where the service has moved.
    returns: None where the service was there all along, or nothing can be done about it.
    raises: ServiceError where the kit's own was stopped by hand, or does not start.
    """
    if endpoint.own:
        return _own(endpoint, endpoint.own, targets)
    return _foundry(endpoint, targets) if any(t.load_url for t in targets) else None


def _own(endpoint: Endpoint, was: service.Service, targets: Sequence[Target]) -> Revival | None:
    found = _awaited(service.status) if was.process() else service.status()  # busy is not gone
    if found and (found.pid, found.create_time) == (was.pid, was.create_time):
        return _unloaded(endpoint, targets)
    memory_mb = round(psutil.virtual_memory().available / machine.MB)
    how = "did not answer any more" if was.process() else service.end_of(was)
    facts: dict[str, Any] = {"pid": was.pid, "memory_available_mb": memory_mb}
    if found is None and service.was_stopped(was):
        found = _awaited(service.status)
        if found is None:
            raise service.ServiceError("The service was stopped while a run used it.", "slmbench serve")
    if found is None:
        facts["log"] = service.last_words()  # of the one that ended: a new one begins a new log
        found, fresh = _started(was.port)
        back = "started again" if fresh else "it had been started again"
    else:
        back = "it had been started again"
    said = f"the service (pid {was.pid}) {how}; {back} at {found.url} (pid {found.pid})"
    if found.sdk_version != was.sdk_version:
        raise service.ServiceError(
            f"{said}, with another version of the runtime ({was.sdk_version} -> {found.sdk_version}).",
            f"have the service of version {was.sdk_version} back",
        )
    endpoint.own = found
    return _gone_to(endpoint, found.url, said, {**facts, "url": found.url})


def _started(port: int) -> tuple[service.Service, bool]:
    """At the same port, where that is free. raises: ServiceError."""
    try:
        return service.start(port, say=_nobody)
    except service.ServiceError:
        return service.start(say=_nobody)


def _nobody(_: str) -> None: ...


def _gone_to(endpoint: Endpoint, root: str, said: str, facts: dict[str, Any]) -> Revival:
    old, endpoint.root = endpoint.root, root
    endpoint.base_urls = [moved(base, old, root) for base in endpoint.base_urls]
    endpoint.refresh()
    return Revival(said, old, root, facts)


def _foundry(endpoint: Endpoint, targets: Sequence[Target]) -> Revival | None:
    """A Foundry Local service that is not the kit's: it may be back, with nothing loaded, or at another address."""
    look = partial(_loaded, endpoint, targets)
    loaded = look() if endpoint.gone else _awaited(look)  # one that stayed away is not waited for again
    if loaded is not None:
        endpoint.gone = False
        return _unloaded(endpoint, targets, loaded)
    found = None if endpoint.gone else _elsewhere(endpoint)
    if found is None:
        endpoint.gone = True
        return None
    return _gone_to(endpoint, found, f"the service had moved from {endpoint.root} to {found}", {})


def _unloaded(endpoint: Endpoint, targets: Sequence[Target], loaded: list[str] | None = None) -> Revival | None:
    """A service that answers, and has not what was loaded: it was started again, or somebody has unloaded it."""
    loaded = _loaded(endpoint, targets) if loaded is None else loaded
    if loaded is None or all(t.id in loaded for t in targets if t.load_url):
        return None
    said = f"the service at {endpoint.root} had lost its models: it was started again, or they were unloaded"
    return Revival(said, endpoint.root, endpoint.root)


def _elsewhere(endpoint: Endpoint) -> str | None:
    """Where the `foundry` tool says that its service is now, if that is how it was found."""
    from slmbench.endpoint import tool

    address = tool.running_service() if endpoint.by_tool else None
    return address if address and address != endpoint.root else None


def _loaded(endpoint: Endpoint, targets: Sequence[Target]) -> list[str] | None:
    """The ids of what is loaded; None where nothing answers."""
    urls = dict.fromkeys(t.load_url for t in targets if t.load_url)
    try:
        return [i for url in urls for i in rest.loaded_ids(url, headers=endpoint.headers)]
    except RestError:
        return None


def _awaited(look: Callable[[], Any]) -> Any:
    """What `look` finds within `WAIT_S`; None if that is nothing."""
    end = time.monotonic() + WAIT_S
    while (found := look()) is None and time.monotonic() < end:
        time.sleep(LOOK_AGAIN_S)
    return found


def moved(url: str, old: str, new: str) -> str:
    """An address below `old`, below `new`; any other one as it is.

    >>> moved("http://127.0.0.1:5273/v1", "http://127.0.0.1:5273", "http://127.0.0.1:5274")
    'http://127.0.0.1:5274/v1'
    """
    return new + url.removeprefix(old) if url.startswith(old) else url
