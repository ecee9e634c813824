"""A report taken apart for tracing: its sections, its tables, and every number in it that is no constant of the method.

Names (of models, prompts and raters) are blanked before numbers are looked for, as their digits count nothing; so are
the phrases of CONSTANTS, each of which holds numbers of the method and none of the run.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NUMBER = re.compile(r"(?:(?<![\w)\]–-])[+-])?\d+(?:,\d{3})*(?:\.\d+)*")
CONSTANTS = (  # phrase: a setting of the method, not something that was measured
    *("95 % intervals", "95 % interval", "95 % confidence", "p95", "n ≥ 59", "n = 59", "1–5"),
    *("not judged below n = 10", "Faster or slower: 5 % or more", "[1/1.05, 1.05]", "for times below 1", "above 1."),
    *("off 1 after Holm's correction", "excludes 1 after Holm's correction", "(output tokens − 1)"),
    *(
        "within 5 %",
        "exclude 0",
        "3 × IQR",
        "from 8 repeats",
        "below 5 repeats",
        "below 8 requests",
        "only from 6 pairs",
    ),
    *("by 5 % or more", "from 6 requests on", "from 3 loads", "below 3 loads", "3 of 3 proves only ≥ 37 %"),
    *("a difference of 0.5 in 4 of 5 tries", "65001 (UTF-8)", "UTF-8", "The first 6 of"),
    *(
        "shortened: 600 of",
        "(p99)",
        "where 1.00 is",
        "(1.00 at best)",
        "of 5.",
        "(1 is the best, 0.5 half as good)",
        "a score of 0.5",
    ),
    *(
        "per 1,000 output tokens",
        "per 1,000 requests",
        "/ 3,600 /",
        "× 1,000",
        "Wh / 1,000",
        "from 0 to 100 %",
        "of 20 pairs",
    ),
)


class Near(NamedTuple):
    """A number that comes from resampling: another seed gives another one, within so much."""

    value: float
    within: float


Expected = str | Near


def plain(markdown: str) -> str:
    """Markdown as its reader sees it, blocks and tables as they were."""
    return html.unescape(re.sub(r"\\([^\w\s])", r"\1", markdown))


def sections(page: str) -> dict[str, str]:
    """Title -> text, of the parts under a heading of the first or second level."""
    parts = re.split(r"^##? (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def tables(text: str) -> list[list[dict[str, str]]]:
    """Each table as its lines, header -> cell."""
    found = []
    for block in text.split("\n\n"):
        if block.startswith("| "):
            head, _, *lines = [[cell.strip() for cell in line.strip()[1:-1].split(" | ")] for line in block.split("\n")]
            found.append([dict(zip(head, line, strict=True)) for line in lines])
    return found


def blank(text: str, names: Iterable[str]) -> str:
    """The text with names filled up with dots, the longest first, so that every number stays in its place."""
    for name in sorted(set(names), key=len, reverse=True):
        text = text.replace(name, "·" * len(name))
    return text


def numbers(text: str, constants: bool = False) -> list[re.Match[str]]:
    """Where numbers stand, those of the CONSTANTS only if they are asked for."""
    return list(NUMBER.finditer(text if constants else blank(text, CONSTANTS)))


def of_text(*texts: object) -> list[str]:
    """The numbers in what a record says in words."""
    return [match[0] for text in texts for match in numbers(str(text), constants=True)]


def differences(found: Sequence[str], expected: Sequence[Expected]) -> list[str]:
    """Where two lists of numbers differ first; [] where they don't."""
    for place, (seen, derived) in enumerate(zip(found, expected, strict=False)):
        near = isinstance(derived, Near) and abs(float(seen.replace(",", "")) - derived.value) <= derived.within
        if not near and seen != derived:
            return [f"number {place + 1} is {seen}, the records give {derived}; before it: {list(found[:place])[-6:]}"]
    if len(found) != len(expected):
        return [f"{len(found)} numbers were found, the records give {len(expected)}: {found[-4:]}, {expected[-4:]}"]
    return []


# Numbers as a report writes them.


def shown(value: float) -> str:
    """Three significant digits; whole numbers, and those from 100 on, without a fraction."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    digits = 2
    while abs(value) < 10 ** (2 - digits):
        digits += 1
    return f"{value:.{digits - (abs(value) >= 10)}f}"


def rounded(value: float | None) -> list[str]:
    """As a table shows a mean or a size: rounded to three digits first, so that 61.04 is 61; nothing for "n/a"."""
    if value is None or math.isnan(value):
        return []
    return [shown(float(f"{value:.3g}") if abs(value) < 1000 else float(round(value)))]
