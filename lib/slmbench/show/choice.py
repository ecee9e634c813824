"""A choice in words and tables: which model, how sure that is, what would change it, what it costs, where to route."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import cost, saving
from slmbench.analyse.candidates import VALUES
from slmbench.analyse.keeping import AT_LEAST, UNSURE, WORDS
from slmbench.show import text
from slmbench.show.text import number

if TYPE_CHECKING:
    import pandas as pd

    from slmbench.analyse.candidates import Candidates
    from slmbench.analyse.choose import Choice
    from slmbench.analyse.saving import Saving

TITLES = {
    "latency": "Typical latency (s)",
    "throughput": "Typical speed (tokens/s)",
    "memory": "Memory (MB)",
    "quality": "Mean score (1–5)",
    "footprint": "Disk (MB)",
}
MEMORY = {
    "rss_peak_mb": "Memory at most (MB)",
    "rss_after_mb": "Memory after replies (MB)",
    "rss_loaded_mb": "Memory when loaded (MB)",
}
MOVED = 0.2  # a margin below this share is told as "depends on the weights"
HOW = (
    "Each measure is divided by the best of the models that keep to the limits (1 is the best, 0.5 half as good). The "
    "score multiplies these, each to the power of its weight: half as good in everything is a score of 0.5, and who of "
    "two is ahead does not depend on a third. Typical: geometric mean over the requests that all models answered."
)


def sentences(choice: Choice) -> list[str]:
    """The choice in plain sentences, the most important first."""
    if choice.winner is None:
        why = [f"{line['model']}: {', '.join(line['reasons'])}" for line in choice.table.to_dict("records")]
        return [f"No model can be chosen. {'; '.join(why)}."]
    said = [_verdict(choice)]
    if "quality" in choice.left_out:
        said.append(
            "Nobody has scored the replies: this choice knows how fast and how large the models are, and nothing of "
            "what their replies are worth."
        )
    others = [name for name in choice.left_out if name != "quality"]
    if others:
        said.append(f"Not measured of any model, and left out: {', '.join(others)}.")
    said += [*_open(choice), *_sure(choice), *_turning(choice), *_limited(choice), *_unranked(choice)]
    return said


def _verdict(choice: Choice) -> str:
    lines = choice.table.set_index("model")
    admitted = int(choice.table["admitted"].sum())
    if admitted == 1:
        return f"Choose {choice.winner}: the only one of {len(lines)} models that can be chosen by these limits."
    sure = choice.rivals["verdict"].eq("ahead").all()
    lead = f"Choose {choice.winner}" if sure else f"{choice.winner} has the best score, though not for sure"
    score = float(lines.loc[choice.winner, "score"])
    weights, mean = weights_text(choice.weights), lines.loc[choice.winner, "mean_score"]
    worth = "" if math.isnan(mean) else f" Its replies have a mean score of {mean:.2f} of 5."
    best = f"{score:.2f}, where 1.00 is the best of these models in everything"
    return f"{lead}: {best}, the first of {admitted} by these weights ({weights}).{worth}"


def weights_text(weights: Mapping[str, float]) -> str:
    """As `latency 22 %, quality 44 %`."""
    return ", ".join(f"{name} {percent(share)}" for name, share in weights.items())


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _sure(choice: Choice) -> list[str]:
    said = []
    for line in choice.rivals.to_dict("records"):
        ratio = f"score × {line['ratio']:.2f}"
        if not math.isnan(line["ratio_low"]):
            ratio += f" [{line['ratio_low']:.2f}, {line['ratio_high']:.2f}]"
        words = {
            "ahead": f"It is ahead of {line['model']}",
            "tie": f"It ties with {line['model']}, within 5 %",
        }
        lead = words.get(line["verdict"], f"Can't tell it from {line['model']}")
        why = f"; {line['why']}" if line["why"] else ""
        if line["verdict"] not in words and (line["ratio_low"] > 1 or line["ratio_high"] < 1):
            why = f"; with all pairs compared at once, p = {line['p_holm']:.3f}"
        said.append(f"{lead}: {ratio}{' (95 % interval)' if '[' in ratio else ''}{why}.")
    return said


def _turning(choice: Choice) -> list[str]:
    """What weights would have to be for another model to win."""
    if choice.rivals.empty:
        return []
    nearest = choice.rivals.sort_values("margin").iloc[0]
    if math.isinf(nearest["margin"]):
        return ["It is the best whatever the weights: no other model is better in anything that counts."]
    margin, rival = 100 * nearest["margin"], nearest["model"]
    said = (
        f"All weights may move by up to {margin:.0f} % at once, each up or down, before {rival} takes over"
        if nearest["margin"] >= MOVED
        else f"It depends on the weights: moved by {margin:.0f} % at once, they make {rival} the first"
    )
    said = [f"{said}."]
    for model, turns in choice.turns.groupby("model", sort=False):
        at = [
            f"{t['dimension']} {percent(t['becomes'])} (now {percent(t['weight'])})" for t in turns.to_dict("records")
        ]
        said.append(f"One weight alone would make {model} the first, the others in proportion: {'; or '.join(at)}.")
    return said


def _limited(choice: Choice) -> list[str]:
    return [
        f"{model} would win without the limit on {' and '.join(WORDS[name] for name in names)}."
        for model, names in choice.outside.items()
    ]


def _open(choice: Choice) -> list[str]:
    """Limits of the winner that can't be told."""
    said = []
    own = choice.limits[(choice.limits["model"] == choice.winner) & (choice.limits["kept"] == UNSURE)]
    for line in own.to_dict("records"):
        asked = "" if line["asked"] is True else f" (asked: {number(line['asked'])})"
        seen = _seen(line)
        said.append(
            f"Whether it keeps to the limit on {WORDS[line['limit']]}{asked} can't be told{seen}: {line['why']}."
        )
    return said


