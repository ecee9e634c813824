"""The annotator in a browser, as a person meets it: its page, and a notebook that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from playwright.sync_api import expect

WAIT_MS = 15_000

# Of every element that shows text itself: its words, and the contrast of its colour to the ground behind it.
CONTRASTS = """root => {
  const rgba = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const over = (top, under) => [0, 1, 2].map(i => top[i] * (top[3] ?? 1) + under[i] * (1 - (top[3] ?? 1)));
  const ground = node => {
    if (!node) return [255, 255, 255];
    const own = rgba(getComputedStyle(node).backgroundColor);
    return own.length < 3 || own[3] === 0 ? ground(node.parentElement) : over(own, ground(node.parentElement));
  };
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(v => linear(v / 255)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const speaks = node => node.offsetParent && [...node.childNodes].some(c => c.nodeType === 3 && c.data.trim());
  return [...root.querySelectorAll('*')].filter(speaks).map(node => {
    const back = ground(node), pair = [light(over(rgba(getComputedStyle(node).color), back)), light(back)];
    return [node.textContent.slice(0, 30), (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
  });
}"""


def notebook(path: Path, *cells: str) -> None:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)


def cell(folder: Path, *arguments: str) -> str:
    """What shows the annotator. arguments: further ones, as Python."""
    given = ", ".join([repr(str(folder)), *arguments])
    return f"from slmbench.show.annotate import annotate\nannotate({given})"


class Annotator:
    """The n-th annotator of a page, whose scores go to `folder`."""

    def __init__(self, page, folder: Path, n: int = 0):
        self.page, self.folder = page, folder
        self.root = page.locator(".slmbench-annotate").nth(n)
        self.root.wait_for(timeout=60_000)

    def is_at(self, title: str) -> None:
        """Wait until this is what its heading says."""
        expect(self.root.locator("h2")).to_have_text(title, timeout=WAIT_MS)

    def says(self, words: str) -> None:
        expect(self.root.locator(".status")).to_contain_text(words, timeout=WAIT_MS)

    def choose(self, score: int) -> None:
        self.root.locator("label.option", has=self.page.get_by_role("radio")).nth(score - 1).click()

    def save(self) -> None:
        self.root.get_by_role("button", name="Save and next").click()

    @property
    def note(self):
        return self.root.get_by_role("textbox", name="Note")

    @property
    def ticks(self):
        return self.root.get_by_role("checkbox")

    @property
    def words(self) -> list[str]:
        """The replies that are shown, from left to right."""
        return self.root.locator(".reply .words").all_inner_texts()

    def lines(self, n: int) -> list[dict]:
        """What is on disk once there are n lines, each whole."""
        path = self.folder / "scores.jsonl"
        for _ in range(100):
            data = path.read_bytes() if path.exists() else b""
            if data.count(b"\n") >= n:
                break
            self.page.wait_for_timeout(50)
        found = [json.loads(line) for line in data.splitlines()]
        assert len(found) == n, found
        assert len({line["id"] for line in found}) == n
        return found

    def lines_now(self) -> list[dict]:
        """What is on disk at the moment."""
        return [json.loads(line) for line in (self.folder / "scores.jsonl").read_bytes().splitlines()]

    def tab_in(self) -> None:
        """Press Tab until the focus is inside."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if self.root.evaluate("root => root.contains(document.activeElement)"):
                return
        raise AssertionError("Tab does not lead to the annotator")

    def focused(self) -> str:
        """What has the focus, in a few words."""
        return self.page.evaluate(
            "() => { const n = document.activeElement; return (n.closest('label') ?? n).textContent.slice(0, 40) }"
        )

    def low_contrasts(self) -> list:
        return [found for found in self.root.evaluate(CONTRASTS) if found[1] < 4.5]

    def faults(self) -> list:
        """What can't be read or does not fit, once a change of theme or size has settled."""
        for _ in range(25):
            found = [*self.low_contrasts(), *["it overflows"] * self.overflows()]
            if not found:
                break
            self.page.wait_for_timeout(200)
        return found

    def overflows(self) -> bool:
        """Whether something inside is wider than the annotator, or it than its cell."""
        return self.root.evaluate(
            "r => r.scrollWidth > r.clientWidth + 1 || r.getBoundingClientRect().right > innerWidth + 1"
        )
