"""Pictures of a run: a frame from `records.to_frame` in, matplotlib Axes out.

Every function draws on `ax`, or on a figure of its own that pyplot does not know (`theme.png` turns it into bytes,
`picture` into something a notebook shows). Names that come from data are drawn as they are: no mathematics, and
with a font that has Devanagari. `describe` (in `alt`) says the same in words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.errors import UsageError
from slmbench.show import alt, parts, theme

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import Image
    from matplotlib.axes import Axes

BOXES = "Box: quartiles, with lines to the lowest and highest. Cross: median, lowest, highest (n = 3–5)."
BARS = "Line: median. Bar: its 95 % interval (from n = 6), else lowest to highest (n = 3–5)."
PROMPTS_SHOWN = 20


def latency_by_model(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Every request's latency, one line a model, with a box (quartiles, whiskers to the ends) from n = 6.

    Outliers are ringed; a model that was skipped or failed keeps its line and says so.
    """
    values = alt.samples(frame, "latency_s")
    ax = parts.axes(ax, len(values))
    outliers = frame.loc[stats.outliers(frame), ["model", "latency_s"]]
    for place, (model, sample) in enumerate(values.items()):
        parts.strip(ax, place, sample)
        ringed = sample[sample.index.isin(outliers.index[outliers["model"] == model])]
        heights = place + parts.jitter(sample)[sample.index.isin(ringed.index)]
        ax.scatter(ringed, heights, gid="outliers", **parts.ring())
        if len(sample) >= stats.MEDIAN_FROM:
            parts.box(ax, place, sample)
        elif len(sample) >= stats.INDICATIVE_FROM:
            parts.median_bar(ax, place, sample)
    parts.model_axis(ax, frame, values)
    note = " ".join([BOXES, *([stats.OUTLIER_RULE] if len(outliers) else [])])
    parts.finish(ax, values, "Latency of every request", "latency_s", note=note)
    return ax


