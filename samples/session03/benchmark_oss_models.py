"""The default summariser for an edge device: every prompt over every model, compared, with a report.

    .venv/bin/python samples/session03/benchmark_oss_models.py
    BENCH_MODELS=smollm2-135m-int4 BENCH_ROUNDS=5 .venv/bin/python samples/session03/benchmark_oss_models.py

Environment, all optional: BENCH_MODELS (a,b), BENCH_ROUNDS, BENCH_PROMPT (one prompt instead of the set),
BENCH_STREAM (0: without time to first token), BENCH_MAX_TOKENS, BENCH_TEMPERATURE, FOUNDRY_LOCAL_ENDPOINT.
An option wins over its variable.
"""

import argparse

from slmbench import config, runner
from slmbench.analyse import stats
from slmbench.cli.script import Parser, aloud, endpoint_options, out_folder, run_script, shown
from slmbench.show import report
from slmbench.show.progress import ConsoleProgress


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="aliases, as a,b")
    parser.add_argument(
        "--prompts", help="a set of data/prompts.json, a JSON file, or a text file with a prompt a line"
    )
    parser.add_argument("--rounds", help="timed requests for each model and prompt")
    endpoint_options(parser)
    parser.add_argument("--out", type=out_folder, help="the run folder; default: a new one under runs/")
    given = parser.parse_args()
    models_file = config.read_models()
    settings = config.settings(
        models_file,
        given_as="option",
        models=given.models,
        prompts=given.prompts,
        rounds=given.rounds,
        endpoint=given.endpoint,
        allow_remote=given.allow_remote,
    )
    run = runner.run(settings, models_file, out=given.out, watch=ConsoleProgress, say=aloud)
    rows = run.frame()
    summary = stats.summarise(rows)
    print(shown(report.table(summary, run.resources, models_file.entries).to_string()))
    print(stats.claim(int(summary.n_ok.max())))
    facts = {"plan": run.plan, "machine": run.machine, "resources": run.resources, "entries": models_file.entries}
    print(*report.write(run.path, rows, **facts), sep="\n")
    runner.finish(run.rows)


if __name__ == "__main__":
    run_script(main)
