"""The live chart in JupyterLab: it moves without a jump, buttons work while a cell waits, and one worker is left."""

import json

import lab
import nbformat
import pytest
import watched
from annotating import notebook
from playwright.sync_api import expect

from slmbench import store, truth

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PREPARE = """
from slmbench import config, runner
from slmbench.endpoint import connect, resolve
from slmbench.measure import asks
from slmbench.show import live
settings = config.settings(endpoint={url!r}, models=["quick", "slow"], rounds={rounds}, max_tokens=16)
service = connect(settings.endpoint)
targets = resolve(service, settings.models, config.read_models())
"""
START = """
chart = live.LiveChart(asks.count(targets, settings), theme={theme!r}, scale={scale!r})
how = {{"say": chart.say, "begin": chart.begin}}
benchmark = chart.follow(runner.rows(settings, service, targets, **how))
"""
WAIT = "run = await benchmark"
COUNT = "import threading; print([t.name for t in threading.enumerate()].count('benchmark'), 'at work')"
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver(list => {
    for (const e of list.getEntries()) {
      const ours = e.sources.filter(s => s.node?.parentElement?.closest('.bench-live'));
      window.shifts.push(...ours.map(s => s.node.outerHTML ?? s.node.textContent));
    }
  }).observe({ type: 'layout-shift', buffered: false });
}"""
EMPTY = """() => {
  window.empty = 0;
  const frame = document.querySelector('.bench-live .frame');
  new MutationObserver(() => {
    const img = frame.querySelector('img');
    if (!img || !img.complete || !img.naturalWidth) window.empty += 1;
  }).observe(frame, { childList: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def server():
    schedules = {
        "quick": truth.Schedule(ttft_s=0.15, gap_s=0.01, tokens=16),
        "slow": truth.Schedule(ttft_s=0.25, gap_s=0.02, tokens=16),
    }
    with truth.process(schedules) as running:
        yield running


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A folder, and the address of JupyterLab on it."""
    place = tmp_path_factory.mktemp("live")
    watched.SHOTS.mkdir(exist_ok=True)
    with lab.lab(place, whole=True) as address:
        yield place, address


class Chart:
    """The live chart of a page."""

    def __init__(self, page):
        self.page, self.root = page, page.locator(".bench-live")
        self.picture = self.root.locator("img[data-n]")
        self.line, self.said = self.root.locator(".line"), self.root.locator(".said")

    def until(self, n):
        """Wait for so many pictures. returns: the bytes of the one that is shown."""
        self.page.wait_for_function(
            "n => Number(document.querySelector('.bench-live img')?.dataset.n ?? 0) >= n", arg=n, timeout=60_000
        )
        return self.picture.evaluate(lab.PIXELS)

    def done(self):
        return int(self.line.inner_text().split(" of ")[0])

    def press(self, label):
        self.root.get_by_role("button", name=label).click()


def opened(folder, server, cells, **given):
    """A notebook of these cells, in a folder of its own."""
    folder.mkdir()
    words = {"url": server.base_url, "theme": "light", "scale": "normal"} | given
    notebook(folder / "n.ipynb", *(cell.format(**words) for cell in cells))


def test_it_moves_without_a_jump_and_its_buttons_work_while_a_cell_waits(jupyter, server):
    place, address = jupyter
    opened(place / "moving", server, [PREPARE, START, WAIT], rounds=40, theme="dark", scale="projector")
    with lab.browser_page(1700, 1200) as page:
        said = []
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        lab.open_notebook(page, address, "moving/n.ipynb")
        lab.start_all(page)
        chart = Chart(page)
        before, count = chart.until(2), chart.done()
        page.evaluate(SHIFTS)
        page.evaluate(EMPTY)
        box = chart.picture.bounding_box()
        assert (box["width"], box["height"]) == (1200, 675)
        assert chart.line.evaluate("node => parseFloat(getComputedStyle(node).fontSize)") >= 24  # px: 18 points
        after = chart.until(5)
        assert before != after and chart.done() > count
        assert chart.picture.bounding_box() == box
        assert "slow" in chart.picture.get_attribute("alt")
        chart.press("Pause")
        expect(chart.said).to_have_text("Paused: nothing is being asked.", timeout=10_000)
        paused = chart.done()
        chart.press("Curves")
        page.wait_for_function("() => document.querySelector('.bench-live img').alt.startsWith('Share of requests')")
        page.screenshot(path=watched.SHOTS / "live_lab_paused.png")
        chart.press("Go on")
        page.wait_for_function("n => parseInt(document.querySelector('.bench-live .line').innerText) > n", arg=paused)
        chart.root.locator("button").first.focus()
        page.keyboard.press("s")  # its key, and not the notebook's
        lab.await_all(page, 60)
        assert page.evaluate("() => [window.shifts, window.empty]") == [[], 0]
        assert (page.foreign, page.errors, said) == ([], [], [])
    [folder] = place.glob("moving/runs/*")
    assert paused < len(store.read(folder).rows) < 322  # all of them
    cells = nbformat.read(place / "moving" / "n.ipynb", 4).cells
    [picture] = [o for o in cells[1].outputs if "image/png" in o.get("data", {})]
    assert "Share of requests" in picture.metadata["image/png"]["alt"]
    assert "widget" not in json.dumps(cells[1].outputs)
    assert "Stopped" in "".join(o.get("text", "") for o in cells[1].outputs)
    assert cells[2].outputs == []


def test_the_cell_run_again_leaves_one_worker_and_an_error_reaches_a_cell(jupyter, server):
    place, address = jupyter
    broken = "benchmark.stop()\nchart = live.LiveChart(2)\nbroken = chart.follow(x / 0 for x in [1])"
    opened(place / "again", server, [PREPARE, START, START, COUNT, broken, "await broken"], rounds=30)
    with lab.browser_page() as page:
        lab.open_notebook(page, address, "again/n.ipynb")
        lab.start_all(page)
        lab.await_all(page, 90)
        page.wait_for_function("() => document.body.innerText.includes('ZeroDivisionError')")
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        assert page.errors == []
    cells = nbformat.read(place / "again" / "n.ipynb", 4).cells
    assert "".join(o.text for o in cells[3].outputs) == "1 at work\n"
    assert [o.ename for o in cells[5].outputs] == ["ZeroDivisionError"]
    runs = sorted(place.glob("again/runs/*"))
    assert len(runs) == 2
    assert len(store.read(runs[0]).rows) < 20  # stopped when the cell was run again
