"""Whether a model keeps to a limit: yes, no, or not to be told from what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

YES, NO, UNSURE = "yes", "no", "can't tell"
AT_LEAST = ("decode_tps", "quality")
COLUMNS = {"ttft_s": "ttft_s_p50", "latency_s": "latency_s_p50", "decode_tps": "decode_tps_p50"}  # of a limit
WORDS = {
    "commercial_use": "licence allows commercial use",
    "memory_mb": "memory, MB",
    "disk_mb": "disk, MB",
    "ttft_s": "median time to first token, s",
    "latency_s": "median latency, s",
    "decode_tps": "median decode speed, tokens/s",
    "quality": "mean score",
}
TABLE = ("model", "limit", "asked", "value", "low", "high", "kept", "why")


def kept(table: pd.DataFrame, limits: Mapping[str, Any]) -> pd.DataFrame:
    """Each model against each limit.

    table: `candidates.Candidates.table`. limits: name -> value, as `config.Selection.limits`.
    returns: columns TABLE, a line a model and limit. kept: "yes" or "no" where the whole 95 % interval lies on that
        side (a value without an interval counts as it is: memory, disk, or a median of fewer than 6 requests, which
        why says); "can't tell" where the interval contains the limit, or where nothing was measured.
    """
    import pandas as pd

    lines = []
    for line in table.to_dict("records"):
        for limit, asked in limits.items():
            if limit == "commercial_use":
                lines += [_licence(line)] if asked else []
            else:
                lines.append(_number(line, limit, asked))
    return pd.DataFrame(lines, columns=list(TABLE))


def _licence(line: Mapping[str, Any]) -> dict[str, Any]:
    allowed, named = line["commercial_use"], line["licence"] or "not known"
    told = not isinstance(allowed, bool)  # None, or NaN in a column of numbers
    verdict = UNSURE if told else YES if allowed else NO
    found = dict(zip(TABLE, (line["model"], "commercial_use", True, allowed, None, None, verdict), strict=False))
    return found | {"why": f"licence {named}: read its terms" if told else f"licence {named}"}


def _number(line: Mapping[str, Any], limit: str, asked: float) -> dict[str, Any]:
    column = COLUMNS.get(limit, limit)
    value, low, high = (line.get(f"{column}{end}", math.nan) for end in ("", "_low", "_high"))
    verdict, why = _verdict(value, low, high, asked, limit in AT_LEAST), ""
    if math.isnan(value):
        why = f"{WORDS[limit]}: not measured"
    elif math.isnan(low) and limit not in ("memory_mb", "disk_mb"):
        why = "indicative: too few for an interval"
    elif verdict == UNSURE:
        why = "the interval contains the limit"
    return dict(zip(TABLE, (line["model"], limit, asked, value, low, high, verdict, why), strict=True))


def _verdict(value: float, low: float, high: float, asked: float, at_least: bool) -> str:
    if math.isnan(value):
        return UNSURE
    worst, best = (value, value) if math.isnan(low) else (low, high)
    worst, best = (worst, best) if at_least else (-best, -worst)
    asked = asked if at_least else -asked
    return YES if worst >= asked else NO if best < asked else UNSURE
