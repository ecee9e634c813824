"""The verb compare: the same models in two runs, and in what else the two runs differ."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slmbench import __version__, config, machine, paths, store
from slmbench.config.plans import differences, other_work
from slmbench.config.reading import clean
from slmbench.errors import UsageError
from slmbench.records import OK, UNITS
from slmbench.show.text import number, plain
from slmbench.store.files import without_nan


def compare(given: argparse.Namespace) -> int:
    from slmbench.analyse.compare import WORDS

    if given.metric not in WORDS:
        close = config.nearest(given.metric, WORDS, 1)
        hint = f"; did you mean {close[0]}?" if close else "."
        found = f"unknown metric '{clean(given.metric, 60)}'{hint}"
        raise UsageError(f"--metric: {found}", f"Known: {', '.join(WORDS)}.")
    one, other = (store.read(paths.run_folder(run)) for run in given.runs)
    if one.path.samefile(other.path):
        raise UsageError(
            f"RUN RUN: {clean(one.path)} was found twice, two run folders were expected",
            "slmbench run --out DIR   (makes another); slmbench report RUN   (tells of one)",
        )
    lines = _lines(one, other, given.metric)
    found = {
        "runs": [str(one.path), str(other.path)],
        "metric": given.metric,
        "models": lines,
        "warnings": [*warnings(one.plan, other.plan), *left_out(one, other, lines)],
        "differences": differences(one.plan, other.plan) + list(devices(one.plan, other.plan)),
        "machines": list(machine.differences(one.machine, other.machine)),
    }
    if given.out is not None:
        found["written"] = [str(path) for path in _write(given.out, one, other, found)]
    if given.json:
        print(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print(plain("\n".join(_in_words(found, lines)), keep="\n"))
    return 0


def _write(out: Path, one: store.Run, other: store.Run, found: Mapping[str, Any]) -> list[Path]:
    """what_changed.md and .html, in a folder that is made if need be. raises: UsageError if that can't be."""
    from slmbench.quality.scores import of_run
    from slmbench.show import changes, web

    sides = [changes.Side(letter, run, run.frame(), of_run(run)) for letter, run in (("A", one), ("B", other))]
    said = changes.markdown(*sides, found["metric"], found)
    title = f"What changed: {one.path.name} and {other.path.name}"
    page = web.page(said, {}, title, f"Made by slmbench {__version__} from the records of both runs")
    files = {out / "what_changed.md": said, out / "what_changed.html": page}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            store.write_bytes(path, content.encode("utf-8", "backslashreplace"))
    except OSError as e:
        raise UsageError(f"--out: {clean(out)} can't be written: {e.strerror}", "name another folder") from e
    return list(files)


def _lines(one: store.Run, other: store.Run, metric: str) -> list[dict[str, Any]]:
    """`analyse.compare.runs` as plain values, None for NaN; with `sentence`."""
    from slmbench.analyse import compare as comparing

    table = comparing.runs(one.frame(), other.frame(), metric)
    if table.empty:
        names = [
            ", ".join(dict.fromkeys(r.model for r in run.rows if r.status == OK)) or "none" for run in (one, other)
        ]
        both = f"{one.path} and {other.path}"
        raise UsageError(
            f"{both} have {metric} of no model in common; measured are {names[0]}, and {names[1]}.",
            "slmbench run --models …   (measures the same models in both), or another --metric",
        )
    return [{**without_nan(line), "sentence": comparing.sentence(line)} for line in table.to_dict("records")]


def warnings(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """What makes two plans ask for different work, so that a ratio says less about machine and model."""
    yield from (f"the two runs did not ask for the same: {told}" for told in other_work(one, other))


def left_out(one: store.Run, other: store.Run, lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Models of only one run, and requests that failed: neither is in a ratio."""
    compared = {line["model"] for line in lines}
    for side, run in ("A", one), ("B", other):
        timed = [row for row in run.rows if row.phase == "timed"]
        alone = [model for model in dict.fromkeys(row.model for row in timed) if model not in compared]
        if alone:
            yield f"not compared, as only {side} or neither has replies of it: {', '.join(alone)}"
        failed = sum(row.status not in (OK, "skipped", "interrupted") for row in timed)
        if failed:
            yield f"in {side} {failed} of {len(timed)} timed requests failed"


def devices(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Device and execution provider of each model that both plans have, where they differ."""
    places, others = (
        {t["alias"]: (t.get("device"), t.get("execution_provider")) for t in plan.get("targets") or ()}
        for plan in (one, other)
    )
    for alias, place in places.items():
        if alias in others and others[alias] != place:
            yield f"{alias} on: {_place(place)} -> {_place(others[alias])}"


def _place(device: Sequence[str | None]) -> str:
    return " ".join(part for part in device if part) or "not told"


def _in_words(found: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    metric = found["metric"]
    less = "more" if metric.endswith("_tps") else "less"
    yield f"A: {found['runs'][0]}"
    yield f"B: {found['runs'][1]}"
    yield f"{metric} ({UNITS[metric]}), B divided by A, prompt by prompt; {less} is better."
    yield ""
    heads = ("model", "B / A", "95 % interval", "pairs", "B is", "more rounds")
    cells = [heads, *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield from (line["sentence"] for line in lines)
    for title, name in ("Careful", "warnings"), ("Settings", "differences"), ("Machines", "machines"):
        if found[name]:
            yield ""
            yield f"{title}:"
            yield from (f"  {told}" for told in found[name])
    if found.get("written"):
        yield ""
        yield from found["written"]


def _cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = line["ratio_low"], line["ratio_high"]
    interval = "n/a" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    ratio = "n/a" if line["ratio"] is None else f"{line['ratio']:.3f}"
    more = "-" if line["more_rounds"] is None else f"about {number(line['more_rounds'])} would tell"
    return line["model"], ratio, interval, str(line["n_pairs"]), line["verdict"], more
