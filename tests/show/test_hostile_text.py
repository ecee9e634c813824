"""Each hostile text through each function of `show.text`: nothing but its own words comes out."""

import csv
import io
import json
import unicodedata

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from slmbench.show import text
from support import gfm, hostile

CORPUS = hostile.corpus()
each = pytest.mark.parametrize("bad", [pytest.param(h.text, id=h.name) for h in CORPUS])
MARKS = [
    *"\\`*_[]()<>!|~$#&@:/.-+=\"'{}^\n\t 1a",
    "http://",
    "www.",
    "](",
    "![",
    "<!--",
    "$$",
    "\\(",
    "\\begin",
    "&lt;",
]
fragments = st.lists(st.sampled_from(MARKS), max_size=24).map("".join)
PLACES = {  # where a page has words of strangers
    "{}": {"paragraph"},
    "To “{}”:": {"paragraph"},
    "**{}**:": {"paragraph", "strong"},
    "### {}": {"heading"},
    "- {}": {"paragraph", "bullet_list", "list_item"},
    "- a: {}\n- b: {}": {"paragraph", "bullet_list", "list_item"},
    "![{}](p.png)": {"paragraph", "image"},
}


def test_the_corpus_is_large_and_each_text_is_of_its_own():
    assert len(CORPUS) >= 100
    assert len({h.text for h in CORPUS}) == len(CORPUS) == len({h.name for h in CORPUS})
    assert sum(bool(h.does) for h in CORPUS) >= 35


@each
def test_a_line_of_markdown_is_words_wherever_it_stands(bad):
    for place, kinds in PLACES.items():
        page = place.format(*[text.markdown(bad)] * place.count("{}"))
        assert gfm.kinds(page) == kinds
        assert gfm.pictures(page) == ["p.png"] * place.startswith("!")
        assert hostile.is_readable(bad, gfm.shown(page))
        assert hostile.commands(gfm.shown(page)) == []


@given(fragments)
def test_no_mixture_of_marks_is_more_than_words(bad):
    line = text.markdown(bad)
    if not line:
        return
    for place, kinds in PLACES.items():
        assert gfm.kinds(place.format(*[line] * place.count("{}"))) == kinds
    assert gfm.shown(line).strip() == " ".join(bad.split())


@each
def test_a_table_keeps_its_cells(bad):
    page = text.table(pd.DataFrame({bad: [bad, "b"], "n": [1, 2]}))
    assert gfm.kinds(page) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert [sum(t.type == f"{kind}_open" for t in gfm.pieces(page)) for kind in ("tr", "th", "td")] == [3, 2, 4]
    assert hostile.is_readable(bad, gfm.shown(page))


@each
def test_a_fence_is_not_left(bad):
    page = f"before\n\n{text.fenced(bad)}\n\nafter"
    assert [t.type for t in gfm.pieces(page) if t.type.endswith(("open", "fence"))] == [
        *("paragraph_open", "fence", "paragraph_open")
    ]
    [block] = [t for t in gfm.pieces(page) if t.type == "fence"]
    assert block.info == "text"
    assert hostile.is_readable(bad, block.content)
    assert hostile.commands(block.content, keep="\n\t") == []


@given(fragments)
def test_no_mixture_of_marks_leaves_a_fence(bad):
    assert gfm.kinds(f"{text.fenced(bad)}\n\nafter") == {"fence", "paragraph"}


@each
def test_a_terminal_gets_nothing_to_obey(bad):
    line = text.plain(bad)
    assert hostile.commands(line, keep="") == []
    assert hostile.is_readable(bad, line)
    assert line.encode("utf-8")  # no half character
    assert len(line) == len(bad)
    kept = text.plain(bad, keep="\n")
    assert kept.count("\n") == bad.count("\n")
    assert hostile.commands(kept) == []


def test_text_without_commands_is_left_alone():
    ordinary = "नेपाली र्\u200dयाल, café — “quoted” 👩\u200d💻 x² = 4 €"
    assert text.plain(ordinary) == ordinary


@each
def test_json_for_a_terminal_keeps_all_and_obeys_none(bad):
    page = text.as_json({bad: [bad, 1.5, None]})
    assert hostile.commands(page) == []
    assert json.loads(page) == {bad: [bad, 1.5, None]}


@each
def test_a_cell_of_a_sheet_is_no_formula_and_can_be_had_back(bad):
    page = text.csv(pd.DataFrame({"model": [bad, "b"], "flags": [[bad], []], bad + "head": [1, 2]}))
    rows = list(csv.reader(io.StringIO(page.decode("utf-8"), newline="")))
    assert [len(row) for row in rows] == [3, 3, 3]
    for cell in (cell for row in rows for cell in row):
        seen = "".join(c for c in unicodedata.normalize("NFKC", cell) if unicodedata.category(c) not in ("Cc", "Cf"))
        assert cell[:1] not in ("\t", "\r", "\n")
        assert seen.lstrip()[:1] not in tuple("=+-@")
    raw = bad.encode("utf-8", "backslashreplace").decode()  # as documented: half characters are escaped
    assert rows[1][0] in (raw, f"'{raw}")
    assert json.loads(rows[1][1]) == [bad] or "\\ud" in rows[1][1]
