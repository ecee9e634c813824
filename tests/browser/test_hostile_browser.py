"""Hostile texts in a real browser: nothing of theirs runs, nothing is asked for elsewhere, all can be read.

As replies, names of models, prompts and errors; in JupyterLab, in Voilà, as a page that nbconvert makes, as a report.
Beside each stands what an attendee might have written in its place: there the browser does see them run.
"""

import hostile_pages as pages
import lab
import nbformat
import pytest
import watched
from nbconvert import HTMLExporter

from slmbench.records import to_frame
from slmbench.show import report
from support import gfm, hostile
from support.made_hostile import rows_of, told_of
from support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
TEXTS, NAIVE, SHOWN = "texts.ipynb", "naive.ipynb", "shown.ipynb"
OFFLINE = ("mathjax_url", "require_js_url", "jquery_url", "jupyter_widgets_base_url", "mermaid_js_url")
VOILAS_OWN = "https://cdn.jsdelivr.net/npm/@fortawesome/"  # icons that its page asks for, whatever it shows
PREVIEW = """() => window.jupyterapp.commands.execute(
    'docmanager:open', {path: 'benchmark_report.md', factory: 'Markdown Preview'})"""


@pytest.fixture(scope="module")
def canary():
    with watched.canary() as server:
        yield server


@pytest.fixture(scope="module")
def texts(canary):
    return pages.texts_for(canary.port)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, texts):
    """The notebooks and the report that a few of these texts have made."""
    place = tmp_path_factory.mktemp("hostile")
    few = [texts[name] for name in ("img-onerror", "script", "md-image", "mathtext", "ansi-cursor", "md-block")]
    rows = rows_of(few)
    pages.text_notebook(place, texts, rows, TEXTS, pages.CELLS)
    pages.text_notebook(place, texts, rows, NAIVE, pages.NAIVE)
    whole = {title: source for title, source in pages.CELLS.items() if title != "error"}  # Voilà shows none
    pages.text_notebook(place, texts, rows, SHOWN, whole | {"end": "print('the', 'end')"})
    report.write(place, to_frame(rows), **told_of(few))
    watched.SHOTS.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="module")
def jupyter(folder):
    with lab.lab(folder, whole=True) as address:
        yield address


def quiet(seen, canary, *known):
    """That nothing of a hostile text has run, and nothing was asked for but at the page's own server."""
    assert seen.ran == []
    assert seen.foreign(*known) == []
    assert [r.path for r in canary.requests] == []
    assert seen.windows <= 1  # the page itself
    assert seen.errors == []


def run_in_lab(page, address, name, timeout_s=120):
    lab.open_notebook(page, address, name)
    lab.start_all(page)
    lab.await_all(page, timeout_s=timeout_s)


def base_of(address):
    return address.partition("/lab")[0].partition("/voila")[0]


def readable(shown, texts, names):
    return [name for name in names if not hostile.is_readable(texts[name], shown)]


def test_jupyterlab_shows_every_text_in_every_way(jupyter, canary, texts, folder):
    with watched.browser() as (page, seen):
        run_in_lab(page, jupyter, TEXTS)
        page.wait_for_timeout(1000)  # what a picture that is not there would set off
        outputs = page.locator(".jp-Cell-outputArea").all_inner_texts()
        page.screenshot(path=watched.SHOTS / "hostile_lab.png")
    quiet(seen, canary, base_of(jupyter))
    cells = nbformat.read(folder / TEXTS, 4).cells
    assert all(c.execution_count for c in cells) and len(cells) == len(pages.CELLS) + 1
    short = [name for name, text in texts.items() if len(text) < 150 and "\t" not in text and "\r" not in text]
    assert len(short) >= 30 and readable("\n".join(outputs), texts, short) == []


def test_a_page_of_nbconvert_does_so_too(folder, canary, jupyter):
    """The notebook as JupyterLab has saved it, outputs and all."""
    assert base_of(jupyter)
    page_text, _ = HTMLExporter(**dict.fromkeys(OFFLINE, "")).from_filename(str(folder / TEXTS))
    (folder / "texts.html").write_text(page_text, encoding="utf-8")
    with watched.browser() as (page, seen):
        page.goto((folder / "texts.html").as_uri())
        page.wait_for_timeout(1000)
        page.screenshot(path=watched.SHOTS / "hostile_nbconvert.png")
        shown = page.inner_text("body")
    assert seen.ran == [] and seen.foreign("file:") == [] and canary.requests == []
    assert "pwned='script'" in shown


@pytest.mark.parametrize("how", ["JupyterLab's preview", "a renderer that lets HTML through"])
def test_the_report(jupyter, folder, canary, how):
    with watched.browser(height=2000) as (page, seen):
        if how == "JupyterLab's preview":
            page.goto(jupyter.format("benchmark_report.md"), wait_until="domcontentloaded")
            page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
            page.evaluate(PREVIEW)
            shown = page.locator(".jp-MarkdownViewer .jp-RenderedMarkdown")
            shown.get_by_text("What this does not tell").wait_for(timeout=60_000)
            known = base_of(jupyter)
        else:
            as_html = gfm.READER.render((folder / "benchmark_report.md").read_text(encoding="utf-8"))
            (folder / "report.html").write_text(as_html, encoding="utf-8")
            page.goto((folder / "report.html").as_uri())
            shown, known = page.locator("body"), "file:"
        page.wait_for_timeout(1000)
        words = shown.inner_text()
        page.screenshot(path=watched.SHOTS / f"hostile_report_{known[:4]}.png")
    quiet(seen, canary, known)
    assert "pwned='img-onerror'" in words and "pwned='script'" in words


def test_the_main_notebook_on_an_endpoint_that_says_them(folder, jupyter, canary, texts):
    with Server(pages.endpoint(texts)) as server:
        name = pages.main_notebook(folder, server.root, texts)
        with watched.browser() as (page, seen):
            run_in_lab(page, jupyter, name)
            page.screenshot(path=watched.SHOTS / "hostile_main.png")
    quiet(seen, canary, base_of(jupyter))
    cells = [c for c in nbformat.read(folder / name, 4).cells if c.cell_type == "code"]
    assert [o for c in cells for o in c.outputs if o.output_type == "error"] == []
    assert all(c.execution_count for c in cells)


def test_voila(folder, canary, texts):
    with lab.voila(folder) as address, watched.browser() as (page, seen):
        page.goto(address.format(SHOWN), wait_until="domcontentloaded", timeout=120_000)
        page.get_by_text("the end", exact=True).wait_for(timeout=120_000)
        page.locator(".bench-live img").last.wait_for(timeout=60_000)
        page.wait_for_timeout(1000)
        shown = page.inner_text("body")
        page.screenshot(path=watched.SHOTS / "hostile_voila.png")
    quiet(seen, canary, base_of(address), VOILAS_OWN)
    short = [name for name, text in texts.items() if len(text) < 150 and "\t" not in text and "\r" not in text]
    assert readable(shown, texts, short) == []


def test_what_is_looked_for_would_be_seen(jupyter, canary):
    """The control: displayed as an attendee might, some of the same texts run and call."""
    before = len(canary.requests)
    with watched.browser() as (page, seen):
        run_in_lab(page, jupyter, NAIVE)
        page.wait_for_timeout(2000)
    assert {"img-onerror", "script"} <= set(seen.ran)
    assert len(canary.requests) > before and seen.foreign(base_of(jupyter)) != []