def _unranked(choice: Choice) -> list[str]:
    out = choice.table[~choice.table["admitted"]]
    return [f"Not to be chosen: {line['model']} ({', '.join(line['reasons'])})." for line in out.to_dict("records")]


def table(choice: Choice, candidates: Candidates) -> pd.DataFrame:
    """For people: a line a model, what was measured in each dimension, its score and place."""
    import pandas as pd

    lines = []
    shares = choice.table.set_index("model")
    for line in candidates.table.to_dict("records"):
        own = shares.loc[line["model"]]
        shown = {
            "Model": line["model"],
            "Score (1.00 at best)": text.MISSING if math.isnan(own["score"]) else f"{own['score']:.2f}",
        }
        shown["Place"] = text.MISSING if math.isnan(own["ahead"]) else f"{own['ahead']:.0f}"
        for name, column in VALUES.items():
            title = MEMORY.get(candidates.memory, TITLES[name]) if name == "memory" else TITLES[name]
            shown[title] = _value(line, name, column)
        shown["Licence"] = line["licence"] or text.MISSING
        shown["Remark"] = ", ".join(own["reasons"]) or (
            f"{own['dominated_by']} is not behind it in anything, as measured" if own["dominated_by"] else ""
        )
        lines.append(shown)
    found = pd.DataFrame(lines)
    order = {model: place for place, model in enumerate(choice.table.sort_values("ahead", kind="stable")["model"])}
    return found.sort_values("Model", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def _value(line: Mapping[str, Any], name: str, column: str) -> str:
    value = line[column]
    if name == "quality" and not math.isnan(line["quality_low"]):
        return f"{value:.2f} [{line['quality_low']:.2f}, {line['quality_high']:.2f}]"
    return number(float(value))


def limits_table(choice: Choice) -> pd.DataFrame:
    """For people: a line a model, a column a limit."""
    import pandas as pd

    lines: dict[str, dict[str, str]] = {}
    for line in choice.limits.to_dict("records"):
        sign = "≥" if line["limit"] in AT_LEAST else "≤"
        asked = "" if line["asked"] is True else f" {sign} {line['asked']:g}"
        title = f"{WORDS[line['limit']][0].upper()}{WORDS[line['limit']][1:]}{asked}"
        lines.setdefault(line["model"], {"Model": line["model"]})[title] = f"{line['kept']}{_seen(line)}"
    return pd.DataFrame(list(lines.values()))


def _seen(line: Mapping[str, Any]) -> str:
    """A line of `keeping.kept`: what was measured, with its interval, in brackets; "" where there is no number."""
    value, low, high = line["value"], line["low"], line["high"]
    if isinstance(value, bool) or value is None or math.isnan(value):
        return ""
    if low is None or math.isnan(low):
        return f" ({number(float(value))})"
    return f" ({number(float(value))} [{number(float(low))}, {number(float(high))}])"


def costs_table(costs: pd.DataFrame, currency: str) -> pd.DataFrame:
    """For people: energy and money of 1,000 output tokens and of a request."""
    import pandas as pd

    shown = {
        "Model": costs["model"],
        "n": costs["n"],
        "Output tokens, mean": costs["output_tokens"].map(number),
        "Seconds a request, mean": costs["seconds_per_request"].map(number),
        "Energy": costs["energy_method"].replace("", text.MISSING),
        "Wh per 1,000 output tokens": costs["wh_per_1k_tokens"].map(number),
        f"{currency} per 1,000 output tokens": costs["money_per_1k_tokens"].map(small),
        f"{currency} per 1,000 requests": (1000 * costs["money_per_request"]).map(small),
    }
    if costs["cloud_per_request"].notna().any():
        shown[f"Cloud, {currency} per 1,000 requests"] = (1000 * costs["cloud_per_request"]).map(small)
    return pd.DataFrame(shown)


def small(value: float) -> str:
    """Three significant digits of what may be a tiny amount of money.

    >>> small(0.0000519)
    '0.0000519'
    """
    if math.isnan(value) or value == 0 or abs(value) >= 1:
        return number(value)
    return f"{value:.{2 - math.floor(math.log10(abs(value)))}f}"


def needs(plan: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """What each prompt of a plan needs."""
    return {prompt["id"]: prompt.get("needs", ()) for prompt in plan.get("prompts") or ()}


def routing_table(routes: Mapping[str, str | None], needs: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """For people: a line a prompt, what it needs and which model it goes to."""
    import pandas as pd

    lines = [
        {
            "Prompt": prompt,
            "Needs": ", ".join(needs.get(prompt, ())) or "nothing named",
            "Goes to": model or "no model that may be asked",
        }
        for prompt, model in routes.items()
    ]
    return pd.DataFrame(lines, columns=["Prompt", "Needs", "Goes to"])


def verdict(decision: Any) -> list[str]:
    """The choice for the top of a report, in Markdown. decision: `choosing.Decision`."""
    return [f"**{text.markdown(sentences(decision.choice)[0])}**"]


def sections(found: Any, decision: Any, pictures: Mapping[str, str]) -> dict[str, list[str]]:
    """A report's parts on the choice, title -> blocks of Markdown. found: `choosing.Evidence`; decision:
    `choosing.Decision`. pictures: name -> its words.
    """
    choice = decision.choice
    blocks = [text.bullets(sentences(choice)), text.table(table(choice, found.candidates)), HOW]
    blocks += [text.table(limits_table(choice))] if len(choice.limits) else []
    blocks += [f"![{text.markdown(words)}]({name}.png)" for name, words in pictures.items()]
    parts = {"## Choice": blocks}
    if len(decision.costs):
        currency = decision.selection.cost.get("currency") or ""
        parts["## Cost"] = [text.table(costs_table(decision.costs, currency)), text.bullets(cost.notes(decision.costs))]
    if decision.routes:
        mind = [f"**{text.markdown(line)}**" for line in departing(decision)]
        parts["## Routing"] = [*mind, text.table(routing_table(decision.routes, needs(found.run.plan)))]
        parts["## Routing"] += [text.markdown(saved(decision.saving))] if decision.saving else []
    return parts


def departing(decision: Any) -> list[str]:
    """Where routes go to models that the choice puts behind its winner, or cost quality for sure: what to mind."""
    choice, saving_ = decision.choice, decision.saving
    behind = set(choice.rivals.loc[choice.rivals["verdict"] == "ahead", "model"])
    said = []
    for model in dict.fromkeys(m for m in decision.routes.values() if m in behind):
        n = sum(to == model for to in decision.routes.values())
        said.append(
            f"Routing takes the cheapest model that the limits let in: {n} of {len(decision.routes)} prompts go to "
            f"{model}, which the choice puts behind {choice.winner}. A limit on quality keeps it out."
        )
    if saving_ and saving_.quality_high < 0:
        said.append("These routes cost quality, beyond chance.")
    return said


def saved(found: Saving) -> str:
    return saving.sentence(found)
