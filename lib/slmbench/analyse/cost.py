"""Energy and money of tokens and requests, each with the formula and whether it was measured or estimated.

Estimated: power × time, with the power that somebody names (a plug meter shows it). Measured: joules that the machine's
own counters gave for one reply of each model. An estimate is the same power for all, so it never ranks models: it says
what their seconds would cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import stats

if TYPE_CHECKING:
    import pandas as pd

J_PER_WH, WH_PER_KWH, PER = 3600, 1000, 1000  # PER: tokens that a cost is told for
COLUMNS = (
    *("model", "n", "prompt_tokens", "output_tokens", "seconds_per_request", "energy_method", "wh_per_1k_tokens"),
    *("wh_per_request", "money_per_1k_tokens", "money_per_request", "cloud_per_1k_tokens", "cloud_per_request"),
)
FORMULAS = {
    "estimated": "Wh per 1,000 output tokens = power (W) × seconds of a request / 3,600 / its output tokens × 1,000; "
    "that power is an assumption until somebody has read it off a meter",
    "measured": "Wh per 1,000 output tokens = joules of a reply / 3,600 / its output tokens × 1,000",
    "money": "money = Wh / 1,000 × price of a kWh: electricity while it answers, no device and no idling",
    "cloud": "cloud, per request = price of a million tokens / 1,000,000 × (prompt + output tokens)",
}


def costs(frame: pd.DataFrame, resources: Sequence[Mapping[str, Any]], cost: Mapping[str, Any]) -> pd.DataFrame:
    """What 1,000 output tokens and one request of each model cost.

    frame: from `records.to_frame`; requests that had the machine to themselves count (concurrency 1), as the power of
        several at once can't be told apart. resources: with energy_j, energy_method and work_tokens where energy was
        measured. cost: as `config.Selection.cost`.
    returns: columns COLUMNS, a line a model with a usable reply. n: requests; prompt_tokens, output_tokens,
        seconds_per_request: means; energy_method: "measured: …" or "estimated: 28 W × time", "" where there is neither;
        wh_…: watt-hours; money_…, cloud_…: in cost["currency"], NaN without a price. Means of requests: the sum of
        seconds over the sum of tokens, so that long replies count as they cost.
    """
    import pandas as pd

    good = frame[stats.usable(frame) & (frame["concurrency"] == 1) & (frame["output_tokens"] > 0)]
    power_w, price = cost.get("power_w"), cost.get("price_per_kwh")
    cloud = cost.get("cloud_price_per_million_tokens")
    lines = []
    for model, of in good.groupby("model", sort=False):
        tokens, asked, seconds = (of[name].mean() for name in ("output_tokens", "prompt_tokens", "latency_s"))
        method, joules = _joules(model, resources, power_w, seconds / tokens)
        wh = joules / J_PER_WH
        money = wh / WH_PER_KWH * (math.nan if price is None else price)
        far = math.nan if cloud is None else cloud / 1e6 * (asked + tokens)
        numbers = (model, len(of), asked, tokens, seconds, method, wh * PER, wh * tokens, money * PER, money * tokens)
        lines.append((*numbers, far / tokens * PER, far))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _joules(model: str, resources: Sequence[Mapping], power_w: float | None, s_per_token: float) -> tuple[str, float]:
    """How the energy of an output token is known, and how much it is."""
    for record in resources:
        if record["model"] == model and record.get("energy_j") and record.get("work_tokens"):
            return f"measured: {record.get('energy_method')}", record["energy_j"] / record["work_tokens"]
    if power_w is None:
        return "", math.nan
    return f"estimated: {power_w:g} W × time", power_w * s_per_token


def methods(table: pd.DataFrame) -> list[str]:
    """The formulas that a table of `costs` was made with, in words."""
    named = table["energy_method"]
    used = [kind for kind in ("measured", "estimated") if named.str.startswith(kind).any()]
    used += ["money"] if table["money_per_request"].notna().any() else []
    used += ["cloud"] if table["cloud_per_request"].notna().any() else []
    return [FORMULAS[name] for name in used]


def notes(table: pd.DataFrame) -> list[str]:
    """What belongs beside a table of `costs`: its formulas, and each model beside the cloud, if there is a price."""
    return [*methods(table), *filter(None, map(break_even, table.to_dict("records")))]


def break_even(line: Mapping[str, Any]) -> str:
    """One line of `costs` beside the cloud's price, as a sentence; "" without that price or without energy."""
    here, far = line["money_per_request"], line["cloud_per_request"]
    if math.isnan(here) or math.isnan(far) or not here or not far:
        return ""
    way = f"{far / here:.3g} times" if far >= here else f"1 / {here / far:.3g} of"
    said = f"at the cloud's price a request would cost {way} its electricity here"
    return f"{line['model']}: {said} ({line['energy_method']}). The two are not the same model, nor the same reply."
