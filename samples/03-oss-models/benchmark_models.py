"""A light benchmark over a list of models: rounds of one prompt, and the result as a JSON list.

    python samples/03-oss-models/benchmark_models.py
    python samples/03-oss-models/benchmark_models.py --models smollm2-135m-int4,smollm2-135m-int8 --rounds 5

Each object of the list has: model, rounds, latency_avg and latency_p95 (s), tokens_per_sec_avg (total tokens over
latency, mean), sample (the start of a reply); then status, n_ok, n_failed, error and ttft_avg (s).
"""

import argparse
import json
import sys

from slmbench import config, runner
from slmbench.analyse.listing import summary_list
from slmbench.errors import KitError
from slmbench.show.progress import ConsoleProgress

PROMPT = "Explain the principle of retrieval augmented generation in 2 sentences."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="aliases, as a,b; default: BENCH_MODELS, else the embedded set")
    parser.add_argument("--rounds", default="3", help="timed requests per model (default: 3)")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--endpoint", help="an OpenAI-compatible service; default: found or started")
    parser.add_argument("--out", help="the run folder; default: a new one under runs/")
    given = parser.parse_args()
    settings = config.settings(
        given_as="option",
        models=given.models,
        rounds=given.rounds,
        prompts=[given.prompt],
        endpoint=given.endpoint,
    )
    run = runner.run(settings, config.read_models(), out=given.out, memory=False, watch=ConsoleProgress, say=aloud)
    print(json.dumps(summary_list(run.rows), indent=2, ensure_ascii=False))
    runner.finish(run.rows)


def aloud(text: str) -> None:
    """To standard error: standard output is the JSON."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        main()
    except KitError as e:
        aloud(str(e))
        sys.exit(e.exit_code)
