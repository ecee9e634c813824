"""Markdown as its most obliging reader takes it: raw HTML, bare links, footnotes, formulas and front matter are on."""

from __future__ import annotations

import functools

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

READER = MarkdownIt("gfm-like", {"html": True, "linkify": True})
READER.use(footnote_plugin).use(dollarmath_plugin).use(front_matter_plugin)
WORDS = {"text", "softbreak", "code_inline"}  # what a line of text is made of


@functools.lru_cache(maxsize=4)  # the same page is asked for its kinds, its words, its pictures ...
def pieces(page: str) -> tuple[Token, ...]:
    """All of a page's pieces, what is inside of others after them; without the containers of lines."""
    return tuple(_flat(READER.parse(page)))


def _flat(tokens: list[Token]):
    for token in tokens:
        if token.type != "inline":
            yield token
        yield from _flat(token.children or [])


def kinds(page: str) -> set[str]:
    """What a page is made of, but for words: {"paragraph", "strong", …}."""
    return {t.type.removesuffix("_open").removesuffix("_close") for t in pieces(page)} - WORDS


def shown(page: str) -> str:
    """The words on a page, alternative texts of images among them; blocks, cells and lines apart."""
    holders, found = ("text", "code_inline", "fence", "code_block"), []
    for token in pieces(page):
        found.append("\n" if token.block or token.type == "softbreak" else "")
        found.append(token.content if token.type in holders else "")
    return "".join(found)


def pictures(page: str) -> list[str]:
    """Where a page has its pictures from."""
    return [str(t.attrs["src"]) for t in pieces(page) if t.type == "image"]
