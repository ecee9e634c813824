"""The views of the instructor's board: what each says of the runs it is shown. Rows in, a figure and words out."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from slmbench.analyse import compare, race
from slmbench.analyse.outliers import OUTLIER_RULE
from slmbench.errors import KitError
from slmbench.quality.items import items
from slmbench.quality.scores import CODE, HUMAN, Score
from slmbench.show import alt, picks, plots, quality_plots, quality_sections, theme
from slmbench.show.levels import labelled, levels
from slmbench.store.follow import Follower
from slmbench.store.reading import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WEIGHED = "Line in the picture: the mean, each reply counted the same; the sentences weigh prompts as the plan does."
SENTENCES = 4  # of a kind, at most
NO_OUTLIER = "Outliers: none."
PROMPT_MAX = 400  # characters
MEDIAN = "Line: median; bar under it: its 95 % interval, from 6 requests on. Further right is better."
RULE = "Ahead: wins more of the same requests, by a test that may be looked at at any time, and by at least 5 %."
HALF = "At a height of 0.5, half of the requests had their first token by then. Further left is better."
NOT_JUDGED = "No reply has been judged yet. slmbench score, slmbench judge or the quality notebook judge them."


@dataclass(frozen=True, slots=True)
class Shown:
    """One look at a view. title: what it says, in a sentence; notes: what belongs to it; png: None for words only.

    table: rows of cells, the first one the head; none for no table.
    """

    title: str
    notes: list[str]
    png: bytes | None = None
    alt: str = ""
    table: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class State:
    """A run as far as it is. scores: of its replies."""

    name: str
    plan: Mapping[str, Any]
    machine: Mapping[str, Any]
    frame: pd.DataFrame
    scores: Sequence[Score]
    replies: int

    @classmethod
    def of(cls, run: Follower, scores: Sequence[Score]) -> State:
        whole = Run(run.path, run.plan, run.machine, run.rows, run.resources)
        replies = 0
        with contextlib.suppress(KitError):  # none to judge yet
            replies = len(items(whole))
        return cls(run.name, run.plan, run.machine, run.frame(), scores, replies)

    @property
    def models(self) -> list[str] | None:
        """All that are asked, once there are rows; None where levels of load are told apart by name."""
        if len(levels(self.frame)) > 1:
            return None
        return [t["alias"] for t in self.plan.get("targets") or () if not t.get("reason")] or None


def race_view(runs: Sequence[State], figure: Figure) -> Shown:
    """Who is ahead; of two runs, what changed from the first to the second as well."""
    _each(runs, figure, "race")
    titles, notes = [], []
    if len(runs) == 1:
        figure.axes[0].set_title("")  # it is said above the picture
        theme.make_room(figure.axes[0])
    for run in runs:
        said = race.headline(race.calls(labelled(run.frame), models=run.models)) if len(run.frame) else "No reply yet."
        (titles if len(runs) == 1 else notes).append(said if len(runs) == 1 else f"{run.name}: {said}")
    if len(runs) == 2:
        titles = [_between(*runs)]
    return Shown(" ".join(titles), [*notes, RULE])


def _between(one: State, other: State) -> str:
    """What the two have in common, model by model."""
    frames = [run.frame.assign(run=run.name) for run in (one, other)]  # as the folders are called now
    lines = compare.runs(*frames).to_dict("records") if all(map(len, frames)) else []
    told = [f"{line['model']} × {line['ratio']:.2f} ({line['verdict']})" for line in lines if line["n_pairs"]]
    if not told:
        return "No request has been answered in both runs yet."
    more = [alt.plural(len(told) - SENTENCES, "more model")] if len(told) > SENTENCES else []
    return f"Latency from {one.name} to {other.name}: {', '.join(told[:SENTENCES] + more)}."


def kind_view(
    kind: str, rule: str = "", of_run: Callable[[State], list[str]] = lambda _: []
) -> Callable[[Sequence[State], Figure], Shown]:
    """A view that draws one kind of picture for each run. rule: how to read it; of_run: what to say of each."""

    def draw(runs: Sequence[State], figure: Figure) -> Shown:
        _each(runs, figure, kind)
        said = [_named(run, runs) + note for run in runs for note in of_run(run)]
        ringed = rule != OUTLIER_RULE or any(note != NO_OUTLIER for run in runs for note in of_run(run))
        return Shown("", [*said, *([rule] if ringed else [])])

    return draw


def _named(run: State, runs: Sequence[State]) -> str:
    """What goes before words on one of several runs."""
    return f"{run.name}: " if len(runs) > 1 else ""


def _options(run: State, kind: str) -> dict[str, Any]:
    """What a kind of picture, and its words, are to be told besides the rows."""
    return {"models": run.models} if kind == "race" else {}


def _each(runs: Sequence[State], figure: Figure, kind: str) -> None:
    axes = _axes(figure, len(runs))
    for run, ax in zip(runs, axes, strict=True):
        plots.draw(labelled(run.frame), kind, ax=ax, **_options(run, kind))
        if len(runs) > 1:
            _head(ax, run)
            ax.set_ylabel(ax.get_ylabel().partition(" ")[0])  # all of it finds no room
    _as_one(axes, "y" if kind == "run_order" else "x")


def _head(ax: Axes, run: State, more: str = "") -> None:
    ax.set_title(theme.wrap(run.name, 40, 1) + more, loc="left", parse_math=False)


def _axes(figure: Figure, n: int) -> list:
    if n > 1:
        figure.set_layout_engine("constrained")
        return list(figure.subplots(n, 1))
    return [figure.add_axes((0.1, 0.16, 0.87, 0.74))]


def _as_one(axes: Sequence, axis: str) -> None:
    """The same scale for all, so that they can be compared; one axes is given the room that its labels leave."""
    if len(axes) == 1:
        theme.make_room(axes[0])
        return
    ends = [getattr(ax, f"get_{axis}lim")() for ax in axes]
    log = any(getattr(ax, f"get_{axis}scale")() == "log" for ax in axes)
    low = min(end[0] for end in ends if not log or end[0] > 0)
    for ax in axes:
        if log:
            ax.set(**{f"{axis}scale": "log"})
        ax.set(**{f"{axis}lim": (low, max(end[1] for end in ends))})
    if axis == "x":
        for ax in axes[:-1]:
            ax.set_xlabel("")


def outliers_of(run: State) -> list[str]:
    """How many there are, and why."""
    return [alt.outlier_sentence(labelled(run.frame))] if len(run.frame) else []


def quality_view(runs: Sequence[State], figure: Figure) -> Shown:
    """Scores as they come in, and what they allow to say."""
    judged = [_by_one_kind(run.scores) for run in runs]
    if not any(judged):
        return Shown(NOT_JUDGED, [])
    axes = _axes(figure, len(runs))
    counts, notes, words = [], [], []
    for run, scores, ax in zip(runs, judged, axes, strict=True):
        found = quality_sections.judged(scores, run.plan)
        raters = ", ".join(dict.fromkeys(found["rater"])) or "nobody"
        counts.append(f"{_named(run, runs)}{len({s.item for s in scores})} of {run.replies} replies judged by {raters}")
        notes += [_named(run, runs) + line for line in found["sentence"].head(SENTENCES)]
        by_model = quality_plots.scores_of(scores)
        words += [_named(run, runs) + line for line in found["sentence"]]
        quality_plots.scores_by_model(by_model, ax=ax)
        if len(runs) > 1:
            _head(ax, run, "" if by_model else ": nothing judged yet")
    if len(axes) == 1:
        theme.make_room(axes[0])
    if any(len(set(quality_sections.weights(run.plan).values())) > 1 for run in runs):
        notes.append(WEIGHED)
    careful = quality_plots.CAREFUL[0].upper() + quality_plots.CAREFUL[1:]
    return Shown("; ".join(counts) + ".", [*notes, careful], None, " ".join(["Scores by model.", *words]))


def _by_one_kind(scores: Sequence[Score]) -> list[Score]:
    """The scores that people gave, or, without any, those of the first judge model: never both in one mean."""
    found = [s for s in scores if s.task == "score" and s.score is not None and s.kind != CODE]
    people = [s for s in found if s.kind == HUMAN]
    return people or [s for s in found if s.annotator == found[0].annotator]


def prompts_view(runs: Sequence[State], _: Figure) -> Shown:
    """What is asked, and how to ask it on another machine."""
    notes = []
    for run in runs:
        prompts = run.plan.get("prompts") or []
        notes += [f"{prompt.get('id')}: {_cut(prompt.get('text', ''))}" for prompt in prompts]
    return Shown(_command(runs[0].plan), list(dict.fromkeys(notes)))


def _cut(text: str) -> str:
    return text if len(text) <= PROMPT_MAX else f"{text[:PROMPT_MAX]} …"


def _command(plan: Mapping[str, Any]) -> str:
    """What asks for the same on another machine, as short as can be typed from a screen."""
    words = shlex.split(plan.get("command") or "slmbench run")
    short = ["slmbench", "run"]
    for flag in ("--models", "--prompts"):
        if flag in words[:-1]:
            short += [flag, words[words.index(flag) + 1]]
    return f"The same on your machine: {shlex.join(short)} --rounds {plan.get('rounds', 1)}"


def tokens_view(runs: Sequence[State], _: Figure) -> Shown:
    """The still form of replies as they came, token by token; the board shows another widget for it."""
    frame = runs[0].frame
    if not picks.replies(frame):
        return Shown("No reply has been recorded yet.", [])
    words = alt.describe(frame, "token_timeline")
    return Shown("", [], theme.png(plots.draw(frame, "token_timeline").figure), words)


VIEWS: dict[str, tuple[str, Callable[[Sequence[State], Figure], Shown]]] = {
    "race": ("Race", race_view),
    "latency_by_model": ("Points", kind_view("latency_by_model", OUTLIER_RULE, outliers_of)),
    "ecdf": ("Curves", kind_view("ecdf", HALF)),
    "speed": ("Speed", kind_view("speed", MEDIAN, lambda run: alt.token_note(run.frame))),
    "run_order": ("Order", kind_view("run_order", OUTLIER_RULE, outliers_of)),
    "quality": ("Quality", quality_view),
    "tokens": ("Tokens", tokens_view),
    "prompts": ("Prompts", prompts_view),
}


def look(runs: Sequence[State], view: str, size: tuple[int, int]) -> Shown:
    """One view of some runs. size: of the picture, in pixels. The settings of `theme.params` are to be in force."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / theme.DPI, size[1] / theme.DPI))
    found = VIEWS[view][1](runs, figure)
    if not figure.axes:
        return found
    told = [alt.describe(labelled(run.frame), view, **_options(run, view)) for run in runs] if not found.alt else []
    words = found.alt or " ".join(
        f"{run.name}: {one}" if len(runs) > 1 else one for run, one in zip(runs, told, strict=True)
    )
    return replace(found, png=theme.png(figure), alt=words)


