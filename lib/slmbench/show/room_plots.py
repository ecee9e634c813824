"""Stations beside each other as a picture: a line each while names can be read, else the curve of their medians.

What is drawn comes from `analyse.stations.comparison`; `words` says the same in sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import compare, stats
from slmbench.analyse.stations import NOT_COMPARED, REFERENCE, Comparison
from slmbench.records import UNITS
from slmbench.show import alt, parts, theme
from slmbench.show.compare_plots import VERDICTS
from slmbench.show.text import number, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

ROWS_NORMAL, ROWS_PROJECTOR = 40, 32  # of more stations, names could not be read
PANEL_ROWS = 16  # of one panel on a projector
PANEL_NAME = 15  # characters of a name there
ROW_HEIGHT = 0.62  # of a line with two lines of text
NAMED_ENDS = 2  # of a curve: so many of the fastest and of the slowest have room for their names
TOLD_ENDS = 3  # in words
LISTED = 12  # names in a caption or a sentence; of more, their number
SHAPES: Mapping[str, tuple[str, bool]] = {**VERDICTS, REFERENCE: ("D", True), NOT_COMPARED: ("X", False)}
EDGE = 5  # pixels
TITLE = 58  # characters of one


def stations(found: Comparison, frame: pd.DataFrame, more: str = "") -> Figure:
    """Every station's median with what n allows around it, and its requests as faint dots, the fastest on top; of too
    many for their names, the share of stations at or below each median, with both ends named.

    frame: the rows that `found` was made of. more: goes into the title, as the number of requests at once.
    Shape and colour say how a station compares with the reference. On a projector, two panels of one scale hold more
    than 16 stations.
    """
    lines = found.lines[found.lines["n"] > 0].to_dict("records")
    crowded = len(lines) > (ROWS_PROJECTOR if theme.is_projector() else ROWS_NORMAL)
    rows = compare.measured(frame, found.column, "station")
    figure = _curve(found, lines) if crowded else _lanes(found, lines, rows)
    ax, what = figure.axes[0], ", ".join(filter(None, [f"{alt.quantity(found.column)} by station", more]))
    said = f"{what}: {theme.wrap(found.model, max(12, TITLE - len(what)), 1)}"
    style = {"ha": "left", "fontsize": parts.rc("axes.titlesize"), **parts.data_text()}
    title = figure.suptitle(said if lines else f"{said}: nothing measured", **style)
    _legend(ax, _marks(ax, [line["verdict"] for line in lines]))
    parts.below(figure, " ".join(filter(None, _notes(found, frame, crowded))))
    _align(title)
    if crowded:
        _name_ends(ax, found, lines)
    return figure


def _lanes(found: Comparison, lines: Sequence[Mapping[str, Any]], rows: pd.DataFrame) -> Figure:
    panels = 2 if theme.is_projector() and len(lines) > PANEL_ROWS else 1
    figure = theme.new_axes(max(4, round(ROW_HEIGHT * len(lines)))).figure
    if panels == 2:
        figure.clear()
        figure.subplots(1, 2, sharex=True)
    size = -(-len(lines) // panels)
    of_model = rows[rows["model"] == found.model]
    values = {name: part[found.column] for name, part in of_model.groupby("station")}
    usual = max((line["n"] for line in lines), key=[line["n"] for line in lines].count, default=0)
    room = PANEL_NAME if panels == 2 else parts.width(figure.axes[0])
    for place, ax in enumerate(figure.axes):
        mine = lines[place * size : (place + 1) * size]
        for lane, line in enumerate(mine):
            _lane(ax, lane, line, values[line["station"]], 1.2 if panels == 1 else 0.9)
        parts.rows(ax, [_label(line, usual, room) for line in mine])
        ax.set_ylim(max(size, 1) - 0.4, -0.6)  # lines of both panels are as far apart
    _scale(figure.axes, found, lines)
    return figure


def _label(line: Mapping[str, Any], usual: int, room: int) -> str:
    if line["n"] == usual:
        return theme.wrap(line["station"], room, 1)
    note = f" (n = {line['n']})"
    return theme.wrap(line["station"], max(8, room - len(note)), 1) + note


def _lane(ax: Axes, lane: int, line: Mapping[str, Any], sample: pd.Series, size: float) -> None:
    """Dots from the first request on, the range of what was seen from the third, the interval from the sixth. size: of
    the marks, as `parts.area` takes it.
    """
    color, face, marker = _look(line["verdict"])
    faint = {"alpha": max(0.2, min(0.6, 6 / line["n"])), "linewidth": 0, "zorder": 2, "gid": "requests"}
    ax.scatter(sample, lane + 1.4 * parts.jitter(sample), s=parts.area(0.45 * size), color=color, **faint)
    if line["n"] < stats.INDICATIVE_FROM:
        return
    whole = line["n"] >= stats.MEDIAN_FROM
    ends = (line["p50_low"], line["p50_high"]) if whole else (line["min"], line["max"])
    width = (1.6 if whole else 0.6) * parts.rc("lines.linewidth")
    ax.hlines(lane, *ends, color=color, linewidth=width, zorder=3, gid="interval")
    style = {"s": parts.area(size), "edgecolor": color, "linewidth": 1.5, "zorder": 4, "gid": "median"}
    ax.scatter(line["p50"], lane, marker=marker, facecolor=face, **style)


def _look(verdict: str) -> tuple[str, str, str]:
    """Colour, filling and marker of a verdict."""
    marker, filled = SHAPES[verdict]
    ink = parts.rc("text.color")
    color = theme.look(list(VERDICTS).index(verdict)).color if verdict in VERDICTS and filled else ink
    return color, color if filled else parts.rc("axes.facecolor"), marker


def _marks(ax: Axes, verdicts: Sequence[str]) -> dict[str, Any]:
    """A mark of each kind that is there, for the legend; none where nothing was compared."""
    seen, marks = set(verdicts), {}
    for verdict in SHAPES:
        if verdict in seen and seen & VERDICTS.keys():
            color, face, marker = _look(verdict)
            style = {"s": parts.area(1.2), "edgecolor": color, "linewidth": 1.5}
            marks[verdict] = ax.scatter([], [], marker=marker, facecolor=face, **style)
    return marks


def _legend(ax: Axes, marks: Mapping[str, Any]) -> None:
    """What the shapes mean, in a line or two above the axes; it may be wider than a panel, and so takes no part in the
    layout, in which an empty title keeps its height free.
    """
    if not marks:
        return
    room = ax.figure.get_figwidth() * 72 * 0.9 / (0.62 * parts.rc("font.size"))
    wide = sum(len(name) + 4 for name in marks) > room
    columns = -(-len(marks) // 2) if wide else len(marks)
    where = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "borderpad": 0, "frameon": False}
    where |= {"ncols": columns, "columnspacing": 1.2, "handlelength": 1.2, "handletextpad": 0.4}
    ax.legend(marks.values(), marks, **where).set_in_layout(False)
    ax.set_title(" ", pad=(2.2 if wide else 0.65) * parts.rc("font.size"))


def _align(title: Text) -> None:
    """Title and legend begin where the first axes do, or at the figure's edge where they would be cut off else."""
    figure, edge = title.figure, title.figure.bbox.x1 - EDGE
    figure.draw_without_rendering()
    ax, drawn = figure.axes[0], title.get_window_extent()
    legend, start = ax.get_legend(), ax.bbox.x0
    title.set_x((start if start + drawn.width < edge else EDGE) / figure.bbox.width)
    if legend and legend.get_window_extent().x1 > edge:
        legend.set_bbox_to_anchor(((EDGE - start) / ax.bbox.width, 1), ax.transAxes)


