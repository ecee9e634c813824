"""The picture of one reply: when each chunk came."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from slmbench.show import parts, picks, theme
from slmbench.show.picks import duration

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CHANNELS = ("answer", "reasoning")
TALLEST = 0.36  # of a lane: the tick of the chunk with the most characters
TICKS = "Tick: a chunk, as high as its characters. 0: the request is written."


def token_timeline(
    frame: pd.DataFrame, model: str | None = None, prompt: str | None = None, round: int = 0, ax: Axes | None = None
) -> Axes:
    """One reply chunk by chunk along time, or one of each model to the same prompt, stacked.

    model, prompt, round: as for `picks.replies`. A tick is a chunk, as high as it has characters; its colour and
    marker tell the answer from the reasoning. The first token (TTFT) is a named line; the chunks that end the largest
    and the median gap are ringed.
    """
    import pandas as pd

    found = picks.replies(frame, model, prompt, round)
    shown = found[: 3 if theme.is_projector() else 8]
    ax, marks = parts.axes(ax, 3 * len(shown)), {}
    tallest = max((max(reply.chars) for reply in shown), default=1)
    for lane, reply in enumerate(shown):
        _name_first_token(ax, lane, reply, 1.05 * max(other.chunk_s[-1] for other in shown))
        _lane(ax, lane, reply, tallest, marks)
    lines = 2 if theme.is_projector() else 3
    parts.rows(ax, [parts.with_note(reply.model, _size(reply), parts.width(ax), lines) for reply in shown])
    ax.set_ylim(max(1, len(shown)) - 0.62, -0.75)
    left_out = f"First {len(shown)} of {len(found)} models." if len(shown) < len(found) else ""
    ends = {reply.model: pd.Series(reply.chunk_s[-1:]) for reply in shown}
    longest = max(ends.items(), key=lambda end: end[1].iloc[0], default=("", pd.Series(dtype=float)))
    title = _title(found) if found else "Token timeline of one reply"
    note = " ".join(filter(None, [TICKS, left_out]))
    parts.finish(ax, dict([longest]), title, "time since the request (s)", note=note)
    parts.legend_above(ax, marks)
    return ax


def _title(found: list[picks.Reply]) -> str:
    first, speed = found[0], picks.speed_of(found)
    which = f"{first.prompt}, round {first.round}"
    who = f"One reply of {first.model}" if len(found) == 1 else "One reply of each model"
    return f"{theme.wrap(f'{who} to {which}', 60, 1)}" + (f"\n{speed} after the first token" if speed else "")


def _size(reply: picks.Reply) -> str:
    tokens = "" if reply.tokens is None else f"{reply.tokens} tokens, "
    speed = picks.speed_of([reply])
    return f"{tokens}{len(reply.chunk_s)} chunks" + (f",\n{speed}" if speed else "")


def _lane(ax: Axes, lane: int, reply: picks.Reply, tallest: int, marks: dict) -> None:
    heads = [lane - max(0.05, TALLEST * size / tallest) for size in reply.chars]
    thin = parts.rc("lines.linewidth") / 2
    ax.hlines(lane, 0, reply.chunk_s[-1], color=parts.rc("grid.color"), linewidth=thin, zorder=1)
    for place, channel in enumerate(CHANNELS):
        look = theme.look(place)
        chunks = [i for i, name in enumerate(reply.channels) if name == channel]
        if chunks:
            times, tops = [reply.chunk_s[i] for i in chunks], [heads[i] for i in chunks]
            ax.vlines(times, lane, tops, color=look.color, linewidth=thin, gid=f"{channel} ticks", zorder=2)
            style = {"color": look.color, "marker": look.marker, "linewidth": 0, "s": parts.area(0.55), "zorder": 3}
            marks[f"chunk of the {channel}"] = ax.scatter(times, tops, gid=channel, **style)
    for (name, chunk), marker in zip(reply.gap_ends().items(), ("o", "s"), strict=False):
        ring = parts.ring() | {"marker": marker, "s": parts.area(1.5)}
        marks[f"end of the {name}"] = ax.scatter(reply.chunk_s[chunk], heads[chunk], gid=name, **ring)
    if reply.gaps:
        said = f"gaps: median {duration(statistics.median(reply.gaps))}, largest {duration(max(reply.gaps))}"
        ax.text(0, lane + 0.03, f" {said}", ha="left", va="top", **parts.data_text())


def _name_first_token(ax: Axes, lane: int, reply: picks.Reply, end: float) -> None:
    """The first token's line with its name and time above it, moved to the left where they would not fit. end: of x."""
    style = {"color": parts.rc("text.color"), "linewidth": parts.rc("lines.linewidth")}
    ax.vlines(reply.ttft_s, lane, lane - 0.42, linestyle="--", gid="ttft", **style)
    named = f"TTFT {duration(reply.ttft_s)}"
    if reply.ttfa_s is not None and reply.ttfa_s > reply.ttft_s:
        ax.vlines(reply.ttfa_s, lane, lane - 0.42, linestyle=":", gid="ttfa", **style)
        named += f", first answer (dotted) {duration(reply.ttfa_s)}"
    taken = 0.62 * parts.rc("font.size") * len(named) / (0.65 * 72 * ax.figure.get_figwidth())  # share of the axis
    place = max(0, min(reply.ttft_s, end * (1 - taken)))
    ax.text(place, lane - 0.43, named, ha="left", va="bottom", **parts.data_text())
