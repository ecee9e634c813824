"""Pictures of a choice: what each model is good at, and which one wins as one thing counts more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.analyse.choose import score_at
from slmbench.show import parts, theme
from slmbench.show.text import number, plain

if TYPE_CHECKING:
    from IPython.display import Image
    from matplotlib.axes import Axes

    from slmbench.analyse.choose import Choice

CHARTS = ("choice_profile", "choice_sweep")
STEPS = 101
PROFILE_NOTE = "1 is the best of the models that can be chosen, 0.5 is half as good."
SWEEP_NOTE = "The other weights keep their proportions. Dotted: the weight in force."


def profile(choice: Choice, ax: Axes | None = None) -> Axes:
    """A line a dimension, a mark a model: its share of the best."""
    names = list(choice.weights)
    ax, marks = parts.axes(ax, len(names) + 1), {}
    shown = choice.table[choice.table["score"].notna()]
    apart = 0.5 / max(1, len(shown))
    for place, line in enumerate(shown.to_dict("records")):
        look = theme.look(place)
        offset = apart * (place - (len(shown) - 1) / 2)
        heights = [row + offset for row in range(len(names))]
        rim = {"edgecolor": parts.rc("axes.facecolor"), "linewidth": 1}
        values = [line[name] for name in names]
        marks[line["model"]] = ax.scatter(
            values, heights, s=parts.area(1.4), color=look.color, marker=look.marker, zorder=3, **rim
        )
        ax.hlines(
            heights, 0, values, color=look.color, linewidth=parts.rc("lines.linewidth") * 0.6, alpha=0.5, zorder=2
        )
    parts.rows(ax, [f"{name}, {100 * choice.weights[name]:.0f} %" for name in names])
    parts.legend(ax, marks, {line["model"]: _place(line) for line in shown.to_dict("records")})
    ax.set_xlim(0, 1.05)
    ax.set_xlabel("share of the best")
    ax.set_title("What each model is good at", loc="left", **parts.data_text())
    parts.caption(ax, PROFILE_NOTE)
    return ax


def _place(line: dict) -> str:
    return f"score {line['score']:.2f}" if line["admitted"] else "kept out by a limit"


def sweep(choice: Choice, dimension: str, ax: Axes | None = None) -> Axes:
    """The score of each model as one dimension's weight goes from nothing to all. dimension: one of choice.weights."""
    import numpy as np

    ax, marks = parts.axes(ax, 0), {}
    weights = np.linspace(0, 1, STEPS)
    shown = choice.table[choice.table["admitted"]]
    for place, line in enumerate(choice.table.to_dict("records")):
        if not line["admitted"]:
            continue
        look = theme.look(place)
        [marks[line["model"]]] = ax.plot(
            100 * weights,
            [score_at(line, choice.weights, dimension, weight) for weight in weights],
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markevery=20,
            clip_on=False,
        )
    ax.axvline(
        100 * choice.weights[dimension],
        color=parts.rc("text.color"),
        linestyle=":",
        linewidth=parts.rc("lines.linewidth"),
    )
    parts.legend(ax, marks, {line["model"]: f"{dimension} {line[dimension]:.2f}" for line in shown.to_dict("records")})
    ax.set_xlim(0, 103)
    ax.set_xlabel(f"weight of {dimension} (%)")
    ax.set_ylabel("score")
    ax.set_title(f"Who wins, the more {dimension} counts", loc="left", **parts.data_text())
    parts.caption(ax, SWEEP_NOTE)
    return ax


def swept(choice: Choice) -> str:
    """The dimension whose weight is worth moving: quality, else the one that counts most."""
    return "quality" if "quality" in choice.weights else max(choice.weights, key=choice.weights.__getitem__)


def drawn(choice: Choice) -> dict[str, Axes]:
    """The charts of a report, by name; {} where no model can be chosen."""
    if choice.winner is None:
        return {}
    return dict(zip(CHARTS, (profile(choice), sweep(choice, swept(choice))), strict=True))


def words(choice: Choice) -> dict[str, str]:
    """The same in words."""
    if choice.winner is None:
        return {}
    return dict(zip(CHARTS, (profile_words(choice), sweep_words(choice, swept(choice))), strict=True))


def picture(ax: Axes, told: str) -> Image:
    """A chart for a notebook, with its alternative text."""
    from IPython.display import Image

    return Image(theme.png(ax.figure), format="png", alt=told)


def profile_words(choice: Choice) -> str:
    """`profile` in words."""
    told = [f"Share of the best in {', '.join(choice.weights)}."]
    for line in choice.table[choice.table["score"].notna()].to_dict("records"):
        told.append(
            f"{plain(line['model'])}: {', '.join(number(line[name]) for name in choice.weights)}, {_place(line)}."
        )
    return " ".join(told)


def sweep_words(choice: Choice, dimension: str) -> str:
    """`sweep` in words."""
    told = [f"Scores as the weight of {dimension} goes from 0 to 100 %; it is {100 * choice.weights[dimension]:.0f} %."]
    turns = choice.turns[choice.turns["dimension"] == dimension]
    if turns.empty:
        told.append(f"{plain(choice.winner or 'nobody')} is the first all the way.")
    told += [
        f"{plain(line['model'])} takes over at {100 * line['becomes']:.0f} %." for line in turns.to_dict("records")
    ]
    return " ".join(told)
