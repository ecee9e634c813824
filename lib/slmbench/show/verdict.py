"""What a run allows to be said, and no more: the report's first lines, and medians and tails with their n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import stats
from slmbench.show.text import MISSING, markdown, number

if TYPE_CHECKING:
    import pandas as pd

ROUNDS_FROM = 6  # of each prompt: below, no model is called fastest, however many prompts there are
GAP = 1.05  # a smaller ratio of medians is no difference that anybody would choose by
PAIRED = "A comparison in pairs, request by request, is not made yet."
LENGTH_GAP = 1.2  # ratio of mean reply lengths from which latencies compare different amounts of work


def headline(summary: pd.DataFrame) -> list[str]:
    """The verdict on latency, then remarks that limit it; each a sentence or two of Markdown.

    summary: from `stats.summarise(frame)`. A model is called fastest only from 6 rounds of every prompt, and if every
    other model's interval of the median lies above its own and the medians are 5 % apart; otherwise the models are not
    told apart. The intervals are of all requests of a model, whatever their prompt.
    """
    lines = [line for line in summary.to_dict("records") if line["latency_s_n"]]
    lines.sort(key=lambda line: line["latency_s_p50"])
    first = _verdict(lines) if lines else "Nothing was measured: no timed request gave a usable reply."
    return [f"**{first}**", *_remarks(lines, len(summary))]


def _verdict(lines: Sequence[Mapping[str, Any]]) -> str:
    best, rivals = lines[0], lines[1:]
    if not rivals:
        return f"Measured, with nothing to compare it with: {_named(best)}."
    few = min(_rounds(line, lines) for line in lines)
    if few < ROUNDS_FROM:
        seen = "; ".join(map(_named, lines))
        rounds = f"a comparison needs {ROUNDS_FROM} rounds of every prompt, and this run has {few}"
        return f"Can't tell the models apart: {rounds}. Latencies seen, indicative only: {seen}."
    near = [line for line in rivals if not _slower(line, best)]
    far = [line for line in rivals if line not in near]
    if not near:
        return f"Fastest median latency in this run: {_named(best)}. Then {'; '.join(map(_named, far))}."
    apart = f"Can't tell apart on median latency: {'; '.join(map(_named, [best, *near]))}."
    return f"{apart} Slower than {markdown(best['model'])}: {'; '.join(map(_named, far))}." if far else apart


def _rounds(line: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> int:
    """How often every prompt was answered by this model: 0 where another model was asked more prompts."""
    return line["repeats_min"] if line["prompts"] == max(other["prompts"] for other in lines) else 0


def _slower(line: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    gap = line["latency_s_p50"] >= GAP * best["latency_s_p50"]
    return gap and line["latency_s_p50_low"] > best["latency_s_p50_high"]


def _remarks(lines: Sequence[Mapping[str, Any]], models: int) -> list[str]:
    remarks = []
    if lines:
        fewest = min(line["latency_s_n"] for line in lines)
        equal = len({line["latency_s_n"] for line in lines}) == 1
        remarks.append(f"{'Each model' if equal else 'The model with the fewest requests'} has {stats.claim(fewest)}.")
        prompts = max(line["prompts"] for line in lines)
        if prompts > 1:
            remarks.append(
                f"n pools {prompts} prompts: medians and intervals are of this mix of prompts, and its requests are "
                f"no independent draws. {PAIRED}"
            )
    if len(lines) < models:
        remarks.append(f"{models - len(lines)} of {models} models could not be measured: see Failed and skipped.")
    lengths = {line["model"]: line["output_tokens_mean"] for line in lines}
    lengths = {model: tokens for model, tokens in lengths.items() if not math.isnan(tokens) and tokens > 0}
    if lengths and max(lengths.values()) > LENGTH_GAP * min(lengths.values()):
        each = ", ".join(f"{markdown(model)} {number(tokens)}" for model, tokens in lengths.items())
        remarks.append(
            f"The replies differ in length (mean tokens: {each}), so latency compares different amounts of work; "
            "decode speed compares the same."
        )
    sources = sorted({line["token_source"] for line in lines if line["token_source"]})
    if len(sources) > 1 or any(source != "server" for source in sources):
        remarks.append(f"Tokens were counted by {', '.join(map(markdown, sources))}: speeds compare within one source.")
    invalid = sum(line["n_invalid"] for line in lines)
    if invalid:
        remarks.append(f"{invalid} requests are left out of all statistics: the clock jumped, or the machine slept.")
    return remarks


def _named(line: Mapping[str, Any]) -> str:
    return f"{markdown(line['model'])} (median {median(line, 'latency_s', ' s')}, n = {line['latency_s_n']})"


def median(line: Mapping[str, Any], metric: str, unit: str = "") -> str:
    """A summary line's median with what its n allows: "1.42 [1.18, 1.80]"; "1.42 (1.20–1.60 seen)" below n = 6."""
    n, middle = line[f"{metric}_n"], f"{number(line[f'{metric}_p50'])}{unit}"
    low, high = ("p50_low", "p50_high") if n >= stats.MEDIAN_FROM else ("min", "max")
    low, high = number(line[f"{metric}_{low}"]), number(line[f"{metric}_{high}"])
    if n >= stats.MEDIAN_FROM:
        return f"{middle} [{low}, {high}]"
    return f"{middle} ({low}–{high} seen)" if n > 1 else middle if n else MISSING


def p95(line: Mapping[str, Any], metric: str) -> str:
    """A summary line's p95 with its upper bound, or with the n that a bound would need."""
    n, seen = line[f"{metric}_n"], number(line[f"{metric}_p95"])
    if n >= stats.P95_BOUND_FROM:
        return f"{seen} (≤ {number(line[f'{metric}_p95_upper'])} with 95 % confidence, n = {n})"
    return f"{seen} (n = {n}; needs n ≥ {stats.P95_BOUND_FROM})" if n else MISSING
