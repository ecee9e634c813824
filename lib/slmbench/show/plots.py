"""Pictures of a run: a frame from `records.to_frame` in, matplotlib Axes out.

Every function draws on `ax`, or on a figure of its own that pyplot does not know (`theme.png` turns it into bytes,
`picture` into something a notebook shows). Names that come from data are drawn as they are: no mathematics, and
with a font that has Devanagari. `describe` (in `alt`) says the same in words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from slmbench.analyse import outliers, stats
from slmbench.analyse.outliers import OUTLIER_RULE
from slmbench.errors import UsageError
from slmbench.show import alt, parts, theme
from slmbench.show.compare_plots import acceleration, per_prompt, ratios
from slmbench.show.race_plot import race
from slmbench.show.reply_plots import token_timeline
from slmbench.show.traffic_plots import concurrency_curve

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import Image
    from matplotlib.axes import Axes

BOXES = "Box: quartiles, with lines to the lowest and highest."
CAUSES_SHOWN = 5  # of more outliers, the causes are counted in the caption


def latency_by_model(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Every request's latency, one line a model, with a box (quartiles, whiskers to the ends) from n = 6 and, under
    it, a bar for the interval of the median.

    Outliers are ringed; a model that was skipped or failed keeps its line and says so.
    """
    values = alt.samples(frame, "latency_s")
    ax = parts.axes(ax, len(values))
    odd = frame.loc[outliers.outliers(frame), ["model", "latency_s"]]
    for place, (model, sample) in enumerate(values.items()):
        parts.strip(ax, place, sample)
        ringed = sample[sample.index.isin(odd.index[odd["model"] == model])]
        heights = place + parts.jitter(sample)[sample.index.isin(ringed.index)]
        ax.scatter(ringed, heights, gid="outliers", **parts.ring())
        if len(sample) >= stats.MEDIAN_FROM:
            parts.box(ax, place, sample)
        parts.median_bar(ax, place, alt.numbers(frame, sample))
    parts.model_axis(ax, frame, values)
    boxes = any(len(sample) >= stats.MEDIAN_FROM for sample in values.values())
    note = [BOXES] * boxes + [parts.bars_note(frame, map(len, values.values()))] + [OUTLIER_RULE] * bool(len(odd))
    parts.finish(ax, values, "Latency of every request", "latency_s", note=" ".join(filter(None, note)))
    return ax


def speed(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Decode speed of every request by model, with the median and what n allows around it."""
    values = alt.samples(frame, "decode_tps")
    ax = parts.axes(ax, len(values))
    for place, sample in enumerate(values.values()):
        parts.strip(ax, place, sample)
        parts.median_bar(ax, place, alt.numbers(frame, sample))
    parts.model_axis(ax, frame, values)
    note = " ".join([parts.bars_note(frame, map(len, values.values())), *alt.token_note(frame)])
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
        ax.update_datalim([(at, ax.dataLim.y0) for at in failed])  # a run may end with them
        ax.autoscale_view()
        marks[f"failed (n = {len(failed)})"] = crosses
    causes = outliers.causes(frame)
    odd = frame.loc[causes != "", "latency_s"]
    if len(odd):
        marks[f"outlier (n = {len(odd)})"] = ax.scatter(position[odd.index], odd, gid="outliers", **parts.ring())
    ax.set_ylabel(alt.LABELS["latency_s"])
    ax.xaxis.get_major_locator().set_params(integer=True)
    parts.legend(ax, marks, alt.counts(frame, values))
    few = len(odd) <= CAUSES_SHOWN and bool(ax.figure.get_layout_engine())
    counted = "" if few else alt.cause_counts(causes)
    note = " ".join(filter(None, [OUTLIER_RULE if len(odd) else "", counted, alt.absent(values)]))
    sizes = values | {"warm-up": warm}
    parts.finish(ax, sizes, "Latency in the order of the run", "position in the run", note=note, value_axis="y")
    if few:
        seen = frame.loc[frame["ok"] & frame["latency_s"].notna(), "latency_s"]
        others = list(zip(position[seen.index], seen, strict=True))
        parts.near(ax, [(position[i], odd[i], causes[i]) for i in odd.index], "causes", others, share=True)
    return ax


def _warm_ups(ax: Axes, frame: pd.DataFrame, position: pd.Series, marks: dict) -> pd.Series:
    """Hollow marks on a shaded ground. returns: the latencies drawn."""
    rows = frame[frame["phase"] != "timed"]
    name = "warm-up" if (rows["phase"] == "warmup").all() else "untimed"  # with what keeps several streams busy
    for place, model in enumerate(dict.fromkeys(frame["model"])):
        warm, look = rows.loc[(rows["model"] == model) & rows["ok"], "latency_s"], theme.look(place)
        ax.scatter(position[warm.index], warm, marker=look.marker, edgecolor=look.color, facecolor="none", zorder=3)
    style = {"color": parts.rc("grid.color"), "alpha": 0.6, "linewidth": 0, "gid": "warmup"}
    for first, last in _runs(sorted(position[rows.index])):
        marks[f"{name}, hollow (n = {len(rows)})"] = ax.axvspan(first - 0.5, last + 0.5, **style)
    return rows.loc[rows["ok"], "latency_s"].dropna()


def _runs(places: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Places in order as stretches without a gap: (1, 2, 3, 7) gives (1, 3), (7, 7)."""
    for _, run in itertools.groupby(enumerate(places), key=lambda numbered: numbered[1] - numbered[0]):
        stretch = [place for _, place in run]
        yield stretch[0], stretch[-1]


KINDS: dict[str, Callable[..., Axes]] = {
    draw.__name__: draw
    for draw in (
        *(latency_by_model, ecdf, speed, run_order, per_prompt),
        *(token_timeline, concurrency_curve, ratios, acceleration, race),
    )
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
