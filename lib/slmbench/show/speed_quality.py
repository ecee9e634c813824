"""Speed and quality in one picture and one table: what a model is chosen by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from slmbench.analyse import stats
from slmbench.errors import UsageError
from slmbench.show import alt, parts, theme
from slmbench.show.text import number, plain

if TYPE_CHECKING:
    from IPython.display import Image
    from matplotlib.axes import Axes

COLUMNS = ("decode_tps", "output_tps", "latency_s", "ttft_s", "tpot_s")
SOLID, DOTTED = "-", (0, (1, 1.5))
NOTE = "Bar: 95 % interval; dotted: lowest to highest seen, where there are too few for an interval."


def points(summary: pd.DataFrame, means: pd.DataFrame, column: str = "decode_tps") -> pd.DataFrame:
    """Each model's speed and mean score, of the models that have both.

    summary: from `stats.summarise`. means: one line a model, with model, mean, low, high, min, max, n, as
    `quality.means.by_model` has them for one rater.
    returns: model; speed, speed_low, speed_high, speed_n, speed_interval; score, score_low, …, score_interval: whether
        low and high are a 95 % interval, or the lowest and highest seen; the latter also below 3 requests.
    raises: UsageError for a column that is no speed.
    """
    if column not in COLUMNS:
        raise UsageError(
            f"column={column!r} is no speed; expected one of {', '.join(COLUMNS)}", f"column={COLUMNS[0]!r}"
        )
    scored = {line["model"]: line for line in means.to_dict("records")}
    lines = []
    for line in summary.to_dict("records"):
        score, n = scored.get(line["model"]), line[f"{column}_n"]
        if score is None or not n or math.isnan(score["mean"]):
            continue
        known = n >= stats.MEDIAN_FROM
        ends = ("p50_low", "p50_high") if known else ("min", "max")
        judged = not math.isnan(score["low"])
        low, high = ("low", "high") if judged else ("min", "max")
        lines.append(
            {
                "model": line["model"],
                "speed": line[f"{column}_p50"],
                **dict(zip(("speed_low", "speed_high"), (line[f"{column}_{end}"] for end in ends), strict=True)),
                "speed_n": int(n),
                "speed_interval": known,
                "score": score["mean"],
                "score_low": score[low],
                "score_high": score[high],
                "score_n": int(score["n"]),
                "score_interval": judged,
            }
        )
    names = [f"{of}{part}" for of in ("speed", "score") for part in ("", "_low", "_high", "_n", "_interval")]
    return pd.DataFrame(lines, columns=["model", *names])


def joined(summary: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """`stats.summarise`'s table with quality beside it: quality_mean, quality_low, quality_high, quality_n.

    NaN for a model that nobody has judged, and for intervals that n does not allow. means: as for `points`.
    """
    columns = {name: f"quality_{name}" for name in ("mean", "low", "high", "n")}
    return summary.merge(means[["model", *columns]].rename(columns=columns), on="model", how="left")


def chart(found: pd.DataFrame, column: str = "decode_tps", who: str = "", ax: Axes | None = None) -> Axes:
    """A mark a model: speed to the right, mean score upwards, with what n allows to say of each as bars.

    found: from `points`, of the same column. who: has judged, for the title.
    """
    ax, marks = parts.axes(ax, len(found)), {}
    for place, line in enumerate(found.to_dict("records")):
        look = theme.look(place)
        style = {"color": look.color, "linewidth": parts.rc("lines.linewidth"), "zorder": 2, "gid": "interval"}
        x, y = line["speed"], line["score"]
        ax.hlines(y, line["speed_low"], line["speed_high"], linestyle=_line(line["speed_interval"]), **style)
        ax.vlines(x, line["score_low"], line["score_high"], linestyle=_line(line["score_interval"]), **style)
        rim = {"edgecolor": parts.rc("axes.facecolor"), "linewidth": 1}
        marks[line["model"]] = ax.scatter(
            x, y, s=parts.area(1.8), color=look.color, marker=look.marker, zorder=3, **rim
        )
    counts = {
        line["model"]: f"{alt.plural(line['speed_n'], 'request')}, {alt.plural(line['score_n'], 'prompt')}"
        for line in found.to_dict("records")
    }
    parts.legend(ax, marks, counts)
    ax.set_ylim(0.8, 5.2)
    ax.set_yticks(range(1, 6), ["1 worst", "2", "3", "4", "5 best"])
    title = "Speed and quality" + (f", judged by {plain(who)}" if who else "")
    ax.set_title(title if len(found) else f"{title}: nothing has both", loc="left", **parts.data_text())
    ax.set_xlabel(alt.label_of(column), parse_math=False)
    ax.set_ylabel("mean score")
    if len(found):
        ax.set_xlim(0, 1.08 * found[["speed", "speed_high"]].max().max())
    better = "up and to the left" if column.endswith("_s") else "up and to the right"
    parts.caption(ax, f"Better is {better}. {NOTE}")
    return ax


def _line(interval: bool) -> object:
    return SOLID if interval else DOTTED


def picture(found: pd.DataFrame, who: str = "", column: str = "decode_tps") -> Image:
    """The chart for a notebook, with `words` as its alternative text."""
    from IPython.display import Image

    return Image(theme.png(chart(found, column, who).figure), format="png", alt=words(found, column))


def words(found: pd.DataFrame, column: str = "decode_tps") -> str:
    """The chart in words."""
    told = [f"Median {alt.quantity(column).lower()} and mean score of each model."]
    for line in found.to_dict("records"):
        speed, score = (_with_ends(line, of) for of in ("speed", "score"))
        told.append(f"{plain(line['model'])}: {speed}, score {score}.")
    return " ".join(told)


def _with_ends(line: Mapping[str, object], of: str) -> str:
    what = "95 % interval" if line[f"{of}_interval"] else "seen"
    return f"{number(line[of])} ({what} {number(line[f'{of}_low'])} to {number(line[f'{of}_high'])})"
