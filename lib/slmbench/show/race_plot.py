"""The race as a picture: who is ahead so far, and who can't be told apart yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import race as racing, stats
from slmbench.show import alt, parts, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NAME = 20  # characters of a name that a title has room for


def race(
    frame: pd.DataFrame, column: str = "latency_s", models: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """A row a model, whoever is ahead on top: faint dots are requests, the mark is their median, the thick bar its
    95 % interval; beside it whom of it is ahead, by a test that may be looked at after every request.

    column, models: as in `race.calls`. Rows change places only where a call says so, and a model keeps its colour.
    """
    table = racing.standings(frame, column, models)
    samples, lines = alt.samples(frame, column), table.to_dict("records")
    values = {line["model"]: samples.get(line["model"], ()) for line in lines}
    series = {model: number for number, model in enumerate(dict.fromkeys([*(models or []), *samples]))}
    ax = parts.axes(ax, len(values))
    for place, line in enumerate(lines):
        _row(ax, place, line, values[line["model"]], theme.look(series[line["model"]]))
    parts.model_axis(ax, frame, values)
    beside = {"transform": ax.get_yaxis_transform(), "va": "center", "ha": "left", "gid": "place"}
    for place, line in enumerate(lines):
        ax.text(1.02, place, line["place"].split(",")[0], **beside, **parts.data_text())
    parts.finish(ax, values, title(lines, column, int(1.85 * parts.width(ax))), column, note=_note(frame, lines))
    return ax


def title(lines: Sequence[Mapping[str, Any]], column: str, room: int) -> str:
    """What the picture says, in plain words. lines: of `race.standings`. room: characters of a line of text."""
    what = alt.quantity(column)
    if not any(line["n"] for line in lines):
        return what
    if not any(line["rivals"] for line in lines):
        return f"{what} so far: no two to compare"
    first, rivals = lines[0], lines[0]["rivals"]
    if not first["ahead_of"]:
        said = "can't tell yet who is ahead"
    else:
        who = theme.wrap(first["model"], NAME, 1) if len(first["model"]) <= NAME else "the top one"
        all_of_them = {1: "", 2: " of both others"}.get(rivals, f" of all {rivals} others")
        whom = all_of_them if first["ahead_of"] == rivals else f" of {first['ahead_of']} of {rivals} others"
        said = f"{who} is ahead{whom}"
    line = f"{what} so far: {said}"
    return line if len(line) <= room else f"{what} so far:\n{said}"


def _row(ax: Axes, place: int, line: Mapping[str, Any], sample: pd.Series, look: theme.Look) -> None:
    """Dots from the first request on, the range of what was seen from the third, the interval from the sixth."""
    if not line["n"]:
        return
    dots = {
        "s": parts.area(0.7),
        "alpha": max(0.3, min(0.75, 6 / line["n"])),
        "linewidth": 0,
        "zorder": 2,
        "gid": "requests",
    }
    ax.scatter(sample, place + 1.6 * parts.jitter(sample), color=look.color, marker=look.marker, **dots)
    if line["n"] < stats.INDICATIVE_FROM:
        return
    known = line["n"] >= stats.MEDIAN_FROM
    ends = (line["p50_low"], line["p50_high"]) if known else (line["min"], line["max"])
    width = (3 if known else 0.7) * parts.rc("lines.linewidth")
    ax.hlines(place, *ends, color=look.color, linewidth=width, zorder=3, gid="interval")
    face = look.color if known else parts.rc("axes.facecolor")
    mark = {"s": parts.area(1.8), "marker": look.marker, "edgecolor": parts.rc("text.color"), "zorder": 4}
    ax.scatter(line["p50"], place, facecolor=face, gid="median", **mark)


def _note(frame: pd.DataFrame, lines: Sequence[Mapping[str, Any]]) -> str:
    bars = parts.bars_note(frame, [line["n"] for line in lines]).replace("Line: median", "Mark: median")
    if len(lines) < 2:
        return bars
    ahead = "Ahead: wins more of the same requests, by a test that may be looked at at any time (5 % for all together)"
    return f"{bars} {ahead}, and by at least 5 %.".strip()
