"""A report on hostile texts: its own parts and nothing else, every word of theirs, and the raw values in the run."""

import csv
import io

import pytest

from slmbench import store
from slmbench.records import Row, to_frame
from slmbench.show import report, text, web
from support import gfm, hostile
from support.made_hostile import CORPUS, NAME_MAX, batches, rows_of, told_of
from support.pages import Page

BATCHES = batches(CORPUS, 6)  # each with something of every kind; a single text's marks: test_hostile_text.py
USUAL = BATCHES[::3]
PARAMS = [pytest.param(texts, marks=[] if texts in USUAL else pytest.mark.soak) for texts in BATCHES]
OURS = {"heading", "paragraph", "strong", "bullet_list", "list_item", "fence", "image"}
PLAN = {"models": ["a"], "prompts": [{"id": "p", "text": "Hi"}], "rounds": 1, "max_tokens": 8, "temperature": 0.0}
PICTURES = {f"{name}.png" for name in (*(picture.name for picture in report.PICTURES), "speed_quality")}
OURS |= {"table", "thead", "tbody", "tr", "th", "td"}
ELEMENTS = {"html", "head", "meta", "link", "title", "style", "body", "main", "nav", "footer", "section", "div", "h1"}
ELEMENTS |= {"h2", "h3", "p", "ul", "li", "a", "strong", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}
ELEMENTS |= {"figure", "img", "figcaption", "details", "summary"}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "rel", "href", "class", "id", "aria-label", "role"}
ATTRIBUTES |= {"tabindex", "scope", "dir", "data-label", "src", "width", "height", "alt"}


@pytest.fixture(scope="module", params=PARAMS, ids=lambda texts: hostile.words(texts[0])[0][:20])
def run(request):
    """(texts, their report) for a few of them at a time."""
    return request.param, report.markdown(to_frame(rows_of(request.param)), **told_of(request.param))


def test_a_report_is_built_of_its_own_parts(run):
    texts, page = run
    assert gfm.kinds(page) == OURS
    assert set(gfm.pictures(page)) <= PICTURES
    headings = [t for t in gfm.pieces(page) if t.type == "heading_open"]
    assert len(headings) == 17 + len(texts)  # the report's own, and one for each prompt
    assert hostile.commands(page, keep="\n\t") == []


def test_every_reply_and_name_can_be_read(run):
    texts, page = run
    blocks = [t.content for t in gfm.pieces(page) if t.type == "fence"]
    words = gfm.shown(page)
    assert len(blocks) == len(texts) ** 2 + 1  # and the command
    for said in texts:
        shown, _ = text.shortened(said)
        assert sum(hostile.is_readable(shown, block) for block in blocks) >= len(texts)
        assert hostile.is_readable(said[:NAME_MAX], words)
    assert hostile.is_readable(texts[0], blocks[-1])


def test_the_web_page_is_built_of_its_own_parts_too(run):
    texts, markdown = run
    drawn = dict.fromkeys(PICTURES, web.Picture(*[b"\x89PNG" + bytes(20)] * 2))
    page = Page(web.page(markdown, drawn, texts[0], texts[-1]))
    assert page.problems == []
    assert {e.tag for e in page.elements} <= ELEMENTS
    assert {name for e in page.elements for name in e.attrs} <= ATTRIBUTES
    assert all(e.attrs["href"].startswith(("#s", "data:")) for e in page.all("a", "link"))
    assert all(e.attrs["src"].startswith("data:image/png;base64,") for e in page.all("img"))
    assert len(page.all("img")) == 2 * len(gfm.pictures(markdown)) > 0
    assert len(page.all("h2", "h3")) == 16 + len(texts)
    assert page.code == [t.content for t in gfm.pieces(markdown) if t.type == "fence"]
    assert all(hostile.is_readable(said[:NAME_MAX], page.text) for said in texts)
    assert hostile.commands(page.text, keep="\n\t") == []


def test_the_verdict_is_a_sentence_with_their_names(run):
    texts, page = run
    opening = page.split("\n\n## ")[0]
    assert gfm.kinds(opening) == {"heading", "paragraph", "strong", "bullet_list", "list_item"}
    [verdict] = [line for line in opening.splitlines() if line.startswith("**")]
    assert all(hostile.is_readable(text[:NAME_MAX], gfm.shown(verdict)) for text in texts)


def test_records_keep_every_character(tmp_path):
    rows = [row for texts in BATCHES for row in rows_of(texts) if row.prompt_id is None or row.text is not None]
    path = tmp_path / "run"
    with store.RunFolder.open(path, PLAN, {"os": "test"}) as folder:
        for row in rows[:60]:
            folder.append(row)
    with (path / "rows.jsonl").open("ab") as file:
        file.writelines(row.to_json().encode("ascii") + b"\n" for row in rows[60:])
    assert store.read(path).rows == rows
    frame = store.frame(path, light=False)
    assert frame["text"].fillna("").tolist() == [row.text or "" for row in rows]
    assert frame["model"].tolist() == [row.model for row in rows]


def test_one_row_is_one_line_of_ascii():
    for h in CORPUS:
        line = Row("r", "c", h.text, text=h.text, error=h.text).to_json()
        assert line.isascii() and line.isprintable()
        assert Row.from_json(line).text == h.text


@pytest.mark.usefixtures("blank_pictures")
def test_files_have_their_own_names_and_sheets_the_raw_values(tmp_path):
    chosen = ("surrogates", "controls", "path", "long", "formula-dde", "out-of-anything", "bidi-override")
    texts = [h.text for h in CORPUS if h.name in chosen]
    rows = rows_of(texts)
    folder = tmp_path / "run"
    folder.mkdir()
    paths = report.write(folder, to_frame(rows), **told_of(texts))
    ours = {*(f"benchmark_report.{kind}" for kind in ("md", "html", "json")), "summary.csv", "rows.csv", *PICTURES}
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {p.name for p in paths} <= ours
    table = list(csv.DictReader(io.StringIO((folder / "rows.csv").read_bytes().decode(), newline="")))
    assert len(table) == len(rows)
    for line, row in zip(table, rows, strict=True):
        raw = (row.text or "").encode("utf-8", "backslashreplace").decode()
        assert line["text"] in (raw, f"'{raw}")
        assert (line["text"] != raw) == raw.startswith(("=", "-"))
