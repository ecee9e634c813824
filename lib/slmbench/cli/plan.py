"""The verb plan: a few pilot rounds, kept in a run folder, tell how many rounds fit into the time there is."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from slmbench import runner, store
from slmbench.cli import arguments
from slmbench.cli.bench import asked, measured
from slmbench.config.checking import shown
from slmbench.config.values import from_text
from slmbench.errors import UsageError
from slmbench.records import Row
from slmbench.show.text import number, plain
from slmbench.store.files import without_nan

PILOT_ROUNDS = 3
MINUTES_MAX = 10080.0  # a week
ROUNDS_MAX = 100_000  # what --rounds takes
WIDTHS = {  # column of the forecast: what it is called
    "half_width_pct": "median of all",
    "prompt_half_width_pct": "median of a prompt",
    "ratio_half_width_pct": "ratio to another",
}


def plan(given: argparse.Namespace) -> int:
    from slmbench.analyse import planning

    minutes = _minutes(given.minutes)
    models_file = arguments.models_file(given.models_file)
    settings = asked(given, models_file, rounds=str(PILOT_ROUNDS))
    if settings.precision_pct is not None:
        found = f"run.precision_pct ({models_file.path}): {settings.precision_pct:g} was found, nothing was expected"
        raise UsageError(
            f"{found}: plan tells how many rounds fit", "take it out, or slmbench run   (asks on by itself)"
        )
    began_s = time.monotonic()
    done = measured(given, settings, models_file)
    runner.finish(done.rows)
    frame = done.frame()
    beside_s = time.monotonic() - began_s - PILOT_ROUNDS * (round_s(done.rows) or 0.0)  # all that was no timed request
    left_s = 60 * minutes - max(beside_s, 0.0) - overhead_s(done)  # now, and when the run is gone on with
    rounds = min(planning.rounds_that_fit(frame, max(left_s, 0.0), settings.loads), ROUNDS_MAX)
    goes_on = rounds > PILOT_ROUNDS
    found = {
        "run": str(done.path),
        "minutes": minutes,
        "pilot_rounds": PILOT_ROUNDS,
        "round_s": round_s(done.rows),
        "rounds": rounds,
        "models": [
            without_nan(line) for line in planning.forecast(frame, max(rounds, PILOT_ROUNDS)).to_dict("records")
        ],
        "command": go_on(done, rounds, memory=given.memory) if goes_on else None,
    }
    if given.json:
        print(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print(plain("\n".join(_in_words(found)), keep="\n"))
    return 0


def _minutes(text: str) -> float:
    value = from_text(text, "number")
    if isinstance(value, str) or not 0 < value <= MINUTES_MAX:
        message = f"--minutes: {shown(text)} was found, a number above 0 and up to {MINUTES_MAX:g} was expected"
        raise UsageError(message, "for example --minutes 10")
    return value


def overhead_s(run: store.Run) -> float:
    """Seconds for what is done again when the run is gone on with: loading, warming up, and at several streams the end
    of each block, when only untimed requests are left.
    """
    loads = sum(r["load_s"] for r in run.resources if r.get("kind") == "load")
    warm_ups = sum(r.latency_s or 0.0 for r in run.rows if r.phase == "warmup")
    ends: dict[tuple, float] = {}
    for r in (r for r in run.rows if r.phase == "cooldown"):
        block = (r.model, r.load_index, r.concurrency)
        ends[block] = max(ends.get(block, 0.0), r.latency_s or 0.0)
    return loads + warm_ups + sum(ends.values())


def round_s(rows: Sequence[Row]) -> float | None:
    """Seconds that a round of all models and prompts took, over all loads; None if nothing was timed.

    From the start of the first timed request of a load to the end of its last one.
    """
    spans = []
    timed = [r for r in rows if r.phase == "timed" and r.started_at and r.round is not None]
    for load in {r.load_index for r in timed}:
        starts = [datetime.fromisoformat(r.started_at).timestamp() for r in timed if r.load_index == load]
        ends = [
            datetime.fromisoformat(r.intended_at or r.started_at).timestamp() + (r.latency_s or 0.0)
            for r in timed
            if r.load_index == load
        ]
        spans.append(max(ends) - min(starts))
    return sum(spans) / (1 + max(r.round for r in timed)) if spans else None


def go_on(run: store.Run, rounds: int, *, memory: bool) -> str:
    """The command that goes on with a pilot until it has so many rounds."""
    words = shlex.split(run.plan["command"])
    words[words.index("--rounds") + 1] = str(rounds)
    words += [] if memory else ["--no-memory"]
    return shlex.join([*words, "--out", str(run.path), "--resume"])


def _in_words(found: Mapping[str, Any]) -> Iterator[str]:
    rounds, pilot, lines = found["rounds"], found["pilot_rounds"], found["models"]
    minutes = f"{found['minutes']:g} minute{'s' * (found['minutes'] != 1)}"
    yield f"The pilot's {pilot} rounds are kept in {found['run']}; a round took {found['round_s']:.3g} s."
    if found["command"]:
        yield f"Into {minutes} fit {rounds} rounds, these {pilot} among them."
    else:
        yield f"Into {minutes} fit no more than these {pilot}: what there is now is the run."
    yield f"After {max(rounds, pilot)} rounds, 95 % intervals of latency will be about so wide, to either side:"
    cells = [("model", *WIDTHS.values()), *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for line in lines:
        if line["note"]:
            yield f"  {line['model']}: {line['note']}"
    yield f"A forecast from {pilot} rounds: it holds while the machine stays as it was during them."
    if found["command"]:
        yield "Go on with it; no request of the pilot is asked again:"
        yield f"  {found['command']}"


def _cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    told = [("n/a" if line[name] is None else f"± {number(line[name])} %") for name in WIDTHS]
    partner = f" ({line['ratio_to']})" if line["ratio_to"] else ""
    return line["model"], *told[:-1], told[-1] + partner
