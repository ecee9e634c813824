"""Verbs about this machine: doctor, models, fetch, serve, stop, status."""

from __future__ import annotations

import argparse
import json
import sys

from tqdm import tqdm

from slmbench import config, paths
from slmbench.doctor import examine
from slmbench.endpoint import catalog, fetch as fetching, rest, service
from slmbench.errors import UsageError
from slmbench.models import DEFAULT_SET, EMBEDDED, is_complete
from slmbench.show.text import plain


def doctor(given: argparse.Namespace) -> int:
    checks = examine()
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
        print(f"{catalog.OFFLINE}: only the embedded models are listed.")
    return 0


def fetch(given: argparse.Namespace) -> int:
    known = config.read_models()
    wanted = given.alias or list(DEFAULT_SET)
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
                print(f"{alias}: {fetching.ensure(alias, progress=stages)}")
        else:
            found = _catalogue_entry(alias, known, listed)
            size = f"{found.size_mb:,.0f} MB" if found.size_mb else "size not told"
            print(f"{alias}: {size}, licence {found.licence}, {found.device} ({found.id})")
            with Stages() as stages:
                print(f"{alias}: {catalog.download(found.alias, lambda pct: stages('download', int(pct * 10), 1000))}")
    return 0


def _catalogue_entry(alias: str, known: config.ModelsFile, listed: list[catalog.CatalogModel]) -> catalog.CatalogModel:
    entry = config.entry_for(alias, known)
    name = (entry.catalog_alias if entry else None) or alias
    found = [m for m in listed if name in (m.alias, m.id)]
    if found:
        return next((m for m in found if m.default), found[0])
    if not listed:
        raise catalog.CatalogError(f"{alias}: {catalog.OFFLINE}.", "go on with the embedded models: slmbench fetch")
    close = config.nearest(name, [m.alias for m in listed])
    hint = f"; nearest: {', '.join(close)}" if close else ""
    raise UsageError(f"{alias} is not in Foundry Local's catalogue{hint}.", "slmbench models   (lists all)")


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


class Stages:
    """Progress of fetching and converting: one bar a stage on a terminal, a line per quarter elsewhere."""

    def __init__(self) -> None:
        self._stage, self._bar, self._quarter = "", None, 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage, self._quarter = stage, 0
        if sys.stderr.isatty():
            size = stage == "download" and total > 10_000
            self._bar = self._bar or tqdm(total=total, desc=stage, unit="B" if size else "step", unit_scale=size)
            self._bar.update(done - self._bar.n)
        elif total and 4 * done // total > self._quarter:
            self._quarter = 4 * done // total
            print(f"{stage}: {100 * done // total} %", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _loaded(side: str = rest.LOCAL_PREFIX) -> set[str]:
    """Ids of loaded models. side: "" for the catalogue's, which out of its reach takes seconds to answer."""
    running = service.status()
    return set(rest.get(f"{running.url}{side}/models/loaded")) if running else set()


def _state(loaded: bool, cached: bool) -> str:
    return "loaded" if loaded else "cached" if cached else "not fetched"


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
