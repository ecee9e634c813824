"""The parts of the report, each from the run's own records to blocks of Markdown."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import stats
from slmbench.analyse.decide import VERDICT_FROM
from slmbench.analyse.outliers import OUTLIER_RULE
from slmbench.show import text
from slmbench.show.levels import labelled
from slmbench.show.verdict import median

if TYPE_CHECKING:
    import pandas as pd

DEFINITIONS = {
    "Latency (s)": "from just before the request is written to the arrival of the last chunk with content.",
    "Time to first token (s)": "same start, to the arrival of the first chunk with content, in the same request.",
    "Decode speed (tokens/s)": "(output tokens − 1) / (latency − time to first token): generation without prefill.",
    "Output speed (tokens/s)": "output tokens / latency: what a user waits for.",
    "Median": "the middle value; [..] is its 95 % interval, from 6 requests on, pooled over prompts: of order "
    "statistics within a session, and from 3 loads on a t interval over the medians of the loads.",
    "p95": "numpy's percentile of the requests seen, never outside their range; with an upper bound from n = 59.",
    "Within this session": "below 3 loads of a model, an interval holds for these loads, not for the next one.",
    "Client bound": "replies came faster than this client could read them: the time is its own, not the server's.",
    "Identical replies": "to the same prompt, byte for byte; 3 of 3 proves only ≥ 37 % (95 % confidence).",
    "Memory (MB)": "of the server's processes. RSS includes pages shared with others, USS only their own.",
    "Outliers": OUTLIER_RULE,
    "Drift": "Mann–Kendall test of latency in the order of the run, each prompt against its own median.",
}
WHOLE = {  # what the names mean where replies are not streamed
    "Latency (s)": "from just before the request is written to the arrival of the whole reply.",
    "Time to first token (s)": "not measured: a reply that is not streamed arrives all at once.",
    "Decode speed (tokens/s)": "not measured, for the same reason.",
}
SETTINGS = ("rounds", "loads", "warmup", "max_tokens", "temperature", "seed", "stream", "concurrency", "deadline_s")
ASKED = ("rate", "arrivals", "precision_pct", "budget_s", "slo", "retries", "nonce")  # told only where it was asked for
SAMPLE_PROMPTS = 6  # of more prompts, the report shows the replies to the first ones


def not_measured(summary: pd.DataFrame) -> list[str]:
    """Which models failed, were skipped or were never timed, how often, and why; [] when none."""
    lines = []
    for line in lost(summary).to_dict("records"):
        if not line["status_note"]:
            lines.append(f"- {text.markdown(line['model'])}: {_untimed(line)}")
            continue
        asked = line["n_ok"] + line["n_failed"]
        said = ["skipped"] if line["n_skipped"] else []
        if line["n_failed"]:
            low, high = stats.failure_interval(line["n_failed"], asked)
            said.insert(
                0,
                f"{line['n_failed']} of {asked} requests failed (95 % interval: {100 * low:.0f} to {100 * high:.0f} %)",
            )
        lines.append(f"- {text.markdown(line['model'])}: {', then '.join(said)}. {text.markdown(line['status_note'])}")
    return ["\n".join(lines)] if lines else []


def lost(summary: pd.DataFrame) -> pd.DataFrame:
    """The lines of `stats.summarise` with a model of which a request failed, or that was skipped or never timed."""
    return summary[(summary["status_note"] != "") | (summary["n_ok"] == 0)]


def _untimed(line: Mapping[str, Any]) -> str:
    """Why a model that neither failed nor was skipped has no measured request."""
    if line["n_invalid"]:
        return "not measured. In every timed request the clock jumped, or the machine slept."
    return "not measured. The run ended before a timed request of it did."


def by_prompt(frame: pd.DataFrame, plan: Mapping[str, Any]) -> str:
    """One line per prompt and model, prompts in the order of the plan."""
    import pandas as pd

    frame = labelled(frame)
    same = stats.determinism(frame).set_index(["prompt_id", "model"])
    timed = frame[(frame["phase"] == "timed") & frame["prompt_id"].notna()]
    summary = stats.summarise(timed, by=("prompt_id", "model"))
    place = {prompt: number for number, prompt in enumerate(_in_order(plan, summary["prompt_id"]))}
    lines = []
    models = {model: number for number, model in enumerate(dict.fromkeys(frame["model"]))}
    for line in sorted(summary.to_dict("records"), key=lambda line: (place[line["prompt_id"]], models[line["model"]])):
        key = (line["prompt_id"], line["model"])
        alike = key in same.index and not plan.get("nonce")  # with one, no prompt was sent twice
        replies = f"{same.at[key, 'identical']} of {same.at[key, 'n']}" if alike else text.MISSING
        lines.append(
            {
                "Prompt": line["prompt_id"],
                "Model": line["model"],
                "n": line["n_ok"],
                "Median latency (s)": median(line, "latency_s"),
                "Median time to first token (s)": median(line, "ttft_s"),
                "Median decode speed (tokens/s)": median(line, "decode_tps"),
                "Mean reply (tokens)": rounded(line["output_tokens_mean"]),
                "Identical replies": replies,
            }
        )
    return text.table(pd.DataFrame(lines)) if lines else "No prompt was asked."


def _in_order(plan: Mapping[str, Any], seen: Iterable[str]) -> list[str]:
    """The ids of all prompts: as planned, then any others as they were seen."""
    return list(dict.fromkeys([*(prompt["id"] for prompt in plan.get("prompts") or ()), *seen]))


def samples(frame: pd.DataFrame, plan: Mapping[str, Any]) -> list[str]:
    """One reply of each model to the same prompts, side by side, each in a block that it can't leave.

    The prompts are the first `SAMPLE_PROMPTS` of the plan that were answered at all; the reply is that of the first
    round of the first load, or the next one that there is.
    """
    texts = {prompt["id"]: prompt["text"] for prompt in plan.get("prompts") or ()}
    good = frame[stats.usable(frame) & frame["text"].notna() & frame["prompt_id"].notna()]
    if good.empty:
        return ["No reply was received."]
    models = [model for model in dict.fromkeys(frame["model"]) if (good["model"] == model).any()]
    first = good.sort_values(["load_index", "round"], kind="stable").drop_duplicates(["prompt_id", "model"])
    replies = first.set_index(["prompt_id", "model"])["text"].to_dict()
    answered = set(good["prompt_id"])
    prompts = [prompt for prompt in _in_order(plan, good["prompt_id"]) if prompt in answered]
    blocks = ["Untouched replies of language models: what they claim is not this report's claim."]
    for prompt in prompts[:SAMPLE_PROMPTS]:
        asked = text.shortened(str(texts.get(prompt, prompt)), 200)[0]
        blocks += [f"### {text.markdown(prompt)}", f"To “{text.markdown(asked)}”:"]
        for model in models:
            blocks += _sample(model, replies.get((prompt, model)))
    if len(prompts) > SAMPLE_PROMPTS:
        blocks.append(f"The first {SAMPLE_PROMPTS} of {len(prompts)} prompts; every reply is in rows.csv.")
    return blocks


def _sample(model: str, reply: str | None) -> list[str]:
    if reply is None:
        return [f"**{text.markdown(model)}**: no usable reply."]
    shown, remark = text.shortened(reply)
    title = f"**{text.markdown(model)}**{f' ({remark})' if remark else ''}:"
    return [title, text.fenced(shown) if shown else "Nothing but reasoning."]


def facts(values: Mapping[str, Any]) -> str:
    """A list of whatever is known, None as n/a."""
    lines = [f"- {text.markdown(name)}: {text.markdown(_said(value))}" for name, value in values.items()]
    return "\n".join(lines) if lines else "Nothing was noted."


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_said, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return text.MISSING if value is None else str(value)


def method(plan: Mapping[str, Any]) -> list[str]:
    """How it was measured: settings, prompts, and what the names mean."""
    asked = [name for name in ASKED if plan.get(name) and (name != "arrivals" or plan.get("rate"))]
    names = (*SETTINGS, *asked, "endpoint", "started_at", "hash", "versions")
    settings = {name: plan[name] for name in names if name in plan}
    prompts = [f"- {text.markdown(p['id'])}: {text.markdown(p['text'])}" for p in plan.get("prompts") or ()]
    streamed = plan.get("stream", True)
    request = (
        "One streamed request gives all of its numbers."
        if streamed
        else "Replies were not streamed: a request gives its latency, and no time to first token and no decode speed."
    )
    meanings = DEFINITIONS if streamed else DEFINITIONS | WHOLE
    open_loop = "Open loop: times count from the intended start of each request. " if plan.get("rate") else ""
    order = "The order of models, prompts and rounds is shuffled by the seed."
    if plan.get("rate") or plan.get("concurrency", 1) not in (1, [1]):
        order = (
            "Models that would share the machine are asked one after the other, in an order that the seed decides: "
            "what else changes meanwhile falls on one of them."
        )
    nonce = "Every prompt begins differently, against prefix caches. " if plan.get("nonce") else ""
    return [
        f"{request} {open_loop}{nonce}Untimed requests (warm-up, cool-down) are kept apart and are in no statistic. "
        f"{order} Models are compared in pairs: the same "
        f"prompt, load and round. One is called fastest only from {VERDICT_FROM} pairs, and if it is faster "
        "than every other one: by 5 % or more, with an interval that excludes 1 after Holm's correction.",
        facts(settings),
        "\n".join(["Prompts:\n", *prompts]) if prompts else "",
        "\n".join(["What the names mean:\n", *(f"- {name}: {text.markdown(why)}" for name, why in meanings.items())]),
    ]


def command(plan: Mapping[str, Any]) -> str:
    """The command of the run, to be pasted."""
    given = plan.get("command")
    if not given:
        return "The command was not noted."
    return text.fenced(given if isinstance(given, str) else shlex.join(given))


def limits(frame: pd.DataFrame, summary: pd.DataFrame) -> str:
    """What a reader may be tempted to conclude, and can't."""
    loads = frame.loc[stats.usable(frame), "load_index"].nunique()
    lines = [
        "- One machine at one time: heat, battery and other programs differ elsewhere.",
        "- Speed is not quality: read the replies, score them, then choose.",
        "- CSV files are UTF-8 without a byte-order mark; in Excel use Data > From Text/CSV and 65001 (UTF-8).",
    ]
    if (summary["prompts"] > 1).any():
        lines.insert(0, "- n pools the prompts: intervals are of this mix of prompts, not of others.")
    if loads < stats.LOADS_FROM:
        times = "once" if loads <= 1 else "twice"
        lines.insert(0, f"- Each model was loaded {times}: intervals hold within this session, not across loads.")
    if (frame["concurrency"] == 1).all() and frame["intended_at"].isna().all():
        lines.insert(0, "- Single stream: one request at a time. A busy server answers later.")
    return "\n".join(lines)


def rounded(value: Any) -> float:
    """Three significant digits, for people; NaN for None."""
    if value is None or math.isnan(value):
        return math.nan
    return float(f"{value:.3g}") if abs(value) < 1000 else float(round(value))


def typical(resources: Sequence[Mapping], model: str, name: str) -> float | None:
    """The median of a model's measurements of one kind; None without any."""
    found = [r[name] for r in resources if r["model"] == model and r.get(name) is not None]
    return statistics.median(found) if found else None


def entry(entries: Mapping[str, Any], model: str, name: str) -> Any:
    """A field of a model's entry; None without an entry."""
    found = entries.get(model)
    return None if found is None else getattr(found, name)
