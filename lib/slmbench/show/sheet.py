"""Scoring outside the notebook: a sheet to be filled in with any spreadsheet program, and read back, checked.

The sheet is as blind as the annotator: it names no model. A line is known by its `reply id`; prompt and reply are
there to be read, and whatever becomes of them in a spreadsheet changes nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from slmbench import store
from slmbench.config import Rubric
from slmbench.config.checking import shown
from slmbench.config.reading import clean
from slmbench.errors import UsageError
from slmbench.quality.annotation import NOTE_MAX, checked_name
from slmbench.quality.items import Item, items, ordered, sample
from slmbench.quality.scores import HUMAN, Score, save, score_of
from slmbench.show import text

ID, SCORE, NOTE = "reply id", "score 1-5", "note"
HAS = "has it? (x)"
YES, NO = ("x", "1", "yes", "y", "true", "wahr", "✓", "✔"), ("", "0", "no", "n", "false", "falsch", "-")
MAX_BYTES = 64 * 1024 * 1024
MARK = "r-"  # before an id: 12e45 alone would become a number


def write(
    run: Path | str,
    path: Path | str,
    annotator: str,
    *,
    replies: int | None = None,
    seed: int = 0,
    rubrics: Mapping[str, Rubric] | None = None,
) -> Path:
    """Writes the sheet of one annotator: a line a reply, in this annotator's own order.

    UTF-8 with a byte-order mark, without which Excel takes it for another encoding; commas between cells; no cell
    that a spreadsheet takes for a formula. A file that is there is left alone: somebody may have filled it in.
    raises: UsageError as `Annotation`, and for a file that is there.
    """
    import pandas as pd

    name, path = checked_name(annotator), Path(path)
    of = ordered(sample(items(store.read(run), rubrics), replies), name, seed)
    most = max(len(item.prompt.aspects) for item in of)
    if path.exists():
        raise UsageError(
            f"{clean(path)} is there already, and may be filled in.", "name another file, or move this one away"
        )
    frame = pd.DataFrame([_line(item, most) for item in of])
    frame.columns = [column.partition("#")[0] for column in frame.columns]
    store.write_bytes(path, b"\xef\xbb\xbf" + text.csv(frame))
    return path


def _line(item: Item, most: int) -> dict[str, str]:
    cells = {
        ID: MARK + item.id,
        "prompt": text.plain(item.prompt.text, keep="\n"),
        "reply": text.plain(item.text, keep="\n\t") or "(the model replied with nothing)",
        "ended by the token limit": "yes" if item.cut else "",
        "question": text.plain(item.rubric.question),
    }
    cells |= {f"{n} means": text.plain(anchor) for n, anchor in enumerate(item.rubric.anchors, 1)}
    cells[SCORE] = ""
    for n in range(most):
        aspects = item.prompt.aspects
        cells[f"aspect {n + 1}"] = text.plain(aspects[n]) if n < len(aspects) else ""
        cells[f"{HAS}#{n}"] = ""
    return cells | {NOTE: ""}


def read(
    path: Path | str,
    run: Path | str,
    annotator: str,
    *,
    seed: int = 0,
    rubrics: Mapping[str, Rubric] | None = None,
) -> list[Score]:
    """Reads a filled-in sheet and saves its scores in the run folder; lines without a score are passed over.

    Commas, semicolons or tabs between cells; UTF-8, UTF-16 or what Windows calls ANSI: what spreadsheets save.
    returns: the scores that were in it. raises: UsageError that names the line, what was found and what was expected;
    then nothing is saved.
    """
    name, path = checked_name(annotator), Path(path)
    lines = _table(path)
    known = {item.id: item for item in items(store.read(run), rubrics)}
    order = {item.id: n for n, item in enumerate(ordered(list(known.values()), name, seed))}
    found: dict[str, Score] = {}
    for number, cells in lines:
        place = f"{clean(path)}, line {number}"
        item = known.get(cells[ID].strip().removeprefix(MARK))
        if item is None:
            raise UsageError(
                f"{place}: {ID} {shown(cells[ID])} was found, one of this run's replies was expected",
                f"slmbench score {clean(run)} --sheet FILE   (writes a sheet of this run)",
            )
        if item.id in found:
            raise UsageError(f"{place}: the reply {shown(cells[ID])} stands there twice", "Delete one of the lines.")
        score = _score(cells[SCORE], place)
        ticks = [_tick(value, place) for value in cells[HAS]][: len(item.prompt.aspects)]
        if score is None:
            continue
        found[item.id] = score_of(
            item,
            HUMAN,
            name,
            score=score,
            aspects=ticks or None,
            explanation=cells[NOTE].strip()[:NOTE_MAX] or None,
            position=order[item.id],
            scored_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
    if not found:
        raise UsageError(
            f"{clean(path)}: no score was found in {len(lines)} lines, a number from 1 to 5 was expected in the column "
            f'"{SCORE}"',
            "Fill in that column, save the file, and read it again.",
        )
    save(run, found.values())
    return list(found.values())


def _score(cell: str, place: str) -> int | None:
    words = cell.strip().replace(",", ".")
    if not words:
        return None
    try:
        value = float(words)
    except ValueError:
        value = 0.0
    if value not in (1, 2, 3, 4, 5):
        raise UsageError(
            f"{place}: the score {shown(cell.strip())} was found, a whole number from 1 to 5 was expected",
            "Correct it, or leave the cell empty.",
        )
    return int(value)


def _tick(cell: str, place: str) -> bool:
    word = cell.strip().casefold()
    if word not in (*YES, *NO):
        raise UsageError(
            f'{place}: {shown(cell.strip())} was found in "{HAS}", x or nothing was expected', "Correct that cell."
        )
    return word in YES


def _table(path: Path) -> list[tuple[int, dict]]:
    """The lines that have something in them: the number in the file, and cells by name; the ticks as a list."""
    content = _text(path)
    first = content.split("\n", 1)[0]
    mark = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=mark)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as e:
        raise UsageError(f"{clean(path)}, line {reader.line_num}: no CSV: {e}", "Save it as CSV (UTF-8).") from None
    names = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    missing = [name for name in (ID, SCORE, NOTE) if name not in names]
    if missing:
        raise UsageError(
            f"{clean(path)}: the column {', '.join(map(shown, missing))} is missing; the first line was "
            f"{shown(first.strip())}",
            "Keep the sheet's first line as it was written; save it as CSV.",
        )
    ticks = [n for n, name in enumerate(names) if name == HAS]
    lines = []
    for number, row in rows[1:]:
        padded = [*row, *[""] * (len(names) - len(row))]
        if any(cell.strip() for cell in row):
            cells = {name: padded[names.index(name)] for name in (ID, SCORE, NOTE)}
            lines.append((number, {**cells, HAS: [padded[n] for n in ticks]}))
    return lines


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{clean(path)}: more than {MAX_BYTES} bytes were found", "Is it the sheet?")
        data = path.read_bytes()
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or e
        raise UsageError(f"{clean(path)}: it cannot be read: {why}", "slmbench score RUN --sheet FILE") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
