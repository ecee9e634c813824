"""Which service, and which models on it. The order of looking is fixed, and the choice is said aloud; no port scan."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from slmbench import config
from slmbench.endpoint import rest, service
from slmbench.endpoint.rest import LOCAL_PREFIX, RestError
from slmbench.endpoint.target import Endpoint, Target
from slmbench.endpoint.unknown import Unknown, each
from slmbench.errors import UsageError
from slmbench.models import DEFAULT_SET, EMBEDDED

if TYPE_CHECKING:
    from slmbench.endpoint import catalog

TAKEN_IN_S = 20.0  # how long the running service may take to notice a newly prepared model
# what Foundry Local's ids add to a model's alias: its tuning, and the device and provider of the variant
VARIANT_WORDS = frozenset(
    ("instruct", "chat", "it", "generic", "cpu", "gpu", "npu", "cuda", "trtrtx", "openvino", "qnn", "vitis", "webgpu")
)
NOT_RUNNING = "the kit's own service, not running"
MODELS_MAX = 100  # that a run measures without being told which
NONE = "(none)"  # stands for the model where an endpoint lists none
Say = Callable[[str], None]


def connect(
    endpoint: str | None = None,
    *,
    allow_remote: bool = False,
    start: bool = True,
    port: int | None = None,
    say: Say = print,
) -> Endpoint:
    """The service to talk to: the one given, FOUNDRY_LOCAL_ENDPOINT, the kit's running one, the `foundry` tool's, or
    the kit's own, started now.

    endpoint: address with or without /v1. start: False gives an Endpoint with a `fault` instead of starting one.
    say: gets a line that names the choice.
    returns: an Endpoint; where the one asked for does not answer, its `fault` says so.
    raises: UsageError for an address that is not allowed; ServiceError if the kit's own does not start.
    """
    named = {name: os.environ[name] for name in ("FOUNDRY_LOCAL_ENDPOINT",) if name in os.environ}
    given = config.settings(environ=named, endpoint=endpoint, allow_remote=allow_remote).endpoint
    if given is not None:
        told = os.environ.get("FOUNDRY_LOCAL_ENDPOINT", "").strip().rstrip("/") == given
        return _said(_given(given, "from FOUNDRY_LOCAL_ENDPOINT" if told else "as asked for"), say)
    running = service.status()
    if running:
        return _said(_own(running, "the kit's running service"), say)
    from slmbench.endpoint import tool  # here, as below: most runs need neither it, nor the catalogue, nor to fetch

    address = tool.running_service()
    if address:
        if (found := _given(address, "the foundry tool's service", by_tool=True)).ids:
            return _said(found, say)
        say(f"The foundry tool's service at {address} lists no model: the kit's own service is used.")
    if not start:
        fault = RestError("refused", "the kit's service is not running")
        return Endpoint(f"http://127.0.0.1:{port or service.PORT}", NOT_RUNNING, fault=fault)
    begun, fresh = service.start(port, say=say)
    found = _own(begun, "the kit's own service" + (", started now; slmbench stop ends it" if fresh else ""))
    found.started = fresh
    return _said(found, say)


def _said(found: Endpoint, say: Say) -> Endpoint:
    say(f"Endpoint: {found.base_url} ({found.source})")
    return found


def _own(running: service.Service, source: str) -> Endpoint:
    """The kit's service. Its catalogue side is left alone until a catalogue model is asked for (offline: 4 s)."""
    found = Endpoint(running.url, source, base_urls=[running.base_url], own=running)
    found.refresh()
    return found


def _given(address: str, source: str, *, by_tool: bool = False) -> Endpoint:
    """An address from outside: <root>, <root>/v1, or a base that carries more of a path."""
    running = service.status()
    address = address.rstrip("/").removesuffix("/chat/completions").removesuffix("/models")
    root = address.removesuffix("/v1").removesuffix(LOCAL_PREFIX)
    if running and _same(root, running.url):
        return _own(running, f"{source}; the kit's own service")
    found = Endpoint(root, source, by_tool=by_tool)
    if address.endswith(f"{LOCAL_PREFIX}/v1"):
        tries = [[address]]
    elif _is_foundry(found):  # its catalogue side may first look for the catalogue in vain, so it comes second
        tries, found.foundry = [[f"{root}{LOCAL_PREFIX}/v1", f"{root}/v1"]], True
    else:
        tries = [[f"{root}/v1"], [f"{root}{LOCAL_PREFIX}/v1"], [address]]
    for bases in tries:
        other = replace(found, base_urls=bases)
        other.refresh()
        if other.ids or not other.fault or other.fault.status != "http_404":
            return other
    return replace(found, base_urls=tries[0], fault=other.fault)


