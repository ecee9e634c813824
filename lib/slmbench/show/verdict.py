"""What a run allows to be said, and no more: the report's first lines, and medians and tails with their n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import compare, drift, stats
from slmbench.analyse.decide import VERDICT_FROM
from slmbench.show.levels import levels, name, only
from slmbench.show.text import MISSING, markdown, number

if TYPE_CHECKING:
    import pandas as pd

TURNED = {"faster": "slower", "slower": "faster"}
LENGTH_GAP = 1.2  # ratio of mean reply lengths from which latencies compare different amounts of work


def headline(frame: pd.DataFrame) -> list[str]:
    """The verdict on latency, then remarks that limit it; each a sentence or a few of Markdown.

    frame: from `records.to_frame`. A model is called fastest only if it is "faster" than every other in
    `compare.models` (in pairs, corrected for their number); ties, and what can't be told from this run, are named as
    such. Below 6 pairs there is no ranking. Several numbers of requests at once are judged each for itself.
    """
    asked = levels(frame)
    verdicts = [_verdict(only(frame, level)) for level in asked]
    if len(asked) > 1:
        verdicts = [f"With {name(level)}: {said}" for level, said in zip(asked, verdicts, strict=True)]
    return [*(f"**{said}**" for said in verdicts), *_remarks(frame)]


def _verdict(frame: pd.DataFrame) -> str:
    lines = {line["model"]: line for line in stats.summarise(frame).to_dict("records") if line["latency_s_n"]}
    models = sorted(lines, key=lambda model: lines[model]["latency_s_p50"])
    if not models:
        return "Nothing was measured: no timed request gave a usable reply."
    if len(models) == 1:
        return f"Measured, with nothing to compare it with: {_named(lines[models[0]])}."
    found = compare.models(frame).to_dict("records")
    enough = [pair for pair in found if pair["n_pairs"] >= VERDICT_FROM]
    thin = [model for model in models if not any(model in (pair["base"], pair["other"]) for pair in enough)]
    if len(thin) == len(models):
        return _too_few(found, [lines[model] for model in models])
    said = _ranking([model for model in models if model not in thin], lines, enough)
    if thin:
        left_out = "; ".join(_named(lines[model]) for model in thin)
        said += f" Not compared, as they have fewer than {VERDICT_FROM} pairs with any other: {left_out}."
    return said


def _too_few(found: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]) -> str:
    most = max(pair["n_pairs"] for pair in found)
    why = f"a comparison needs {VERDICT_FROM} pairs (the same prompt, load and round), and this run has {most:.0f}"
    seen = "; ".join(map(_named, lines))
    return f"Can't tell the models apart: {why}. Latencies seen, indicative only: {seen}."


def _ranking(models: Sequence[str], lines: Mapping[str, Mapping], pairs: Sequence[Mapping[str, Any]]) -> str:
    """models: at least two, by rising median latency. pairs: from `compare.models`, the ones with enough."""
    against = {(pair["other"], pair["base"]): _turned(pair) for pair in pairs}
    against |= {(pair["base"], pair["other"]): dict(pair) for pair in pairs}  # [model, rival]: the rival against model
    led = [model for model in models if not any(_said(against, model, rival) == "faster" for rival in models)]
    first = (led or models)[0]
    rivals = [model for model in models if model != first]
    by_verdict = {
        verdict: [against[first, rival] for rival in rivals if _said(against, first, rival) == verdict]
        for verdict in ("slower", "tie", "can't tell", "faster")
    }
    slower, ties, unclear, faster = by_verdict.values()
    unpaired = [rival for rival in rivals if (first, rival) not in against]
    alone = len(slower) == len(rivals)
    opening = "Fastest" if alone else "No model is shown to be the fastest. Lowest median"
    sentences = [f"{opening}: {_named(lines[first])}."]
    sentences += [f"A tie with it: {_listed(ties)}."] if ties else []
    sentences += [f"Can't be told apart from it yet: {_listed(unclear, more=True)}."] if unclear else []
    sentences += [f"Faster in pairs: {_listed(faster)}."] if faster else []
    sentences += [f"Slower: {_listed(slower)}."] if slower else []
    sentences += [f"Fewer than {VERDICT_FROM} pairs with it: {', '.join(map(markdown, unpaired))}."] if unpaired else []
    bases = dict.fromkeys(pair["basis"] for pair in pairs)
    return " ".join([*sentences, f"This holds {', '.join(bases)}."])


def _said(against: Mapping[tuple[str, str], Mapping], model: str, rival: str) -> str:
    """The verdict on a rival against a model; "" where they were not paired."""
    return against[model, rival]["verdict"] if (model, rival) in against else ""


def _turned(pair: Mapping[str, Any]) -> dict[str, Any]:
    """The same comparison the other way round."""
    ends = {"ratio": 1 / pair["ratio"], "ratio_low": 1 / pair["ratio_high"], "ratio_high": 1 / pair["ratio_low"]}
    verdict = TURNED.get(pair["verdict"], pair["verdict"])
    return {**pair, **ends, "base": pair["other"], "other": pair["base"], "verdict": verdict}


def _listed(pairs: Sequence[Mapping[str, Any]], more: bool = False) -> str:
    """For instance "b takes 1.20 [1.18, 1.22] times as long, 24 pairs". more: with the rounds that would decide it."""
    said = []
    for pair in pairs:
        words = f"{markdown(pair['other'])} takes {ratio(pair)} times as long, {pair['n_pairs']:.0f} pairs"
        if more:
            words += f" ({_more(pair)} would decide it)"
        said.append(words)
    return "; ".join(said)


def _more(pair: Mapping[str, Any]) -> str:
    if not math.isnan(pair["more_rounds"]):
        return f"about {number(float(pair['more_rounds']))} more rounds of every prompt"
    if not math.isnan(pair["more_loads"]):
        return f"about {number(float(pair['more_loads']))} more loads of each model"
    return "no practical number of more rounds of every prompt"


def ratio(pair: Mapping[str, Any]) -> str:
    """A line of `compare.models` as "1.20 [1.18, 1.22]"; without the interval where there is none."""
    if math.isnan(pair["ratio"]):
        return MISSING
    sizes = pair["ratio"], pair["ratio_low"], pair["ratio_high"]
    ends = [abs(size - 1) < 0.005 for size in sizes[1:] if pair["verdict"] in TURNED]
    digits = 3 if any(ends) else 2  # an interval that excludes 1 does not end at 1.00
    middle, low, high = (f"{size:.{digits}f}" if size < 10 else number(size) for size in sizes)
    return middle if math.isnan(pair["ratio_low"]) else f"{middle} [{low}, {high}]"


def _remarks(frame: pd.DataFrame) -> list[str]:
    summary = stats.summarise(frame)
    lines = [line for line in summary.to_dict("records") if line["latency_s_n"]]
    remarks = []
    failed = int(summary["n_failed"].sum())
    if failed and lines:
        sent = failed + int(summary["n_ok"].sum())
        remarks.append(f"{failed} of {sent} requests failed, and are in no number here: see Failed and skipped.")
    if lines:
        asked = levels(frame)
        found = [n for level in asked for n in stats.summarise(only(frame, level))["latency_s_n"] if n]
        each = "Each model" if len(set(found)) == 1 else "The model with the fewest requests"
        at_each = " at each number of requests at once" if len(asked) > 1 else ""
        remarks.append(f"{each}{at_each} has {stats.claim(min(found))}.")
        prompts = max(line["prompts"] for line in lines)
        if prompts > 1:
            remarks.append(
                f"n pools {prompts} prompts: medians and their intervals are of this mix of prompts. Models are "
                "compared in pairs, request by request, so that a prompt's length falls on both."
            )
    if len(lines) < len(summary):
        lost = len(summary) - len(lines)
        remarks.append(f"{lost} of {len(summary)} models could not be measured: see Failed and skipped.")
    return [*remarks, *_about_tokens(lines), *_about_clocks(frame, lines)]


def _about_tokens(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    remarks = []
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
    return remarks


def _about_clocks(frame: pd.DataFrame, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the machine did to the numbers: sleep, a client that was too slow, drift."""
    remarks = []
    invalid = sum(line["n_invalid"] for line in lines)
    if invalid:
        remarks.append(f"{invalid} requests are left out of all statistics: the clock jumped, or the machine slept.")
    bound = {line["model"]: line for line in lines if line["n_client_bound"]}
    if bound:
        each = ", ".join(f"{markdown(m)} {line['n_client_bound']} of {line['n_ok']}" for m, line in bound.items())
        remarks.append(f"Client bound: {each} requests. This client could not keep up, so their times are its limit.")
    moved = [line for line in drift.drift(frame).to_dict("records") if line["drifting"]]
    if moved:
        each = ", ".join(f"{markdown(line['model'])} became {line['direction']}" for line in moved)
        remarks.append(f"Latency drifted while the run went on: {each}. See Drift.")
    return remarks


