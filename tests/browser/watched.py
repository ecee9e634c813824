"""A browser that tells what a page does: scripts of hostile texts that ran, dialogs, requests, windows, errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lab

from support.replies import plain
from support.server import Server

SHOTS = Path(__file__).parents[2] / "test-results"
# every frame tells the name that a hostile text sets `pwned` to
CATCH = "Object.defineProperty(window, 'pwned', { set: name => window.caught(String(name)), configurable: false })"
OURS = ("data:", "blob:", "about:")


class Seen:
    """What a browser did. ran: names of hostile texts; asked: addresses; errors: of the pages' own scripts;
    console: what a page or the browser has called an error there, such as what a policy forbids.
    """

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.console: list[str] = []
        self.windows = 0

    def foreign(self, *known: str) -> list[str]:
        """What was asked for elsewhere than at the beginnings of addresses in `known`."""
        ws = [base.replace("http://", "ws://") for base in known if base.startswith("http://127.0.0.1")]
        return [url for url in self.asked if not url.startswith((*OURS, *known, *ws))]


@contextmanager
def browser(width: int = 1400, height: int = 1000) -> Iterator[tuple]:
    """Headless Chromium. Gives a page and what is `Seen` in it, in its frames and in windows that it opens."""
    from playwright.sync_api import sync_playwright

    seen = Seen()

    def ran(name: str) -> None:
        seen.ran.append(name)

    def dialog(box) -> None:
        seen.ran.append(box.message)
        box.dismiss()

    def opened(_) -> None:
        seen.windows += 1

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=lab.CHROMIUM, args=lab.FLAGS, headless=True)
        context = chromium.new_context(viewport={"width": width, "height": height})
        context.expose_function("caught", ran)
        context.add_init_script(CATCH)
        context.on("request", lambda request: seen.asked.append(request.url))
        context.on("weberror", lambda error: seen.errors.append(str(error.error)))
        context.on("console", lambda said: seen.console.append(said.text) if said.type == "error" else None)
        context.on("dialog", dialog)
        context.on("page", opened)
        yield context.new_page(), seen
        chromium.close()


def canary() -> Server:
    """A server that hostile texts try to reach. It has nothing, and keeps every request."""
    return Server([plain(b"", "404 Not Found", "text/plain")])
