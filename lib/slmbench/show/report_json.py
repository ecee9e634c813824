"""The report for programs: what it says, as strict JSON (no NaN, no Infinity; unknown is null).

The schema, slmbench-report/1; fields may be added under this name, and none is renamed or taken away:

    schema        "slmbench-report/1"
    run           name, hash, started_at, command: of the run; versions: {package: version} that made it
    report        slmbench: the version that wrote this file
    verdict       [sentence]: the first lines of the report, a sentence or a few for each number of requests at once
    remarks       [sentence]: what limits the verdict
    models        [{model, concurrency, n_ok, n_failed, …}]: the columns of summary.csv with their units as suffixes
                  (`analyse.stats.summarise` tells what each is: latency_s_p50_low … latency_s_p50_high is the 95 %
                  interval of the median, null below 6 requests); memory_mb, disk_mb: measured, or null; licence
    comparisons   [{concurrency, base, other, column, n_pairs, ratio, ratio_low, ratio_high, p_holm, verdict, note, …}]:
                  other over base, as `analyse.compare.models` tells; verdict: faster | slower | tie | can't tell
    highlights    [{title, verdict, models, sentence}]; verdict: leads | tie | can't tell
    quality       [{rater, model, mean, low, high, n, min, max}]: mean scores 1–5 with their 95 % intervals; [] unscored
    not_measured  [{model, n_failed, n_asked, n_skipped, reason}]: models that failed or were skipped
    settings      what the run was asked for: rounds, loads, max_tokens, temperature, seed …
    machine       machine.json, as it is: facts, calibration
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench import __version__
from slmbench.analyse import compare, stats
from slmbench.quality import means
from slmbench.quality.scores import Score, frame as frame_of
from slmbench.show import quality_sections, sections, text
from slmbench.show.findings import METRICS
from slmbench.show.levels import levels, only
from slmbench.show.verdict import headline
from slmbench.show.web import words
from slmbench.store.files import without_nan

if TYPE_CHECKING:
    import pandas as pd

    from slmbench.show.highlights import Highlight

SCHEMA = "slmbench-report/1"


def report(
    name: str,
    frame: pd.DataFrame,
    found: Sequence[Highlight],
    *,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    entries: Mapping[str, Any],
    scores: Sequence[Score] = (),
) -> dict[str, Any]:
    """The report as plain values, without NaN.

    name: of the run. found: its highlights. The rest: as in `report.write`.
    """
    said = headline(frame)
    verdicts = [line for line in said if line.startswith("**")]
    lines, pairs = [], []
    for level in levels(frame):
        part = only(frame, level)
        for line in stats.summarise(part).to_dict("records"):
            model = line["model"]
            more = {f"{key}_mb": sections.typical(resources, model, of) for key, of in MEASURED.items()}
            licence = {"licence": sections.entry(entries, model, "licence")}
            lines.append({"model": model, "concurrency": level} | line | more | licence)
        for column in METRICS:
            pairs += [{"concurrency": level} | p for p in compare.models(part, column).to_dict("records")]
    asked = (*sections.SETTINGS, *sections.ASKED)
    value = {
        "schema": SCHEMA,
        "run": {"name": name} | {key: plan.get(key) for key in ("hash", "started_at", "command", "versions")},
        "report": {"slmbench": __version__},
        "verdict": [words(line) for line in verdicts],
        "remarks": [words(line) for line in said[len(verdicts) :]],
        "models": lines,
        "comparisons": [pair for pair in pairs if pair["n_pairs"]],
        "highlights": [one._asdict() for one in found],
        "quality": _quality(scores, plan),
        "not_measured": _not_measured(stats.summarise(frame)),
        "settings": {key: plan[key] for key in asked if key in plan},
        "machine": dict(machine),
    }
    return without_nan(value)


MEASURED = {"memory": "rss_loaded_mb", "disk": "disk_mb"}


def _quality(scores: Sequence[Score], plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not scores:
        return []
    found = means.by_model(frame_of(scores), quality_sections.weights(plan))
    return found.drop(columns="sentence").to_dict("records")


def _not_measured(summary: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "model": line["model"],
            "n_failed": line["n_failed"],
            "n_asked": line["n_ok"] + line["n_failed"],
            "n_skipped": line["n_skipped"],
            "reason": line["status_note"] or None,
        }
        for line in sections.lost(summary).to_dict("records")
    ]


def as_bytes(value: Mapping[str, Any]) -> bytes:
    """Strict JSON in UTF-8."""
    return f"{text.as_json(value)}\n".encode()
