"""A run that says of each row that it is kept: run this file in a process of its own, to be killed.

    python tests/support/acks.py FOLDER '{"endpoint": URL, "models": [...], ...}'

The run in FOLDER is gone on with where there is one. A line a row on standard output: cell, attempt, phase, status.
Standard error has the command line's words.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from slmbench import config, runner
from slmbench.errors import terminate


class Acks:
    """A progress display whose every line is with its reader at once."""

    def __init__(self, total):
        self.total = total

    def update(self, row):
        os.write(1, f"{row.cell} {row.attempt} {row.phase} {row.status}\n".encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def main(folder: str, given: dict) -> None:
    signal.signal(signal.SIGTERM, terminate)  # as the command line does
    settings = config.settings(environ={}, **given)
    resume = (Path(folder) / "plan.json").exists()
    runner.run(
        settings,
        config.read_models(),
        out=folder,
        resume=resume,
        memory=False,
        watch=Acks,
        say=lambda t: print(t, file=sys.stderr),
    )


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
