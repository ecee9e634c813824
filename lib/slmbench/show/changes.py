"""What changed from one run to another, in Markdown: speed by pairs, failures, memory, quality, and what else differs.

Run A comes first in every line. What else changed while the one was over and the other not begun is in each ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.analyse import compare, stats
from slmbench.analyse.decide import ALPHA, GAP, VERDICT_FROM, holm
from slmbench.quality import means
from slmbench.quality.agreement import usable as judgements
from slmbench.quality.scores import HUMAN, MODEL, Score, frame as frame_of
from slmbench.show import alt, quality_sections, sections, text
from slmbench.show.findings import p_value
from slmbench.show.verdict import median, ratio

if TYPE_CHECKING:
    import pandas as pd

    from slmbench.store import Run

METRICS = ("latency_s", "ttft_s", "decode_tps")
VERDICTS = ("faster", "slower", "tie", "can't tell")
LIMITS = (
    "- The two runs were made one after the other: what else changed between them (heat, other programs, versions) is "
    "in every ratio, and no interval shows it.\n"
    "- Intervals hold for the prompts that were asked in both runs, and for the loads of the models in them.\n"
    "- A tie is a ratio whose interval lies inside [1/1.05, 1.05]; can't tell means that these pairs decide nothing, "
    "not that nothing changed."
)


class Side(NamedTuple):
    """One of the two runs. scores: of its replies, () for none."""

    letter: str
    run: Run
    frame: pd.DataFrame
    scores: Sequence[Score]


def markdown(one: Side, other: Side, metric: str, found: Mapping[str, Any]) -> str:
    """The report. metric: what the verdict is about. found: what `slmbench compare --json` says of the two runs:
    warnings, differences, machines, each a list of sentences."""
    sides = (one, other)
    pairs = {column: compare.runs(one.frame, other.frame, column).to_dict("records") for column in _metrics(metric)}
    parts = {
        "# What changed": _verdict(pairs[metric], metric, sides, found["warnings"]),
        "## Speed": _speed(pairs, sides),
        "## Failures": _failures(sides),
        "## Memory and disk": _sizes(sides),
        "## Quality": _quality(sides),
        "## Only in one of them": _alone(sides),
        "## Settings": [text.bullets(dict.fromkeys(found["differences"])) or "Both were asked for the same."],
        "## Versions": _versions(sides),
        "## Machines": [
            text.bullets(dict.fromkeys(_short(found["machines"])))
            or "Nothing that is known of the two machines differs."
        ],
        "## How to repeat both": [block for side in sides for block in (f"{side.letter}:", _command(side))],
        "## What this does not tell": [LIMITS],
    }
    blocks = [block for title, body in parts.items() if body for block in (title, *body) if block]
    return "\n\n".join(blocks) + "\n"


def _metrics(metric: str) -> list[str]:
    return list(dict.fromkeys((metric, *METRICS)))


def _verdict(
    lines: Sequence[Mapping[str, Any]], metric: str, sides: tuple[Side, Side], warnings: Sequence[str]
) -> list[str]:
    """What became of each model, in a line, then of each with its interval; which runs these are; what limits it."""
    by_verdict = {verdict: [line["model"] for line in lines if line["verdict"] == verdict] for verdict in VERDICTS}
    told = "; ".join(f"{verdict}: {', '.join(models)}" for verdict, models in by_verdict.items() if models)
    said = [f"- {text.markdown(line['model'])}: **{line['verdict']}**. {text.markdown(_line(line))}" for line in lines]
    names = [f"- {side.letter}: {text.markdown(_named(side.run))}" for side in sides]
    careful = [f"- Careful: {text.markdown(warning)}" for warning in warnings]
    opening = f"**{text.markdown(alt.quantity(metric))}, from A to B. {text.markdown(told[:1].upper() + told[1:])}.**"
    return [opening, "\n".join(said), "The two runs:", "\n".join([*names, *careful])]


def _line(line: Mapping[str, Any]) -> str:
    n, what = int(line["n_pairs"]), alt.quantity(line["column"])
    pairs = alt.plural(n, "pair")
    if not n:
        return "No request of it was answered in both runs."
    if math.isnan(line["ratio_low"]):
        return f"{what} × {ratio(line)} seen in {pairs}; a verdict needs {VERDICT_FROM}."
    more = ""
    if not math.isnan(line["more_rounds"]):
        rounds = alt.plural(line["more_rounds"], "more round")
        more = f" About {rounds} of every prompt in both would decide it."
    return f"{what} × {ratio(line)} (95 % interval, {pairs}, {line['basis']}).{more}"


def _named(run: Run) -> str:
    began = run.plan.get("started_at")
    return f"{run.path.name}" + (f", recorded {began}" if began else "") + f", plan {run.plan.get('hash', 'not noted')}"


def _speed(pairs: Mapping[str, Sequence[Mapping[str, Any]]], sides: tuple[Side, Side]) -> list[str]:
    """A line per model and metric: both medians, and the ratio of pairs."""
    import pandas as pd

    known = [{line["model"]: line for line in stats.summarise(s.frame).to_dict("records")} for s in sides]
    lines = [
        {
            "Model": line["model"],
            "Metric": alt.label_of(column),
            **{
                f"{side.letter}, median [95 % interval]": f"{median(of[line['model']], column)}, "
                f"n = {of[line['model']][f'{column}_n']}"
                for side, of in zip(sides, known, strict=True)
            },
            "B / A [95 % interval]": ratio(line),
            "Pairs": line["n_pairs"],
            "p (Holm)": p_value(line["p_holm"]),
            "B is": line["verdict"],
        }
        for column, found in pairs.items()
        for line in found
        if line["n_pairs"]
    ]
    if not lines:
        return []
    how = (
        "Ratios are geometric means over pairs with the same prompt, load and round. Faster or slower: 5 % or more "
        "apart, with an interval off 1 after Holm's correction for the number of models."
    )
    return [text.table(pd.DataFrame(lines)), how, text.bullets(dict.fromkeys(_notes(pairs)))]


def _notes(pairs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """What limits a ratio, with the models and metrics that it limits; what the table or the end says is left out."""
    found: dict[str, dict[str, None]] = {}
    for column, lines in pairs.items():
        for line in lines:
            for note in line["note"].split("; "):
                if note and "one after the other" not in note and "a verdict needs" not in note:
                    found.setdefault(note, {})[f"{line['model']} ({alt.quantity(column).lower()})"] = None
    for note, models in found.items():
        yield f"{note[:1].upper()}{note[1:]}: {', '.join(models)}"


def _failures(sides: tuple[Side, Side]) -> list[str]:
    """How many timed requests failed in each, and whether that is a difference."""
    import pandas as pd

    counts = {model: [_failed(side.frame, model) for side in sides] for model in _both(sides)}
    raw = [stats.failure_change(*a, *b) for a, b in counts.values()]
    lines = [
        {
            "Model": model,
            **{f"{side.letter}, failed": _share(*of) for side, of in zip(sides, counted, strict=True)},
            "p (Holm)": p_value(p),
            "B has": "can't tell" if not p < ALPHA else _fewer(*counted),
        }
        for (model, counted), p in zip(counts.items(), holm(raw), strict=True)
    ]
    if not any(failed for counted in counts.values() for failed, _ in counted):
        asked = sum(asked for counted in counts.values() for _, asked in counted)
        return [f"None, in {asked:,} timed requests."]
    return [text.table(pd.DataFrame(lines)), "Fisher's exact test; intervals are Clopper and Pearson's, 95 %."]


def _failed(frame: pd.DataFrame, model: str) -> tuple[int, int]:
    line = next(line for line in stats.summarise(frame).to_dict("records") if line["model"] == model)
    return line["n_failed"], line["n_failed"] + line["n_ok"]


def _share(failed: int, asked: int) -> str:
    low, high = stats.failure_interval(failed, asked)
    return f"{failed} of {asked} [{100 * low:.0f}, {100 * high:.0f} %]"


def _fewer(before: tuple[int, int], after: tuple[int, int]) -> str:
    return "fewer" if after[0] * before[1] < before[0] * after[1] else "more"


def _both(sides: tuple[Side, Side]) -> list[str]:
    """The models that were asked in both, in the order of A."""
    asked = [list(dict.fromkeys(side.frame.loc[side.frame["phase"] == "timed", "model"])) for side in sides]
    return [model for model in asked[0] if model in asked[1]]


def _sizes(sides: tuple[Side, Side]) -> list[str]:
    """Memory and disk before and after, where both runs measured them."""
    import pandas as pd

    lines = []
    for model in _both(sides):
        for name, field in (("memory when loaded", "rss_loaded_mb"), ("disk", "disk_mb")):
            sizes = [sections.typical(side.run.resources, model, field) for side in sides]
            if None in sizes or not sizes[0]:
                continue
            share = sizes[1] / sizes[0]
            same = 1 / GAP < share < GAP if field == "rss_loaded_mb" else share == 1
            named = dict(zip(("A (MB)", "B (MB)"), map(sections.rounded, sizes), strict=True))
            said = "the same" if same else "less" if share < 1 else "more"
            change = {"Change (%)": f"{100 * (share - 1):+.1f}", "B needs": said}
            lines.append({"Model": model, "What": name} | named | change)
    if not lines:
        return []
    return [text.table(pd.DataFrame(lines)), "As measured, without an interval; memory within 5 % counts as the same."]


def _quality(sides: tuple[Side, Side]) -> list[str]:
    """Mean scores of each model in both, and their difference on the prompts that one rater scored in both."""
    import pandas as pd

    if not all(side.scores for side in sides):
        return [f"Only {side.letter} was scored." for side in sides if side.scores]
    frames = [frame_of(side.scores) for side in sides]
    rows = [of[of["score"].notna()] for of in map(judgements, frames)]
    kinds = [kind for kind in (HUMAN, MODEL) if all((of["kind"] == kind).any() for of in rows)]
    judged = [quality_sections.judged(side.scores, side.run.plan).set_index("model") for side in sides]
    lines = []
    for model in (model for model in _both(sides) if all(model in of.index for of in judged)):
        means_of = [quality_sections.interval(of.loc[model].to_dict()) for of in judged]
        line = {"Model": model} | dict(zip(("A, mean score (1–5)", "B, mean score (1–5)"), means_of, strict=True))
        own = [_as(of[of["kind"] == kinds[0]], model, s.letter) for of, s in zip(rows, sides, strict=True) if kinds]
        pair = means.paired(pd.concat(own), "B", "A") if kinds and all(map(len, own)) else None
        lines.append(line | _difference(pair))
    return [text.table(pd.DataFrame(lines)), "Differences are of prompts that one rater scored in both."] * bool(lines)


def _as(rows: pd.DataFrame, model: str, letter: str) -> pd.DataFrame:
    """The scores of one model, under another name."""
    own = rows[rows["models"].map(lambda names: model in names)]
    return own.assign(models=[[letter]] * len(own))


def _difference(pair: means.Paired | None) -> dict[str, Any]:
    if pair is None or not pair.n:
        return {"B − A [95 % interval]": text.MISSING, "Prompts": 0, "B is": "not scored by the same rater"}
    said = f"{pair.difference:+.2f}"
    if math.isnan(pair.low):
        return {"B − A [95 % interval]": said, "Prompts": pair.n, "B is": "can't tell"}
    told = "better" if pair.low > 0 else "worse" if pair.high < 0 else "can't tell"
    return {"B − A [95 % interval]": f"{said} [{pair.low:+.2f}, {pair.high:+.2f}]", "Prompts": pair.n, "B is": told}


def _alone(sides: tuple[Side, Side]) -> list[str]:
    models = [list(dict.fromkeys(side.frame["model"])) for side in sides]
    lines = [
        f"- Only in {side.letter}: {', '.join(map(text.markdown, left))}"
        for side, own, others in zip(sides, models, reversed(models), strict=True)
        if (left := [model for model in own if model not in others])
    ]
    return ["\n".join(lines)] if lines else []


def _versions(sides: tuple[Side, Side]) -> list[str]:
    """The packages whose versions differ, or that only one has."""
    import pandas as pd

    found = [{**(s.run.machine.get("packages") or {}), **(s.run.plan.get("versions") or {})} for s in sides]
    lines = [
        {"Package": name, "A": found[0].get(name) or text.MISSING, "B": found[1].get(name) or text.MISSING}
        for name in {**found[0], **found[1]}
        if found[0].get(name) != found[1].get(name)
    ]
    return [text.table(pd.DataFrame(lines))] if lines else ["The same in both, as far as they were noted."]


def _short(lines: Sequence[str]) -> Iterator[str]:
    """Without the numbers of calibrations, which stand in the two reports, and without versions, which have a table."""
    for line in lines:
        if not line.startswith("packages "):
            yield "calibration: another one" if line.startswith("calibration") else line


def _command(side: Side) -> str:
    return sections.command(side.run.plan)