def progress(plan: Mapping[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    """How far a run is. returns: done and total timed requests (total None where nobody knows), failed, the model and
    the prompt of the last row, left_s: seconds at the pace so far, NaN if unknown.
    """
    import pandas as pd

    timed = frame[(frame["phase"] == "timed") & frame["prompt_id"].notna()]
    done = int(timed["cell"].nunique())
    at_once = plan.get("concurrency", 1)
    asked = sum(not t.get("reason") for t in plan.get("targets") or ())
    total = asked * len(plan.get("prompts") or ()) * plan.get("rounds", 1) * plan.get("loads", 1)
    total *= len(at_once) if isinstance(at_once, list) else 1
    if plan.get("precision_pct") is not None or plan.get("budget_s") is not None or done > total:
        total = None
    left = float("nan")
    if total and done >= 2:
        began = pd.to_datetime(timed["started_at"], utc=True, format="ISO8601")
        spent = (began.iloc[-1] - began.iloc[0]).total_seconds()
        left = spent / (done - 1) * (total - done)
    last = frame[frame["prompt_id"].notna()].tail(1)
    where = [str(v) for v in last[["model", "prompt_id"]].iloc[0]] if len(last) else []
    return {"done": done, "total": total, "failed": int(alt.failed(frame).sum()), "last": where, "left_s": left}


def machine_of(machine: Mapping[str, Any]) -> str:
    """The machine in a few words; "" if nothing is known."""
    found = [str(machine[name]) for name in ("cpu", "os") if machine.get(name)]
    return re.sub(r"\((R|TM)\)| (CPU|Processor)\b| @ [\d.]+ ?GHz", "", " · ".join(found))
