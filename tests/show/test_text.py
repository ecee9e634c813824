"""Hostile text, held against a Markdown renderer; spreadsheet formulas; numbers."""

import csv as stdlib_csv
import html
import io
import json
import re

import mistune
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from slmbench.show import text

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "a | b | c",
    "line\n\n# Heading\n\n- item",
    "```\n<script>alert(1)</script>\n```",
    "`code` **bold** _it_ ~~gone~~",
    "https://evil.example www.evil.example me@evil.example",
    "&lt;script&gt; &#60;b&#62;",
    "[ref]: http://evil.example",
    "<!-- comment -->",
    "trailing backslash \\",
    "\\| \\` \\<b>",
    "नेपाली | <b>",
]
render = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url"])


def tags(page):
    return set(re.findall(r"<\s*/?\s*([a-z0-9]+)", page))


@pytest.mark.parametrize("bad", HOSTILE)
def test_escaped_text_shows_itself_and_nothing_else(bad):
    page = render(f"Before {text.markdown(bad)} after")
    assert tags(page) == {"p"}
    shown = html.unescape(re.sub(r"</?p>", "", page)).strip()
    assert shown == f"Before {' '.join(bad.split())} after"


@pytest.mark.parametrize("bad", HOSTILE)
def test_a_cell_stays_one_cell(bad):
    page = render(text.table(pd.DataFrame({"Model": [bad, "b"], "n": [1, 2]})))
    assert tags(page) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.count("<td") == 4
    assert page.count("<tr>") == 3


@pytest.mark.parametrize("bad", [*HOSTILE, "`" * 7, "~~~\n</code>", "\x1b[2J\x00", ""])
def test_a_fence_can_not_be_left(bad):
    page = render(f"{text.fenced(bad)}\n\nend")
    assert tags(page) == {"pre", "code", "p"}
    assert page.endswith("<p>end</p>\n")
    assert "\x1b" not in page


@given(st.text(max_size=80))
def test_no_text_makes_a_tag(bad):
    assert tags(render(f"x {text.markdown(bad)} y")) - {"code"} == {"p"}  # code: the ends of formulas
    assert tags(render(f"{text.fenced(bad)}\n")) == {"pre", "code"}


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        ("costs 5$ and 6$", "costs 5<code>$</code> and 6<code>$</code>"),
        ("$$x$$", "<code>$$</code>x<code>$$</code>"),
        (r"\(x\) \[y\]", r"<code>\</code>(x<code>\</code>) <code>\</code>[y<code>\</code>]"),
        (r"$\begin{a} \beginning", r"<code>$\</code>begin{a} \beginning"),
        (r"`$`", "`<code>$</code>`"),
        (r"C:\Users", r"C:\Users"),
    ],
)
def test_ends_of_formulas_stand_in_code_where_no_page_looks_for_them(bad, shown):
    assert html.unescape(render(text.markdown(bad))) == f"<p>{shown}</p>\n"


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ("1. one", "1\\. one"),
        ("12) two", "12\\) two"),
        ("- item", "\\- item"),
        ("---", "\\---"),
        ("=", "\\="),
        ("-0.5", "-0.5"),
        ("3.11.2", "3.11.2"),
        ("see 1. one", "see 1. one"),
    ],
)
def test_a_line_begins_no_list_and_no_rule(bad, line):
    assert text.markdown(bad) == line


def test_joiners_stay_and_direction_marks_go():
    assert text.plain("र्\u200dयाल") == "र्\u200dयाल"
    assert text.plain("a\u202eb\u00a0c\x07") == "a�b c�"


def test_shortening_is_visible():
    assert text.shortened("abc", 3) == ("abc", "")
    assert text.shortened("a" * 1200) == ("a" * 600, "shortened: 600 of 1,200 characters")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "n/a"),
        (float("nan"), "n/a"),
        (0, "0"),
        (12, "12"),
        (0.012345, "0.0123"),
        (1.0, "1"),
        (1.005, "1.00"),
        (9.876, "9.88"),
        (98.76, "98.8"),
        (987.6, "988"),
        (12345.6, "12,346"),
        (-0.5, "-0.500"),
        (np.float64(2.5), "2.50"),
    ],
)
def test_numbers_have_three_digits_and_no_exponent(value, expected):
    assert text.number(value) == expected


def parsed(data):
    return list(stdlib_csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


@pytest.mark.parametrize(
    "start",
    [
        *(
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            " =1",
            "\xa0 =1",
            "\ufeff=1",
            "\x00-1",
            "\u200b@a",
            "＝1",
            "＠a",
        )
    ],
)
def test_formulas_are_prefixed(start):
    (line,) = parsed(text.csv(pd.DataFrame({"model": [start], "x": [1.0]})))
    assert line["model"] == f"'{start}"
    (line,) = parsed(text.csv(pd.DataFrame({start: [1.0]})))
    assert line == {f"'{start}": "1.0"}


@pytest.mark.parametrize("start", ["a=1", "'=1", "", " ", "�=1", "−1", "1-2"])
def test_what_begins_no_formula_is_left_alone(start):
    (line,) = parsed(text.csv(pd.DataFrame({"model": [start], "x": [1.0]})))
    assert line["model"] == start


def test_numbers_lists_and_other_text_are_left_alone():
    frame = pd.DataFrame({"x": [-1.5, float("nan")], "n": [1, 2], "flags": [["=a", "नेपाली"], []], "t": ["a=b", None]})
    first, second = parsed(text.csv(frame))
    assert first == {"x": "-1.5", "n": "1", "flags": '["=a", "नेपाली"]', "t": "a=b"}
    assert second == {"x": "", "n": "2", "flags": "[]", "t": ""}
    assert json.loads(first["flags"]) == ["=a", "नेपाली"]


def test_lines_quotes_and_broken_characters_survive():
    data = text.csv(pd.DataFrame({"t": ['say "hi",\nthen\r\ngo', "\ud800 half a pair"]}))
    assert not data.startswith(b"\xef\xbb\xbf")
    lines = list(stdlib_csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    assert lines == [["t"], ['say "hi",\nthen\r\ngo'], ["\\ud800 half a pair"]]
