"""Models of the user's own: from a file or folder to one that the kit's service serves, and away again.

What is added was tried before anybody else sees it: it is made in a cache folder of its own, has to answer there in a
service of its own, and only then is moved to the kit's models and entered in the user's models.json.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slmbench import config, models, paths
from slmbench.adding.plan import Progress, planned
from slmbench.adding.shelf import (
    NAME,
    added_entries,
    is_kits,
    models_folder,
    refuse_name,
    refuse_tag,
    refuse_taken,
    write,
)
from slmbench.config.checking import did_you_mean, shown
from slmbench.config.reading import as_path, clean
from slmbench.endpoint import Endpoint, Target, service
from slmbench.endpoint.find import TAKEN_IN_S
from slmbench.endpoint.probe import probe
from slmbench.endpoint.rest import LOCAL_PREFIX
from slmbench.errors import KitError, UsageError
from slmbench.models import disk

__all__ = ["AddError", "Added", "add", "added_entries", "gguf_for", "remove"]


class AddError(KitError):
    """The runtime can't use the model (exit code 1)."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Added:
    """A model that was added. answer: what it said when it was tried."""

    entry: config.ModelEntry
    folder: Path
    answer: str


def add(
    path: str | Path,
    name: str,
    *,
    scheme: str | None = None,
    licence: str | None = None,
    capabilities: Sequence[str] = (),
    replace: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> Added:
    """Have a model of one's own in the kit: `slmbench run --models NAME` measures it from then on.

    path: a GGUF file of a llama architecture, or an ONNX Runtime GenAI folder, which is taken over as it is.
    scheme: how a GGUF is converted, see `models.convert`; int4 if left out. licence: if left out, what the GGUF says.
    capabilities: tags as in models.json. replace: whether an added model of this name may be replaced, if the new one
    answers. progress: called with (stage, done, total). say: gets what is worth telling.
    raises: UsageError before anything is written; AddError with the runtime's reason, and nothing is added then;
        ServiceError; models.DiskError.
    """
    source = as_path(path, "PATH").absolute()
    refuse_name(name)
    refuse_taken(name, replace)
    for tag in capabilities:
        refuse_tag(tag)
    plan = planned(source, scheme)
    with _alone():
        refuse_taken(name, replace)
        staging = paths.home() / "adding"
        shutil.rmtree(staging, ignore_errors=True)  # of a kill
        try:
            staged = plan.make(staging / "models" / name, progress)
            entry = plan.entry(name, staged, licence, tuple(capabilities))
            answer = _answer(name, staging, plan.cure)
            folder = _moved(staged, entry)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    _seen(name, say)
    return Added(entry, folder, answer)


def remove(name: str, *, say: Callable[[str], None] = print) -> Path | None:
    """Take an added model away, its files and its entry. returns: where its files were; None if there were none.

    raises: UsageError for a name that is none of an added model; models.DiskError.
    """
    with _alone():
        added, name = added_entries(), str(name)
        folder = models_folder() / name if NAME.fullmatch(name) and not is_kits(name) else None
        ours = folder is not None and bool(models.manifest(folder))  # also without an entry, as a kill may leave it
        if name not in added and not ours:
            hint = f"added: {', '.join(added)}" if added else "none was added"
            what = "is a model of the kit's" if is_kits(name) else "is none of the added models"
            near = did_you_mean(name, added)
            raise UsageError(f"NAME: {shown(name)} {what}; {hint}{near}", "slmbench models   (lists all)")
        rest = {alias: entry for alias, entry in added.items() if alias != name}
        if not ours:
            write(rest)
            return None
        gone = disk.beside(folder, "removed")
        with disk.explained(folder):
            shutil.rmtree(gone, ignore_errors=True)
            folder.replace(gone)  # first, and as a whole: where it is in use and can't be moved, nothing changes
            write(rest)
            shutil.rmtree(gone, ignore_errors=True)
    _seen(name, say)
    return folder


def gguf_for(word: str, folder: Path) -> Path:
    """The GGUF file that a notebook's parameter means: a path; auto, a tiny one that is made in `folder`; embedded.

    raises: UsageError for a path without a file; what `fetch.fetch_gguf` raises.
    """
    if word == "auto":
        folder.mkdir(parents=True, exist_ok=True)
        return models.write_tiny_gguf(folder / "tiny.gguf", licence="MIT")
    if word == "embedded":
        from slmbench.endpoint import fetch

        return fetch.fetch_gguf()
    path = as_path(word, "gguf").absolute()
    if not path.is_file():
        raise UsageError(f"gguf: there is no file {clean(path)}", "give the path of a GGUF file, auto, or embedded")
    return path


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process at a time adds or removes models."""
    from filelock import FileLock

    with disk.explained(paths.home()):
        paths.home().mkdir(parents=True, exist_ok=True)
        lock = FileLock(paths.home() / "adding.lock").acquire()
    with lock:
        yield


def _answer(name: str, home: Path, cure: str) -> str:
    """What the model says to a greeting, in a service of its own: a model that ends its service ends no other.

    raises: AddError.
    """
    with service.alone(name, home=home) as alone:
        endpoint = Endpoint(alone.url, "to try it", base_urls=[alone.base_url], own=alone)
        loads = f"{alone.url}{LOCAL_PREFIX}/models"
        refused = alone.refused.get(name)
        found = None if refused else probe(endpoint, Target(name, f"{name}:1", alone.base_url, loads, name))
    if found is None or not found.ok:
        why = refused or found.problem
        raise AddError(f"{name}: the runtime can't use it, so it was not added: {clean(why, 600)}", cure)
    return found.answer


def _moved(staged: Path, entry: config.ModelEntry) -> Path:
    """Enter the model, and move its folder to the others, which it is served from at once."""
    folder = models_folder() / entry.alias
    with disk.explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        disk.clear(folder)
        before = added_entries()
        write(before | {entry.alias: entry})
        try:
            disk.put(staged, folder)
        except OSError:  # an old one that is in use can't be moved on Windows
            write(before)
            raise
        finally:
            disk.clear(folder)
    return folder


def _seen(name: str, say: Callable[[str], None]) -> None:
    """Where the kit's service runs, wait until it serves what is in the folder now, or nothing if there is none."""
    folder, end = models_folder() / name, time.monotonic() + TAKEN_IN_S
    stamp = (folder / models.MANIFEST).stat().st_mtime_ns if folder.exists() else None
    while running := service.status():
        served = next((model.get("stamp", 0) for model in running.models if model["alias"] == name), None)
        if served == stamp:
            return
        if time.monotonic() > end:
            say("The running service has not noticed it: slmbench stop, then go on; the next one will.")
            return
        time.sleep(0.1)
