"""What the pictures share: strips, boxes, labels from data, axes, captions. Drawn on the Axes that is passed in."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.show import alt, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

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


def median_bar(ax: Axes, place: int, sample: pd.Series) -> None:
    numbers = stats.describe(sample)
    low, high = numbers["p50_low"], numbers["p50_high"]
    if len(sample) < stats.MEDIAN_FROM:
        low, high = numbers["min"], numbers["max"]
    ink = {"color": rc("text.color"), "zorder": 4}
    ax.hlines(place, low, high, linewidth=rc("lines.linewidth"), gid="interval", **ink)
    ax.vlines(numbers["p50"], place - 0.32, place + 0.32, linewidth=1.5 * rc("lines.linewidth"), gid="median", **ink)


def width(ax: Axes) -> int:
    """Characters that a label beside the axes may take: about a third of the figure."""
    return max(12, int(ax.figure.get_figwidth() * 72 * 0.34 / (0.62 * rc("font.size"))))


def model_axis(ax: Axes, frame: pd.DataFrame, values: Mapping[str, pd.Series]) -> None:
    """Model names with their counts beside the lines; in the line of a model without a value, the reason."""
    lines = ax.figure.get_figheight() * 72 * 0.66 / max(1, len(values)) / (1.3 * rc("font.size"))
    notes = alt.counts(frame, values)
    rows(ax, [with_note(model, notes[model], width(ax), lines) for model in values])
    reasons = alt.reasons(frame)
    for place, (model, sample) in enumerate(values.items()):
        if not len(sample) and model in reasons:
            style = {"transform": ax.get_yaxis_transform(), "va": "center", "fontstyle": "italic", **data_text()}
            ax.text(0.02, place, theme.wrap(reasons[model], int(1.6 * width(ax))), **style)


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
    lines = ax.figure.get_figheight() * 72 * 0.85 / len(marks) / (1.3 * rc("font.size"))
    labels = [with_note(name, notes[name], 22, lines) if name in notes else name for name in marks]
    placed = ax.legend(marks.values(), labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    for text in placed.get_texts():
        text.set(**data_text())


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
    if note and len(ax.figure.axes) == 1 and ax.figure.get_layout_engine():  # else there is no room kept for it
        width = int(ax.figure.get_figwidth() * 72 / (0.56 * caption_size()))
        caption = ax.figure.supxlabel(textwrap.fill(note, width), x=0.01, ha="left", fontsize=caption_size())
        caption.set(**data_text())


def caption_size() -> float:
    return rc("font.size") if theme.is_projector() else 0.85 * rc("font.size")


def log(ax: Axes, axis: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.set(**{f"{axis}scale": "log"})
    which = ax.xaxis if axis == "x" else ax.yaxis
    which.set_major_locator(LogLocator(subs=(1, 2, 5)))
    which.set_major_formatter(StrMethodFormatter("{x:g}"))  # the default one writes mathematics
    which.set_minor_formatter(NullFormatter())
    which.set_label_text(f"{which.get_label_text()}, logarithmic")
