"""The token view in a browser: its page without a notebook, and what can be seen of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from slmbench.records import Row, to_frame
from slmbench.show import tokens
from support.made_rows import streamed

# its own page, with what a kernel would have told it
SHOW = """async ([script, style, view]) => {
  document.body.replaceChildren(Object.assign(document.createElement('style'), {textContent: style}));
  const heard = {};
  window.kernel = {
    view, get: () => window.kernel.view, on: (name, call) => heard[name] = call, off: name => delete heard[name],
    hand: view => { window.kernel.view = view; heard['change:view']?.(); },
  };
  const el = document.body.appendChild(document.createElement('div'));
  window.leave = (await import(script)).default.render({model: window.kernel, el});
}"""
BOXES = """root => [...root.querySelectorAll('*')].filter(node => !node.closest('.sheet, .help')).map(node => {
  const {x, y, width, height} = node.getBoundingClientRect();
  return [node.tagName, ...[x, y, width, height].map(Math.round)];
})"""
TEXTS = {"fast": ["On", "e\n", "नम", "स्", "ते", "👍", "🏽 <b>x</b>"], "slow": ["Two", " words"]}


def rows(**given) -> list[Row]:
    """Two replies to "rag": fast has 7 chunks from 0.5 s on, one each 0.25 s, slow 2: at 0.75 s and at 2.5 s."""
    fast = {"ttft": 0.5, "gaps": [0.25] * 6, **_chunks(TEXTS["fast"])}
    slow = {"ttft": 0.75, "gaps": [1.75], **_chunks(TEXTS["slow"])}
    return [streamed("fast", **fast | given), streamed("slow", **slow | given)]


def _chunks(texts: Sequence[str]) -> dict:
    return {"text": "".join(texts), "chunk_chars": [len(text) for text in texts], "output_tokens": len(texts)}


def open_alone(page, found: Sequence[Row], theme: str = "light", scale: str = "normal", **which) -> Player:
    """The widget on an empty page. `page.clock` is installed already where a test wants to move it."""
    view = tokens.Replay(to_frame(found), theme=theme, scale=scale, **which).view
    script = base64.b64encode((tokens.HERE / "tokens.js").read_bytes()).decode()
    style = (tokens.HERE / "tokens.css").read_text(encoding="utf-8")
    page.evaluate(SHOW, [f"data:text/javascript;base64,{script}", style, json.loads(json.dumps(view))])
    return Player(page)


class Player:
    """The n-th token view of a page."""

    def __init__(self, page, n: int = 0):
        self.page = page
        self.root = page.locator(".slmbench-tokens").nth(n)
        self.root.wait_for(timeout=60_000)

    def run(self, seconds: float, rate: float = 1.0) -> None:
        """So many seconds of the recording, at this rate, and the two frames within which they are shown."""
        self.page.clock.run_for(round(1000 * seconds / rate) + 32)

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click()

    def pick(self, rate: str) -> None:
        self.root.get_by_role("radio", name=rate, exact=True).check()

    @property
    def texts(self) -> list[str]:
        """What is shown of each reply."""
        return self.root.locator(".live").evaluate_all("all => all.map(node => node.textContent)")

    @property
    def counts(self) -> list[str]:
        return self.root.locator(".count").all_inner_texts()

    @property
    def happened(self) -> list[list[str]]:
        """For each reply: what is said to have happened so far."""
        found = "all => all.map(u => [...u.children].filter(li => li.checkVisibility({visibilityProperty: true}))"
        return self.root.locator(".events").evaluate_all(f"{found}.map(li => li.textContent))")

    @property
    def clock(self) -> str:
        return self.root.locator(".time").inner_text()

    @property
    def status(self) -> str:
        return self.root.locator(".status").inner_text()

    @property
    def boxes(self) -> list:
        """Place and size of everything but the words inside their boxes, in pixels."""
        return self.root.evaluate(BOXES)
