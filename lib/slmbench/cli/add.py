"""Verbs for models of one's own: add, remove, adapter."""

from __future__ import annotations

import argparse
import dataclasses

from slmbench.cli import arguments
from slmbench.cli.bench import aloud
from slmbench.show.stages import Stages
from slmbench.show.text import as_json, number, plain


def add(given: argparse.Namespace) -> int:
    from slmbench import adding

    tags = arguments.tags(given.capabilities)
    wanted = {"scheme": given.scheme, "licence": given.licence, "capabilities": tags, "replace": given.replace}
    with Stages() as stages:
        done = adding.add(given.path, given.name, **wanted, progress=stages, say=aloud)
    entry = done.entry
    if given.json:
        print(as_json({"entry": dataclasses.asdict(entry), "folder": str(done.folder), "answer": done.answer}))
        return 0
    size = f"{number(entry.size_mb)} MB" + (
        f", {number(entry.parameters_m)} M parameters" if entry.parameters_m else ""
    )
    print(
        plain(
            f"{entry.alias}: {size}, weights {entry.weights or 'as they came'}, licence {entry.licence or 'not told'}"
        )
    )
    print(plain(f"Made from {entry.file} (sha256 {entry.sha256})"))
    print(plain(f'It answers: "{done.answer}"'))
    print(f"Measure it: slmbench run --models {entry.alias}")
    return 0


def remove(given: argparse.Namespace) -> int:
    from slmbench import adding

    folder = adding.remove(given.name, say=aloud)
    print(plain(f"{given.name} is taken away" + (f": {folder}" if folder else "; it had no files")))
    return 0


def adapter(given: argparse.Namespace) -> int:
    from slmbench import adapters

    adapters.run(given.name, given.weights, given.port, say=lambda line: print(plain(line), flush=True))
    return 0
