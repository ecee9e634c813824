"""A light benchmark over a list of models: rounds of one prompt, and the result as a JSON list.

    .venv/bin/python samples/03-oss-models/benchmark_models.py
    .venv/bin/python samples/03-oss-models/benchmark_models.py --models smollm2-135m-int4,smollm2-135m-int8 --rounds 5

Each object of the list has: model, rounds, latency_avg and latency_p95 (s), tokens_per_sec_avg (total tokens over
latency, mean), sample (the start of a reply); then status, n_ok, n_failed, error and ttft_avg (s).

An option wins over its variable: BENCH_MODELS, BENCH_ROUNDS, BENCH_PROMPT, FOUNDRY_LOCAL_ENDPOINT.
"""

import argparse
import json
import os

from slmbench import config, runner
from slmbench.analyse.listing import summary_list
from slmbench.cli.script import Parser, aloud, endpoint_options, out_folder, run_script, shown
from slmbench.show.progress import ConsoleProgress

PROMPT = "Explain the principle of retrieval augmented generation in 2 sentences."


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="aliases, as a,b; default: BENCH_MODELS, else the embedded set")
    parser.add_argument("--rounds", help="timed requests per model; default: BENCH_ROUNDS, else 3")
    parser.add_argument("--prompt", help="default: BENCH_PROMPT, else one about retrieval augmented generation")
    endpoint_options(parser)
    parser.add_argument("--out", type=out_folder, help="the run folder; default: a new one under runs/")
    given = parser.parse_args()
    text = given.prompt
    if text is None and os.environ.get("BENCH_PROMPT", "").strip() in ("", "auto"):
        text = PROMPT
    settings = config.settings(
        given_as="option",
        models=given.models,
        rounds=given.rounds,
        prompts=None if text is None else [text],
        endpoint=given.endpoint,
        allow_remote=given.allow_remote,
    )
    run = runner.run(settings, config.read_models(), out=given.out, memory=False, watch=ConsoleProgress, say=aloud)
    print(shown(json.dumps(summary_list(run.rows), indent=2, ensure_ascii=False)))
    runner.finish(run.rows)


if __name__ == "__main__":
    run_script(main)
