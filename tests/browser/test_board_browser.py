"""The instructor's board as a room sees it: a real run followed while it is made, views by keys, looks."""

import re
import subprocess
import sys
from contextlib import contextmanager

import lab
import pytest
import watched
from annotating import CONTRASTS
from playwright.sync_api import expect

from slmbench import store
from slmbench.endpoint import service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
SLMBENCH = [sys.executable, "-m", "slmbench.cli"]
MODELS = "smollm2-135m-int4,smollm2-135m-int4-rtn"
ROUNDS = 2
FITTED = "() => { const i = document.querySelector('.bench-board img'); return i.naturalWidth === i.clientWidth; }"
SIZES = """root => [...root.querySelectorAll('button, .line, .title, .notes p')]
  .map(node => parseFloat(getComputedStyle(node).fontSize))"""
SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver(list => { for (const e of list.getEntries()) window.shifts += e.value; })
    .observe({ type: 'layout-shift', buffered: false });
}"""
VIEWS = {
    "1": "Race",
    "2": "Points",
    "3": "Curves",
    "4": "Speed",
    "5": "Order",
    "6": "Quality",
    "7": "Tokens",
    "8": "Prompts",
}


@contextmanager
def shown(folder, *arguments):
    """`slmbench board`, started in `folder`. Gives its address."""
    command = [*SLMBENCH, "board", *map(str, arguments), "--no-browser"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as board:
        try:
            lines = iter(board.stdout.readline, "")
            yield next(found[0] for line in lines if (found := re.findall(r"http://\S+", line)))
        finally:
            board.terminate()
            board.communicate(timeout=60)


@contextmanager
def page_of(address, width=1200, height=675):
    """Its page; in the end nothing may have been asked for elsewhere, and no error be in the console."""
    with watched.browser(width, height) as (page, seen):
        said = []
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.goto(address)
        page.locator(".bench-board").wait_for(timeout=120_000)
        yield page
        assert seen.foreign(address.partition("/?")[0]) == []
        assert (seen.errors, said) == ([], [])


def words(page, part):
    return page.locator(f".bench-board .{part}").inner_text()


def done(page):
    return int(re.search(r": (\d+) (of \d+ )?timed", words(page, "line"))[1])


@pytest.mark.real
def test_a_real_run_is_followed_while_it_is_made_and_a_reload_starts_nothing(tmp_path):
    ran_before, folder = service.status() is not None, tmp_path / "runs" / "measured"
    folder.parent.mkdir()
    run = [*SLMBENCH, "run", "--models", MODELS, "--rounds", str(ROUNDS), "--max-tokens", "16", "--no-memory"]
    try:
        with shown(tmp_path, folder) as address, page_of(address) as page:
            expect(page.locator(".bench-board .line")).to_contain_text("measured: waiting for it")
            with subprocess.Popen([*run, "--out", str(folder)], cwd=tmp_path, stdout=subprocess.DEVNULL) as running:
                picture = page.locator(".bench-board img[data-n]")
                picture.wait_for(timeout=120_000)
                page.wait_for_function(
                    "() => /: [1-9]/.test(document.querySelector('.bench-board .line').innerText)", timeout=120_000
                )
                first, count = picture.evaluate(lab.PIXELS), done(page)
                page.evaluate(SHIFTS)
                place = page.locator(".bench-board .frame").bounding_box()
                page.screenshot(path=watched.SHOTS / "board_during_a_run.png")
                page.wait_for_function(
                    "n => Number(/: (\\d+)/.exec(document.querySelector('.bench-board .line').innerText)[1]) > n",
                    arg=count,
                    timeout=60_000,
                )
                page.wait_for_function(
                    f"first => ({lab.PIXELS})(document.querySelector('.bench-board img')) !== first", arg=first
                )
                assert page.locator(".bench-board .frame").bounding_box() == place
                assert page.evaluate("() => window.shifts") == 0
                page.reload()
                page.locator(".bench-board img[data-n]").wait_for(timeout=120_000)
                assert done(page) > count
                assert running.wait(200) == 0
            expect(page.locator(".bench-board .line")).to_contain_text("all done", timeout=60_000)
            assert done(page) == 2 * 4 * ROUNDS
            page.screenshot(path=watched.SHOTS / "board_after_the_run.png")
    finally:
        if not ran_before:
            service.stop()
    assert [path.name for path in folder.parent.iterdir()] == ["measured"]
    timed = [row for row in store.read(folder).rows if row.phase == "timed"]
    assert [row.status for row in timed] == ["ok"] * (2 * 4 * ROUNDS)


def test_two_runs_side_by_side(tmp_path):
    with shown(tmp_path, "example", "quality", "--theme", "light") as address, page_of(address, 1400, 900) as page:
        expect(page.locator(".bench-board .title")).to_contain_text("smollm2-135m-int4 × 8.40 (can't tell)")
        page.locator(".bench-board img[data-n]").wait_for()
        page.screenshot(path=watched.SHOTS / "board_two_runs.png")
        page.keyboard.press("6")
        expect(page.locator(".bench-board .title")).to_contain_text("26 of 26 replies judged by human: author")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The page of the board on a recorded run with scores, dark and for a projector."""
    given = ("quality", "--theme", "dark", "--scale", "projector")
    with shown(tmp_path_factory.mktemp("board"), *given) as address, page_of(address) as page:
        yield page  # other browsers come before it, or after


