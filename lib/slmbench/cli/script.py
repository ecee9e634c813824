"""What the sample scripts share: one way in, one way out, and text that can't command the terminal."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from slmbench.cli.arguments import Parser, out as out_folder
from slmbench.errors import KitError, Terminated, terminate
from slmbench.show.text import plain

__all__ = ["Parser", "aloud", "endpoint_options", "out_folder", "run_script", "shown"]


def run_script(main: Callable[[], int | None]) -> NoReturn:
    """Run a script's `main` and exit with the code that it returns, 0 for None.

    An error a person can act on becomes a sentence and its own exit code; Ctrl-C ends with 130, SIGTERM with 143,
    both in an orderly way, so that what was started is stopped and what was measured is kept.
    """
    for stream in sys.stdout, sys.stderr:  # a reply in any script must not end in an encoding error (Windows cp1252)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    signal.signal(signal.SIGTERM, terminate)
    try:
        code = main() or 0
    except KitError as e:
        aloud(str(e))
        code = e.exit_code
    except KeyboardInterrupt as e:
        aloud("\nStopped. What was measured is kept in the run folder.")
        code = 143 if isinstance(e, Terminated) else 130
    sys.exit(code)


def aloud(text: object) -> None:
    """To standard error: standard output stays free for results."""
    print(shown(text), file=sys.stderr, flush=True)


def shown(text: object) -> str:
    """Text of servers and models as it may be printed: line ends stay, control characters show as �."""
    return plain(str(text), keep="\n")


def endpoint_options(parser: argparse.ArgumentParser) -> None:
    """--endpoint and --allow-remote, as `slmbench run` has them."""
    parser.add_argument("--endpoint", metavar="URL", help="an OpenAI-compatible service; default: found or started")
    parser.add_argument("--allow-remote", action="store_true", help="the endpoint may be another machine")
