"""The clients that are held against the truth server, each in a process of its own, and what they report."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TIMEOUT_S = 600
LOG_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Load:
    """What each client is asked to do: so many requests to each model, `streams` at once, and up to `tokens` each."""

    url: str  # of the API, ends in /v1
    models: tuple[str, ...]
    requests: int
    streams: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What a client says of one request. Times in seconds. text: None where it keeps none."""

    text: str | None
    ttft_s: float | None
    tpot_s: float | None
    tokens: int | None
    ok: bool = True
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ran:
    """One client's run. cpu_s: of its whole process tree, start-up included; NaN where the system does not say."""

    rows: list[Reported]
    cpu_s: float
    wall_s: float


class ClientFailed(Exception):
    """A client ended with an error, or reported nothing."""


def timed(command: Sequence[str | Path], **more: Any) -> tuple[str, float, float]:
    """Run a command to its end. returns: (standard output, CPU seconds of its process tree, wall seconds).

    raises: ClientFailed.
    """
    with tempfile.TemporaryFile() as log:
        before_s, began_ns = children_cpu_s(), time.perf_counter_ns()
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, timeout=TIMEOUT_S, check=False, **more)
        except subprocess.TimeoutExpired as e:
            raise ClientFailed(f"{Path(command[0]).name} did not end within {TIMEOUT_S} s") from e
        wall_s, cpu_s = (time.perf_counter_ns() - began_ns) / 1e9, children_cpu_s() - before_s
        log.seek(0)
        said = (done.stdout + log.read()).decode("utf-8", "replace")
    if done.returncode:
        raise ClientFailed(f"{Path(command[0]).name} ended with code {done.returncode}: {said[-LOG_CHARS:]}")
    return done.stdout.decode("utf-8"), cpu_s, wall_s


def children_cpu_s() -> float:
    """CPU time of all processes that were started from here and have ended, and of those that they waited for."""
    if sys.platform == "win32":
        return math.nan
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def script(name: str) -> Callable[[Load], Ran]:
    """A client that is a script beside this file: takes the load as arguments, prints a JSON line a request."""

    def run(load: Load) -> Ran:
        what = [load.url, ",".join(load.models), load.requests, load.streams, load.tokens]
        told, cpu_s, wall_s = timed([sys.executable, HERE / name, *map(str, what)])
        return Ran([_reported(json.loads(line)) for line in told.splitlines()], cpu_s, wall_s)

    return run


def _reported(row: Mapping[str, Any]) -> Reported:
    tpot_s = (row["latency_s"] - row["ttft_s"]) / (row["tokens"] - 1) if (row["tokens"] or 0) > 1 else None
    return Reported(row["text"], row["ttft_s"], tpot_s, row["tokens"])


def kit(load: Load, **environment: str) -> Ran:
    """`slmbench run`, as a person starts it; its rows are read back from the run folder."""
    with _folder() as (prompts, out):
        command = [shutil.which("slmbench", path=Path(sys.executable).parent), "run", "--endpoint", load.url]
        command += ["--models", ",".join(load.models), "--prompts", prompts, "--rounds", str(load.requests)]
        command += ["--warmup", "0", "--no-memory", "--out", out, "--max-tokens", str(load.tokens)]
        command += ["--concurrency", str(load.streams)]
        _, cpu_s, wall_s = timed(command, env=_environment(out) | environment)
        return Ran(_rows(out), cpu_s, wall_s)


def unaided(load: Load) -> Ran:
    """The same without the kernel's times of arrival, as on a system that has none: Windows, macOS."""
    return kit(load, SLMBENCH_KERNEL_STAMPS="0")


def charted(load: Load) -> Ran:
    """The same through `slmbench.runner` with the live chart on, in a script that does what the notebook does."""
    with _folder() as (prompts, out):
        what = [load.url, ",".join(load.models), load.requests, load.streams, load.tokens, prompts, out]
        _, cpu_s, wall_s = timed([sys.executable, HERE / "charted.py", *map(str, what)], env=_environment(out))
        return Ran(_rows(out), cpu_s, wall_s)


@contextlib.contextmanager
def _folder() -> Iterator[tuple[Path, Path]]:
    """(a file of one prompt, a run folder to be made)."""
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder, "prompts.txt")
        prompts.write_text("Say something.\n", encoding="utf-8")
        yield prompts, Path(folder, "run")


def _environment(out: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BENCH_", "FOUNDRY_"))}
    return kept | {"SLMBENCH_HOME": str(out.parent / "home"), "MPLBACKEND": "Agg"}


def _rows(out: Path) -> list[Reported]:
    from slmbench import records

    found = []
    for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines():
        row = records.Row.from_json(line)
        decoded = (row.output_tokens or 0) > 1 and row.ttft_s is not None
        tpot_s = (row.latency_s - row.ttft_s) / (row.output_tokens - 1) if decoded else None
        ok = row.status == records.OK
        found.append(Reported(row.text, row.ttft_s, tpot_s, row.output_tokens, ok, tuple(row.flags)))
    return found


OWN: Mapping[str, Callable[[Load], Ran]] = {
    "bare socket": script("bare.py"),
    "slmbench run": kit,
    "slmbench without kernel stamps": unaided,
    "slmbench with chart": charted,
    "openai package": script("typed.py"),
}