def _scale(axes: Sequence[Axes], found: Comparison, lines: Sequence[Mapping[str, Any]]) -> None:
    """One axis of values for all panels: from 0, or logarithmic where the ends are far apart."""
    low, high = min((line["min"] for line in lines), default=0), max((line["max"] for line in lines), default=0)
    for ax in axes:
        ax.set_xlabel(alt.label_of(found.column), parse_math=False, loc="right" if len(axes) > 1 else "center")
        if 0 < parts.LOG_FROM * low < high:
            parts.log(ax, "x")
        elif high:
            ax.set_xlim(0, high * 1.05)
    if not lines:
        axes[0].set(xticks=[], yticks=[])


def _curve(found: Comparison, lines: Sequence[Mapping[str, Any]]) -> Figure:
    """The share of stations at or below each median: a mark and an interval a station."""
    figure = theme.new_axes().figure
    [ax] = figure.axes
    points = _points(lines)
    for verdict in SHAPES:
        mine = [(line, share) for line, share in points if line["verdict"] == verdict]
        color, face, marker = _look(verdict)
        ends = [[line[end] for line, _ in mine] for end in ("p50_low", "p50_high")]
        at, shares = [line["p50"] for line, _ in mine], [share for _, share in mine]
        ax.hlines(shares, *ends, color=color, alpha=0.45, linewidth=1, zorder=2, gid="interval")
        style = {"s": parts.area(1.2 if verdict == REFERENCE else 0.75), "edgecolor": color, "linewidth": 1}
        ax.scatter(at, shares, marker=marker, facecolor=face, zorder=3 + (verdict == REFERENCE), gid="median", **style)
    ax.set_ylabel("share of stations at or below")
    wide = [(line, line["n"] >= stats.MEDIAN_FROM) for line in lines]
    reach = [{"min": line["p50_low" if w else "p50"], "max": line["p50_high" if w else "p50"]} for line, w in wide]
    _scale([ax], found, reach)
    ax.set_ylim(-0.03, 1.05)
    return figure


