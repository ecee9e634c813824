"""The one file that speaks to the Foundry Local SDK, always in a process of its own.

    python -m slmbench.endpoint.foundry serve --port 5273 --state FILE [--only ALIAS ...]
    python -m slmbench.endpoint.foundry catalog            one JSON object a model
    python -m slmbench.endpoint.foundry download ALIAS     {"done_pct": 12.5} lines, then {"path": ...}

The SDK is never imported in a process that measures: its memory and its work would be counted as the client's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import psutil
from foundry_local_sdk import CatalogType, Configuration, FoundryLocalManager, LogLevel, ModelInfoBuilder
from foundry_local_sdk.exception import FoundryLocalException

from slmbench import config, models, paths
from slmbench.endpoint.rest import LOCAL_PREFIX
from slmbench.errors import UsageError

LOOK_AGAIN_S = 0.5  # how often the service looks for newly prepared models
MIB_MB = 1024 * 1024 / 1e6  # what the SDK calls MB is 1,048,576 bytes
CLOSE_S = 8  # close() may never return after POST /shutdown (SDK 2.2.1)


def _start_runtime(data: Path, port: int | None = None) -> FoundryLocalManager:
    """The SDK's single manager. Its own telemetry switch is off; SLMBENCH_CATALOG_URL names a private catalogue."""
    catalog_url = os.environ.get("SLMBENCH_CATALOG_URL")
    model_cache = os.environ.get("SLMBENCH_MODEL_CACHE") or None
    FoundryLocalManager.initialize(
        Configuration(
            app_name="slmbench",
            app_data_dir=str(data),
            model_cache_dir=model_cache,
            catalog_urls=[(catalog_url, None)] if catalog_url else None,
            log_level=LogLevel.WARNING,
            disable_nonessential_telemetry=True,
            web=Configuration.WebService(urls=f"http://127.0.0.1:{port}") if port is not None else None,
        )
    )
    return FoundryLocalManager.instance


def _prepared(only: list[str]) -> dict[Path, int]:
    """The whole model folders of the kit's cache, in order, each with its stamp: another one means other files.

    only: limits them to these aliases; none for all.
    """
    root, found = paths.home() / "models", {}
    for folder in sorted(root.glob("[!.]*")):  # hidden ones are being written
        try:
            if folder.is_dir() and models.is_complete(folder) and (not only or folder.name in only):
                found[folder] = (folder / models.MANIFEST).stat().st_mtime_ns
        except OSError:  # replaced while it was looked at: it is looked at again in a moment
            continue
    return found


def _register(catalog, folder: Path, entries: dict[str, config.ModelEntry]) -> dict:
    """Make a folder known to the local catalogue, anew: an earlier registration may describe other files."""
    model_id = f"{folder.name}:1"
    device, provider = models.runtime_of(folder)
    _forget(catalog, model_id)
    entry = entries.get(folder.name)
    with ModelInfoBuilder() as info:
        info.set_string_property("task", "chat-completion")
        if entry and entry.licence:
            info.set_string_property("license", entry.licence)
        if entry and entry.display_name:
            info.set_string_property("display_name", entry.display_name)
        if entry and entry.capabilities:
            info.set_string_property("capabilities", ",".join(entry.capabilities))
        model = catalog.register_model(folder.resolve(), model_id, info)
    return {
        "alias": model.alias,
        "id": model.id,
        "folder": str(folder),
        "device": device,
        "execution_provider": provider,
    }


def _forget(catalog, model_id: str) -> None:
    """Unload a model, and take it out of the local catalogue; nothing happens if it is not there."""
    if model := catalog.get_model_variant(model_id):
        if model.is_loaded:
            model.unload()
        catalog.unregister_model(model_id)


class Served:
    """The folders of the cache as the catalogue has them: what was taken in, and what was refused, with its reason.

    record: a file that keeps what was registered, for the next service: registrations outlive it, and stand where the
    runtime keeps its models, beside those of others, which are nobody's to forget.
    """

    def __init__(self, catalog, only: list[str], record: Path):
        self.catalog, self.only, self.record = catalog, only, record
        self.stamps: dict[Path, int] = {}
        self.models: dict[Path, dict] = {}
        self.refused: dict[str, str] = {}
        for model_id in _ids(record) - {f"{folder.name}:1" for folder in _prepared(only)}:
            self._without_fault(model_id, lambda i=model_id: _forget(catalog, i))

    def look(self) -> bool:
        """Take in what is new or another one, and forget what is gone. returns: whether anything changed."""
        now = _prepared(self.only)
        if now == self.stamps:
            return False
        entries = _entries()
        for folder in self.stamps.keys() - now.keys():
            self._without_fault(folder.name, lambda f=folder: _forget(self.catalog, f"{f.name}:1"))
            self.models.pop(folder, None)
            self.refused.pop(folder.name, None)
        for folder in [f for f, stamp in now.items() if self.stamps.get(f) != stamp]:
            self.models.pop(folder, None)
            taken = self._without_fault(folder.name, lambda f=folder: _register(self.catalog, f, entries))
            self.models |= {folder: {**taken, "stamp": now[folder]}} if taken else {}
        self.stamps = now
        _write(self.record, [model["id"] for model in self.models.values()])
        return True

    def _without_fault(self, name: str, call: Callable[[], dict | None]) -> dict | None:
        """What the runtime refuses must not keep the others from being served; why is told in the state and the log."""
        self.refused.pop(name, None)
        try:
            return call()
        except (FoundryLocalException, OSError, ValueError, KeyError) as e:
            self.refused[name] = f"{type(e).__name__}: {e}"
            print(f"{name} is not served: {self.refused[name]}", file=sys.stderr, flush=True)
            return None


