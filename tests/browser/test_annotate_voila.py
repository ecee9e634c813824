"""Replies are scored in Voilà, where every visit runs the notebook anew: the disk is what remembers."""

import lab
import pytest
import watched
from annotating import Annotator, cell, notebook
from playwright.sync_api import expect

from support import hostile
from support.judged import run_with

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
VOILAS_OWN = "https://cdn.jsdelivr.net/npm/@fortawesome/"  # icons that its page asks for, whatever it shows
NAMES = ("img-onerror", "script", "svg-onload", "md-image", "ansi-cursor", "bidi-override")


@pytest.fixture(scope="module")
def canary():
    with watched.canary() as server:
        yield server


@pytest.fixture(scope="module")
def run(tmp_path_factory, canary):
    """Two models that answer hostile prompts with hostile texts."""
    texts = {one.name: one.text for one in hostile.corpus(canary.port)}
    replies = {(f"model-{m}", f"p{n}"): texts[name] + m for n, name in enumerate(NAMES) for m in ("one", "two")}
    return run_with(
        tmp_path_factory.mktemp("voila") / "run", replies, text=texts["img-onerror"], aspects=[texts["script"]]
    )


@pytest.fixture(scope="module")
def served(run):
    notebook(run.parent / "one.ipynb", cell(run, "''", "replies=6"))
    notebook(run.parent / "pairs.ipynb", cell(run, "'Bo'", "compare=True", "replies=2"))
    watched.SHOTS.mkdir(exist_ok=True)
    with lab.voila(run.parent) as address, watched.browser() as (page, seen):
        yield address, page, seen


def test_mouse_keys_note_undo_reload_and_the_reveal(served, run, canary):
    address, page, seen = served
    page.goto(address.format("one.ipynb"))
    ana = Annotator(page, run)
    ana.is_at("6 replies to judge")
    ana.root.get_by_role("textbox").fill("Ana")
    ana.root.get_by_role("button", name="Start").click()
    ana.is_at("Reply 1 of 6")
    ana.choose(2)
    ana.ticks.first.check()
    ana.root.get_by_role("button", name="Save and next").dblclick()
    assert [(line["score"], line["aspects"]) for line in ana.lines(1)] == [(2, [True])]
    ana.is_at("Reply 2 of 6")
    page.keyboard.press("5")
    ana.note.focus()
    page.keyboard.type("4 of u?")
    page.keyboard.press("Control+Enter")
    assert [(line["score"], line["explanation"]) for line in ana.lines(2)] == [(2, None), (5, "4 of u?")]
    ana.is_at("Reply 3 of 6")
    page.keyboard.press("u")
    ana.is_at("Reply 2 of 6 (judged already; saving changes it)")
    expect(ana.note).to_have_value("4 of u?")
    ana.root.locator("h2").focus()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    ana.is_at("Reply 3 of 6")
    words = ana.words
    page.screenshot(path=watched.SHOTS / "annotate_voila.png")
    page.reload()
    ana = Annotator(page, run)
    ana.root.get_by_role("textbox").fill("Ana")
    page.keyboard.press("Enter")
    ana.is_at("Reply 3 of 6")
    assert ana.words == words
    for n in range(3, 7):
        ana.is_at(f"Reply {n} of 6")
        ana.choose(1)
        ana.save()
    ana.is_at("All 6 replies are judged")
    assert ana.root.locator("img").evaluate("img => img.decode().then(() => img.naturalWidth)") == 800
    assert [line["score"] for line in ana.lines(6)] == [2, 3, 1, 1, 1, 1]
    assert seen.ran == [] and canary.requests == []
    base = address.partition("/voila")[0]
    assert [url for url in seen.foreign(base) if not url.startswith(VOILAS_OWN)] == []


def test_pairs(served, run, canary):
    address, page, seen = served
    (run / "scores.jsonl").unlink()
    page.goto(address.format("pairs.ipynb"))
    bo = Annotator(page, run)
    for n, key in enumerate("43"):
        bo.is_at(f"Pair {n + 1} of 2")
        bo.root.locator("h2").focus()
        page.keyboard.press(key)
        page.keyboard.press("Enter")
    bo.is_at("All 2 pairs are judged")
    assert [(line["choice"], line["annotator"]) for line in bo.lines(2)] == [("both_bad", "Bo"), ("tie", "Bo")]
    assert seen.ran == [] and canary.requests == []
