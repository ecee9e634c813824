"""The report as a web page: the same words as the Markdown, whole, for every reader, and nothing from elsewhere."""

import base64
import io
import itertools
import re
from pathlib import Path

import pytest
from made_report import page_of
from PIL import Image

from slmbench.records import to_frame
from slmbench.show import plots, theme, web
from support import gfm
from support.made_rows import sample_rows, sweep_rows
from support.pages import Page
from support.seeing import contrast

CSS = Path(web.__file__).with_name("web.css").read_text(encoding="utf-8")


def png(shade, size=(8, 6)):
    out = io.BytesIO()
    Image.new("RGB", size, (shade,) * 3).save(out, "PNG")
    return out.getvalue()


PICTURE = web.Picture(png(250), png(20))


@pytest.fixture(scope="module")
def markdown():
    return page_of(sample_rows())


@pytest.fixture(scope="module")
def html(markdown):
    return web.page(markdown, dict.fromkeys(gfm.pictures(markdown), PICTURE), "A & B", "made by <me>")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_is_a_whole_page_in_english(page, html):
    assert page.problems == [] and page.declared == ["doctype html"]
    assert page.all("html")[0].attrs == {"lang": "en"}
    assert "<title>A &amp; B</title>" in html and "<p>made by &lt;me&gt;</p>" in html
    assert [e.inside for e in page.all("main", "footer")] == [("html", "body")] * 2
    assert [e.attrs["aria-label"] for e in page.all("nav")] == ["Contents"]


def test_the_policy_forbids_all_but_what_the_page_holds(page):
    [policy] = [e.attrs["content"] for e in page.all("meta") if e.attrs.get("http-equiv") == "Content-Security-Policy"]
    assert {"default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"} <= set(policy.split("; "))
    asked = [v for e in page.elements for n, v in e.attrs.items() if n in ("src", "srcset", "href", "action", "data")]
    assert asked and all(value.startswith(("data:", "#")) for value in asked)
    assert not page.all("script", "iframe", "object", "embed", "form", "base")
    assert "url(" not in CSS and "@import" not in CSS


def test_it_says_what_the_markdown_says_in_the_same_order(page, markdown):
    told, shown = (re.findall(r"[^\W_]+", said) for said in (gfm.shown(markdown), page.text.partition("\n")[2]))
    known = iter(shown)
    missing = [
        word for word in told if word not in known
    ]  # takes words out of `known` up to the one that is looked for
    assert missing == [] and len(told) > 1000
    assert len(shown) - len(told) < 60  # the contents, the footer and "In numbers"


def test_headings_are_in_order_and_the_contents_lead_to_them(page, html):
    levels = [int(e.tag[1]) for e in page.all("h1", "h2", "h3")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    links = re.findall(r'<a href="#(s\d+)">(.*?)</a>', html)
    assert links == re.findall(r'<h2 id="(s\d+)">(.*?)</h2>', html) and len(links) > 10


def test_pictures_have_words_a_size_and_both_themes(page, markdown):
    images = page.all("img")
    assert len(images) == 2 * len(gfm.pictures(markdown)) > 10
    for day, night in zip(images[::2], images[1::2], strict=True):
        assert (day.attrs["class"], night.attrs["class"]) == ("day", "night")  # of which the style shows one
        assert day.attrs["alt"] == night.attrs["alt"] and len(day.attrs["alt"]) > 20
        assert {(e.attrs["width"], e.attrs["height"]) for e in (day, night)} == {("8", "6")}
        assert tuple(base64.b64decode(e.attrs["src"].partition(",")[2]) for e in (day, night)) == PICTURE


def test_a_picture_that_is_not_given_leaves_its_words():
    shown = Page(web.page("# T\n\n![Some words. More.](speed.png)\n", {}, "t", "f"))
    assert not shown.all("img") and "Some words. More." in shown.text


def test_tables_have_headers_names_and_labels(page, markdown):
    tables = page.all("table")
    assert len(tables) == len(re.findall(r"^\| ---", markdown, re.MULTILINE)) > 5 and all(
        e.attrs["aria-label"] for e in tables
    )
    heads = page.all("th")
    assert {e.attrs["scope"] for e in heads} == {"col", "row"}
    rows = [e for e in page.all("tr") if "tbody" in e.inside]
    assert len(rows) == sum(e.attrs["scope"] == "row" for e in heads)
    assert all(e.attrs["data-label"] for e in page.all("td"))
    assert {e.attrs["role"] for e in page.all("table", "thead", "tbody", "tr", "th", "td")} == {
        *("table", "rowgroup", "row", "columnheader", "rowheader", "cell")
    }


def test_cells_stand_under_the_column_that_they_name():
    table = "# T\n\n## H\n\n| a | b | c | d |\n| --- | ---: | --- | --- |\n| 1 | 2 | 3 | 4 |\n"
    shown = Page(web.page(table, {}, "t", "f"))
    assert [(e.attrs["data-label"], e.attrs.get("class")) for e in shown.all("td")] == [
        *(("b", "n"), ("c", None), ("d", None))
    ]
    assert shown.all("table")[0].attrs == {"role": "table", "aria-label": "H", "class": "cards"}


@pytest.mark.parametrize("written", ["[x](http://a.example)", "<b>x</b>", "<http://a.example>", "![x](http://a/b.png)"])
def test_what_no_report_is_made_of_stays_text(written):
    shown = Page(web.page(f"# T\n\n{written}\n", {}, "t", "f"))
    assert {e.tag for e in shown.elements if e.inside[-1:] == ("p",)} == set()
    assert "".join(written.split("!")) in "".join(shown.text.split("!"))


def colours(theme_text):
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme_text))


def test_contrast_is_high_enough_in_both_themes():
    light, dark = colours(CSS.partition("@media")[0]), colours(CSS.partition("dark) {")[2].partition("@media")[0])
    assert light.keys() == dark.keys()
    for found in light, dark:
        for ink in ("text", "muted", "accent"):
            for ground in ("ground", "raised"):
                assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground)


@pytest.mark.parametrize("kind", sorted(plots.KINDS.keys() - {"acceleration"}))  # which is in no report
def test_a_darkened_picture_is_the_one_drawn_in_the_dark(kind):
    frame = to_frame(sweep_rows() if kind == "concurrency_curve" else sample_rows())
    with theme.use("light"):
        _, turned = theme.both(plots.draw(frame, kind).figure)
    with theme.use("dark"):
        assert turned == theme.png(plots.draw(frame, kind).figure)
