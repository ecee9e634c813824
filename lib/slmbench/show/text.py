"""Text from strangers, made safe for Markdown and for spreadsheets; numbers as people read them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA_SIGNS = "=+-@＝＋－＠"  # the wide ones, too: set for such letters, a spreadsheet takes one for the other
MISSING = "n/a"
JOINERS = "\u200c\u200d"

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
_MATH = r"(?P<math>(?:\$|\\(?=[()\[\]]|begin\b|(?:eq)?ref\b))+)"  # what MathJax takes for the ends of formulas
_BLOCK = r"(?P<number>\A\d{1,9}(?=[.)](?:\s|\Z)))|\A[-+=](?=[-+=\s]|\Z)"  # a list, a rule, a line under a heading
_MARKS = re.compile(rf"{_MATH}|{_BLOCK}|[\\`*\[\]|~#]|(?<![^\W_])_|_(?![^\W_])")  # _ inside a word marks nothing
_LINKS = re.compile(r"(?i):(?=//)|(?<!:)/(?=/\S)|(?<=www)\.")
# what stands before a sign need not keep it from the start of a cell: importers trim spaces, and lose what is not seen
_FORMULA = re.compile(rf"[\t\r\n]|[\s\x00-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]*[{re.escape(FORMULA_SIGNS)}]")


def plain(text: str, keep: str = "") -> str:
    """Text without what a terminal or a page would obey: control and direction marks show as �, odd spaces as spaces.

    keep: characters to leave alone, for instance line ends. Joiners stay: Devanagari and emoji are written with them.
    """
    keep += JOINERS
    return "".join(c if c.isprintable() or c in keep else " " if c.isspace() else "�" for c in text)


def markdown(text: object) -> str:
    """Any value as one line of Markdown that shows its characters: no HTML, image, link, list or end of a cell.

    What begins or ends a formula stands as code: JupyterLab looks for formulas in the finished page, where no \\ is
    left, but never in code. (GitHub still makes a link of a mail address, which asks for nothing by itself.)
    """
    line = " ".join(plain(str(text)).split())
    line = _MARKS.sub(_shown, line)
    line = "".join(_ENTITIES.get(c, c) for c in line)
    return _LINKS.sub(lambda match: f"&#{ord(match[0])};", line)  # GitHub makes links of bare addresses


def _shown(mark: re.Match[str]) -> str:
    if mark["math"]:
        return f"`{mark[0]}`"
    return f"{mark[0]}\\" if mark["number"] else f"\\{mark[0]}"


def fenced(text: str) -> str:
    """A code block that its content can't leave: the fence is longer than any run of backticks inside."""
    text = plain(text.replace("\r\n", "\n"), keep="\n\t")
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}text\n{text}\n{fence}"


def shortened(text: str, limit: int = 600) -> tuple[str, str]:
    """The first `limit` characters, and a remark about what is missing ("" when nothing is)."""
    if len(text) <= limit:
        return text, ""
    return text[:limit], f"shortened: {limit:,} of {len(text):,} characters"


def number(value: Any) -> str:
    """Three significant digits without an exponent; "n/a" for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{decimals}f}"


def bullets(lines: Iterable[str]) -> str:
    """Plain sentences as a Markdown list; "" without any."""
    return "\n".join(f"- {markdown(line)}" for line in lines)


def table(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table; numbers to the right, every cell and header escaped."""
    numeric = [all(isinstance(value, (int, float)) for value in frame[name]) for name in frame.columns]
    lines = [[markdown(name) for name in frame.columns], ["---:" if right else "---" for right in numeric]]
    for row in frame.itertuples(index=False):
        lines.append([_cell(value) for value in row])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: object) -> str:
    return number(value) if value is None or isinstance(value, (int, float)) else markdown(value)


def csv(frame: pd.DataFrame) -> bytes:
    """A frame as CSV: UTF-8, a header, lists as JSON, no cell that a spreadsheet takes for a formula.

    Texts that begin with one of FORMULA_SIGNS (behind spaces and what is not seen, too), a tab or a line end get a '
    in front; numbers are left alone, as are the raw values in `rows.jsonl`, and all that stands further inside, which
    is no start of a cell for a reader of commas. No byte-order mark: it would become part of the first column's name
    in most readers. (Excel asks for encoding and separator under Data > From Text/CSV: 65001, UTF-8.)
    """
    # with these line ends (RFC 4180) a lone \r inside a cell is quoted too, which Python before 3.13 forgets else
    frame = frame.map(_guarded).rename(columns=_guarded)
    return frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8", "backslashreplace")


def as_json(value: Any) -> str:
    """JSON for a terminal or a pipe: letters as they are, what a terminal would obey as \\u…, and nothing lost.

    >>> print(as_json("\x9b31m né"))
    "\\u009b31m né"
    """
    page = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    kept = "\n" + JOINERS
    return "".join(c if c.isprintable() or c in kept else json.dumps(c)[1:-1] for c in page)


def _guarded(value: object) -> object:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value
