"""What it costs to load and summarise a run of 10,000, 100,000 and 1,000,000 requests.

python tests/bench/scale.py [ROWS ...]     prints a table; exit code 1 if a bound is missed

The run is made up: seeded, three loads of three models, replies of 24 tokens, each row as `slmbench run` writes it. Its
file grows in a temporary folder (1.7 GB at the end) and goes with it. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path

from slmbench import store
from slmbench.errors import UsageError
from slmbench.records import Row

SIZES = (10_000, 100_000, 1_000_000)
ROW_BYTES = 1800
REPEATS = 3  # processes for each size: the quickest counts, as other programs only ever add time; the highest peak
BOUND_ROWS, BOUND_S, BOUND_MB = 1_000_000, 10.0, 2000.0  # time of the two calls; memory of the whole process
BOUND_GROWTH = 2.0  # seconds per million rows at the largest size over those at the smallest
MODELS = {"small-int4": 0.004, "small-int8": 0.006, "mid-int4": 0.011}  # seconds a token
REPLIES = {
    "rag-principle": "Retrieval augmented generation looks up documents that fit a question and lets the model answer",
    "privacy": '1. The prompt stays on the machine.\n2. No account is needed.\n3. It works "off line", as in a train',
    "size-latency": "Every token reads all weights once, so twice the weights take twice the time on the same memory",
    "nepali": "ठूलो मोडेलले हरेक टोकनका लागि धेरै तौल पढ्नुपर्छ त्यसैले उत्तर आउन बढी समय लाग्छ",
}
TOKENS = 24
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scale:
    """One line of the table. load_s, summarise_s: of the two calls. whole_s, cpu_s: of the process, interpreter and
    imports included, by the clock and by what it had of the processor. growth: of per_million_s, over that of the
    smallest size."""

    rows: int
    file_mb: float
    load_s: float
    summarise_s: float
    whole_s: float
    cpu_s: float
    peak_mb: float
    per_million_s: float
    growth: float

    def missed(self) -> list[str]:
        """The bounds that do not hold, in words; a run of fewer rows than the bound speaks of is held to it as well."""
        found = []
        both_s = self.load_s + self.summarise_s
        if self.rows <= BOUND_ROWS and both_s > BOUND_S:
            found.append(f"{self.rows:,} rows took {both_s:.1f} s, at most {BOUND_S:.0f} s were expected")
        if self.rows <= BOUND_ROWS and self.peak_mb > BOUND_MB:
            found.append(f"{self.rows:,} rows took {self.peak_mb:,.0f} MB, at most {BOUND_MB:,.0f} MB were expected")
        if self.growth > BOUND_GROWTH:
            found.append(f"a row of {self.rows:,} took {self.growth:.1f} times as long as one of the smallest run")
        return found


def rows(seed: int = 0) -> Iterator[Row]:
    """Requests without an end, the same for the same seed."""
    chance = random.Random(seed)
    for number in range(sys.maxsize):
        model, prompt = chance.choice(list(MODELS)), chance.choice(list(REPLIES))
        warmup, broken = number < len(MODELS), chance.random() < 0.01
        words = REPLIES[prompt].split(" ")
        pieces = [f" {words[k % len(words)]}" for k in range(TOKENS)]
        if chance.random() < 0.05:
            chance.shuffle(pieces)  # most replies to a prompt are identical, some are not
        pieces = pieces[: chance.randrange(1, TOKENS)] if broken else pieces
        pace = MODELS[model] * chance.lognormvariate(0, 0.1)
        gaps = [pace * chance.uniform(0.9, 1.1) for _ in pieces]
        times = [round(at, 9) for at in accumulate([pace * 10, *gaps[1:]])]
        text = "".join(pieces)
        yield Row(
            run="scale",
            cell=hashlib.sha256(b"%d/%d" % (seed, number)).hexdigest()[:16],
            model=model,
            phase="warmup" if warmup else "timed",
            order=number,
            model_id=f"{model}:1",
            device="cpu",
            execution_provider="CPUExecutionProvider",
            prompt_id=prompt,
            round=number // (len(MODELS) * len(REPLIES)),
            load_index=number % 3,
            started_at=(STARTED + timedelta(seconds=number / 4)).isoformat(timespec="microseconds"),
            status="truncated" if broken else "ok",
            error="the reply came without its end" if broken else None,
            connect_s=round(chance.uniform(0.0001, 0.0003), 9),
            ttft_s=times[0],
            ttfa_s=times[0],
            latency_s=times[-1],
            chunk_s=times,
            chunk_chars=[len(piece) for piece in pieces],
            chunk_channel=["answer"] * len(pieces),
            prompt_tokens=40 + len(prompt),
            output_tokens=len(pieces),
            token_source="chunks" if broken else "server",
            cached_tokens=0,
            finish_reason=None if broken else "length",
            text=text,
            text_sha256=hashlib.sha256(text.encode()).hexdigest(),
            client_lag_s=round(chance.uniform(0, 0.0005), 9),
            host_cpu_pct=round(chance.uniform(40, 60), 1),
            flags=["usage_missing"] if broken else ["clock_jump"] if chance.random() < 0.0001 else [],
        )


def measure(sizes: Sequence[int] = SIZES, repeats: int = REPEATS) -> list[Scale]:
    """A line for each size, in ascending order. The temporary folder needs about 1.7 GB for a million rows."""
    found: list[Scale] = []
    with tempfile.TemporaryDirectory(prefix="slmbench-scale-") as name:
        folder = Path(name)
        _check_space(folder, max(sizes))
        store.write_json(folder / "plan.json", {"models": list(MODELS), "loads": 3})
        source, written = rows(), 0
        for size in sorted(sizes):
            with (folder / "rows.jsonl").open("a", encoding="ascii", newline="\n") as file:
                file.writelines(f"{row.to_json()}\n" for row in islice(source, size - written))
                file.flush()
                os.fsync(file.fileno())  # so that writing does not go on while reading is timed
            written = size
            told = [_in_a_process(folder) for _ in range(repeats)]
            if any(one["rows"] != size for one in told):
                raise AssertionError(f"{size} rows were written, and {[one['rows'] for one in told]} were read")
            best = min(told, key=lambda one: one["whole_s"])
            peak_mb = max(one["peak_mb"] for one in told)
            per_million_s = (best["load_s"] + best["summarise_s"]) / size * 1e6
            growth = per_million_s / found[0].per_million_s if found else 1.0
            file_mb = (folder / "rows.jsonl").stat().st_size / 1e6
            measured = best | {"file_mb": file_mb, "peak_mb": peak_mb, "per_million_s": per_million_s, "growth": growth}
            found.append(Scale(**measured))
    return found


def _check_space(folder: Path, count: int) -> None:
    free_mb, needed_mb = shutil.disk_usage(folder).free / 1e6, count * ROW_BYTES / 1e6
    if free_mb < needed_mb:
        message = (
            f"{folder.parent} has {free_mb:,.0f} MB free; about {needed_mb:,.0f} MB are needed for {count:,} rows."
        )
        raise UsageError(message, "set TMPDIR (Windows: TEMP) to a folder with more room")


def _in_a_process(folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout) | {"whole_s": time.perf_counter() - began}


def _measured(folder: Path) -> dict[str, float]:
    """Load and summarise, here and now; what both import is imported before."""
    import msgspec  # noqa: F401
    import pandas as pd  # noqa: F401
    import scipy.stats  # noqa: F401

    from slmbench.analyse import stats

    began = time.perf_counter()
    frame = store.frame(folder)
    loaded = time.perf_counter()
    summary = stats.summarise(frame)
    ended = time.perf_counter()
    if int(summary[["n_ok", "n_failed", "n_invalid"]].to_numpy().sum()) != (frame["phase"] == "timed").sum():
        raise AssertionError("the summary does not count every request")
    times = {"load_s": loaded - began, "summarise_s": ended - loaded, "cpu_s": time.process_time()}
    return {"rows": len(frame), "peak_mb": _peak_mb(), **times}


def _peak_mb() -> float:
    """The most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: getrusage would count what the process held that started this one
        [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    if os.name == "nt":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS: in bytes


def table(lines: Sequence[Scale]) -> str:
    """The lines in Markdown."""
    titles = ["rows", "file MB", "load s", "summarise s", "whole process s", "CPU s", "peak MB", "s per million"]
    titles.append("growth")
    shown = []
    for x in lines:
        times = [f"{value:.2f}" for value in (x.load_s, x.summarise_s, x.whole_s, x.cpu_s)]
        sizes = [f"{x.rows:,}", f"{x.file_mb:,.0f}"]
        shown.append([*sizes, *times, f"{x.peak_mb:,.0f}", f"{x.per_million_s:.2f}", f"× {x.growth:.2f}"])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, ["---:"] * len(titles), *shown))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Time and memory of loading and summarising many rows.")
    parser.add_argument("rows", nargs="*", type=int, help="sizes to measure (default: 10000 100000 1000000)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.measure:
        print(json.dumps(_measured(given.measure)))
        return 0
    if min(given.rows, default=1) < 1:
        parser.error("sizes are whole numbers from 1")
    try:
        lines = measure(given.rows or SIZES)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(lines))
    missed = [sentence for line in lines for sentence in line.missed()]
    print(*missed, sep="\n", end="\n" if missed else "")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
