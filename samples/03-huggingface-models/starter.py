"""Starter project: a report generator that compares models. It runs as it is, and three gaps in it are yours to fill.

    .venv/bin/python samples/03-huggingface-models/starter.py              measures what models.json names, then reports
    .venv/bin/python samples/03-huggingface-models/starter.py --run RUN    reports on a run folder that is there

It writes into the run folder: comparison.csv, comparison.md and scores_to_fill.csv. The models, the prompts and the
rounds are in models.json and prompts.json beside this file. One way to fill the gaps is solution.py.
"""

import argparse
from pathlib import Path

import pandas as pd

from slmbench import config, runner, store
from slmbench.analyse import stats
from slmbench.cli.script import Parser, aloud, endpoint_options, out_folder, run_script
from slmbench.show import text
from slmbench.show.progress import ConsoleProgress

HERE = Path(__file__).parent


def aggregate(rows: pd.DataFrame) -> pd.DataFrame:
    """Gap 1: one line a model. This counts the replies; add mean latency, p95, time to first token and tokens/s.

    rows: every request that was measured, as `slmbench.records.to_frame` makes it: model, prompt_id, latency_s, …
    """
    return rows.groupby("model", sort=False).agg(n=("latency_s", "size"))


def scores_to_fill(rows: pd.DataFrame, prompts: dict[str, config.Prompt]) -> pd.DataFrame:  # noqa: ARG001  prompts are yours to use
    """Gap 2: the sheet for scoring by hand, one line a reply. Add what a judge must see: the prompt and its aspects.

    Do not show the model's name beside its reply: who knows it scores the name.
    """
    return rows[["model", "prompt_id", "text"]].drop_duplicates().assign(score_1_to_5="")


def highlights(summary: pd.DataFrame) -> list[str]:
    """Gap 3: sentences for the top of the report. Which claims does n allow? `slmbench.analyse.stats.claim(n)` says."""
    return [f"{len(summary)} models were measured."]


def main(aggregate=aggregate, scores_to_fill=scores_to_fill, highlights=highlights) -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run folder; without it the models are measured first")
    endpoint_options(parser)
    parser.add_argument("--out", type=out_folder, help="the new run folder; default: one under runs/")
    given = parser.parse_args()
    models_file = config.read_models(HERE / "models.json")
    settings = config.settings(models_file, given_as="option", endpoint=given.endpoint, allow_remote=given.allow_remote)
    if given.run:
        run = store.read(given.run)
    else:
        run = runner.run(settings, models_file, out=given.out, watch=ConsoleProgress, say=aloud)
    rows = run.frame()
    measured = rows[rows.ok & (rows.phase == "timed")]
    summary = aggregate(measured)
    text_file(run.path / "comparison.csv", summary.reset_index())
    prompts = {p["id"]: config.prompt_from(p) for p in run.plan["prompts"]}
    text_file(run.path / "scores_to_fill.csv", scores_to_fill(measured, prompts))
    skipped = rows[(rows.status == "skipped") & ~stats.superseded(rows)]
    page = ["# Model comparison", "", *highlights(summary), "", text.table(summary.round(3).reset_index())]
    page += [f"- skipped: {text.markdown(s.model)}: {text.markdown(s.error)}" for s in skipped.itertuples()]
    store.write_text(run.path / "comparison.md", "\n".join(page) + "\n")
    print(*(run.path / name for name in ("comparison.md", "comparison.csv", "scores_to_fill.csv")), sep="\n")
    runner.finish(run.rows)


def text_file(path: Path, sheet: pd.DataFrame) -> None:
    """A CSV that opens well in a spreadsheet: replies that look like formulas are kept from being run."""
    path.write_bytes(text.csv(sheet))


if __name__ == "__main__":
    run_script(main)