def speed(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Decode speed of every request by model, with the median and what n allows around it."""
    values = alt.samples(frame, "decode_tps")
    ax = parts.axes(ax, len(values))
    for place, sample in enumerate(values.values()):
        parts.strip(ax, place, sample)
        if len(sample) >= stats.INDICATIVE_FROM:
            parts.median_bar(ax, place, sample)
    parts.model_axis(ax, frame, values)
    note = " ".join([BARS, *alt.token_note(frame)])
    parts.finish(ax, values, "Decode speed after the first token", "decode_tps", note=note)
    return ax


def ecdf(frame: pd.DataFrame, column: str = "ttft_s", ax: Axes | None = None) -> Axes:
    """Share of requests at or below each value, one step line a model. column: any number column of the frame."""
    values = alt.samples(frame, column)
    ax, marks = parts.axes(ax, len(values)), {}
    for place, (model, sample) in enumerate(values.items()):
        if len(sample):
            look = theme.look(place)
            marks[model] = ax.ecdf(sample, color=look.color, linestyle=look.line)
            marks[model].set(marker=look.marker, markevery=max(1, len(sample) // 10))
    ax.set_ylim(0, 1.03)
    ax.set_ylabel("share of requests at or below", parse_math=False)
    parts.legend(ax, marks, alt.counts(frame, values))
    parts.finish(ax, values, f"{alt.quantity(column)}, distribution", column, note=alt.absent(values))
    return ax


def run_order(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Latency in the order of the run: drift, warm-up (shaded) and failures (crosses at the foot) show here."""
    values = alt.samples(frame, "latency_s")
    ax, marks = parts.axes(ax, len(values)), {}
    position = alt.positions(frame)
    for place, (model, sample) in enumerate(values.items()):
        if len(sample):
            look = theme.look(place)
            marks[model] = ax.scatter(position[sample.index], sample, color=look.color, marker=look.marker)
    warm = _warm_ups(ax, frame, position, marks)
    failed = position[alt.failed(frame)]
    if len(failed):
        foot = {"transform": ax.get_xaxis_transform(), "clip_on": False, "marker": "x", "zorder": 5}
        crosses = ax.scatter(failed, [0] * len(failed), color=parts.rc("text.color"), gid="failed", **foot)
        marks[f"failed (n = {len(failed)})"] = crosses
    odd = frame.index[stats.outliers(frame)]
    if len(odd):
        rings = ax.scatter(position[odd], frame.loc[odd, "latency_s"], gid="outliers", **parts.ring())
        marks[f"outlier (n = {len(odd)})"] = rings
    ax.set_ylabel(alt.LABELS["latency_s"])
    ax.xaxis.get_major_locator().set_params(integer=True)
    parts.legend(ax, marks, alt.counts(frame, values))
    note = " ".join(filter(None, [stats.OUTLIER_RULE if len(odd) else "", alt.absent(values)]))
    sizes = values | {"warm-up": warm}
    parts.finish(ax, sizes, "Latency in the order of the run", "position in the run", note=note, value_axis="y")
    return ax


def _warm_ups(ax: Axes, frame: pd.DataFrame, position: pd.Series, marks: dict) -> pd.Series:
    """Hollow marks on a shaded ground. returns: the latencies drawn."""
    rows = frame[frame["phase"] == "warmup"]
    for place, model in enumerate(dict.fromkeys(frame["model"])):
        warm, look = rows.loc[(rows["model"] == model) & rows["ok"], "latency_s"], theme.look(place)
        ax.scatter(position[warm.index], warm, marker=look.marker, edgecolor=look.color, facecolor="none", zorder=3)
    style = {"color": parts.rc("grid.color"), "alpha": 0.6, "linewidth": 0, "gid": "warmup"}
    for place in position[rows.index]:
        marks[f"warm-up, hollow (n = {len(rows)})"] = ax.axvspan(place - 0.5, place + 0.5, **style)
    return rows.loc[rows["ok"], "latency_s"].dropna()


def per_prompt(frame: pd.DataFrame, column: str = "latency_s", ax: Axes | None = None) -> Axes:
    """One line a prompt, one mark a model: small marks are requests, large ones their median."""
    values = alt.samples(frame, column)
    prompts = list(dict.fromkeys(frame.loc[stats.usable(frame), "prompt_id"].dropna()))
    shown = prompts[: PROMPTS_SHOWN // (2 if theme.is_projector() else 1)]
    measured = [model for model, sample in values.items() if len(sample)]
    ax, marks = parts.axes(ax, max(len(values), len(shown) * max(1, len(measured)) // 4)), {}
    for place, (model, sample) in enumerate(values.items()):
        look = theme.look(place)
        for line, prompt in enumerate(shown):
            part = sample[frame.loc[sample.index, "prompt_id"] == prompt]
            if len(part):
                height = line + 0.8 * ((measured.index(model) + 0.5) / len(measured) - 0.5)
                style = {"color": look.color, "marker": look.marker, "linewidth": 0}
                ax.scatter(part, [height] * len(part), s=parts.area(0.6), alpha=0.5, gid="requests", **style)
                marks[model] = ax.scatter(part.median(), height, s=parts.area(1), gid="median", **style)
    parts.rows(ax, [theme.wrap(str(prompt), parts.width(ax)) for prompt in shown])
    parts.legend(ax, marks, alt.counts(frame, values))
    left_out = f"First {len(shown)} of {len(prompts)} prompts." if len(shown) < len(prompts) else ""
    note = " ".join(filter(None, ["Large mark: median of the prompt.", left_out, alt.absent(values)]))
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
    title = f"{other} / {base}" if short else "Second / first"
    title += f"\n{alt.ratio_text(both['ratio'], column)}" if len(both) else ""
    note = "Marks: medians per prompt. Ratio: geometric mean over pairs with the same prompt, load and round"
    note += "; below 1 the second is faster." if column.endswith("_s") else "."
    parts.finish(ax, {side: both[side] for side in ("base", "other")}, title, column, note=note)
    return ax


KINDS: dict[str, Callable[..., Axes]] = {
    draw.__name__: draw for draw in (latency_by_model, ecdf, speed, run_order, per_prompt, acceleration)
}


def draw(frame: pd.DataFrame, kind: str, **options: object) -> Axes:
    """The picture called `kind` (a name in KINDS), with the options of its function."""
    if kind not in KINDS:
        raise UsageError(
            f"kind={kind!r} is no picture; expected one of {', '.join(KINDS)}", f"kind={next(iter(KINDS))!r}"
        )
    return KINDS[kind](frame, **options)


def picture(frame: pd.DataFrame, kind: str, **options: object) -> Image:
    """The picture for a notebook: PNG bytes with `describe`'s words as its alternative text."""
    from IPython.display import Image

    return Image(theme.png(draw(frame, kind, **options).figure), format="png", alt=alt.describe(frame, kind, **options))
