"""The picture of the load: what a server delivers, against how long one user waits for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from slmbench.analyse import traffic
from slmbench.show import alt, parts, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

CROWDED = 12  # points: of more, a share that is that of the level before is left out
TPS = "throughput of all streams (tokens/s)"


def concurrency_curve(
    frame: pd.DataFrame,
    limits: Iterable[tuple[str, float]] = (),
    column: str = "ttft_s",
    ax: Axes | None = None,
) -> Axes:
    """Throughput of all streams against the median wait, a point a level of load, a line a model.

    From `traffic.load_points`. limits: as there, ((column, seconds), ...): the share of requests inside them stands
    at each point. column: ttft_s | latency_s | tpot_s, whose median is the wait. Each point has its number of streams
    (or, with arrivals, its rate); where the client could not keep up it is hollow.
    """
    limits = tuple(limits)
    points = traffic.load_points(frame, limits)
    drawn = points[points["system_tps"].notna() & points[f"{column}_p50"].notna()]
    ax, marks, words, lines = parts.axes(ax, 0), {}, [], []
    crowded = len(drawn) > CROWDED
    for place, model in enumerate(dict.fromkeys(points["model"])):
        mine = drawn[drawn["model"] == model].sort_values(["concurrency", "rate"], kind="stable").to_dict("records")
        if mine:
            marks[model] = _curve(ax, theme.look(place), mine, column)
        for before, point in zip([None, *mine], mine, strict=False):
            words.append((point[f"{column}_p50"], point["system_tps"], said(point, before if crowded else None)))
        lines += _along(mine, column)
    waits, speeds = drawn[f"{column}_p50"], drawn["system_tps"]
    notes = {model: f"n = {n}" for model, n in points.groupby("model")["n_ok"].sum().items()}
    ax.set_ylabel(TPS, parse_math=False)
    parts.legend(ax, marks, notes)
    title = f"Throughput against {alt.quantity(column).lower()}"
    note = " ".join(filter(None, [alt.levels_note(drawn, limits, crowded), alt.client_bound_note(drawn)]))
    parts.finish(ax, {"": waits}, title, column, note=note)
    ax.set_xlabel(f"median {alt.label_of(column)}" + (", logarithmic" if ax.get_xscale() == "log" else ""))
    if not len(drawn):
        ax.set(yticks=[])
    else:
        highs = drawn[f"{column}_p50_high"].fillna(waits)
        right = {} if ax.get_xscale() == "log" else {"xlim": (0, max(highs) * 1.12 or 1)}
        ax.set(**right, ylim=(0, max(speeds) * 1.15 or 1))
    parts.near(ax, words, "levels", lines)
    return ax


def said(point: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """The words at a point: "4", "2/s", "4: 92 %" with limits; the share only where it differs from that `before`."""
    share = inside(point)
    return alt.level(point) + (f": {share}" if share and (before is None or share != inside(before)) else "")


def inside(point: Mapping[str, Any]) -> str:
    """The share of requests inside the limits, "92 %"; "" without limits."""
    if math.isnan(point["goodput_n"]) or not point["goodput_n"]:
        return ""
    return f"{100 * point['goodput_k'] / point['goodput_n']:.0f} %"


def _curve(ax: Axes, look: theme.Look, points: list[Mapping[str, Any]], column: str) -> Line2D:
    waits, speeds = [p[f"{column}_p50"] for p in points], [p["system_tps"] for p in points]
    style = {"color": look.color, "linestyle": look.line, "marker": look.marker, "gid": "curve", "zorder": 2}
    (line,) = ax.plot(waits, speeds, **style)
    for p, x, y in zip(points, waits, speeds, strict=True):
        parts.span(ax, (x, y), p[f"{column}_p50_low"], p[f"{column}_p50_high"], look.color)
        hollow = p["client_bound"] > 0
        style = {"marker": look.marker, "s": parts.area(1.3), "edgecolor": look.color, "linewidth": 2, "zorder": 3}
        face = parts.rc("axes.facecolor") if hollow else look.color
        ax.scatter(x, y, facecolor=face, gid="client bound" if hollow else "point", **style)
    return line


def _along(points: list[Mapping[str, Any]], column: str) -> list[tuple[float, float]]:
    """Places on the line between the points, for words to keep off."""
    ends = [(p[f"{column}_p50"], p["system_tps"]) for p in points]
    return [
        (x0 + (x1 - x0) * step / 20, y0 + (y1 - y0) * step / 20)
        for (x0, y0), (x1, y1) in itertools.pairwise(ends)
        for step in range(20)
    ]
