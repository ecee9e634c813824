"""Tables as an attendee makes them: what plain pandas shows of hostile texts, and what pandas' styles would run."""

import re
from html.parser import HTMLParser

import matplotlib
import pandas as pd
import pytest

from slmbench.show import tables, theme
from support import hostile
from support.made_hostile import CORPUS

TEXTS = [h.text for h in CORPUS if "long" not in h.name]
TAGS = {"table", "thead", "tbody", "tr", "th", "td", "style", "div", "p"}
SETTINGS = ("display.html.use_mathjax", "styler.html.mathjax", "styler.format.escape")


class Tags(HTMLParser):
    """The tags and the words of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.events, self.words = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.events += [
            name for name, _ in attrs if name not in ("id", "class", "type", "border", "style", "rowspan", "colspan")
        ]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def applied():
    """A notebook after its first cell."""
    with matplotlib.rc_context(), pd.option_context(*(part for s in SETTINGS for part in (s, pd.get_option(s)))):
        theme.apply()
        yield


def frames():
    """Hostile texts as cells and lists, as columns, as an index, and as their names."""
    cells = pd.DataFrame({"text": TEXTS, "list": [[t] for t in TEXTS], "n": range(len(TEXTS))})
    names = pd.DataFrame([range(len(TEXTS))], columns=pd.Index(TEXTS, name=TEXTS[0]))
    return {"cells": cells, "columns": names, "index": names.T, "levels": cells.set_index(["text", "n"])}


@pytest.mark.parametrize("formulas", [True, False], ids=["pandas as it is", "as the notebook sets it"])
@pytest.mark.parametrize(("name", "frame"), frames().items(), ids=frames())
def test_a_styled_table_holds_no_tag_but_its_own(name, frame, formulas):
    style = tables.styled(frame)
    with pd.option_context("styler.html.mathjax", formulas):
        pages = style.to_html(), style.format(precision=1).to_html()
    for page in pages:
        found = Tags(page)
        assert found.tags <= TAGS, name
        assert found.events == []
        words = "\n".join(found.words)
        assert all(hostile.is_readable(text, words) for text in TEXTS)
        assert hostile.commands(page) == []
        classes = re.findall(r'<table id="[^"]*" class="([^"]*)"', page)
        assert [set(found.split()) for found in classes] == [{"tex2jax_ignore", "mathjax_ignore"}]


def test_a_style_without_the_kit_does_run_them():
    """Why there is `styled`: if pandas comes to escape by itself, it can go."""
    frame = frames()["cells"]
    assert {"script", "img", "iframe"} <= Tags(frame.style.to_html()).tags
    escaped = pd.DataFrame({"<b>": ["<img>"]}).style.format(escape="html")
    assert Tags(escaped.to_html()).tags - TAGS == {"b"}
    assert Tags(escaped.format(precision=1).to_html()).tags - TAGS == {"b", "img"}


@pytest.mark.usefixtures("applied")
def test_after_the_first_cell_a_plain_style_shows_its_cells_as_text():
    assert Tags(frames()["cells"][["text", "n"]].style.to_html()).tags <= TAGS
    assert "mathjax_ignore" in frames()["cells"].style.to_html()


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize(("name", "frame"), frames().items(), ids=frames())
def test_a_plain_table_is_text_and_no_formula(name, frame):
    with pd.option_context("display.max_colwidth", None, "display.max_rows", None, "display.max_columns", None):
        page = frame._repr_html_()
    found = Tags(page)
    assert found.tags <= TAGS, name
    assert "mathjax_ignore" in page
    words = "\n".join(found.words)
    assert all(hostile.is_readable(text, words) for text in TEXTS if text.isprintable())


def test_what_is_styled_keeps_numbers_times_and_ordinary_words():
    when = pd.Timestamp("2026-01-02")
    frame = pd.DataFrame({"a & b": [1.25, float("nan")], "t": [when, pd.NaT], "x": ["नेपाली", None]}, index=["m", "n"])
    assert "background-color" in tables.styled(frame).highlight_max(subset=["a &amp; b"], color="#abc").to_html()
    shown = tables.styled(frame).data
    assert shown["a &amp; b"].iloc[0] == 1.25 and shown["t"].iloc[0] == when and shown["x"].iloc[0] == "नेपाली"
    assert frame.columns[0] == "a & b"