def _points(lines: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], float]]:
    """Each station with the share of stations at or below its median."""
    ordered = sorted(lines, key=lambda line: line["p50"])
    return [(line, (place + 1) / len(ordered)) for place, line in enumerate(ordered)]


def _name_ends(ax: Axes, found: Comparison, lines: Sequence[Mapping[str, Any]]) -> None:
    """Names beside the fastest, the slowest, and the reference; the figure's layout is final by then."""
    ranked = list(found.lines.loc[found.lines["aside"] == "", "station"])
    named = {*ranked[:NAMED_ENDS], *ranked[-NAMED_ENDS:], found.reference}
    points = _points(lines)
    words = [(line["p50"], share, line["station"]) for line, share in points if line["station"] in named]
    words.sort(key=lambda word: -abs(word[1] - 0.5))  # the outermost choose their places first
    parts.near(ax, words, "names", [(line["p50"], share) for line, share in points])


def _notes(found: Comparison, frame: pd.DataFrame, crowded: bool) -> list[str]:
    of_model = frame[(frame["model"] == found.model) & frame["station"].isin(found.lines["station"])]
    sizes = [n for n in found.lines["n"] if n >= stats.MEDIAN_FROM or not crowded]
    bars = parts.bars_note(of_model, sizes).replace("Line: median", "Mark: median")
    against = f"Shape: against {found.reference}, in pairs of the same request." if found.reference else ""
    few = found.lines[(found.lines["n"] > 0) & (found.lines["n"] < stats.INDICATIVE_FROM)]
    dots = f"Below n = {stats.INDICATIVE_FROM} dots only." if len(few) and not crowded else ""
    absent = _absent(found, 4 if theme.is_projector() else LISTED)
    return [bars, dots, against if len(found.lines) > 1 else "", absent]


def _absent(found: Comparison, limit: int = LISTED) -> str:
    missing = list(found.lines.loc[found.lines["n"] == 0, "station"])
    return f"Not measured: {listed(missing, limit)}." if missing else ""


def listed(names: Sequence[str], limit: int = LISTED) -> str:
    """For instance "a, b and c", or "a, b and 17 more"."""
    names = list(names)
    shown, rest = (names, 0) if len(names) <= limit else (names[: limit - 1], len(names) - limit + 1)
    last = f"{rest} more" if rest else shown.pop() if len(shown) > 1 else ""
    return f"{', '.join(shown)} and {last}" if last else ", ".join(shown)


def words(found: Comparison, more: str = "") -> str:
    """What `stations` shows, in a few sentences: what is drawn, then the numbers to be read from it."""
    shown, unit = found.lines[found.lines["n"] > 0].to_dict("records"), UNITS[found.column]
    what = f"{alt.quantity(found.column)} of {found.model} by station{f', {more}' if more else ''}"
    if not shown:
        return plain(f"{what}. No request was measured. {_absent(found)}".strip())
    how = (
        "a line a station, the fastest on top, with medians"
        if len(shown) <= ROWS_NORMAL
        else "the share of stations at or below each median"
    )
    said = [f"{what}: {how}."]
    ranked = [line for line in shown if not line["aside"]] or shown
    if len(shown) > LISTED:
        said.append(f"{len(shown)} stations, of which the {TOLD_ENDS} fastest and the {TOLD_ENDS} slowest follow.")
        shown = [*ranked[:TOLD_ENDS], *ranked[-TOLD_ENDS:]]
    said += [f"{line['station']}: {_median(line, unit)}, n = {line['n']}, {line['verdict']}." for line in shown]
    if found.reference:
        said.append(f"{counted(found)}.")
    return plain(" ".join(filter(None, [*said, _absent(found)])))


def _median(line: Mapping[str, Any], unit: str) -> str:
    middle = f"median {number(line['p50'])} {unit}"
    if line["n"] >= stats.MEDIAN_FROM:
        return f"{middle}, 95 % interval {number(line['p50_low'])} to {number(line['p50_high'])}"
    return f"{middle}, {number(line['min'])} to {number(line['max'])} seen"


def counted(found: Comparison) -> str:
    """For instance "Against lap11: faster 3, tie 10, can't tell 7"; of one station that it has nobody beside it."""
    counts = found.lines["verdict"].value_counts()
    each = [f"{verdict} {counts[verdict]}" for verdict in VERDICTS if verdict in counts]
    if not each:
        return f"There is nothing to compare {found.reference} with"
    return f"Against {found.reference}: {', '.join(each)}"
