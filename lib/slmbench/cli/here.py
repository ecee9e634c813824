"""Verbs about this machine: doctor, models, fetch, serve, stop, status, calibrate."""

from __future__ import annotations

import argparse
import json
import sys

from slmbench import config, paths
from slmbench.adding import added_entries
from slmbench.cli import arguments
from slmbench.doctor import examine
from slmbench.endpoint import catalog, fetch as fetching, rest, service
from slmbench.errors import UsageError
from slmbench.models import DEFAULT_SET, EMBEDDED, is_complete, runtime_of
from slmbench.show.stages import Stages
from slmbench.show.text import plain


def doctor(given: argparse.Namespace) -> int:
    settings = config.settings(given_as="option", environ={}, **arguments.where(given))
    checks = examine(settings.endpoint, allow_remote=settings.allow_remote)
    if given.json:
        _say([{"name": c.name, "state": c.state, "found": c.found, "cure": c.cure} for c in checks])
    else:
        print(*checks, sep="\n")
    return 1 if any(c.state == "missing" for c in checks) else 0


def models(given: argparse.Namespace) -> int:
    known = config.read_models().entries
    loaded = _loaded()
    rows = []
    for alias in EMBEDDED:
        entry = known.get(alias)
        rows.append(
            {
                "alias": alias,
                "source": "embedded",
                "state": _state(f"{alias}:1" in loaded, is_complete(paths.home() / "models" / alias)),
                "size_mb": entry.size_mb if entry else None,
                "licence": entry.licence if entry else None,
                "device": "cpu",
                "id": f"{alias}:1",
            }
        )
    for alias, entry in added_entries().items():
        folder = paths.home() / "models" / alias
        whole = is_complete(folder)
        more = {"size_mb": entry.size_mb, "licence": entry.licence, "device": runtime_of(folder)[0] if whole else None}
        state = _state(f"{alias}:1" in loaded, whole, "files missing")
        rows.append({"alias": alias, "source": "added", "state": state, **more, "id": f"{alias}:1"})
    listed = [] if given.offline else catalog.listing()
    loaded |= _loaded("") if listed else set()
    for m in listed:
        state = _state(m.id in loaded, m.cached)
        more = {"size_mb": m.size_mb, "licence": m.licence, "device": m.device, "id": m.id}
        rows.append({"alias": m.alias, "source": "catalogue", "state": state, **more})
    if given.json:
        _say({"models": rows, "catalogue_reached": bool(listed)})
        return 0
    _table(rows)
    if not listed and not given.offline:
        print(f"{catalog.OFFLINE}: only the embedded and the added models are listed.")
    return 0


def fetch(given: argparse.Namespace) -> int:
    known = config.read_models()
    named = arguments.aliases(given.alias)
    wanted = named.split(",") if named else list(DEFAULT_SET)
    others = [a for a in wanted if a not in EMBEDDED]
    listed = catalog.listing() if others else []
    for alias in others:  # before any byte is fetched
        _catalogue_entry(alias, known, listed)
    for alias in wanted:
        if alias in EMBEDDED:
            entry = known.entries.get(alias)
            if entry and not is_complete(paths.home() / "models" / alias):
                print(f"{alias}: {entry.size_mb:,.0f} MB on disk, licence {entry.licence}")
            with Stages() as stages:
                print(f"{alias}: {fetching.ensure(alias, progress=stages, thorough=True)}")
        else:
            found = _catalogue_entry(alias, known, listed)
            size = f"{found.size_mb:,.0f} MB" if found.size_mb else "size not told"
            print(f"{alias}: {size}, licence {found.licence}, {found.device} ({found.id})")
            with Stages() as stages:
                print(f"{alias}: {catalog.download(found.alias, lambda pct: stages('download', int(pct * 10), 1000))}")
    return 0


def _catalogue_entry(alias: str, known: config.ModelsFile, listed: list[catalog.CatalogModel]) -> catalog.CatalogModel:
    """The variant to fetch. raises: UsageError for a name that nobody has; CatalogError where nobody can be asked."""
    entry = config.entry_for(alias, known)
    name = (entry.catalog_alias if entry else None) or alias
    found = [m for m in listed if name in (m.alias, m.id)]
    if found:
        return next((m for m in found if m.default), found[0])
    close = config.nearest(alias, [*EMBEDDED, *known.entries, *(m.alias for m in listed)])
    close = [entry.nearest, *close] if entry and entry.nearest else [a for a in close if a != alias]
    hint = f"; nearest: {', '.join(close)}" if close else ""
    if listed or (entry.nearest if entry else close):  # offline, a name like no other may well be in the catalogue
        raise UsageError(f"{alias} is not in Foundry Local's catalogue{hint}.", "slmbench models   (lists all)")
    raise catalog.CatalogError(f"{alias}: {catalog.OFFLINE}.", "go on with the embedded models: slmbench fetch")


def serve(given: argparse.Namespace) -> int:
    if not given.offline:
        for alias in DEFAULT_SET:
            with Stages() as stages:
                fetching.ensure(alias, progress=stages)
    running, fresh = service.start(given.port)
    print(f"{'Started' if fresh else 'Already running'}: {running.base_url} (pid {running.pid})")
    print(f"Models: {', '.join(m['alias'] for m in running.models) or 'none prepared: slmbench fetch'}")
    print(f"curl {running.base_url}/models")
    return 0


def stop(_: argparse.Namespace) -> int:
    print("Stopped." if service.stop() else "No service of the kit was running.")
    return 0


def status(given: argparse.Namespace) -> int:
    running = service.status()
    if running is None:
        _say({"running": False}) if given.json else print("Not running. Start it: slmbench serve")
        return 1
    loaded = sorted(_loaded())
    if given.json:
        facts = {"running": True, "base_url": running.base_url, "pid": running.pid, "loaded": loaded}
        _say({**facts, "models": list(running.models), "sdk_version": running.sdk_version})
        return 0
    print(f"Running: {running.base_url} (pid {running.pid}, foundry-local-sdk {running.sdk_version})")
    print(f"Models: {', '.join(m['alias'] for m in running.models)}\nLoaded: {', '.join(loaded) or 'none'}")
    print(f"Log: {service.log_file()}")
    return 0


def _loaded(side: str = rest.LOCAL_PREFIX) -> set[str]:
    """Ids of loaded models. side: "" for the catalogue's, which out of its reach takes seconds to answer."""
    running = service.status()
    return set(rest.loaded_ids(f"{running.url}{side}/models")) if running else set()


def calibrate(given: argparse.Namespace) -> int:
    from slmbench import calibrate as calibration

    print("About 12 s, on this machine alone; best while nothing else runs.", file=sys.stderr, flush=True)
    found = calibration.calibrate(say=lambda text: print(text, file=sys.stderr if given.json else None, flush=True))
    print(found.to_json() if given.json else f"Reports will quote it, from {calibration.path()}")
    return 0


def _state(loaded: bool, cached: bool, otherwise: str = "not fetched") -> str:
    return "loaded" if loaded else "cached" if cached else otherwise


def _table(rows: list[dict]) -> None:
    heads = ("alias", "source", "state", "size_mb", "licence", "device")
    cells = [
        [("-" if row[h] is None else f"{row[h]:,.0f}" if h == "size_mb" else str(row[h])) for h in heads]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [*cells, heads]) for i in range(len(heads))]
    for line in [list(heads), *cells]:
        print(plain("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()))


def _say(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1))
