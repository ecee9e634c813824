"""The files that people read after a run: a report as Markdown, web page and JSON, two CSV files and the pictures.

All of them are derived from the rows and can be made again at any time; each is written whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench import __version__, store
from slmbench.analyse import stats, traffic
from slmbench.show import (
    alt,
    choice as choosing_section,
    choice_plots,
    findings,
    highlights,
    picks,
    plots,
    quality_sections,
    report_json,
    sections,
    speed_quality,
    taken,
    text,
    theme,
    web,
)
from slmbench.show.levels import labelled, levels, name, only
from slmbench.show.verdict import headline, median, p95

if TYPE_CHECKING:
    import pandas as pd

    from slmbench.quality.scores import Score


class Picture(NamedTuple):
    """A picture of the report: its file's name without .png, its kind, the column it needs, its options."""

    name: str
    kind: str
    column: str
    options: Mapping[str, Any] = MappingProxyType({})


PICTURES = (
    Picture("latency_by_model", "latency_by_model", "latency_s"),
    Picture("ecdf_latency", "ecdf", "latency_s", {"column": "latency_s"}),
    Picture("ecdf_ttft", "ecdf", "ttft_s", {"column": "ttft_s"}),
    Picture("speed", "speed", "decode_tps"),
    Picture("ratios", "ratios", "latency_s"),
    Picture("concurrency_curve", "concurrency_curve", "latency_s"),
    Picture("run_order", "run_order", "latency_s"),
    Picture("per_prompt", "per_prompt", "latency_s"),
    Picture("token_timeline", "token_timeline", "ttft_s"),
)


SEVERAL = "4 × before a model's name: 4 requests to it at once."


def write(
    run_folder: Path,
    frame: pd.DataFrame,
    *,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    entries: Mapping[str, Any],
    scores: Sequence[Score] = (),
    choice: tuple[Any, Any] | None = None,
) -> list[Path]:
    """Writes benchmark_report.md, .html and .json, summary.csv, rows.csv and the pictures into the run folder.

    frame: from `records.to_frame`. plan, machine: what plan.json and machine.json hold. resources: one mapping a
    load of a model, with load_s, rss_before_mb … . entries: alias -> the model's entry in models.json.
    scores: from `quality.scores.read_scores`; with them the summary and the report tell of quality.
    choice: `choosing.Evidence` and `choosing.Decision`, where a model was chosen.
    returns: the files written, the report first.
    """
    folder = Path(run_folder)
    told = {"plan": plan, "machine": machine, "resources": resources, "entries": entries, "scores": scores}
    lines = summary(frame)
    if scores:
        lines = speed_quality.joined(lines, quality_sections.judged(scores, plan))
    leaders = highlights.highlights(frame, resources, scores, plan)
    written = markdown(frame, leaders=leaders, choice=choice, **told)
    drawn = drawings(frame, plan, scores, choice)
    page = web.page(written, drawn, f"Benchmark report: {folder.name}", MADE)
    files = {
        "benchmark_report.md": written.encode("utf-8", "backslashreplace"),
        "benchmark_report.html": page.encode("utf-8", "backslashreplace"),
        "benchmark_report.json": report_json.as_bytes(report_json.report(folder.name, frame, leaders, **told)),
        "summary.csv": text.csv(lines),
        "rows.csv": text.csv(frame),
        **{file: picture.light for file, picture in drawn.items()},
    }
    for file, content in files.items():
        store.write_bytes(folder / file, content)
    known = (*(picture.name for picture in PICTURES), quality_sections.CHART, *choice_plots.CHARTS)
    for file in {f"{one}.png" for one in known} - files.keys():
        (folder / file).unlink(missing_ok=True)  # of an earlier report, and of what this one has nothing to show
    return [folder / file for file in files]


MADE = f"Made by slmbench {__version__} from the records of the run, and to be made again: slmbench report RUN"


def remake(run: store.Run, entries: Mapping[str, Any], choice: tuple[Any, Any] | None = None) -> list[Path]:
    """`write` for a run as it was read, with the scores that its folder has now."""
    from slmbench.quality.scores import of_run

    kept = {"plan": run.plan, "machine": run.machine, "resources": run.resources}
    return write(run.path, run.frame(), **kept, entries=entries, scores=of_run(run), choice=choice)


