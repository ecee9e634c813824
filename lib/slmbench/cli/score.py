"""The verb score: sheets to be filled in outside the notebook, the checks, and what the scores of a run say so far."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from slmbench import store
from slmbench.cli.bench import aloud
from slmbench.errors import UsageError
from slmbench.quality import agreement, checks, means, ranking
from slmbench.quality.items import items
from slmbench.quality.runs import working_copy
from slmbench.quality.scores import Score, frame, of_run, save
from slmbench.show import quality_sections, sheet
from slmbench.show.text import as_json, number, plain

NOTEBOOK = "notebooks/session03_score_quality.ipynb"


def score(given: argparse.Namespace) -> int:
    folder = working_copy(given.run)
    asks = given.sheet or given.read
    if asks and not given.annotator:
        raise UsageError(
            "--annotator: nothing was found, the name of who scores was expected", "--annotator Ana   (for example)"
        )
    if given.sheet:
        written = sheet.write(folder, Path(given.sheet), given.annotator, replies=given.replies)
        print(f"Written: {plain(str(written))}. Fill in the column '{sheet.SCORE}', save it as CSV, then:")
        print(plain(f"slmbench score {folder} --annotator {given.annotator!r} --read {written}"))
        return 0
    say = aloud if given.json else (lambda line: print(plain(line)))
    if given.read:
        read = sheet.read(Path(given.read), folder, given.annotator)
        say(f"{len(read)} scores of {given.annotator} are in {folder / 'scores.jsonl'}.")
    if given.checks:
        done = checks.rate(items(store.read(folder)))
        save(folder, done)
        say(f"{len(done)} replies are checked by code.")
    found = of_run(store.read(folder))
    if given.json:
        print(as_json(_plain(found, folder)))
    else:
        print(plain("\n".join(_in_words(found, folder)), keep="\n"))
    return 0


def _plain(found: Sequence[Score], folder: Path) -> dict[str, Any]:
    """What the scores say, as JSON values."""
    table, plan = frame(found), store.read(folder).plan
    parts = {
        "means": means.by_model(table, quality_sections.weights(plan)),
        "agreement": agreement.between(table),
        "ranking": ranking.ranking(table),
        "consistency": ranking.consistency(table),
    }
    lines = {name: part.astype(object).where(part.notna(), None).to_dict("records") for name, part in parts.items()}
    return {"run": str(folder), "scores": len(found), **lines, "differences": list(quality_sections.differences(table))}


def _in_words(found: Sequence[Score], folder: Path) -> Iterator[str]:
    whole = len(items(store.read(folder)))
    yield f"{folder}: {whole} different replies."
    table = frame(found)
    for rater, part in table.groupby("rater", sort=False):
        bad = int((part["status"] != "ok").sum())
        spent = part["spent_s"].sum() + part["latency_s"].sum()
        counts = {what: int((part["task"] == task).sum()) for what, task in (("replies", "score"), ("pairs", "pair"))}
        told = [f"{n} {what}" for what, n in counts.items() if n]
        took = f", in {number(spent)} s" if spent else ""
        yield f"  {rater}: {', '.join(told)}{took}{f', {bad} without a judgement' * bool(bad)}"
    if not found:
        yield f"Nobody has scored them. In JupyterLab: {NOTEBOOK}; outside of it:"
        yield f"  slmbench score {folder} --annotator NAME --sheet FILE.csv"
        return
    plan = store.read(folder).plan
    for title, lines in (
        ("Mean scores", means.by_model(table, quality_sections.weights(plan))["sentence"]),
        ("Model against model", list(quality_sections.differences(table))),
        ("How far they agree", [*agreement.between(table)["sentence"], *quality_sections.ticked(table)]),
        ("Side by side", list(ranking.consistency(table)["sentence"]) + _ranked(table)),
        ("Careful", list(quality_sections.unusable(found))),
    ):
        if len(lines):
            yield ""
            yield f"{title}:"
            yield from (f"  {line}" for line in lines)


def _ranked(table: Any) -> list[str]:
    order = ranking.ranking(table)
    return [ranking.sentence(order)] if len(order) else []
