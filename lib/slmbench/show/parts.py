"""What the pictures share: strips, boxes, labels from data, axes, captions. Drawn on the Axes that is passed in."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.show import alt, theme
from slmbench.show.text import plain

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))  # where a word may stand, best first
LOG_FROM = 30  # largest over smallest value from which a linear axis hides the small ones


def axes(ax: Axes | None, rows: int) -> Axes:
    return theme.new_axes(rows) if ax is None else ax


def rc(name: str):
    import matplotlib

    return matplotlib.rcParams[name]


def data_text() -> dict[str, object]:
    return {"parse_math": False, "fontfamily": ["DejaVu Sans", *theme.devanagari_family()]}


def area(size: float) -> float:
    """Marker area in points² for a mark `size` times as wide as usual."""
    return (size * rc("lines.markersize")) ** 2


def ring() -> dict[str, object]:
    return {"s": area(2), "facecolor": "none", "edgecolor": rc("text.color"), "linewidth": 1.5, "zorder": 4}


def jitter(sample: pd.Series):
    """Heights that keep dots apart, the same on every redraw."""
    import numpy as np

    return 0.36 * ((np.arange(len(sample)) * 0.618) % 1 - 0.5)


def strip(ax: Axes, place: int, sample: pd.Series) -> None:
    look = theme.look(place)
    style = {"s": area(0.8), "alpha": 0.75, "linewidth": 0, "zorder": 3}
    ax.scatter(sample, jitter(sample) + place, color=look.color, marker=look.marker, gid="requests", **style)


def box(ax: Axes, place: int, sample: pd.Series) -> None:
    ink = {"color": rc("text.color"), "linewidth": rc("lines.linewidth") / 2}
    style = {"boxprops": ink, "whiskerprops": ink, "capprops": ink, "medianprops": ink | {"linewidth": 2.5}}
    ax.boxplot(
        sample, orientation="horizontal", positions=[place], widths=0.6, whis=(0, 100), manage_ticks=False, **style
    )


def median_bar(ax: Axes, place: float, numbers: Mapping[str, float], size: float = 1.0) -> None:
    """The median as a line through the dots; under them a bar for what n allows around it; nothing below n = 3.

    numbers: from `alt.numbers`. size: height of a line of the axes in its units, for lines that share one.
    """
    if numbers["n"] < stats.INDICATIVE_FROM:
        return
    ends = ("p50_low", "p50_high") if numbers["n"] >= stats.MEDIAN_FROM else ("min", "max")
    ends = [numbers[end] for end in ends]
    ink, foot = {"color": rc("text.color"), "zorder": 4}, place + 0.37 * size
    ax.hlines(foot, *ends, linewidth=1.5 * rc("lines.linewidth"), gid="interval", **ink)
    caps = {"linewidth": rc("lines.linewidth") / 2, "gid": "interval ends", **ink}
    ax.vlines(ends, foot - 0.07 * size, foot + 0.07 * size, **caps)
    ax.vlines(numbers["p50"], place - 0.27 * size, foot, linewidth=rc("lines.linewidth"), gid="median", **ink)


def bars_note(frame: pd.DataFrame, sizes: Iterable[int]) -> str:
    """What the bars under the dots are, for the sizes of sample that there are."""
    sizes = list(sizes)
    loads = stats.basis(frame.loc[stats.usable(frame), "load_index"].nunique())
    where = "" if loads == stats.SESSION else f" {loads}"
    whole = f"its 95 % interval{where}" if max(sizes, default=0) >= stats.MEDIAN_FROM else ""
    some = sorted({n for n in sizes if stats.INDICATIVE_FROM <= n < stats.MEDIAN_FROM})
    seen = f"lowest to highest (n = {'–'.join(dict.fromkeys(map(str, (some[0], some[-1]))))})" if some else ""
    what = " or ".join(filter(None, [whole, seen]))
    return f"Line: median. Bar: {what}." if what else ""


def span(ax: Axes, point: tuple[float, float], low: float, high: float, color: str) -> None:
    """An interval along x through a point, with ends; nothing where there is none."""
    if low <= high:  # not so for NaN
        x, y = point
        style = {"ecolor": color, "elinewidth": rc("lines.linewidth"), "capsize": 0.9 * rc("lines.markersize")}
        bar = ax.errorbar([x], [y], xerr=[[max(0, x - low)], [max(0, high - x)]], fmt="none", zorder=2, **style)
        bar[2][0].set_gid("interval")


def width(ax: Axes) -> int:
    """Characters that a label beside the axes may take: about a third of the figure."""
    return max(12, int(ax.figure.get_figwidth() * 72 * 0.34 / (0.62 * rc("font.size"))))


def model_axis(ax: Axes, frame: pd.DataFrame, values: Mapping[str, pd.Series]) -> None:
    """Model names with their counts beside the lines; in the line of a model without a value, the reason."""
    lines = height(ax) * 0.66 / max(1, len(values)) / (1.3 * rc("font.size"))
    notes = alt.counts(frame, values)
    rows(ax, [with_note(model, notes[model], width(ax), lines) for model in values])
    reasons = alt.reasons(frame)
    for place, (model, sample) in enumerate(values.items()):
        if not len(sample) and model in reasons:
            style = {"transform": ax.get_yaxis_transform(), "va": "center", "fontstyle": "italic", **data_text()}
            ax.text(0.02, place, theme.wrap(reasons[model], int(1.6 * width(ax))), **style)


def height(ax: Axes) -> float:
    """Points of height that these axes and their labels have of the figure, which may hold several, one below the
    other."""
    spec = ax.get_subplotspec()
    return ax.figure.get_figheight() * 72 / (spec.get_gridspec().nrows if spec else 1)


def rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), names, **data_text())
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")


def legend(ax: Axes, marks: Mapping[str, Artist], notes: Mapping[str, str]) -> None:
    """What the marks mean, right of the axes. A mark named in `notes` gets its note (a count) with it, in as many
    lines of text as the height has room for.
    """
    if not marks:
        return
    lines = height(ax) * 0.85 / len(marks) / (1.3 * rc("font.size"))
    labels = [with_note(name, notes[name], 22, lines) if name in notes else name for name in marks]
    placed = ax.legend(marks.values(), labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    for text in placed.get_texts():
        text.set(**data_text())


def near(
    ax: Axes, words: Sequence[tuple[float, float, str]], gid: str, others: Sequence = (), share: bool = False
) -> None:
    """Short words beside points (x, y, word), inside the axes, off each other, off the points and off the `others`.

    others: more points (x, y) that should stay in sight. share: points that touch and have the same word share it.
    The figure's layout must be final but for these words: they take no part in it. A word that has to stand further
    away is tied to its point with a line.
    """
    import numpy as np

    if not words:
        return
    ax.figure.draw_without_rendering()
    renderer, reach = theme.renderer(ax.figure), 1.1 * rc("lines.markersize")
    own = _squares(ax, [(x, y) for x, y, _ in words], reach)
    marks, taken = np.concatenate([own, _squares(ax, others, reach / 2)]), np.empty((0, 4))
    inside, pixels = ax.get_window_extent(renderer), ax.figure.dpi / 72
    for x, y, word in _shared(words, own) if share else words:
        note = ax.annotate(word, (x, y), (0, 0), textcoords="offset points", gid=gid, zorder=6, **data_text())
        note.set_in_layout(False)
        note.set_bbox({"facecolor": rc("axes.facecolor"), "alpha": 0.75, "linewidth": 0, "pad": 0})
        spot, tried = ax.transData.transform((x, y)), []
        for far, (across, up) in itertools.product((1, 3, 6, 10), SIDES):
            place = (across * far * reach, up * far * reach)
            box = _put(note, place, renderer)
            cost = far + 50 * _on(box, taken).sum() + 2 * _on(box, marks).sum()
            cost += 100 * (box[0] < inside.x0 or box[1] < inside.y0 or box[2] > inside.x1 or box[3] > inside.y1)
            if far > 1:  # a line over another word
                line = [spot + np.multiply(place, pixels * step / 8) for step in range(9)]
                cost += 4 * sum(_on((*dot, *dot), taken).sum() for dot in line)
            tried.append((cost, len(tried), place))
        best = min(tried)[-1]
        taken = np.vstack([taken, _put(note, best, renderer)])
        if max(map(abs, best)) > 1.5 * reach:
            ax.annotate("", (x, y), best, textcoords="offset points", zorder=5, arrowprops=_tie())


def _shared(words: Sequence[tuple[float, float, str]], marks: np.ndarray) -> list[tuple[float, float, str]]:
    """Points that touch and have the same word, as one: at the last of them, "3 × unknown"."""
    groups: list[list[int]] = []
    for i, (*_, word) in enumerate(words):
        near = [group for group in groups if words[group[0]][2] == word and _on(marks[i], marks[group]).any()]
        groups = [group for group in groups if group not in near] + [[*itertools.chain(*near), i]]
    return [
        (*words[group[-1]][:2], words[group[-1]][2] if len(group) == 1 else f"{len(group)} × {words[group[-1]][2]}")
        for group in groups
    ]


def _squares(ax: Axes, points: Sequence, reach: float) -> np.ndarray:
    """Boxes of so many points to each side of each place: x0, y0, x1, y1 in pixels, shape (n, 4)."""
    import numpy as np

    spots, pixels = ax.transData.transform(np.reshape(points, (-1, 2))), reach * ax.figure.dpi / 72
    return np.hstack([spots - pixels, spots + pixels])


def _on(box: Sequence[float], boxes: np.ndarray) -> np.ndarray:
    """Which of the boxes lie partly under this one. returns: bool, shape (n,)."""
    x0, y0, x1, y1 = boxes.T
    return (x0 < box[2]) & (x1 > box[0]) & (y0 < box[3]) & (y1 > box[1])


def _put(note: Annotation, place: tuple[float, float], renderer) -> tuple[float, float, float, float]:
    """Moves a word to so many points off its point, with its nearest side towards it. returns: its box, in pixels."""
    from matplotlib.text import Text

    across, up = ((size > 0) - (size < 0) for size in place)
    note.xyann = place
    note.set(ha=("right", "center", "left")[across + 1], va=("top", "center", "bottom")[up + 1])
    note.update_positions(renderer)
    return Text.get_window_extent(note, renderer).extents


def _tie() -> dict[str, object]:
    return {
        "arrowstyle": "-",
        "color": rc("text.color"),
        "linewidth": 1,
        "shrinkA": 0,
        "shrinkB": rc("lines.markersize"),
    }


def legend_above(ax: Axes, marks: Mapping[str, Artist]) -> None:
    """What the marks mean, between the title and the axes, for pictures that need their whole width."""
    if not marks:
        return
    room = ax.figure.get_figwidth() * 72 * 0.75 / (0.62 * rc("font.size"))
    columns = max(1, min(len(marks), int(room / (max(map(len, marks)) + 4))))
    where = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "borderpad": 0, "frameon": False}
    placed = ax.legend(marks.values(), marks, ncols=columns, **where, columnspacing=1.5, handlelength=1.4)
    for text in placed.get_texts():
        text.set(**data_text())
    lines = -(-len(marks) // columns)
    ax.set_title(ax.get_title("left"), loc="left", pad=(0.5 + 1.55 * lines) * rc("font.size"), **data_text())


def with_note(name: str, note: str, width: int, lines: float) -> str:
    """A name and its count, in three lines of text if there is room for as many, else in two, else in one."""
    if lines < 2:
        return f"{theme.wrap(name, max(10, width - 2), 1)} ({note})"
    return f"{theme.wrap(name, width, 2 if lines >= 3 else 1)}\n({note})"


def finish(ax: Axes, values: dict, title: str, column: str, *, note: str = "", value_axis: str = "x") -> None:
    """Title, units, scale and caption; says so where nothing was measured."""
    sizes = [size for sample in values.values() if len(sample) for size in (sample.min(), sample.max())]
    ax.set_title(title, loc="left", **data_text())
    ax.set_xlabel(alt.label_of(column), parse_math=False)
    if not sizes:
        ax.set_title(f"{title}: no request was measured", loc="left", **data_text())
        ax.set(xticks=[], **({"yticks": []} if value_axis == "y" else {}))
    elif 0 < LOG_FROM * min(sizes) < max(sizes):
        log(ax, value_axis)
    else:
        ax.set(**{f"{value_axis}lim": (0, max(sizes) * 1.05 or 1)})
    caption(ax, note)


def caption(ax: Axes, note: str) -> None:
    """Words below the picture, where it has a figure for itself and a layout that keeps room for them."""
    if note and len(ax.figure.axes) == 1 and ax.figure.get_layout_engine():
        below(ax.figure, note)


def below(figure: Figure, note: str) -> None:
    """Words at the foot of a figure, in as many lines as they need."""
    width = int(figure.get_figwidth() * 72 / (0.56 * caption_size()))
    words = figure.supxlabel(textwrap.fill(plain(note), width), x=0.01, ha="left", fontsize=caption_size())
    words.set(**data_text())


def caption_size() -> float:
    return rc("font.size") if theme.is_projector() else 0.85 * rc("font.size")


def log(ax: Axes, axis: str) -> None:
    """Make an axis logarithmic: numbers at 1, 2 and 5 of each decade, over three decades at each power of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.set(**{f"{axis}scale": "log"})
    which = ax.xaxis if axis == "x" else ax.yaxis
    low, high = sorted(which.get_view_interval())
    which.set_major_locator(LogLocator(subs=(1, 2, 5) if high <= 1000 * low else (1,)))
    which.set_major_formatter(StrMethodFormatter("{x:.12g}"))  # the default one writes mathematics
    which.set_minor_formatter(NullFormatter())
    which.set_label_text(f"{which.get_label_text()}, logarithmic")
