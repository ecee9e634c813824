"""Verbs that ask models: probe, run; and report, which reads what they wrote."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slmbench import config, paths, runner, store
from slmbench.cli import arguments
from slmbench.endpoint import Endpoint, Target, connect, resolve
from slmbench.show.progress import ConsoleProgress
from slmbench.show.stages import Stages
from slmbench.show.text import plain
from slmbench.store import rooms

SELECTION = (  # options of run and plan that are settings
    *("models", "prompts", "loads", "warmup", "max_tokens", "temperature", "seed", "stream", "deadline_s"),
    *("concurrency", "rate", "arrivals", "slo", "retries", "nonce", "endpoint", "allow_remote"),
)
SETTINGS = (*SELECTION, "rounds", "precision_pct", "budget_s")


def aloud(text: str) -> None:
    """Standard output stays free for --json. What a server said must not command the terminal."""
    print(plain(text, keep="\n"), file=sys.stderr, flush=True)


def probe(given: argparse.Namespace) -> int:
    models_file = config.read_models()
    wanted = arguments.aliases(given.alias)
    settings = config.settings(models_file, given_as="option", models=wanted, **arguments.where(given))
    endpoint = connect(settings.endpoint, allow_remote=settings.allow_remote, say=aloud)
    with Stages() as stages:
        targets = resolve(endpoint, settings.models, models_file, progress=stages, say=aloud)
    return (_shapes if given.shape else _answers)(endpoint, targets, given)


def _answers(endpoint: Endpoint, targets: Sequence[Target], given: argparse.Namespace) -> int:
    from slmbench.endpoint.probe import PROMPT, probe as ask

    found = [ask(endpoint, target, given.prompt or PROMPT) for target in targets]
    if given.json:
        names = ("alias", "id", "listed", "answer", "problem")
        print(json.dumps([{n: getattr(p, n) for n in names} for p in found], indent=1))
    else:
        for p in found:
            print(plain(f"{'ok    ' if p.ok else 'FAILED'} {p.alias}: {p.problem or p.answer}", keep="\n"))
    return 0 if any(p.ok for p in found) else 1


def _shapes(endpoint: Endpoint, targets: Sequence[Target], given: argparse.Namespace) -> int:
    """One streamed request a target; what it is made of, and what that allows."""
    from slmbench.cli import shapes

    aloud(f"One streamed request to each of {len(targets)} models: it tells what a stream looks like, not how fast.")
    seen = shapes.look_at(endpoint, targets, given.prompt, endpoint.headers)
    if given.json:
        print(json.dumps([shapes.as_json(target, shape) for target, shape in seen], indent=1, ensure_ascii=False))
    else:
        for target, shape in seen:
            print(plain("\n".join(shapes.in_words(target.alias, shape)), keep="\n"))
    return 0 if any(shape.status == "ok" for _, shape in seen) else 1


def asked(given: argparse.Namespace, models_file: config.ModelsFile, **more: Any) -> config.Settings:
    """The settings that the options of run or plan ask for. more: settings that are no options of theirs."""
    options = {name: getattr(given, name, None) for name in SETTINGS}
    return config.settings(models_file, given_as="option", **options | more)


def measured(
    given: argparse.Namespace, settings: config.Settings, models_file: config.ModelsFile, *, resume: bool = False
) -> store.Run:
    """Run it, with progress on the terminal."""
    with Stages() as stages:
        return runner.run(
            settings,
            models_file,
            out=given.out,
            resume=resume,
            memory=given.memory,
            watch=ConsoleProgress,
            fetching=stages,
            say=aloud,
        )


def run(given: argparse.Namespace) -> int:
    from slmbench.analyse.listing import summary_list

    models_file = arguments.models_file(given.models_file)
    done = measured(given, asked(given, models_file), models_file, resume=given.resume)
    result = summary_list(done.rows)
    if given.json:
        print(json.dumps({"run": str(done.path), "models": result}, indent=1, ensure_ascii=False))
    for model in result:
        aloud(_in_words(model))
    aloud(f"Make the report: slmbench report {done.path}")
    runner.finish(done.rows)
    return 0


def _in_words(model: dict) -> str:
    """One line of the result for people; the report has the rest."""
    name = f"{model['model']}, {model['concurrency']} at once" if "concurrency" in model else model["model"]
    if not model["n_ok"]:
        return f"{name}: nothing measured ({model['status']})"
    first = "" if model["ttft_avg"] is None else f", first token after {model['ttft_avg']:.3f} s"
    return f"{name}: mean latency {model['latency_avg']:.3f} s{first} (n = {model['n_ok']})"


def report(given: argparse.Namespace) -> int:
    from slmbench.quality.runs import working_copy

    found = []
    for path in given.run:  # all are there, or nothing is written
        if rooms.is_room(folder := paths.run_folder(path)):
            found.append(rooms.read_room(folder))
        else:
            found.append(working_copy(path))
    for one in found:
        print(*(write_report(one) if isinstance(one, Path) else write_room_report(one)), sep="\n")
    return 0


def write_room_report(room: rooms.Room) -> list[Path]:
    """The report of a room, made again from its records. returns: the files written, the report first."""
    from slmbench.show import room_report

    return room_report.write(room)


def write_report(path: Path) -> list[Path]:
    """The report of a run folder, made again from its records. returns: the files written, the report first."""
    from slmbench import choosing
    from slmbench.show import report as writing

    found = store.read(path)
    return writing.remake(found, runner.entries_of(found.plan), choosing.chosen(found.path))