def _same(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    local = ("127.0.0.1", "localhost", "::1")
    return a.port == b.port and (a.hostname == b.hostname or (a.hostname in local and b.hostname in local))


def _is_foundry(endpoint: Endpoint) -> bool:
    try:
        told = rest.get(f"{endpoint.root}/status", timeout_s=5, headers=endpoint.headers)
    except RestError:
        return False
    return isinstance(told, dict) and "modelCachePath" in told


def resolve(
    endpoint: Endpoint,
    aliases: Sequence[str] | None,
    models_file: config.ModelsFile,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    say: Say = print,
) -> list[Target]:
    """The targets for `aliases` on `endpoint`, in their order; None means all that it should be measured on.

    aliases None: the embedded default set on the kit's own service, else what the endpoint lists.
    An alias that is known but can't be had here becomes a Target with a `reason`.
    raises: UsageError for an alias that neither models.json nor the endpoint nor the catalogue knows, and for None
        where too many would have to be measured.
    """
    if aliases is None:
        aliases = DEFAULT_SET if endpoint.own else _short_names(_ready(endpoint)) or [NONE]
        if len(aliases) > MODELS_MAX:
            found = (
                f"models: {endpoint.base_url} lists {len(aliases)} models; to measure more than {MODELS_MAX}, name them"
            )
            raise UsageError(found, "--models A,B   (in a notebook: models)")
    if endpoint.fault and not endpoint.ids and not endpoint.own:
        return [_unlisted(endpoint, alias) for alias in aliases]
    if aliases == [NONE]:
        return [Target(NONE, reason=f"{endpoint.base_url} lists no model")]
    ours = [alias for alias in aliases if alias in EMBEDDED] if endpoint.own else []
    others = [alias for alias in aliases if alias not in ours]
    where, served = f"{models_file.path.name} nor to {endpoint.base_url}", list(map(_plain, endpoint.ids))
    found = each(others, lambda alias: _one(endpoint, alias, models_file), where, served)
    unknown = [alias for alias, target in found.items() if target is None]
    if unknown:  # named before anything is fetched: it may be a typing error
        from slmbench.endpoint import catalog

        say("Looking the other models up in Foundry Local's catalogue …")
        listed = catalog.listing()
        if not listed:
            say(f"{catalog.OFFLINE}: models from it are skipped.")
        found |= each(unknown, lambda alias: _from_catalogue(endpoint, alias, models_file, listed), where, served)
    if ours:
        from slmbench.endpoint import fetch

        failed = fetch.prepare(ours, progress=progress)
        _await_models(endpoint, [alias for alias in ours if alias not in failed])
        found |= {alias: _embedded(endpoint, alias, models_file, failed) for alias in ours}
    return [found[alias] for alias in aliases]


def _embedded(endpoint: Endpoint, alias: str, models_file: config.ModelsFile, failed: Mapping[str, str]) -> Target:
    if alias in failed:
        return Target(alias, reason=failed[alias])
    late = "the running service did not take it in: slmbench stop, then run again"
    return _one(endpoint, alias, models_file) or Target(alias, reason=late)


def _ready(endpoint: Endpoint) -> list[str]:
    """What another endpoint has ready. Foundry Local lists its whole catalogue: there, what is loaded counts."""
    local = f"{endpoint.root}{LOCAL_PREFIX}/v1"
    if not endpoint.foundry:
        return endpoint.ids
    return endpoint.listed.get(local, []) + rest.loaded_ids(f"{endpoint.root}/models", headers=endpoint.headers)


def _plain(model_id: str) -> str:
    """The id without a version: what people call a model."""
    name, _, version = model_id.rpartition(":")
    return name if name and version.isdigit() else model_id


def _short_names(ids: Sequence[str]) -> list[str]:
    """The ids without their versions, but where two would then be the same."""
    plain = {i: _plain(i) for i in ids}
    count = Counter(plain.values())
    return [p if count[p] == 1 else i for i, p in plain.items()]


def _unlisted(endpoint: Endpoint, alias: str) -> Target:
    """The endpoint can't be listed. A server that merely has no list may still know the id."""
    if endpoint.fault.status in ("http_404", "http_405") and alias != NONE:
        return Target(alias, alias, endpoint.base_url)
    return Target(alias, reason=str(endpoint.fault), fault=endpoint.fault.status)


def _await_models(endpoint: Endpoint, aliases: list[str]) -> None:
    end = time.monotonic() + TAKEN_IN_S
    while time.monotonic() < end:
        if {f"{a}:1" for a in aliases} <= set(endpoint.ids):
            break
        time.sleep(0.1)
        endpoint.refresh()
    endpoint.own = service.status() or endpoint.own


def _one(endpoint: Endpoint, alias: str, models_file: config.ModelsFile) -> Target | None:
    """The target if the endpoint lists it or models.json says why it can't; None where only the catalogue can tell."""
    entry = models_file.entries.get(alias)
    names = [alias, entry.catalog_alias] if entry and entry.catalog_alias else [alias]
    for base, ids in endpoint.listed.items():
        for name in names:
            matches = _matches(name, ids)
            if len(matches) > 1:
                return Target(alias, reason=f"{name} could be {', '.join(matches)}: name one of them")
            if matches:
                return _target(endpoint, alias, matches[0], base, name)
    local = alias in EMBEDDED or (entry is not None and entry.source == "local")
    if local and not endpoint.own:
        return Target(alias, reason=f"not served at {endpoint.base_url}: slmbench serve starts the service that has it")
    if local and alias not in EMBEDDED:
        why = endpoint.own.refused.get(alias, f"no whole model folder; slmbench add FILE --name {alias} --replace")
        return Target(alias, reason=f"the kit's service does not serve it: {why}")
    if entry and entry.nearest:
        return Target(
            alias, reason=f"not in Foundry Local's catalogue; nearest there: {entry.nearest}{_here(endpoint)}"
        )
    if endpoint.own:
        return None
    if entry:
        return Target(alias, reason=f"not served at {endpoint.base_url}{_here(endpoint)}")
    raise Unknown(alias, sorted({*models_file.entries, *map(_plain, endpoint.ids)}))


def _matches(name: str, ids: list[str]) -> list[str]:
    """Ids that are `name`: the very id, else the id without its version, else ids that name a variant of it."""
    exact = [i for i in ids if i == name] or [i for i in ids if _plain(i).lower() == name.lower()]
    return exact or [i for i in ids if _is_variant(name.lower(), _plain(i).lower())]


def _is_variant(name: str, model_id: str) -> bool:
    """phi-4-mini-instruct-generic-cpu is phi-4-mini; it is not phi-4, which is another model."""
    rest_of_id = model_id.removeprefix(f"{name}-")
    return rest_of_id != model_id and set(rest_of_id.split("-")) <= VARIANT_WORDS


def _target(endpoint: Endpoint, alias: str, model_id: str, base: str, name: str) -> Target:
    facts: dict = {}
    if endpoint.own:
        facts = next((m for m in endpoint.own.models if m["id"] == model_id), {})
    device = facts.get("device") or next((d for d in ("npu", "gpu", "cpu") if f"-{d}" in model_id.lower()), None)
    if "cuda" in model_id.lower():
        device = "gpu"
    provider, folder = facts.get("execution_provider"), facts.get("folder")
    if base.endswith(f"{LOCAL_PREFIX}/v1"):
        loads, name = f"{endpoint.root}{LOCAL_PREFIX}/models", _plain(model_id)
    else:  # the catalogue side loads by the catalogue's alias, which is the name that was asked for
        loads = f"{endpoint.root}/models" if endpoint.foundry else None
    return Target(alias, model_id, base, loads, name, device, provider, folder)


def _from_catalogue(
    endpoint: Endpoint, alias: str, models_file: config.ModelsFile, listed: list[catalog.CatalogModel]
) -> Target:
    entry = models_file.entries.get(alias)
    name = (entry.catalog_alias if entry else None) or alias
    variants = [m for m in listed if name in (m.alias, m.id, _plain(m.id))]
    chosen = next((m for m in variants if m.default), variants[0] if variants else None)
    if chosen and chosen.cached:
        base = f"{endpoint.root}/v1"
        device, provider = chosen.device, chosen.execution_provider
        return Target(alias, chosen.id, base, f"{endpoint.root}/models", chosen.alias, device, provider, chosen.folder)
    if chosen:
        size = f"{chosen.size_mb:,.0f} MB, " if chosen.size_mb else ""
        return Target(alias, reason=f"not downloaded ({size}licence {chosen.licence}): slmbench fetch {alias}")
    if entry and not listed:
        from slmbench.endpoint import catalog

        return Target(alias, reason=f"{catalog.OFFLINE}{_here(endpoint)}")
    if entry:
        close = config.nearest(name, [m.alias for m in listed], 1)
        return Target(
            alias, reason="not in Foundry Local's catalogue" + (f"; nearest there: {close[0]}" if close else "")
        )
    raise Unknown(alias, sorted({*models_file.entries, *(m.alias for m in listed), *map(_plain, endpoint.ids)}))


def _here(endpoint: Endpoint) -> str:
    here = [_plain(i) for i in endpoint.ids][:3]
    return f"; can be had here now: {', '.join(here)}" if here else ""
