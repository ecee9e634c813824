"""Pictures of judgements: the scores of each model, and how often each won when two replies stood side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from slmbench.quality.annotation import Annotation
from slmbench.quality.items import FIRST
from slmbench.quality.scores import Score
from slmbench.show import alt, parts, theme
from slmbench.show.text import number, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CAREFUL = "a handful of scores by one person is an impression, not a proof."
OUTCOMES = ("won", "equal", "lost")


def scores_of(scores: Sequence[Score]) -> dict[str, list[int]]:
    """The scores of each model, best mean first; a reply that several models gave counts for each."""
    found: dict[str, list[int]] = {}
    for score in scores:
        if score.task == "score" and score.score is not None:
            for model in score.models:
                found.setdefault(model, []).append(score.score)
    return dict(sorted(found.items(), key=lambda pair: -sum(pair[1]) / len(pair[1])))


def outcomes_of(scores: Sequence[Score]) -> dict[str, tuple[int, int, int]]:
    """How often each model won, was equal (or as bad) and lost, the one that won most first."""
    found: dict[str, list[int]] = {}
    for score in scores:
        if score.task != "pair" or score.choice is None:
            continue
        for one in score.models:
            for other in score.others or ():
                decided = {FIRST: (0, 2), "second": (2, 0)}.get(score.choice, (1, 1))
                for model, outcome in zip((one, other), decided, strict=True):
                    found.setdefault(model, [0, 0, 0])[outcome] += 1
    return {model: tuple(n) for model, n in sorted(found.items(), key=lambda pair: (-pair[1][0], pair[1][2]))}


def scores_by_model(scores: Mapping[str, Sequence[int]], ax: Axes | None = None) -> Axes:
    """Every score, one line a model, with a bar at the mean. scores: as `scores_of` gives them."""
    import numpy as np

    ax = parts.axes(ax, len(scores))
    for place, values in enumerate(scores.values()):
        look = theme.look(place)
        for value, count in sorted(Counter(values).items()):  # the same score side by side, none on another
            heights = place + min(0.12, 0.7 / count) * (np.arange(count) - (count - 1) / 2)
            ax.scatter([value] * count, heights, s=parts.area(1.5), **_dot(look), zorder=3)
        style = {"color": parts.rc("text.color"), "linewidth": parts.rc("lines.linewidth"), "zorder": 4, "gid": "mean"}
        ax.vlines(np.mean(values), place - 0.32, place + 0.32, **style)
    _models(ax, {model: alt.plural(len(values), "score") for model, values in scores.items()})
    ax.set_xlim(0.8, 5.2)
    ax.set_xticks(range(1, 6), ["1\nworst", "2", "3", "4", "5\nbest"])
    ax.set_xlabel("score")
    ax.set_title("Scores by model", loc="left", **parts.data_text())
    parts.caption(ax, "Dot: one reply. Line: mean, each reply counted the same.")
    return ax


def _dot(look: theme.Look) -> dict[str, object]:
    """A mark with a rim, so that neighbours which touch can be counted."""
    return {"color": look.color, "marker": look.marker, "edgecolor": parts.rc("axes.facecolor"), "linewidth": 1.2}


def outcomes_by_model(outcomes: Mapping[str, Sequence[int]], ax: Axes | None = None) -> Axes:
    """How often each model won, was equal and lost, as one bar a model. outcomes: as `outcomes_of` gives them."""
    ax, marks = parts.axes(ax, len(outcomes)), {}
    looks = ((0, ""), (6, ".."), (1, "//"))  # blue, grey, orange
    for place, counts in enumerate(outcomes.values()):
        reached = 0
        for n, (outcome, count) in enumerate(zip(OUTCOMES, counts, strict=True)):
            color, hatch = theme.look(looks[n][0]).color, looks[n][1]
            style = {"color": color, "hatch": hatch, "edgecolor": parts.rc("axes.facecolor")}
            marks[outcome] = ax.barh(place, count, left=reached, height=0.6, **style)
            reached += count
    _models(ax, {model: alt.plural(sum(counts), "pair") for model, counts in outcomes.items()})
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("comparisons")
    ax.set_title("Side by side", loc="left", **parts.data_text())
    parts.legend_above(ax, marks)
    return ax


def _models(ax: Axes, notes: Mapping[str, str]) -> None:
    lines = parts.height(ax) * 0.66 / max(1, len(notes)) / (1.3 * parts.rc("font.size"))
    parts.rows(ax, [parts.with_note(model, note, parts.width(ax), lines) for model, note in notes.items()])


def revealed(annotation: Annotation) -> pd.DataFrame:
    """What one annotator has found, by model, in words for a table: a line a model."""
    import pandas as pd

    own = list(annotation.scores.values())
    if annotation.compare:
        lines = [(model, *counts) for model, counts in outcomes_of(own).items()]
        return pd.DataFrame(lines, columns=["model", *OUTCOMES])
    lines = [(model, number(sum(n) / len(n)), len(n)) for model, n in scores_of(own).items()]
    return pd.DataFrame(lines, columns=["model", "mean score", "replies"])


def png_of(annotation: Annotation, look: str = "light", scale: str = "normal") -> bytes:
    """The picture of what one annotator has found. look, scale: as for `theme.params`."""
    own = list(annotation.scores.values())
    with theme.use(look, scale):
        ax = outcomes_by_model(outcomes_of(own)) if annotation.compare else scores_by_model(scores_of(own))
        return theme.png(ax.figure)


def alt_of(annotation: Annotation) -> str:
    """The same in words."""
    own = list(annotation.scores.values())
    if annotation.compare:
        told = [
            f"{model}: {', '.join(f'{n} {o}' for n, o in zip(c, OUTCOMES, strict=True))}"
            for model, c in outcomes_of(own).items()
        ]
    else:
        told = [
            f"{model}: mean {number(sum(n) / len(n))} of {alt.plural(len(n), 'score')}"
            for model, n in scores_of(own).items()
        ]
    return plain(". ".join(told))
