"""The report as a web page in a real browser: it asks for nothing, fits a phone and paper, and has a dark side."""

import pytest
import watched

from slmbench.records import to_frame
from slmbench.show import report
from support import hostile
from support.made_hostile import rows_of, told_of
from support.made_rows import sample_rows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
PHONE, DESKTOP, PAPER = {"width": 390, "height": 844}, {"width": 1280, "height": 900}, {"width": 695, "height": 1000}
TEXTS = ("img-onerror", "script", "out-of-anything", "md-image")
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
OUTSIDE = """() => [...document.querySelectorAll('main *')].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && !e.closest('thead') && (box.right > innerWidth + 1 || box.left < -1);
}).map(e => e.outerHTML.slice(0, 80))"""
SMALL = """() => [...document.querySelectorAll('body *')].filter(
    e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 16
).map(e => e.tagName)"""
PICTURES = """() => [...document.images].filter(i => i.getBoundingClientRect().height > 50).map(
    i => [i.className, i.complete, i.naturalWidth])"""
GROUND = "() => getComputedStyle(document.documentElement).backgroundColor"
INK = "() => getComputedStyle(document.querySelector('td')).color"


@pytest.fixture(scope="module")
def canary():
    with watched.canary() as server:
        yield server


@pytest.fixture(scope="module")
def addresses(tmp_path_factory, canary):
    """The report of a usual run, and of one whose models, prompts and replies are hostile."""
    texts = [h.text for h in hostile.corpus(canary.port) if h.name in TEXTS]
    plan = {"prompts": [{"id": "rag", "text": "What is retrieval?"}], "rounds": 3, "command": "slmbench run --models a"}
    told = {"plan": plan, "machine": {"os": "Linux"}, "resources": [], "entries": {}}
    found = {}
    for name, rows, more in ("usual", sample_rows(), told), ("hostile", rows_of(texts), told_of(texts)):
        folder = tmp_path_factory.mktemp(name)
        report.write(folder, to_frame(rows), **more)
        found[name] = (folder / "benchmark_report.html").as_uri()
    return found


@pytest.fixture(scope="module")
def chromium():
    """A page, what is seen in it, and what its console says."""
    watched.SHOTS.mkdir(exist_ok=True)
    with watched.browser() as (page, seen):
        said = []
        page.on("console", lambda message: said.append(message.text))
        yield page, seen, said


def show(page, address, size, **media):
    page.set_viewport_size(size)
    page.emulate_media(**({"media": "screen", "color_scheme": "light"} | media))
    page.goto(address)
    page.wait_for_function("() => [...document.images].every(i => i.complete)")


@pytest.mark.parametrize("name", ["usual", "hostile"])
def test_nothing_runs_and_nothing_is_asked_for(chromium, addresses, canary, name):
    page, seen, said = chromium
    seen.asked.clear(), said.clear()
    show(page, addresses[name], DESKTOP)
    for summary in page.locator("summary").all():
        summary.click()
    page.wait_for_timeout(300)  # what a picture that is not there would set off
    assert {url for url in seen.asked if not url.startswith("data:")} == {addresses[name]}
    assert (seen.ran, seen.errors, said, canary.requests) == ([], [], [], [])
    shown = page.inner_text("body")
    page.screenshot(path=watched.SHOTS / f"report_{name}.png", full_page=True)
    assert "Comparison" in shown and (name == "usual" or "pwned='script'" in shown)


@pytest.mark.parametrize("name", ["usual", "hostile"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(chromium, addresses, name):
    page, _, _ = chromium
    show(page, addresses[name], PHONE)
    page.screenshot(path=watched.SHOTS / f"report_{name}_phone.png", full_page=True)
    assert page.evaluate(WIDER) == 0
    assert page.evaluate(OUTSIDE) == [] and page.evaluate(SMALL) == []
    cell = page.locator("td[data-label]").first
    assert cell.evaluate("e => getComputedStyle(e, '::before').content") == f'"{cell.get_attribute("data-label")}"'


def test_a_desktop_keeps_wide_tables_in_their_boxes(chromium, addresses):
    page, _, _ = chromium
    show(page, addresses["usual"], {"width": 900, "height": 800})
    assert page.evaluate(WIDER) == 0
    box = page.locator(".wide").first
    assert box.evaluate("e => e.scrollWidth > e.clientWidth"), "the widest table is wider than this window"
    box.evaluate("e => e.scrollLeft = 300")
    left = [page.locator(f".wide tbody {tag}").first.bounding_box()["x"] for tag in ("th", "td")]
    assert left[0] >= box.bounding_box()["x"] > left[1]  # the first column stays


def test_the_dark_theme_is_dark_and_so_are_its_pictures(chromium, addresses):
    page, _, _ = chromium
    found = {}
    for scheme in ("light", "dark"):
        show(page, addresses["usual"], DESKTOP, color_scheme=scheme)
        found[scheme] = [page.evaluate(script) for script in (GROUND, INK, PICTURES)]
        page.screenshot(path=watched.SHOTS / f"report_{scheme}.png")
    assert found["light"][:2] == ["rgb(255, 255, 255)", "rgb(26, 26, 26)"]
    assert found["dark"][:2] == ["rgb(22, 24, 28)", "rgb(238, 238, 238)"]
    assert len(found["light"][2]) == len(found["dark"][2]) > 5
    assert {tuple(one) for one in found["light"][2]} == {("day", True, 800)}
    assert {tuple(one) for one in found["dark"][2]} == {("night", True, 800)}


def test_paper_is_light_and_shows_all(chromium, addresses):
    page, _, _ = chromium
    show(page, addresses["usual"], PAPER, media="print", color_scheme="dark")
    assert page.evaluate(GROUND) == "rgb(255, 255, 255)" and page.evaluate(WIDER) == 0
    assert page.evaluate(OUTSIDE) == []  # no table is cut
    assert all(box["height"] > 10 for box in (p.bounding_box() for p in page.locator("details p").all()))
    assert {look for look, *_ in page.evaluate(PICTURES)} == {"day"}
