"""Pictures that set models side by side: prompt by prompt, and as ratios with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slmbench.analyse import outliers, stats
from slmbench.analyse.decide import GAP
from slmbench.analyse.outliers import OUTLIER_RULE
from slmbench.show import alt, parts, picks, theme
from slmbench.show.text import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PROMPTS_SHOWN = 20
LANES_SHOWN = 12  # of one panel and of a forest plot; half of it on a projector
LOG_MAX = 300.0  # of a ratio: beyond it, a float ends
NARROWEST = 1.25  # ends of the axis of ratios, if no interval reaches further
FURTHEST = 4.0  # how far behind the furthest ratio an interval is still drawn
VERDICTS = {"faster": ("^", True), "slower": ("v", True), "tie": ("s", True), "can't tell": ("o", False)}
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
FINE_TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 2, 2.5)


def per_prompt(frame: pd.DataFrame, column: str = "latency_s", ax: Axes | None = None) -> Axes:
    """A panel a prompt, a strip in it for each model: dots are requests, lines medians with what n allows around them.

    column: any number column of the frame. Outliers of the latency are ringed.
    """
    values = alt.samples(frame, column)
    answered = set(frame.loc[stats.usable(frame), "prompt_id"])
    prompts = [prompt for prompt in frame["prompt_id"].dropna().unique() if prompt in answered]
    measured = [model for model, sample in values.items() if len(sample)]
    half = 2 if theme.is_projector() else 1
    shown = prompts[: max(1, min(PROMPTS_SHOWN, 4 * LANES_SHOWN // max(1, len(measured))) // half)]
    ax, marks = parts.axes(ax, max(len(values), len(shown) * max(2, math.ceil(0.6 * len(measured))))), {}
    odd, rings = outliers.outliers(frame), 0
    for place, (model, sample) in enumerate(values.items()):
        for panel, prompt in enumerate(shown):
            part = sample[frame.loc[sample.index, "prompt_id"] == prompt]
            if len(part):
                size = 0.88 / len(measured)
                height = panel + size * (measured.index(model) + 0.5) - 0.44
                heights = height + 0.8 * size * parts.jitter(part)
                look, style = theme.look(place), {"s": parts.area(0.6), "alpha": 0.6, "linewidth": 0, "zorder": 3}
                ax.scatter(part, heights, color=look.color, marker=look.marker, gid="requests", **style)
                if model not in marks:
                    marks[model] = ax.scatter([], [], color=look.color, marker=look.marker)
                parts.median_bar(ax, height, alt.numbers(frame, part), size)
                ringed = odd[part.index].to_numpy()
                ax.scatter(part[ringed], heights[ringed], gid="outliers", **parts.ring() | {"s": parts.area(1.4)})
                rings += ringed.sum()
    for panel in range(0, len(shown), 2):
        ax.axhspan(panel - 0.5, panel + 0.5, color=parts.rc("grid.color"), alpha=0.3, linewidth=0, gid="panel")
    parts.rows(ax, [theme.wrap(str(prompt), parts.width(ax)) for prompt in shown])
    ax.set_ylim(max(1, len(shown)) - 0.5, -0.5)
    parts.legend(ax, marks, alt.counts(frame, values))
    left_out = f"First {len(shown)} of {len(prompts)} prompts." if len(shown) < len(prompts) else ""
    good = frame[stats.usable(frame)]
    bars = parts.bars_note(frame, good.groupby(["prompt_id", "model"])[column].count())
    note = " ".join(filter(None, [bars, OUTLIER_RULE if rings else "", left_out, alt.absent(values)]))
    parts.finish(ax, values, f"{alt.quantity(column)} by prompt and model", column, note=note)
    return ax


def acceleration(
    frame: pd.DataFrame, base: str, other: str, column: str = "latency_s", *, by: str = "model", ax: Axes | None = None
) -> Axes:
    """Two models (or two values of the column `by`) prompt by prompt; the title has the ratio other / base.

    The ratio is the geometric mean over requests with the same prompt, load and round.
    """
    both = stats.pairs(frame, base, other, column, by)
    medians = both.groupby("prompt_id", sort=False, dropna=False)[["base", "other"]].median()
    ax, marks = parts.axes(ax, len(medians)), {}
    lines, ink = range(len(medians)), parts.rc("text.color")
    ax.hlines(lines, medians["base"], medians["other"], color=ink, linewidth=parts.rc("lines.linewidth") / 2)
    for place, (name, side) in enumerate(((base, "base"), (other, "other"))):
        if len(both):
            look, size = theme.look(place), parts.area(1.6)
            marks[name] = ax.scatter(medians[side], lines, s=size, color=look.color, marker=look.marker, zorder=3)
    parts.rows(ax, [theme.wrap(str(prompt), parts.width(ax)) for prompt in medians.index])
    parts.legend(ax, marks, dict.fromkeys((base, other), f"n = {len(both)}"))
    short = max(len(base), len(other)) <= 19  # a name that was cut would lose what tells the two apart
    title = plain(f"{other} / {base}") if short else "Second / first"
    title += f"\n{alt.ratio_text(both['ratio'], column)}" if len(both) else ""
    note = "Marks: medians per prompt. Ratio: geometric mean over pairs with the same prompt, load and round"
    note += "; below 1 the second is faster." if column.endswith("_s") else "."
    parts.finish(ax, {side: both[side] for side in ("base", "other")}, title, column, note=note)
    return ax


def ratios(frame: pd.DataFrame, column: str = "latency_s", base: str | None = None, ax: Axes | None = None) -> Axes:
    """Every pair of models (or every model against `base`) as a ratio with its 95 % interval, on a logarithmic axis.

    From `compare.models`. The zone of a tie is shaded; the verdict stands in words beside each line, and in the shape
    of its mark.
    """
    found = picks.pairs(frame, column, base).to_dict("records")
    shown = found[: LANES_SHOWN // (2 if theme.is_projector() else 1)]
    ax = parts.axes(ax, 2 * len(shown))
    ax.axvspan(1 / GAP, GAP, color=parts.rc("grid.color"), alpha=0.7, linewidth=0, gid="tie zone", zorder=0)
    ax.axvline(1, color=parts.rc("text.color"), linewidth=parts.rc("lines.linewidth") / 2, zorder=1)
    for lane, line in enumerate(shown):
        _forest_line(ax, lane, line)
    width = max(10, parts.width(ax) - 2)
    names = [f"{theme.wrap(line['other'], width, 1)}\n/ {theme.wrap(line['base'], width, 1)}" for line in shown]
    parts.rows(ax, names)
    title = f"{alt.quantity(column)}, model against model"
    ax.set_title(title if found else f"{title}: no pair was measured", loc="left", **parts.data_text())
    ax.set_xlabel("ratio of the first name to the second, logarithmic")
    _ratio_axis(ax, shown)
    faster = "Left" if column.endswith("_s") else "Right"
    bases = ", ".join(dict.fromkeys(line["basis"] for line in shown)) or stats.SESSION
    note = f"{faster} of 1 the upper name is faster. Bar: 95 % interval of the geometric mean, {bases}. Shaded: a tie."
    left_out = f"First {len(shown)} of {len(found)} pairs." if len(shown) < len(found) else ""
    parts.caption(ax, " ".join(filter(None, [note, left_out])))
    return ax


def _forest_line(ax: Axes, lane: int, line: Mapping[str, Any]) -> None:
    marker, filled = VERDICTS[line["verdict"]]
    ink = parts.rc("text.color")
    color = theme.look(list(VERDICTS).index(line["verdict"])).color if filled else ink
    parts.span(ax, (line["ratio"], lane), line["ratio_low"], line["ratio_high"], color)
    if not math.isnan(line["ratio"]):
        style = {"marker": marker, "s": parts.area(1.3), "edgecolor": ink, "zorder": 3, "gid": "ratio"}
        ax.scatter(line["ratio"], lane, facecolor=color if filled else parts.rc("axes.facecolor"), **style)
    said = f"{line['verdict']} ({alt.plural(line['n_pairs'], 'pair')})"
    if not math.isnan(line["more_rounds"]):
        said += f"\nabout {alt.plural(line['more_rounds'], 'more round')}"
    beside = {"transform": ax.get_yaxis_transform(), "va": "center", "ha": "left", "gid": "verdict"}
    ax.text(1.02, lane, said, **beside, **parts.data_text())


def _ratio_axis(ax: Axes, lines: list[Mapping[str, Any]]) -> None:
    """A logarithmic axis, as wide to the left of 1 as to the right."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, StrMethodFormatter

    def reach(*names: str) -> float:
        logs = [abs(math.log(line[name])) for line in lines for name in names if line[name] > 0]
        return max((min(size, LOG_MAX) for size in logs if math.isfinite(size)), default=0.0)

    end = math.exp(min(reach("ratio_low", "ratio_high", "ratio"), reach("ratio") + math.log(FURTHEST)) * 1.08)
    end = max(end, NARROWEST)
    ax.set(xscale="log", xlim=(1 / end, end))
    ax.xaxis.set_major_locator(FixedLocator(FINE_TICKS if end < FINE_TICKS[-1] else TICKS))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
