"""The token view in JupyterLab, while the kernel is busy: the browser plays, and the notebook hears no key."""

import lab
import playing
import pytest
import watched
from annotating import notebook
from playing import TEXTS, Player
from playwright.sync_api import expect

CELL = """\
from slmbench.records import Row, to_frame
from slmbench.show import tokens
rows = [Row.from_json(line) for line in open("rows.jsonl", encoding="utf-8")]
tokens.replay(to_frame(rows))"""
ANOTHER = "replay = tokens.Replay(to_frame(rows))\nreplay"
FAST, SLOW = ("".join(TEXTS[name]) for name in ("fast", "slow"))
INTERRUPT = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.interrupt()"
SOURCES = "() => window.jupyterapp.shell.currentWidget.model.sharedModel.cells.map(c => c.cell_type + c.source)"


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_it_plays_while_the_kernel_is_busy(tmp_path):
    watched.SHOTS.mkdir(exist_ok=True)
    (tmp_path / "rows.jsonl").write_text("".join(f"{row.to_json()}\n" for row in playing.rows()), encoding="ascii")
    notebook(tmp_path / "replay.ipynb", CELL, ANOTHER, "import threading\nthreading.Event().wait()")
    with lab.lab(tmp_path, whole=True) as address, watched.browser() as (page, seen):
        lab.open_notebook(page, address, "replay.ipynb")
        lab.start_all(page)
        player, other = Player(page), Player(page, 1)
        page.locator(".jp-Notebook-ExecutionIndicator[data-status='busy']").wait_for()
        expect(page.locator(".jp-RenderedImage img")).to_have_js_property("naturalWidth", 800)  # which stays
        before = page.evaluate(SOURCES)
        page.clock.install()
        page.clock.pause_at(page.evaluate("Date.now() + 1000"))
        player.press("Play")
        player.run(1.0)
        assert (player.texts, other.texts) == (["One\nनम", "Two"], ["", ""])
        page.screenshot(path=watched.SHOTS / "tokens_lab.png")
        for key in ("a", "d", "d", "r", "Space"):
            page.keyboard.press(key)
        player.run(2.5)
        assert player.texts == [FAST, SLOW]
        assert page.evaluate(SOURCES) == before
        page.clock.resume()
        page.evaluate(INTERRUPT)
        assert (seen.errors, seen.foreign(address.partition("/lab")[0])) == ([], [])