def _ids(record: Path) -> set[str]:
    """What a record says; nothing if it is not there, or torn."""
    try:
        return {str(model_id) for model_id in json.loads(record.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError):
        return set()


def _entries() -> dict[str, config.ModelEntry]:
    """What is known of the models; without the user's own where that file is broken, which whoever asks is told."""
    try:
        return config.read_models().entries
    except UsageError as e:
        print(e, file=sys.stderr, flush=True)
        return config.read_models(paths.data_file("models.json")).entries


def serve(port: int, state: Path, data: Path, only: list[str], parent: int | None = None) -> None:
    """Serve the prepared models until SIGTERM or Ctrl-C; `state` says which; folders come and go while it runs.

    parent: a process at whose end this one ends, too, and takes away the folder that `state` is in.
    """
    owner = psutil.Process(parent) if parent else None
    stop = threading.Event()
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda *_: stop.set())
    manager = _start_runtime(data, port)
    served = Served(manager.get_catalog(CatalogType.LOCAL), only, data / "registered.json")
    served.look()
    manager.start_web_service()
    me = psutil.Process()
    # reading the public catalogue is left out here: offline it costs seconds of retries
    facts = {"pid": me.pid, "create_time": me.create_time(), "url": manager.urls[0], "prefix": LOCAL_PREFIX}
    facts["sdk_version"] = version("foundry-local-sdk")

    def tell() -> None:
        _write(state, {**facts, "models": list(served.models.values()), "refused": served.refused})

    tell()
    while not stop.wait(LOOK_AGAIN_S) and not manager.is_shutdown_requested():
        if owner and not owner.is_running():
            shutil.rmtree(state.parent, ignore_errors=True)
            break
        if served.look():
            tell()
    closing = threading.Thread(target=manager.close, daemon=True)
    closing.start()
    closing.join(CLOSE_S)


def catalogue(data: Path) -> Iterator[dict]:
    """What the public catalogue lists, one dict a variant; nothing when it can't be reached."""
    manager = _start_runtime(data)
    for model in manager.get_catalog(CatalogType.PUBLIC).list_models():
        for variant in model.variants:
            i = variant.info
            runtime = i.runtime
            yield {
                "alias": model.alias,
                "id": variant.id,
                "default": variant.id == model.id,
                "cached": variant.is_cached,
                "folder": variant.get_path() if variant.is_cached else None,
                "display_name": i.display_name,
                "publisher": i.publisher,
                "licence": i.license,
                "size_mb": round(i.file_size_mb * MIB_MB) if i.file_size_mb else None,
                "device": runtime.device_type.value.lower() if runtime and runtime.device_type else None,
                "execution_provider": (runtime.execution_provider or None) if runtime else None,
                "context_length": i.context_length,
                "capabilities": i.capabilities.split(",") if i.capabilities else [],
            }


def providers(data: Path) -> list[dict]:
    """Execution providers as the runtime itself lists them; an empty list means CPU only."""
    return [{"name": ep.name, "registered": ep.is_registered} for ep in _start_runtime(data).discover_eps()]


def download(data: Path, alias: str) -> None:
    """Download one catalogue model, telling the progress as lines of JSON."""
    model = _start_runtime(data).get_catalog(CatalogType.PUBLIC).get_model(alias)
    if model is None:
        _say({"error": f"{alias} is not in the catalogue, or the catalogue can't be reached"})
        _leave(1)
    shown = -1.0

    def tell(pct: float) -> None:
        nonlocal shown
        if pct - shown >= 0.5 or pct >= 100 > shown:
            shown = pct
            _say({"done_pct": round(pct, 1)})

    try:
        model.download(tell)
    except FoundryLocalException as e:
        _say({"error": str(e)})
        _leave(1)
    _say({"path": model.get_path()})


def _write(file: Path, value: dict | list) -> None:
    part = file.with_name(file.name + ".part")
    part.write_text(json.dumps(value, indent=1), encoding="utf-8")
    part.replace(file)


def _say(value: dict) -> None:
    print(json.dumps(value), flush=True)


def _leave(code: int) -> None:
    """Out, without the interpreter's tear-down, in which the native library can hang."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """The process's entry; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=paths.home() / "foundry", help="folder for the runtime's own files"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("serve")
    one.add_argument("--port", type=int, required=True)
    one.add_argument("--state", type=Path, required=True)
    one.add_argument("--only", nargs="*", default=[])
    one.add_argument("--parent", type=int)
    verbs.add_parser("catalog")
    verbs.add_parser("providers")
    verbs.add_parser("download").add_argument("alias")
    args = parser.parse_args()
    args.data.mkdir(parents=True, exist_ok=True)
    try:
        if args.verb == "serve":
            serve(args.port, args.state, args.data, args.only, args.parent)
        elif args.verb == "catalog":
            for value in catalogue(args.data):
                _say(value)
        elif args.verb == "providers":
            _say({"providers": providers(args.data)})
        else:
            download(args.data, args.alias)
    except FoundryLocalException as e:
        _say({"error": str(e)})
        _leave(1)
    _leave(0)


if __name__ == "__main__":
    main()
