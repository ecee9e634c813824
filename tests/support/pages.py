"""A web page as a strict reader takes it: its elements with their attributes, and its words."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link", "img", "source", "br", "hr"}
BLOCKS = {"p", "li", "h1", "h2", "h3", "pre", "td", "th", "figcaption", "summary", "tr", "title", "figure"}


class Element(NamedTuple):
    """inside: the tags that it stands in, the outermost first."""

    tag: str
    attrs: dict[str, str | None]
    inside: tuple[str, ...]


class Page(HTMLParser):
    """elements: in their order. problems: tags that are closed in another order than they were opened in. text: the
    words of the body, blocks on lines of their own. code: what stands in each <pre>."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.problems: list[str] = []
        self.declared: list[str] = []
        self.code: list[str] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self.feed(html)
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self._open]

    @property
    def text(self) -> str:
        return "".join(self._words)

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len(dict(attrs)) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        self.elements.append(Element(tag, dict(attrs), tuple(self._open)))
        if tag in BLOCKS:
            self._words.append("\n")
        if tag == "pre":
            self.code.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if "body" in self._open:
            self._words.append(data)
        if "pre" in self._open:
            self.code[-1] += data

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"a comment: {data[:40]}")

    def handle_decl(self, decl: str) -> None:
        self.declared.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.problems.append(f"a declaration: {data[:40]}")

    def handle_pi(self, data: str) -> None:
        self.problems.append(f"an instruction: {data[:40]}")
