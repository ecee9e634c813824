"""What a report says about quality: who scored what, how far they agree, and what that allows to say."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.quality import agreement, checks, means, ranking
from slmbench.quality.agreement import TOGETHER
from slmbench.quality.scores import CODE, HUMAN, MODEL, OK, Score, frame as frame_of
from slmbench.show import alt, speed_quality, text

if TYPE_CHECKING:
    import pandas as pd

CHART = "speed_quality"
OPINIONS = (
    "Scores are opinions, by the rubrics of prompts.json; `scores.jsonl` has each. Every sentence on two models stands "
    "for itself: of 20 pairs without a difference one is told apart by chance. Means are weighted as the plan's "
    "prompts are; in differences each prompt counts the same."
)
PAIRS_SHOWN = 6  # of models, in sentences
RATERS_SHOWN, APART_SHOWN = 6, 5


def weights(plan: Mapping[str, Any]) -> dict[str, float]:
    """The weight of each prompt of a plan."""
    return {prompt["id"]: float(prompt.get("weight", 1)) for prompt in plan.get("prompts") or ()}


def chosen(found: pd.DataFrame) -> pd.DataFrame:
    """Of `means.by_model`, the lines of the rater who counts most: all humans together, else the first human, else the
    first that is there. Empty if nobody gave a score."""
    raters = list(dict.fromkeys(found["rater"]))
    raters.sort(key=lambda rater: (rater != TOGETHER, not rater.startswith(HUMAN)))
    return found[found["rater"] == raters[0]] if raters else found


def judged(scores: Sequence[Score], plan: Mapping[str, Any]) -> pd.DataFrame:
    """The mean scores of `chosen`, weighted as the plan's prompts are."""
    return chosen(means.by_model(frame_of(scores), weights(plan)))


def mean_table(found: pd.DataFrame) -> pd.DataFrame:
    """`means.by_model` for people."""
    import pandas as pd

    return pd.DataFrame(
        {
            "Model": found["model"],
            "Judged by": found["rater"],
            "Mean score (1–5)": [interval(line) for line in found.to_dict("records")],
            "Prompts": found["n"],
            "Lowest to highest": [
                f"{text.number(a)} to {text.number(b)}" for a, b in zip(found["min"], found["max"], strict=True)
            ],
        }
    )


def interval(line: Mapping[str, Any]) -> str:
    """A mean with its 95 % interval, or that there is none."""
    if line["low"] != line["low"]:  # NaN
        return f"{line['mean']:.2f} (indicative)"
    return f"{line['mean']:.2f} [{line['low']:.2f}, {line['high']:.2f}]"


def checks_table(frame: pd.DataFrame) -> pd.DataFrame:
    """How many of the checks each model's replies have passed: a line a model, a column a kind of check."""
    import pandas as pd

    found: dict[str, dict[str, list[bool]]] = {}
    rows = frame[frame["kind"] == CODE]
    for models, done in zip(rows["models"], rows["checks"], strict=True):
        for model, one in itertools.product(models, done or ()):
            found.setdefault(model, {}).setdefault(one["kind"], []).append(one["passed"])
    kinds = list(dict.fromkeys(kind for of_model in found.values() for kind in of_model))
    lines = [
        {"Model": model} | {kind: f"{sum(of.get(kind, ()))} of {len(of.get(kind, ()))}" for kind in kinds}
        for model, of in found.items()
    ]
    return pd.DataFrame(lines, columns=["Model", *kinds])


def furthest(frame: pd.DataFrame) -> pd.DataFrame:
    """The replies on whose score raters differ most, for people: prompt, models, each rater's score, spread."""
    rows = agreement.usable(frame)
    rows = rows[rows["score"].notna()]
    raters = list(dict.fromkeys(rows["rater"]))[:RATERS_SHOWN]
    if len(raters) < 2:
        return rows.iloc[:0]
    apart = agreement.disagreements(frame, raters).head(APART_SHOWN)
    models = dict(zip(rows["item"], rows["models"], strict=True))
    shown = apart.assign(models=[", ".join(models[item]) for item in apart["item"]])
    return shown[["prompt_id", "models", *raters, "spread"]].rename(columns={"prompt_id": "prompt"})