def _named(line: Mapping[str, Any]) -> str:
    return f"{markdown(line['model'])} (median {median(line, 'latency_s', ' s')}, n = {line['latency_s_n']})"


def median(line: Mapping[str, Any], metric: str, unit: str = "") -> str:
    """A summary line's median with what its n allows: "1.42 [1.18, 1.80]"; "1.42 (1.20–1.60 seen)" below n = 6; below
    n = 3 the points themselves, "1.20 and 1.60".
    """
    n, middle = line[f"{metric}_n"], f"{number(line[f'{metric}_p50'])}{unit}"
    low, high = ("p50_low", "p50_high") if n >= stats.MEDIAN_FROM else ("min", "max")
    low, high = number(line[f"{metric}_{low}"]), number(line[f"{metric}_{high}"])
    if n >= stats.MEDIAN_FROM:
        return f"{middle} [{low}, {high}]"
    if n >= stats.INDICATIVE_FROM:
        return f"{middle} ({low}–{high} seen)"
    return f"{low}{unit} and {high}{unit}" if n == 2 else middle if n else MISSING


def p95(line: Mapping[str, Any], metric: str) -> str:
    """A summary line's p95 with its upper bound (and from n = 72 its interval), or with the n that a bound needs."""
    n, seen = line[f"{metric}_n"], number(line[f"{metric}_p95"])
    if n >= stats.P95_INTERVAL_FROM:
        seen += f" [{number(line[f'{metric}_p95_low'])}, {number(line[f'{metric}_p95_high'])}]"
    if n >= stats.P95_BOUND_FROM:
        these = "" if line["basis"] == stats.SESSION else " in these loads"  # the bound pools them
        return f"{seen} (≤ {number(line[f'{metric}_p95_upper'])} with 95 % confidence{these}, n = {n})"
    return f"{seen} (n = {n}; needs n ≥ {stats.P95_BOUND_FROM})" if n else MISSING
