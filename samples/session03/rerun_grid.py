"""Rerun the main notebook over a grid of parameters with papermill: a run folder each, and one merged table.

    python samples/session03/rerun_grid.py --out grid --max-tokens 32,96 --temperature 0,0.7
    python samples/session03/rerun_grid.py --out grid --models smollm2-135m-int4 smollm2-135m-int8,smollm2-135m-int4

Every combination of --models (one set a word), --max-tokens and --temperature is one run. A combination whose folder
holds a finished run is not run again; one that fails is named at the end, and the rest goes on.
"""

import argparse
import itertools
import sys
from pathlib import Path

import pandas as pd
import papermill
from papermill.exceptions import PapermillExecutionError

from slmbench import config, store
from slmbench.analyse import stats
from slmbench.errors import KitError

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_benchmark_oss_models.ipynb"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["auto"], help="one or more sets of aliases, each as a,b")
    parser.add_argument("--max-tokens", default="32,96", help="as a,b")
    parser.add_argument("--temperature", default="0", help="as a,b")
    parser.add_argument("--rounds", default="1")
    parser.add_argument("--prompts", default="auto")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and merged.csv")
    given = parser.parse_args()
    grid = list(itertools.product(given.models, given.max_tokens.split(","), given.temperature.split(",")))
    for models, tokens, warmth in grid:  # a typing error is found before the first run, not after the third
        named = None if models == "auto" else models
        config.settings(given_as="option", models=named, max_tokens=tokens, temperature=warmth, rounds=given.rounds)
    failed = []
    for number, (models, tokens, warmth) in enumerate(grid, 1):
        folder = given.out / f"{number:02d}-tokens{tokens}-t{warmth}"
        print(f"[{number}/{len(grid)}] models {models}, max_tokens {tokens}, temperature {warmth}", flush=True)
        if (folder / "benchmark_report.md").exists():
            print("  finished before")
            continue
        chosen = {"models": models, "max_tokens": int(tokens), "temperature": float(warmth)}
        error = rerun({**chosen, "rounds": int(given.rounds), "prompts": given.prompts, "acceleration": ""}, folder)
        if error:
            failed.append(f"{folder.name}: {error}")
    table = merged(given.out)
    print(table.to_string(index=False) if len(table) else "no run finished")
    print(*failed, sep="\n", file=sys.stderr)
    return 1 if failed else 0


def rerun(parameters: dict, folder: Path) -> str | None:
    """Run the notebook once. returns: what went wrong, or None."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    parameters |= {"out": str(folder.absolute()), "resume": folder.exists()}
    executed = folder.with_suffix(".ipynb")
    try:
        papermill.execute_notebook(NOTEBOOK, executed, parameters, kernel_name="python3", progress_bar=False)
    except PapermillExecutionError as e:
        return f"{e.ename}: {e.evalue}"
    return None


def merged(out: Path) -> pd.DataFrame:
    """One line for each run and model, with the parameters that were varied; written to merged.csv, too."""
    parts = []
    for folder in sorted(p.parent for p in out.glob("*/plan.json") if not p.parent.name.endswith("-acceleration")):
        run = store.read(folder)
        part = stats.summarise(run.frame())
        part.insert(0, "run", folder.name)
        part.insert(1, "max_tokens", run.plan["max_tokens"])
        part.insert(2, "temperature", run.plan["temperature"])
        parts.append(part)
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    table.to_csv(out / "merged.csv", index=False, encoding="utf-8")
    columns = ["run", "model", "n_ok", "ttft_s_p50", "latency_s_mean", "latency_s_p95", "decode_tps_p50"]
    return table[columns].round(3)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        sys.exit(main())
    except KitError as e:
        print(e, file=sys.stderr)
        sys.exit(e.exit_code)