def drawings(
    frame: pd.DataFrame,
    plan: Mapping[str, Any],
    scores: Sequence[Score],
    choice: tuple[Any, Any] | None = None,
) -> dict[str, web.Picture]:
    """Every picture of the report by its file's name, for light and dark pages."""
    shown = pictures(frame, plan)
    points, who = quality_sections.chart(scores, stats.summarise(frame), plan)
    with theme.use("light"):
        figures = {f"{p.name}.png": plots.draw(rows, p.kind, **p.options).figure for p, rows in shown}
        if len(points):
            figures[f"{quality_sections.CHART}.png"] = speed_quality.chart(points, who=who).figure
        if choice:
            figures |= {f"{name}.png": ax.figure for name, ax in choice_plots.drawn(choice[1].choice).items()}
        return {file: web.Picture(*theme.both(figure)) for file, figure in figures.items()}


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """`stats.summarise`, a line per model; where several numbers of requests at once were asked, per model and number,
    with a column `concurrency`.
    """
    import pandas as pd

    asked = levels(frame)
    if len(asked) == 1:
        return stats.summarise(frame)
    parts = [stats.summarise(only(frame, level)).assign(concurrency=level) for level in asked]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def pictures(frame: pd.DataFrame, plan: Mapping[str, Any]) -> list[tuple[Picture, pd.DataFrame]]:
    """Those of PICTURES that have something to show, each with the frame that it is drawn from."""
    good, asked, named, found = frame[stats.usable(frame)], levels(frame), labelled(frame), []
    for picture in PICTURES:
        if not good[picture.column].notna().any():
            continue
        rows, options = named, picture.options
        if picture.kind == "token_timeline":
            rows = only(named, asked[0])
        if picture.kind == "ratios" and not len(picks.pairs(rows, picture.column)):
            continue
        if picture.kind == "concurrency_curve":
            single = asked == [1] and good["intended_at"].isna().all()
            if single or traffic.load_points(frame)["system_tps"].isna().all():
                continue
            column = "ttft_s" if good["ttft_s"].notna().any() else "latency_s"
            rows, options = frame, {"limits": tuple((plan.get("slo") or {}).items()), "column": column}
        found.append((picture._replace(options=options), rows))
    return found


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
    *,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    entries: Mapping[str, Any],
    scores: Sequence[Score] = (),
    leaders: Sequence[highlights.Highlight] | None = None,
    choice: tuple[Any, Any] | None = None,
) -> str:
    """The report as a string; arguments as in `write`. leaders: its highlights, found here where they are left out."""
    if leaders is None:
        leaders = highlights.highlights(frame, resources, scores, plan)
    whole, said = stats.summarise(frame), headline(frame)
    verdicts = [line for line in said if line.startswith("**")]
    remarks = "\n".join(f"- {line}" for line in said[len(verdicts) :])
    shown = [(p, alt.describe(rows, p.kind, **p.options)) for p, rows in pictures(frame, plan)]
    points, _ = quality_sections.chart(scores, whole, plan)
    alone = f"![{text.markdown(speed_quality.words(points))}]({quality_sections.CHART}.png)" if len(points) else ""
    parts = {
        "# Benchmark report": [*(choosing_section.verdict(choice[1]) if choice else []), *verdicts, remarks],
        "## Comparison": _tables(frame, resources, entries),
        "### Model against model": findings.comparison(frame),
        "## Highlights": highlights.section(leaders),
        "## Pictures": [SEVERAL] * bool(shown and len(levels(frame)) > 1)
        + [f"![{text.markdown(words)}]({picture.name}.png)" for picture, words in shown],
        "## Quality": quality_sections.section(scores, plan, alone),
        **(choosing_section.sections(*choice, choice_plots.words(choice[1].choice)) if choice else {}),
        "## Failed and skipped": sections.not_measured(whole),
        "## Load": findings.load(frame, plan),
        "## Precision": findings.precision(plan, resources),
        "## Outliers": findings.outliers(frame),
        "## Drift": findings.drift(frame),
        "## By prompt": [sections.by_prompt(frame, plan)],
        "## Samples of the replies": sections.samples(frame, plan),
        "## Load time, memory and footprint": taken.footprint(whole, resources, entries, machine, plan),
        "## Machine": [findings.calibration(machine), sections.facts(_plain_facts(machine))],
        "## Method": sections.method(plan),
        "## How to repeat it": [sections.command(plan)],
        "## What this does not tell": [sections.limits(frame, whole)],
    }
    blocks = [block for title, body in parts.items() if body for block in (title, *body) if block]
    return "\n\n".join(blocks) + "\n"


def _tables(frame: pd.DataFrame, resources: Sequence[Mapping], entries: Mapping[str, Any]) -> list[str]:
    """The comparison, a table for each number of requests at once, and of what its intervals speak."""
    asked, blocks, bases = levels(frame), [], {}
    for level in asked:
        lines = stats.summarise(only(frame, level))
        bases |= dict.fromkeys(lines.loc[lines["latency_s_n"] >= stats.MEDIAN_FROM, "basis"])
        blocks += [f"With {name(level)}:"] if len(asked) > 1 else []
        blocks.append(text.table(table(lines, resources, entries)))
    return [*blocks, f"Intervals of medians hold {', '.join(bases)}."] if bases else blocks


def _plain_facts(machine: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in machine.items() if name != "calibration"}
