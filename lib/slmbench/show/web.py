"""A report as a web page of one file: made from its Markdown, with its pictures inside, and nothing from elsewhere.

Only what reports are built of is read as Markdown at all: headings, paragraphs, lists, tables, code, emphasis, and the
pictures that are given. There are no links, no raw HTML and no scripts, and a policy in the page forbids the browser
all but the styles and pictures that it holds.
"""

from __future__ import annotations

import base64
import functools
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slmbench.show.text import plain

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
BLOCKS = ("heading", "list", "fence", "table")
INLINE = ("image", "emphasis", "escape", "entity", "backticks", "newline")
LONG = 12  # letters of a word in a table; a longer one may be broken on paper
CARDS_FROM = 4  # columns: on a phone, each line of such a table is a card


class Picture(NamedTuple):
    """A drawing as PNG bytes, on light and on dark ground."""

    light: bytes
    dark: bytes


def page(markdown: str, pictures: Mapping[str, Picture], title: str, footer: str) -> str:
    """The whole page. markdown: of a report. pictures: by the name of the file that the Markdown shows. title: of the
    window. footer: the last line. Both are plain text, also of strangers.
    """
    tokens = list(_figures(_reader().parse(markdown), pictures))
    _label(tokens)
    opening, *sections = _split(tokens)
    contents = "".join(
        f'<li><a href="#s{place}">{escape(_text(part[1]))}</a></li>' for place, part in enumerate(sections, 1)
    )
    parts = [f"<section>\n{_html(part)}</section>" for part in sections]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(plain(title))}</title>",
            f"<style>\n{_style()}</style>",
            "</head>",
            "<body>",
            "<main>",
            f'<div class="opening">\n{_html(opening)}</div>',
            f'<nav aria-label="Contents"><ul>{contents}</ul></nav>' if contents else "",
            *parts,
            "</main>",
            f"<footer><p>{escape(plain(footer))}</p></footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def words(markdown: str) -> str:
    """Inline Markdown as the plain text that a reader sees.

    >>> words("**a\\\\_b** &lt; 1")
    'a_b < 1'
    """
    return "".join(map(_text, _reader().parseInline(markdown)))


@functools.cache
def _reader() -> MarkdownIt:
    """Reads nothing but what is named in BLOCKS and INLINE, and pictures by plain names of files only."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("zero").enable([*BLOCKS, *INLINE])
    reader.validateLink = lambda address: address.endswith(".png") and address.replace("_", "a")[:-4].isalnum()
    reader.add_render_rule("image", lambda _, tokens, place, *__: escape(_text(tokens[place])))
    reader.add_render_rule("fence", lambda _, tokens, place, *__: _code(tokens[place].content))
    reader.add_render_rule("figure", lambda _, tokens, place, *__: tokens[place].content)
    reader.add_render_rule("table_open", lambda own, tokens, place, *more: _box(own.renderToken, tokens, place, *more))
    reader.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return reader


def _html(tokens: Sequence[Token]) -> str:
    reader = _reader()
    return reader.renderer.render(tokens, reader.options, {})


def _style() -> str:
    return Path(__file__).with_name("web.css").read_text(encoding="utf-8")


def _code(said: str) -> str:
    """lang is unknown: mostly a model's reply."""
    return f'<pre lang="" dir="auto"><code>{escape(said)}</code></pre>\n'


def _box(render: Callable[..., str], tokens: Sequence[Token], place: int, *more: object) -> str:
    """A wide table scrolls in a box of its own, also with the keyboard."""
    name = escape(str(tokens[place].attrs["aria-label"]))
    return f'<div class="wide" role="group" aria-label="{name}" tabindex="0">{render(tokens, place, *more)}'


def _text(token: Token) -> str:
    """What is left of a token's inside without any markup."""
    if token.children is None:
        return "\n" if token.type == "softbreak" else token.content
    return "".join(map(_text, token.children))


def _figures(tokens: Sequence[Token], pictures: Mapping[str, Picture]) -> Iterator[Token]:
    """The tokens, a paragraph that is a picture and nothing else as a figure."""
    from markdown_it.token import Token

    skip = 0
    for place, token in enumerate(tokens):
        if skip:
            skip -= 1
            continue
        inside = tokens[place + 1].children if token.type == "paragraph_open" else None
        shown = inside[0] if inside and len(inside) == 1 and inside[0].type == "image" else None
        if shown is not None and (found := pictures.get(str(shown.attrs["src"]))):
            yield Token("figure", "figure", 0, content=_figure(_text(shown), found), block=True)
            skip = 2
        else:
            yield token


def _figure(said: str, picture: Picture) -> str:
    """Both drawings, of which a page shows the one of its theme, and paper the light one; the first sentence as
    caption, the rest below. (A <picture> with its sources is chosen from before printing, and would be dark there.)
    """
    first, stop, rest = said.partition(". ")
    caption = escape(first + stop.strip())
    more = f"<details><summary>In numbers</summary><p>{escape(rest)}</p></details>" if rest else ""
    width, height = _size(picture.light)
    both = "".join(
        f'<img class="{look}" src="{_data(png)}" width="{width}" height="{height}" alt="{caption}">'
        for look, png in (("day", picture.light), ("night", picture.dark))
    )
    shape = ' class="tall"' if height > 0.75 * width else ""
    return f"<figure{shape}>{both}<figcaption>{caption}{more}</figcaption></figure>\n"


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels. source: PNG specification, 11.2.1: IHDR is the first chunk."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """The opening, then a part for each heading of the second level, which gets its id."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h2":
            token.attrSet("id", f"s{len(parts)}")
            parts.append([])
        parts[-1].append(token)
    return parts


def _label(tokens: list[Token]) -> None:
    """Has tables named, their headers with a scope, and their cells with their column's name, for cards on a phone."""
    heading = ""
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = _text(tokens[place + 1])
        elif token.type == "table_open":
            end = next(i for i in itertools.count(place) if tokens[i].type == "table_close")
            _label_table(tokens[place : end + 1], heading)


ROLES = {"thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}


def _label_table(tokens: Sequence[Token], name: str) -> None:
    """Roles are said in words, as a table that is shown as cards would lose them."""
    heads = [_text(after) for token, after in itertools.pairwise(tokens) if token.type == "th_open"]
    tokens[0].attrs = {"role": "table", "aria-label": name} | ({"class": "cards"} if len(heads) >= CARDS_FROM else {})
    column, first = 0, False
    for place, token in enumerate(tokens[1:-1], 1):
        kind = token.tag
        if token.type.endswith("_open"):
            looks = ["n"] * ("right" in str(token.attrs.get("style", ""))) + ["long"] * _is_long(tokens[place + 1])
            token.attrs = {"class": " ".join(looks)} if looks else {}
            token.attrs |= {"role": ROLES[kind]} if kind in ROLES else {}
        if token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            token.attrs |= {"role": "columnheader", "scope": "col"}
        elif token.type == "td_open":
            first = column == 0
            token.attrs |= {"role": "rowheader", "scope": "row"} if first else {"data-label": heads[column]}
            column += 1
        if kind == "td" and first:
            token.tag = "th"


def _is_long(cell: Token) -> bool:
    return cell.type == "inline" and any(len(word) > LONG for word in re.split(r"[\s-]", _text(cell)))
