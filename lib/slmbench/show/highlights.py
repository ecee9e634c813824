"""Which model leads in what: speed, memory, quality, size. Each claim goes as far as what was measured, and no further.

A model leads in speed or quality only where it is told apart from every other one. Its nearest rival is among these, so
that no correction for their number is needed beyond that of the comparisons themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.analyse import compare, stats
from slmbench.analyse.decide import GAP, VERDICT_FROM
from slmbench.quality import means
from slmbench.quality.agreement import usable as judgements
from slmbench.quality.scores import HUMAN, MODEL, Score, frame as frame_of
from slmbench.records import UNITS
from slmbench.show import quality_sections, sections, text
from slmbench.show.levels import levels, name, only
from slmbench.show.verdict import median

if TYPE_CHECKING:
    import pandas as pd

LEADS, TIE, UNCLEAR = "leads", "tie", "can't tell"
SPEEDS = {  # column: what leading in it is called, and what the best median is
    "latency_s": ("Fastest reply", "Lowest median"),
    "ttft_s": ("Earliest first token", "Lowest median"),
    "decode_tps": ("Fastest writing", "Highest median"),
}
HOW = (
    "A model leads in speed or quality only where it is told apart from every other one: in pairs, as in Model against "
    "model, or by differences of scores prompt by prompt whose 95 % intervals exclude 0. Memory is what was seen, "
    "and within 5 % of each other is a tie; disk is counted."
)


class Highlight(NamedTuple):
    """Who leads. verdict: LEADS, TIE or UNCLEAR. models: the leader; or all who may be, the best value first.
    sentence: the claim with its numbers, in plain text, which holds names as they are."""

    title: str
    verdict: str
    models: list[str]
    sentence: str


def highlights(
    frame: pd.DataFrame, resources: Sequence[Mapping[str, Any]], scores: Sequence[Score], plan: Mapping[str, Any]
) -> list[Highlight]:
    """Fastest, least memory, best quality (where replies were scored), smallest; [] for fewer than two models.

    Arguments as in `report.write`. Where several numbers of requests at once were asked, latency is told of each, and
    the other speeds of the lowest.
    """
    asked = levels(frame)
    found = []
    for column in SPEEDS:
        for level in asked if column == "latency_s" else asked[:1]:
            of = f" with {name(level)}" if len(asked) > 1 else ""
            found.append(speed(only(frame, level), column, of))
    models = [line["model"] for line in stats.summarise(frame).to_dict("records") if line["n_ok"]]
    found += [memory(models, resources), quality(scores, plan), disk(models, resources)]
    return [one for one in found if one is not None]


def speed(frame: pd.DataFrame, column: str, of: str = "") -> Highlight | None:
    """Who leads in a time or a speed; None below two models that have it. of: what the title says of the level."""
    more = column.endswith("_tps")
    lines = {line["model"]: line for line in stats.summarise(frame).to_dict("records") if line[f"{column}_n"]}
    if len(lines) < 2:
        return None
    ranked = sorted(lines, key=lambda model: lines[model][f"{column}_p50"], reverse=more)
    pairs = compare.models(frame, column).to_dict("records")
    said = {(p["other"], p["base"]): p for p in pairs} | {(p["base"], p["other"]): p for p in pairs}
    better = {(p["other"], p["base"]) for p in pairs if p["verdict"] == "faster"}
    better |= {(p["base"], p["other"]) for p in pairs if p["verdict"] == "slower"}
    ties = {key for key, p in said.items() if p["verdict"] == "tie"}

    def value(model: str) -> str:
        line = lines[model]
        return f"{median(line, column, f' {UNITS[column]}')}, n = {line[f'{column}_n']}"

    def against(model: str, rival: str) -> str:
        n = int(said[model, rival]["n_pairs"])
        few = f", needs {VERDICT_FROM}" if n < VERDICT_FROM else ""
        return f"{rival} ({n} pair{'s' * (n != 1)}{few})"

    title, best = SPEEDS[column]
    return _told((title + of, best), ranked, (better, ties), value, against)


def quality(scores: Sequence[Score], plan: Mapping[str, Any]) -> Highlight | None:
    """Who has the best scores, of humans where there are any; None below two models with scores."""
    if not scores:
        return None
    frame = frame_of(scores)
    found = quality_sections.judged(scores, plan)
    rows = judgements(frame)
    rows = rows[rows["score"].notna()]
    kinds = [kind for kind in (HUMAN, MODEL) if (rows["kind"] == kind).any()]
    if len(found) < 2 or not kinds:
        return None
    lines = {line["model"]: line for line in found.to_dict("records")}
    ranked = sorted(lines, key=lambda model: -lines[model]["mean"])
    own = rows[rows["kind"] == kinds[0]]
    pairs = [means.paired(own, one, other) for one, other in itertools.combinations(ranked, 2)]
    better = {(p.one, p.other) if p.difference > 0 else (p.other, p.one) for p in pairs if _apart(p)}

    def value(model: str) -> str:
        line = lines[model]
        prompts = f"{line['n']} prompt{'s' * (line['n'] != 1)}"
        return f"{quality_sections.interval(line)}, judged by {line['rater']}, {prompts}"

    return _told(("Best quality", "Highest mean score"), ranked, (better, set()), value, lambda _, rival: rival)


def _apart(pair: means.Paired) -> bool:
    """Whether scores tell two models apart, as `means.sentence` decides it."""
    if pair.n < means.PROMPTS_FROM:
        return False
    if math.isnan(pair.low):  # the same difference on every prompt: by the sign test
        return abs(pair.difference) >= means.FLAT
    return not pair.low <= 0 <= pair.high


def _told(
    names: tuple[str, str],
    ranked: Sequence[str],
    pairs: tuple[set[tuple[str, str]], set[tuple[str, str]]],
    value: Callable[[str], str],
    against: Callable[[str, str], str],
) -> Highlight:
    """names: the title, and what the best value is. ranked: models, the best value first. pairs: (one, other) where one
    is better, and where both tie. value, against: a model's value in words; a rival that it can't be told from."""
    (title, best), (better, ties) = names, pairs
    unbeaten = [model for model in ranked if not any((rival, model) in better for rival in ranked)]
    first = (unbeaten or ranked)[0]
    open_ = [model for model in ranked if model != first and (first, model) not in better]
    seen = f"{first} ({value(first)})"
    if not open_:
        return Highlight(title, LEADS, [first], f"{seen}; ahead of every other.")
    tied = [model for model in open_ if (first, model) in ties]
    if tied == open_:
        return Highlight(title, TIE, [first, *tied], f"a tie, within 5 %, of {seen} and {', '.join(tied)}.")
    unclear = ", ".join(against(first, model) for model in open_ if model not in tied)
    also = f"; tied with it: {', '.join(tied)}" if tied else ""
    sentence = f"can't tell. {best}: {seen}; not told apart from it: {unclear}{also}."
    return Highlight(title, UNCLEAR, [first, *open_], sentence)


def memory(models: Sequence[str], resources: Sequence[Mapping[str, Any]]) -> Highlight | None:
    """Whose process needs the least when the model is loaded; None below two models that were measured.

    Within 5 % is a tie; where there are several measurements of each and their ranges overlap, it can't be told.
    """
    found = dict(_measured(models, resources, "rss_loaded_mb"))
    if len(found) < 2:
        return None
    typical = {model: sections.typical(resources, model, "rss_loaded_mb") for model in found}
    ranked = sorted(typical, key=typical.__getitem__)
    first, rivals = ranked[0], ranked[1:]
    near = [model for model in rivals if typical[model] < GAP * typical[first]]
    mixed = [model for model in rivals if model not in near and min(found[model]) <= max(found[first])]
    counts = sorted({len(values) for values in found.values()})
    each = "one measurement each, so no interval" if counts == [1] else f"{counts[0]} measurements or more each"
    return _sized("Least memory when loaded", typical, ranked, (near, mixed), f" ({each})")


def disk(models: Sequence[str], resources: Sequence[Mapping[str, Any]]) -> Highlight | None:
    """Whose files are the smallest; None below two models that were measured. Equal as shown is a tie."""
    found = dict(_measured(models, resources, "disk_mb"))
    if len(found) < 2:
        return None
    sizes = {model: sections.typical(resources, model, "disk_mb") for model in found}
    ranked = sorted(sizes, key=sizes.__getitem__)
    same = [m for m in ranked[1:] if sections.rounded(sizes[m]) == sections.rounded(sizes[ranked[0]])]
    return _sized("Smallest on disk", sizes, ranked, (same, []), "")


def _measured(models: Sequence[str], resources: Sequence[Mapping[str, Any]], field: str) -> Iterator[tuple]:
    for model in models:
        values = [r[field] for r in resources if r.get("model") == model and r.get(field) is not None]
        if values:
            yield model, values


def _sized(
    title: str, sizes: Mapping[str, float], ranked: Sequence[str], near: tuple[list[str], list[str]], how: str
) -> Highlight:
    """near: of those behind the first one, which tie with it, and which can't be told from it."""
    first, (tied, mixed) = ranked[0], near

    def seen(model: str) -> str:
        return f"{model} {text.number(sections.rounded(sizes[model]))} MB"

    if mixed:
        those = ", ".join(map(seen, [*tied, *mixed]))
        return Highlight(title, UNCLEAR, [first, *tied, *mixed], f"can't tell {seen(first)} from {those}{how}.")
    if tied:
        return Highlight(title, TIE, [first, *tied], f"a tie of {', '.join(map(seen, [first, *tied]))}{how}.")
    more = 100 * (sizes[ranked[1]] / sizes[first] - 1)
    return Highlight(title, LEADS, [first], f"{seen(first)}; next is {seen(ranked[1])}, {more:.0f} % more{how}.")


def section(found: Sequence[Highlight]) -> list[str]:
    """The blocks of the report's section in Markdown; [] without highlights."""
    if not found:
        return []
    return ["\n".join(f"- **{one.title}:** {text.markdown(one.sentence)}" for one in found), HOW]
