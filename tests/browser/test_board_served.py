"""`slmbench board` in a real browser: one page from this machine alone, dark from the first paint, a kernel a page."""

import base64
import io
import re
import signal

import nbformat
import pytest
import watched
from PIL import Image

from slmbench import board, paths
from slmbench.show.theme import INK
from support.boards import command, family, gone, kernels, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SHOWN = "#rendered_cells .lm-Panel.jp-OutputArea-output > *"  # a widget
DARK = tuple(bytes.fromhex(INK["dark"][0][1:]))
# a widget that speaks by itself, as the board does; and what a model might have written, shown as nobody should
CELLS = (
    """import threading, time, anywidget, traitlets
class Ticks(anywidget.AnyWidget):
    _esm = '''export default { render({ model, el }) {
        const show = () => { el.textContent = `tick ${model.get("n")}`; };
        model.on("change:n", show); show(); } }'''
    n = traitlets.Int(0).tag(sync=True)
ticks = Ticks()
def tick():
    while True:
        time.sleep(0.2)
        ticks.n += 1
threading.Thread(target=tick, daemon=True).start()
ticks""",
    """import ipywidgets
ipywidgets.HTML('''<b onclick="window.pwned = 'click'">a widget of HTML</b>''')""",
    """from IPython.display import HTML
HTML('''<img src=x onerror="window.pwned = 'img'"><script>window.pwned = 'script'</script>
<img src="https://example.com/pixel.png"><iframe src="https://example.com/"></iframe>''')""",
)


@pytest.fixture(scope="module")
def dark(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    watched.SHOTS.mkdir(exist_ok=True)
    with command("example", "--theme", "dark", folder=folder) as (process, url):
        yield process, url


def quiet(seen, url):
    assert seen.asked and seen.foreign(url.partition("?")[0]) == []
    assert (seen.errors, seen.console, seen.ran, seen.windows) == ([], [], [], 1)


def corners(png):
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    right, below = picture.width - 1, picture.height - 1
    return {picture.getpixel(place) for place in ((0, 0), (right, 0), (0, below), (right, below))}


def test_it_comes_up_dark_from_the_first_paint_and_asks_nobody_else(dark):
    process, url = dark
    frames = []
    with watched.browser(1200, 675) as (page, seen):
        page.goto(f"data:text/html,<body style='background:rgb{DARK}'>")
        browser = page.context.new_cdp_session(page)

        def painted(frame):
            frames.append(base64.b64decode(frame["data"]))
            browser.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

        browser.on("Page.screencastFrame", painted)
        browser.send("Page.startScreencast", {"format": "png"})
        page.goto(url)
        page.locator(SHOWN).first.wait_for(timeout=90_000)
        page.wait_for_function("() => document.fonts.status === 'loaded'")
        browser.send("Page.stopScreencast")
        page.screenshot(path=watched.SHOTS / "board_dark.png")
        assert page.title() == "slmbench: live board"
        assert page.evaluate("document.documentElement.lang") == "en"
        box = page.locator(SHOWN).first.locator("xpath=..").bounding_box()  # with the margins that a widget has itself
        assert (box["x"], box["y"], box["width"]) == (0, 0, 1200)
        assert page.locator("#ended").is_hidden() and page.locator("#waiting").count() == 0
        quiet(seen, url)
    assert len(frames) > 1
    assert set.union(*map(corners, frames)) == {DARK}
    assert until(lambda: kernels(process.pid) == [])


def test_reloads_leave_one_kernel(dark):
    process, url = dark
    with watched.browser(1200, 675) as (page, seen):
        page.goto(url)
        for _ in range(2):
            page.locator(SHOWN).first.wait_for(timeout=90_000)
            page.reload()
        page.locator(SHOWN).first.wait_for(timeout=90_000)
        assert until(lambda: len(kernels(process.pid)) == 1)
        (kernel,) = kernels(process.pid)
        page.wait_for_timeout(6_000)  # the page has asked for its kernel meanwhile, and kernels were looked after
        assert kernels(process.pid) == [kernel]
        assert page.locator("#ended").is_hidden()
        quiet(seen, url)


def test_the_page_says_that_the_board_has_ended(tmp_path):
    with watched.browser(1200, 675) as (page, _), command("example", folder=tmp_path) as (process, url):
        page.goto(url)
        page.locator(SHOWN).first.wait_for(timeout=90_000)
        processes = family(process.pid)
        assert len(processes) == 3
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "Ended.\n"
        assert process.returncode == 0 and gone(processes)
        page.get_by_text("The board has ended").wait_for(timeout=30_000)
        page.screenshot(path=watched.SHOTS / "board_ended.png")


@pytest.fixture(scope="module")
def ticking(tmp_path_factory):
    """A board with another notebook, whose kernels are alone for 10 seconds at most."""
    file = tmp_path_factory.mktemp("ticks") / "ticks.ipynb"
    cells = [nbformat.v4.new_code_cell("", metadata={"tags": ["parameters"]}), *map(nbformat.v4.new_code_cell, CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
    look = board.Look("light", "projector", *INK["light"][:2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "notebook", lambda _: file)
        with board.Served([], look, abandoned_s=10) as served:
            yield served


@pytest.mark.soak  # a minute of waiting
def test_a_kernel_that_speaks_by_itself_ends_with_its_page_however_that_ends(ticking):
    with watched.browser(1200, 675) as (page, _):
        page.goto(ticking.url)
        for _ in range(2):  # without waiting for anything, so that some pages can't tell that they are left
            page.goto(ticking.url, wait_until="commit")
        page.get_by_text(re.compile(r"tick \d\d")).wait_for(timeout=90_000)
        assert until(lambda: len(kernels(ticking.pid)) == 1)
        (kernel,) = kernels(ticking.pid)
        page.wait_for_timeout(20_000)  # longer than a kernel may be alone
        assert kernels(ticking.pid) == [kernel]
    assert until(lambda: kernels(ticking.pid) == [])  # the browser was ended, and told nobody


@pytest.fixture(scope="module")
def ticks(ticking):
    """Its page, what is seen in it, and the requests that came to nothing. Other browsers come before it, or after."""
    with watched.browser(1200, 675) as (page, seen):
        blocked = []
        page.on("requestfailed", lambda request: blocked.append((request.url, request.failure)))
        page.goto(ticking.url)
        page.get_by_text(re.compile(r"tick \d")).wait_for(timeout=90_000)
        yield page, seen, blocked


def test_html_in_an_output_runs_nothing_and_asks_nobody(ticking, ticks):
    page, seen, blocked = ticks
    page.get_by_text("a widget of HTML").click()
    assert until(lambda: page.wait_for_timeout(100) or len(seen.console) >= 5)
    assert (seen.ran, seen.errors) == ([], [])
    assert [said for said in seen.console if "Content Security Policy" in said] != []
    assert [url for url in seen.foreign(ticking.url.partition("?")[0]) if (url, "csp") not in blocked] == []


def test_what_is_longer_than_the_window_can_be_scrolled_to(ticks):
    page, _, _ = ticks
    page.get_by_text(re.compile(r"tick \d")).evaluate("tick => { tick.style.height = '2000px'; }")
    below = page.get_by_text("a widget of HTML")
    assert below.bounding_box()["y"] >= 2000
    page.mouse.move(600, 300)
    page.mouse.wheel(0, 5000)
    assert until(lambda: below.bounding_box()["y"] < 675)