def differences(frame: pd.DataFrame) -> Iterator[str]:
    """A sentence for each two models, from humans' scores if there are any, else from a judge model's."""
    rows = agreement.usable(frame)
    rows = rows[rows["score"].notna()]
    kinds = [kind for kind in (HUMAN, MODEL) if (rows["kind"] == kind).any()]
    if not kinds:
        return
    own = rows[rows["kind"] == kinds[0]]
    models = list(dict.fromkeys(itertools.chain.from_iterable(own["models"])))
    for one, other in itertools.islice(itertools.combinations(models, 2), PAIRS_SHOWN):
        yield means.sentence(means.paired(own, one, other))


def ticked(frame: pd.DataFrame) -> Iterator[str]:
    """How often each person's or judge's ticks are what the checks find."""
    for line in checks.against_ticks(frame).to_dict("records"):
        share, low, high = (f"{100 * line[name]:.0f}" for name in ("share", "low", "high"))
        yield (
            f"{line['rater']}: {line['agree']} of {line['n']} ticks that code can decide are as code decides them "
            f"({share} %, 95 % interval {low} to {high} %)."
        )


def unusable(scores: Sequence[Score]) -> Iterator[str]:
    """What judge models said that is no judgement, counted."""
    by_judge: dict[str, list[Score]] = {}
    for score in scores:
        if score.kind == MODEL:
            by_judge.setdefault(score.annotator, []).append(score)
    for judge, given in by_judge.items():
        bad = [score for score in given if score.status != OK]
        if bad:
            yield (
                f"{len(bad)} of {len(given)} replies of the judge {judge} were no judgement, and count for nothing; "
                f"the first: {bad[0].error}"
            )
        own = sum("self_judged" in score.flags or "same_weights" in score.flags for score in given)
        if own:
            times = alt.plural(own, "time")
            yield f"The judge {judge} judged replies of its own weights {times}: not a disinterested judge."


def section(scores: Sequence[Score], plan: Mapping[str, Any], shown: str = "") -> list[str]:
    """The blocks of a report's section in Markdown; [] without scores. shown: the chart's line, if there is one."""
    if not scores:
        return []
    frame = frame_of(scores)
    found = means.by_model(frame, weights(plan))
    blocks = [text.table(mean_table(found))] if len(found) else []
    blocks += [shown] if shown else []
    blocks.append(text.bullets(differences(frame)))
    between = agreement.between(frame)
    blocks.append(text.bullets([*between["sentence"], *ticked(frame), *unusable(scores)]))
    apart = furthest(frame)
    if len(apart):
        blocks += ["Where raters are furthest apart:", text.table(apart)]
    passed = checks_table(frame)
    if len(passed):
        blocks += ["Checks that code has passed, of those that apply:", text.table(passed)]
    order = ranking.ranking(frame)
    if len(order):
        consistency = ranking.consistency(frame)
        blocks.append(text.bullets([ranking.sentence(order), *consistency["sentence"]]))
    return [*filter(None, blocks), OPINIONS]


def told(lines: Iterable[str]) -> str:
    """Sentences for a notebook or a terminal, each in lines of at most 100 characters."""
    return "\n".join(textwrap.fill(text.plain(line), 100, subsequent_indent="  ") for line in lines)


def chart(scores: Sequence[Score], summary: pd.DataFrame, plan: Mapping[str, Any], column: str = "decode_tps"):
    """The points of the speed–quality chart, and who judged; no points without scores."""
    found = judged(scores, plan)
    if not len(found):
        return speed_quality.points(summary, found, column), ""
    return speed_quality.points(summary, found, column), found["rater"].iloc[0]
