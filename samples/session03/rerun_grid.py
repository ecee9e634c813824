"""Rerun the main notebook over a grid of parameters with papermill: a run folder each, and one merged table.

    .venv/bin/python samples/session03/rerun_grid.py --out grid --max-tokens 32,96 --temperature 0,0.7
    .venv/bin/python samples/session03/rerun_grid.py --out grid --models smollm2-135m-int4 smollm2-135m-int8

Every combination of --models (one set a word), --max-tokens and --temperature is one run. A combination whose folder
holds a finished run is not run again; one that fails is named at the end, and the rest goes on.
"""

import argparse
import itertools
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import papermill
from papermill.exceptions import PapermillExecutionError

from slmbench import config, store
from slmbench.analyse import stats
from slmbench.cli.script import Parser, aloud, endpoint_options, out_folder, run_script, shown
from slmbench.errors import UsageError
from slmbench.show import text

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_benchmark_oss_models.ipynb"


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["auto"], help="one or more sets of aliases, each as a,b")
    parser.add_argument("--max-tokens", default="32,96", help="as a,b")
    parser.add_argument("--temperature", default="0", help="as a,b")
    parser.add_argument("--rounds", default="1")
    parser.add_argument("--prompts", default="auto", help="a set of data/prompts.json, a JSON file, or a text file")
    endpoint_options(parser)
    parser.add_argument("--out", type=out_folder, required=True, help="folder for the runs and merged.csv")
    given = parser.parse_args()
    grid = combinations(given)
    make(given.out)
    failed = []
    for number, (folder, chosen) in enumerate(grid.items(), 1):
        said = ", ".join(f"{name} {chosen[name]}" for name in ("models", "max_tokens", "temperature"))
        print(f"[{number}/{len(grid)}] {shown(said)}", flush=True)
        if (folder / "benchmark_report.md").exists():
            print("  finished before")
            continue
        error = rerun(chosen, folder)
        if error:
            failed.append(f"{folder.name}: {error}")
    table = merged(grid, given.out)
    print(shown(table.to_string(index=False)) if len(table) else "no run finished")
    for line in failed:
        aloud(line)
    return 1 if failed else 0


def combinations(given: argparse.Namespace) -> dict[Path, dict]:
    """The notebook's parameters for each run, by run folder. A folder's name ends in a hash of all that its run is
    told, so a folder that is there holds this combination and no other.

    raises: UsageError: a typing error is found before the first run, not after the third.
    """
    grid = {}
    for models, tokens, warmth in itertools.product(
        given.models, given.max_tokens.split(","), given.temperature.split(",")
    ):
        settings = config.settings(
            given_as="option",
            models=models,
            max_tokens=tokens,
            temperature=warmth,
            rounds=given.rounds,
            prompts=given.prompts,
            endpoint=given.endpoint,
            allow_remote=given.allow_remote,
        )
        mark = config.plan_hash(settings.to_dict())[:8]
        folder = given.out / f"tokens{settings.max_tokens}-t{settings.temperature:g}-{mark}"
        grid[folder] = {
            "models": models,
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "rounds": settings.rounds,
            "prompts": given.prompts,
            "endpoint": given.endpoint or "auto",
            "allow_remote": given.allow_remote,
            "acceleration": "",
        }
    return grid


def make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"--out: {folder} can't be made: {e.strerror}.", "name a folder of your own") from e


def rerun(parameters: dict, folder: Path) -> str | None:
    """Run the notebook once. returns: what went wrong, or None."""
    parameters = parameters | {"out": str(folder.absolute()), "resume": folder.exists()}
    executed = folder.with_name(f"{folder.name}.ipynb")
    try:
        papermill.execute_notebook(NOTEBOOK, executed, parameters, kernel_name="python3", progress_bar=False)
    except PapermillExecutionError as e:
        return f"{e.ename}: {e.evalue}"
    return None


def merged(folders: Iterable[Path], out: Path) -> pd.DataFrame:
    """One line for each run of the grid and model, with what was varied; written to merged.csv, too.

    folders: of the runs asked for; those without a run are left out, and so is whatever else lies in `out`.
    """
    parts = []
    for folder in folders:
        if not (folder / "plan.json").exists():
            continue
        run = store.read(folder)
        part = stats.summarise(run.frame())
        part.insert(0, "run", folder.name)
        for place, name in enumerate(("max_tokens", "temperature", "rounds"), 1):
            part.insert(place, name, run.plan.get(name))
        parts.append(part)
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    (out / "merged.csv").write_bytes(text.csv(table))
    columns = ["run", "model", "n_ok", "ttft_s_p50", "latency_s_mean", "latency_s_p95", "decode_tps_p50"]
    return table[columns].round(3)


if __name__ == "__main__":
    run_script(main)
