"""Replies are scored in JupyterLab: with the mouse, with keys only, across reloads and restarts. Disk is looked at."""

import itertools
import shutil

import lab
import pytest
import watched
from annotating import Annotator, cell, notebook
from playwright.sync_api import expect

from support import hostile
from support.judged import run_with

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
MODELS, PROMPTS = ("model-one", "model-two"), ("p", "q")
REPLIES = {(m, p): f"{m[6:]} speaks on {p}.\n\nAnd more of it." for m in MODELS for p in PROMPTS}
THEMES, SCREENS = ("Light", "Dark"), ((1400, 1000, 1), (1024, 768, 1), (1024, 768, 2))  # width, height, zoom
RESTART = """async () => { const tracker = window.jupyterapp.shell.currentWidget;
    await tracker.sessionContext.session.kernel.restart(); }"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("annotate")


@pytest.fixture(scope="module")
def served(place):
    watched.SHOTS.mkdir(exist_ok=True)
    with lab.lab(place, whole=True) as address, watched.browser() as (page, seen):
        yield address, page, seen


@pytest.fixture
def run(place, request):
    folder = place / request.node.name
    yield run_with(folder, REPLIES)
    shutil.rmtree(folder)


@pytest.fixture
def shown(served, place, run):
    """Opens a notebook with such annotators, runs it; gives them."""
    address, page, _ = served

    def show(*each, n=1):
        notebook(place / f"{run.name}.ipynb", *(cell(run, *arguments) for arguments in each))
        lab.open_notebook(page, address, f"{run.name}.ipynb")
        lab.start_all(page)
        lab.await_all(page, 60)
        return [Annotator(page, run, i) for i in range(n)]

    yield show
    page.evaluate("() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.shutdown()")


def run_again(page):
    lab.start_all(page)
    lab.await_all(page, 60)


def test_with_the_mouse_to_the_reveal_and_a_double_click_saves_once(shown, served):
    [ana] = shown(["'Ana'"])
    for n in range(4):
        ana.is_at(f"Reply {n + 1} of 4")
        assert "model-" not in ana.root.inner_text()
        ana.choose(n + 2)
        expect(ana.root.locator(".picks")).to_have_text(f"Chosen: {n + 2}")
        ana.ticks.nth(n % 2).check()
        if n == 1:
            ana.root.get_by_role("button", name="Save and next").dblclick()
            ana.is_at("Reply 3 of 4")
            expect(ana.root.locator(".status")).to_have_text("")  # nor is it blamed for the second
        else:
            ana.save()
        line = ana.lines(n + 1)[-1]
        assert (line["score"], line["aspects"]) == (n + 2, [n % 2 == 0, n % 2 == 1])
        assert line["annotator"] == "Ana" and 0 < line["spent_s"] < 60
    ana.is_at("All 4 replies are judged")
    expect(ana.root.locator("img")).to_have_js_property("complete", True)
    assert ana.root.locator("img").evaluate("img => img.naturalWidth") == 800
    assert {row.split()[0] for row in ana.root.locator("tbody tr").all_inner_texts()} == set(MODELS)
    served[1].screenshot(path=watched.SHOTS / "annotate_reveal.png")


def test_with_keys_only_and_the_notebook_hears_none_of_them(shown, served):
    page = served[1]
    [ana] = shown(["'Ana'"])
    cells = "() => window.jupyterapp.shell.currentWidget.model.sharedModel.cells.map(c => c.cell_type + c.source)"
    before = page.evaluate(cells)
    ana.tab_in()
    page.keyboard.press("Enter")
    ana.says("Not saved yet: choose a score from 1 to 5 first.")
    for key in ("5", "2"):
        page.keyboard.press(key)
    expect(ana.root.get_by_role("radio", checked=True)).to_have_value("2")
    while "says why" not in ana.focused():
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("1 u? dd")  # the note takes them all
    expect(ana.note).to_have_value("1 u? dd")
    page.keyboard.press("Control+Enter")
    [line] = ana.lines(1)
    assert (line["score"], line["aspects"], line["explanation"]) == (2, [False, True], "1 u? dd")
    ana.is_at("Reply 2 of 4")
    page.keyboard.press("?")
    expect(ana.root.locator("details")).to_have_attribute("open", "")
    for key in ("a", "b", "a", "d", "d", "m", "x", "4", "Enter"):
        page.keyboard.press(key)
    line = ana.lines(2)[-1]
    assert (line["score"], line["aspects"]) == (4, [False, True])  # a twice, and b
    ana.is_at("Reply 3 of 4")
    page.keyboard.press("u")
    ana.is_at("Reply 2 of 4 (judged already; saving changes it)")
    page.keyboard.press("u")
    ana.is_at("Reply 1 of 4 (judged already; saving changes it)")
    expect(ana.note).to_have_value("1 u? dd")
    expect(ana.ticks.nth(1)).to_be_checked()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    ana.is_at("Reply 3 of 4")
    first, second = ana.lines(2)
    assert (first["score"], [e["score"] for e in first["earlier"]], second["score"]) == (1, [2], 4)
    assert page.evaluate(cells) == before


def test_a_reload_and_a_restart_go_on_at_the_same_reply(shown, served):
    address, page, _ = served
    [ana] = shown(["'Ana'"])
    ana.choose(3)
    ana.save()
    ana.is_at("Reply 2 of 4")
    words = ana.words
    ana.choose(5)
    ana.note.fill("half a note")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    lab.open_notebook(page, address, f"{ana.folder.name}.ipynb")
    ana = Annotator(page, ana.folder)  # the kernel has it still
    ana.is_at("Reply 2 of 4")
    assert ana.words == words
    expect(ana.note).to_have_value("half a note")
    ana.save()
    assert [(line["score"], line["explanation"]) for line in ana.lines(2)] == [(3, None), (5, "half a note")]
    ana.is_at("Reply 3 of 4")
    words = ana.words
    page.evaluate(RESTART)
    run_again(page)
    ana = Annotator(page, ana.folder)
    ana.is_at("Reply 3 of 4")
    assert ana.words == words
    ana.choose(1)
    ana.save()
    assert [line["score"] for line in ana.lines(3)] == [3, 5, 1]


def test_two_annotators_name_themselves_and_keep_their_own_order(shown):
    ana, bo = shown([], [], n=2)
    for one, name in ((ana, "Ana"), (bo, "Bo")):
        one.is_at("4 replies to judge")
        one.root.get_by_role("textbox").fill(name)
        one.page.keyboard.press("Enter")
        one.is_at("Reply 1 of 4")
    orders = {"Ana": [], "Bo": []}
    for n in range(4):
        for one, name, score in ((ana, "Ana", 2), (bo, "Bo", 4)):
            one.is_at(f"Reply {n + 1} of 4")
            orders[name] += one.words
            one.choose(score)
            one.save()
            one.lines(2 * n + 1 + (name == "Bo"))
    lines = ana.lines(8)
    assert {(line["annotator"], line["score"]) for line in lines} == {("Ana", 2), ("Bo", 4)}
    assert sorted(orders["Ana"]) == sorted(orders["Bo"]) and orders["Ana"] != orders["Bo"]
    ana.is_at("All 4 replies are judged")


def test_pairs_side_by_side(shown, served):
    page = served[1]
    [ana] = shown(["'Ana'", "compare=True"])
    page.screenshot(path=watched.SHOTS / "annotate_pairs.png")
    sides = []
    for n in range(2):
        ana.is_at(f"Pair {n + 1} of 2")
        assert "model-" not in ana.root.inner_text()
        sides.append([text.split()[0] for text in ana.words].index("one"))
        ana.root.get_by_label(("Left is better", "Right is better")[sides[-1]]).check()
        ana.save()
        line = ana.lines(n + 1)[-1]
        won = line["models"] if line["choice"] == "first" else line["others"]
        assert won == ["model-one"] and line["score"] is None
    ana.is_at("All 2 pairs are judged")
    assert ana.root.locator("tbody tr").first.inner_text().split() == ["model-one", "2", "0", "0"]


def test_hostile_texts_as_prompt_reply_model_and_annotator_do_nothing(shown, served, run):
    address, page, seen = served
    shutil.rmtree(run)
    with watched.canary() as canary:
        corpus = hostile.corpus(canary.port)  # what can do something, and every tenth of the rest
        texts = [one.text for n, one in enumerate(corpus) if one.does or n % 10 == 0]
        replies = {(text[:200], f"p{n}"): text for n, text in enumerate(texts)}
        run_with(run, replies, aspects=texts[:2], text=texts[0])
        asked, windows = len(seen.asked), seen.windows
        [ana] = shown([repr("<img src=x onerror=pwned='a'>")])
        words = []
        for n in range(len(texts)):
            ana.is_at(f"Reply {n + 1} of {len(texts)}")
            words += ana.words
            ana.choose(3) if n == 0 else page.keyboard.press("3")
            page.keyboard.press("Control+Enter")
        ana.is_at(f"All {len(texts)} replies are judged")
        expect(ana.root.locator("img")).to_have_js_property("complete", True, timeout=30_000)  # of so many models
        page.screenshot(path=watched.SHOTS / "annotate_hostile.png")
        assert (seen.ran, seen.errors, seen.windows) == ([], [], windows)
        base = address.partition("/lab")[0]
        assert [url for url in seen.asked[asked:] if not url.startswith((*watched.OURS, base, f"ws{base[4:]}"))] == []
        assert canary.requests == []
    assert [text for text in texts if not any(hostile.is_readable(text, shown) for shown in words)] == []
    assert len(ana.lines(len(texts))) == len((run / "rows.jsonl").read_text().splitlines()) == len(texts)


def test_everybody_can_read_and_reach_it(shown, served):
    page = served[1]
    ana, pairs = shown(["'Ana'"], ["'Ana'", "compare=True"], n=2)
    ana.choose(4)
    ana.root.locator("h2").focus()
    order = []
    for _ in range(8):
        page.keyboard.press("Tab")
        order.append(ana.focused())
    starts = ["one speaks|two speaks", "4", "says what", "says why", "Note", "Save and next", "Undo", "Keys"]
    assert all(found.startswith(tuple(start.split("|"))) for found, start in zip(order, starts, strict=True)), order
    for part, role in ((".status", "status"), (".verdict fieldset", None), ("progress", None)):
        assert ana.root.locator(part).first.get_attribute("role") == role
    assert ana.root.get_by_role("radio", name="4 Good", exact=False).count() == 1
    assert ana.root.get_by_role("group", name="What the reply has").count() == 1
    wear = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
    try:
        for theme, (width, height, zoom) in itertools.product(THEMES, SCREENS):
            page.evaluate(wear, f"JupyterLab {theme}")
            page.set_viewport_size({"width": width // zoom, "height": height // zoom})
            # whoever reads so large closes the list of files
            page.evaluate(f"() => window.jupyterapp.shell.{'collapseLeft' if zoom == 2 else 'expandLeft'}()")
            page.wait_for_timeout(300)
            page.screenshot(path=watched.SHOTS / f"annotate_page_{theme}_{width}_{zoom}.png")
            for one in (ana, pairs):
                one.root.scroll_into_view_if_needed()
                assert one.faults() == [], (theme, width, zoom)
            ana.root.screenshot(path=watched.SHOTS / f"annotate_{theme}_{width}_{zoom}.png")
    finally:
        page.set_viewport_size({"width": 1400, "height": 1000})
        page.evaluate("() => window.jupyterapp.shell.expandLeft()")
        page.evaluate(wear, "JupyterLab Light")
