"""Model folders: made from a GGUF file, or from another folder, always whole, with a manifest of what is in them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.errors import UsageError
from slmbench.models import disk

if TYPE_CHECKING:
    from slmbench.models.gguf import Checkpoint

CONVERTER = 1  # goes up when the same file would be converted to something else
SCHEMES = ("int4", "int4-rtn", "int8", "fp32")
MANIFEST = "slmbench.json"
CONFIG = "genai_config.json"
LINKED_BYTES = 1_000_000  # files from this size on are weights
Progress = Callable[[int, int], None]


def convert(
    gguf: Path,
    folder: Path,
    scheme: str,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Path:
    """Turn a GGUF file of a llama-architecture model into an ONNX Runtime GenAI folder.

    scheme: "int4" (what the file keeps in 4 bits stays exact; else nearest of 16 steps with an offset), "int4-rtn"
    (plain round to nearest about zero), "int8", or "fp32". Embedding and output layer are int8 but for "fp32".
    checkpoint: what the file holds, if it has been read already (seconds, with a large vocabulary).
    progress: called with (layers done, layers).
    returns: the folder. One that holds the same conversion already is left as it is.
    raises: UsageError for a file that can't be converted, or a folder that holds something else; DiskError.
    """
    from slmbench.models import gguf as reader, graph

    if scheme not in SCHEMES:
        raise UsageError(f"scheme {scheme!r}: not known; expected one of {', '.join(SCHEMES)}", "take scheme='int4'")
    checkpoint = checkpoint or reader.read(gguf)
    source = {"file": gguf.name, "sha256": sha256(gguf)}
    needed = graph.needed_bytes(checkpoint.shape, checkpoint.tensors, scheme)
    return write(checkpoint, folder, scheme, source=source, needed_bytes=needed, progress=progress)


def write(
    checkpoint: Checkpoint,
    folder: Path,
    scheme: str,
    *,
    source: dict[str, str],
    needed_bytes: int,
    progress: Progress | None = None,
) -> Path:
    """Write a checkpoint as a model folder. source: what it was made of, with its sha256, for the manifest."""
    from slmbench.models import genai, graph

    facts = {"converter": CONVERTER, "scheme": scheme, "threads": None, "source": source}
    with disk.explained(folder), disk.locked(folder):
        disk.clear(folder)
        if is_complete(folder, thorough=True, **facts):
            return folder
        _refuse_foreign(folder)
        disk.require_room(folder, needed_bytes)
        with disk.replacing(folder) as fresh:
            graph.build(checkpoint.shape, checkpoint.tensors, fresh, scheme, progress)
            files = {CONFIG: genai.genai_config(checkpoint.shape, checkpoint.vocabulary)}
            for name, content in (files | genai.tokenizer_files(checkpoint.vocabulary)).items():
                _dump(fresh / name, content)
            _write_manifest(fresh, facts)
    return folder


def with_threads(base: Path, folder: Path, threads: int) -> Path:
    """A folder with the same weights as `base`, run on so many CPU threads. Files are hard-linked where possible."""
    from slmbench.models import genai

    facts = {key: value for key, value in manifest(base).items() if key not in ("files", "sha256")}
    facts["threads"] = threads
    with disk.explained(folder), disk.locked(folder):
        disk.clear(folder)
        if is_complete(folder, thorough=True, **facts):
            return folder
        _refuse_foreign(folder)
        with disk.replacing(folder) as fresh:
            for file in base.iterdir():
                if file.name not in (CONFIG, MANIFEST):
                    _link_or_copy(file, fresh / file.name)
            config = json.loads((base / CONFIG).read_text(encoding="utf-8"))
            config["model"]["decoder"]["session_options"] |= genai.thread_options(threads)
            _dump(fresh / CONFIG, config)
            _write_manifest(fresh, facts)
    return folder


def take(files: Iterable[Path], folder: Path, facts: Mapping[str, Any]) -> Path:
    """A folder of other people's files, as they are. facts: what the manifest says of them, besides names and sums."""
    with disk.explained(folder), disk.locked(folder):
        disk.clear(folder)
        _refuse_foreign(folder)
        with disk.replacing(folder) as fresh:
            for file in files:
                source = file.resolve()  # a hard link to a symbolic one would lead nowhere
                # what people edit is copied: a hard link would change with it
                place = _link_or_copy if source.stat().st_size >= LINKED_BYTES else shutil.copy2
                place(source, fresh / file.name)
            _write_manifest(fresh, dict(facts))
    return folder


def runtime_of(folder: Path) -> tuple[str | None, str]:
    """(device, execution provider) that a GenAI folder's own configuration selects."""
    genai = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    options = genai["model"]["decoder"].get("session_options", {}).get("provider_options", [])
    name = next(iter(options[0]), "cpu").lower() if options else "cpu"
    known = {"cpu": ("cpu", "CPUExecutionProvider"), "cuda": ("gpu", "CUDAExecutionProvider")}
    known |= {"dml": ("gpu", "DmlExecutionProvider"), "webgpu": ("gpu", "WebGpuExecutionProvider")}
    known |= {"qnn": ("npu", "QNNExecutionProvider")}
    return known.get(name, (None, name))


def is_complete(folder: Path, *, thorough: bool = False, **facts: Any) -> bool:
    """Whether the folder holds every file of its manifest in full size, and the manifest says `facts`.

    thorough: also read the files, and compare their checksums (some seconds for the default set).
    """
    said = manifest(folder)
    if not said or any(said.get(key) != value for key, value in facts.items()):
        return False
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    if any(sizes.get(name) != size for name, size in said["files"].items()):
        return False
    return not thorough or said.get("sha256") == {name: sha256(folder / name) for name in said["files"]}


def manifest(folder: Path) -> dict[str, Any]:
    """What slmbench.json in the folder says: converter, scheme, threads, source, files; {} if nothing legible."""
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return said if isinstance(said, dict) and isinstance(said.get("files"), dict) else {}


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _refuse_foreign(folder: Path) -> None:
    """Never replace a folder that this module did not write."""
    if folder.exists() and not manifest(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(
            f"{folder}: is there already and has no legible {MANIFEST}; a new folder, or one of slmbench, was expected",
            "give another name, or move that folder away",
        )


def _link_or_copy(file: Path, to: Path) -> None:
    try:
        to.hardlink_to(file)
    except OSError:  # the disk knows no hard links (exFAT, some network disks)
        shutil.copy2(file, to)


def _write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Written last: where it stands, everything else does."""
    files = sorted(folder.iterdir())
    whole = {"files": {f.name: f.stat().st_size for f in files}, "sha256": {f.name: sha256(f) for f in files}}
    _dump(folder / MANIFEST, facts | whole)


def _dump(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
