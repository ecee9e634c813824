"""The files that people read after a run: a report in Markdown, two CSV files and the pictures.

All of them are derived from the rows and can be made again at any time; each is written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.analyse import stats
from slmbench.show import alt, plots, sections, text, theme
from slmbench.show.verdict import headline, median, p95

if TYPE_CHECKING:
    import pandas as pd

PICTURES = ("latency_by_model", "ecdf", "speed", "run_order", "per_prompt")


def write(
    run_folder: Path,
    frame: pd.DataFrame,
    *,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    entries: Mapping[str, Any],
) -> list[Path]:
    """Writes benchmark_report.md, summary.csv, rows.csv and the pictures into the run folder.

    frame: from `records.to_frame`. plan, machine: what plan.json and machine.json hold. resources: one mapping a
    load of a model, with load_s, rss_before_mb … . entries: alias -> the model's entry in models.json.
    returns: the files written, the report first.
    """
    folder = Path(run_folder)
    summary = stats.summarise(frame)
    files = {"summary.csv": text.csv(summary), "rows.csv": text.csv(frame)}
    with theme.use("light"):
        files |= {f"{kind}.png": theme.png(plots.draw(frame, kind).figure) for kind in PICTURES}
    page = markdown(frame, summary, plan=plan, machine=machine, resources=resources, entries=entries)
    files = {"benchmark_report.md": page.encode("utf-8", "backslashreplace")} | files
    for name, content in files.items():
        _put(folder / name, content)
    return [folder / name for name in files]


def table(summary: pd.DataFrame, resources: Sequence[Mapping], entries: Mapping[str, Any]) -> pd.DataFrame:
    """The comparison for people, one line a model; rounded here and nowhere before.

    summary: from `stats.summarise(frame)`. returns: columns with their units spelled out; "n/a" or NaN where there
    is nothing: memory and disk are measured or absent, never as listed. Model names and licences stand as they are:
    show it as a plain DataFrame or through `text.table`.
    """
    import pandas as pd

    lines = []
    for line in summary.to_dict("records"):
        model = line["model"]
        lines.append(
            {
                "Model": model,
                "Requests measured (n)": line["n_ok"],
                "Requests failed": line["n_failed"],
                "Mean latency (s)": sections.rounded(line["latency_s_mean"]),
                "Median latency (s) [95 % interval]": median(line, "latency_s"),
                "p95 latency (s)": p95(line, "latency_s"),
                "Median time to first token (s)": sections.rounded(line["ttft_s_p50"]),
                "Median decode speed (tokens/s)": sections.rounded(line["decode_tps_p50"]),
                "Median output speed (tokens/s)": sections.rounded(line["output_tps_p50"]),
                "Memory when loaded (MB)": sections.rounded(sections.typical(resources, model, "rss_loaded_mb")),
                "Disk (MB)": sections.rounded(sections.typical(resources, model, "disk_mb")),
                "Licence": sections.entry(entries, model, "licence") or text.MISSING,
            }
        )
    return pd.DataFrame(lines)


def markdown(
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    entries: Mapping[str, Any],
) -> str:
    """The report as a string; arguments as in `write`, summary = stats.summarise(frame)."""
    verdict, *remarks = headline(summary)
    pictures = [f"![{text.markdown(alt.describe(frame, kind))}]({kind}.png)" for kind in PICTURES]
    parts = {
        "# Benchmark report": [verdict, "\n".join(f"- {remark}" for remark in remarks)],
        "## Comparison": [text.table(table(summary, resources, entries))],
        "### Failed and skipped": sections.not_measured(summary),
        "## Pictures": pictures,
        "## By prompt": [sections.by_prompt(frame, plan)],
        "## Samples of the replies": sections.samples(frame, plan),
        "## Load, memory and footprint": sections.footprint(summary, resources, entries),
        "## Machine": [sections.facts(machine)],
        "## Method": sections.method(plan),
        "## How to repeat it": [sections.command(plan)],
        "## What this does not tell": [sections.limits(frame, summary)],
    }
    blocks = [block for title, body in parts.items() if body for block in (title, *body) if block]
    return "\n\n".join(blocks) + "\n"


def _put(path: Path, content: bytes) -> None:
    """Writes a file whole: a reader sees the old one or the new one."""
    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        half.write_bytes(content)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
