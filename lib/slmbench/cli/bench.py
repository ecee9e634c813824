"""Verbs that ask models: probe, run; and report, which reads what they wrote."""

from __future__ import annotations

import argparse
import json
import sys

from slmbench import config, runner, store
from slmbench.analyse.listing import summary_list
from slmbench.cli.here import Stages
from slmbench.endpoint import connect, resolve
from slmbench.endpoint.probe import PROMPT, probe as ask
from slmbench.show.progress import ConsoleProgress
from slmbench.show.text import plain

SETTINGS = (
    "models",
    "prompts",
    "rounds",
    "loads",
    "warmup",
    "max_tokens",
    "temperature",
    "seed",
    "stream",
    "deadline_s",
)


def _aloud(text: str) -> None:
    """Standard output stays free for --json. What a server said must not command the terminal."""
    print(plain(text, keep="\n"), file=sys.stderr, flush=True)


def probe(given: argparse.Namespace) -> int:
    models_file = config.read_models()
    wanted = ",".join(given.alias) or None
    where = {"endpoint": given.endpoint, "allow_remote": given.allow_remote}
    settings = config.settings(models_file, given_as="option", models=wanted, **where)
    endpoint = connect(settings.endpoint, allow_remote=settings.allow_remote, say=_aloud)
    with Stages() as stages:
        targets = resolve(endpoint, settings.models, models_file, progress=stages, say=_aloud)
    found = [ask(endpoint, target, given.prompt or PROMPT) for target in targets]
    if given.json:
        print(
            json.dumps(
                [{n: getattr(p, n) for n in ("alias", "id", "listed", "answer", "problem")} for p in found], indent=1
            )
        )
    else:
        for p in found:
            print(plain(f"{'ok    ' if p.ok else 'FAILED'} {p.alias}: {p.problem or p.answer}", keep="\n"))
    return 0 if any(p.ok for p in found) else 1


def run(given: argparse.Namespace) -> int:
    models_file = config.read_models(given.models_file)
    asked = {name: getattr(given, name) for name in SETTINGS}
    where = {"endpoint": given.endpoint, "allow_remote": given.allow_remote}
    settings = config.settings(models_file, given_as="option", **asked, **where)
    with Stages() as stages:
        done = runner.run(
            settings,
            models_file,
            out=given.out,
            resume=given.resume,
            memory=given.memory,
            watch=ConsoleProgress,
            fetching=stages,
            say=_aloud,
        )
    result = summary_list(done.rows)
    if given.json:
        print(json.dumps({"run": str(done.path), "models": result}, indent=1, ensure_ascii=False))
    for model in result:
        _aloud(_in_words(model))
    _aloud(f"Make the report: slmbench report {done.path}")
    runner.finish(done.rows)
    return 0


def _in_words(model: dict) -> str:
    """One line of the result for people; the report has the rest."""
    if not model["n_ok"]:
        return f"{model['model']}: nothing measured ({model['status']})"
    first = "" if model["ttft_avg"] is None else f", first token after {model['ttft_avg']:.3f} s"
    return f"{model['model']}: mean latency {model['latency_avg']:.3f} s{first} (n = {model['n_ok']})"


def report(given: argparse.Namespace) -> int:
    from slmbench.show import report as writing

    for path in given.run:
        found = store.read(path)
        written = writing.write(
            found.path,
            found.frame(),
            plan=found.plan,
            machine=found.machine,
            resources=found.resources,
            entries=runner.entries_of(found.plan),
        )
        print(*written, sep="\n")
    return 0
