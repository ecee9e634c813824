"""The verb board: the live board in a browser, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import webbrowser

from slmbench import board as boards
from slmbench.cli.arguments import one_of
from slmbench.show.text import plain
from slmbench.show.theme import INK, SCALES, THEMES


def board(given: argparse.Namespace) -> int:
    def say(line: str) -> None:
        print(plain(line), flush=True)

    theme, scale = one_of("--theme", given.theme, THEMES), one_of("--scale", given.scale, SCALES)
    ground, text, _ = INK[theme]
    runs = boards.run_folders(given.run, say)
    with contextlib.suppress(KeyboardInterrupt):
        say("Starting the board …")
        with boards.Served(runs, boards.Look(theme, scale, ground, text), given.port) as served:
            say(f"Board: {served.url}   (only for this machine; Ctrl-C ends it)")
            if not given.no_browser and not webbrowser.open(served.url):
                say("No browser was found: open that address in one.")
            served.wait()
    say("Ended.")
    return 0