def test_keys_step_through_views_that_fit_the_window_and_can_be_read(recorded):
    page = recorded
    root = page.locator(".bench-board")
    for key, label in VIEWS.items():
        page.keyboard.press(key)
        expect(root.locator("button[aria-pressed=true]")).to_contain_text(label)
        if label not in ("Tokens", "Prompts"):
            page.wait_for_function(FITTED)  # drawn for the room that it has
            picture = root.locator("img")
            expect(picture).to_have_attribute("alt", re.compile("smollm2"))
            box = picture.bounding_box()
            assert box["y"] + box["height"] <= 675 and box["width"] > 1000, label
        page.wait_for_timeout(300)
        page.screenshot(path=watched.SHOTS / f"board_{label.lower()}_dark_projector.png")
        assert [found for found in root.evaluate(CONTRASTS) if found[1] < 4.5] == []
        sizes = root.evaluate(SIZES)
        assert min(sizes) >= 24  # CSS pixels: 18 points
    page.keyboard.press("ArrowRight")
    expect(root.locator("button[aria-pressed=true]")).to_contain_text("Race")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(root.locator("button[aria-pressed=true]")).to_contain_text("Tokens")
    replay = page.locator("[data-lm-suppress-shortcuts]:not(.slmbench-stage)")
    page.keyboard.press(" ")  # wherever the focus is
    expect(replay.get_by_role("button", name="Pause")).to_be_visible()
    replay.get_by_role("button", name="Pause").focus()
    page.keyboard.press("1")  # and back, from inside
    expect(root.locator("button[aria-pressed=true]")).to_contain_text("Race")
    page.keyboard.press("t")
    expect(root.locator(".slmbench-stage")).to_have_attribute("data-look", "light")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_picture_follows_the_window(recorded):
    page = recorded
    page.set_viewport_size({"width": 1920, "height": 1080})
    picture = page.locator(".bench-board img[data-n]")
    page.wait_for_function("() => document.querySelector('.bench-board img').naturalWidth > 1500")
    page.keyboard.press("3")
    expect(picture).to_have_attribute("alt", re.compile("Share of requests"))
    page.keyboard.press("5")
    expect(picture).to_have_attribute("alt", re.compile("order of the run"))
    page.set_viewport_size({"width": 1280, "height": 720})
    page.wait_for_function("() => document.querySelector('.bench-board img').naturalWidth < 1300")
    page.screenshot(path=watched.SHOTS / "board_1280.png")
    assert page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")
