"""Requests that took an unusual time: which ones, and what probably made them so. Flagged, never dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.analyse import stats

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OUTLIERS_FROM = 8  # requests of a model
REPEATS_FROM = 3  # repeats of a prompt from which its median can be taken out
BOTH_SIDES_FROM = 5  # repeats of a prompt: of 3, two slow ones would make the healthy third look fast
REACH = 3  # IQRs: Tukey's outer fence
EXPLAINS = 0.5  # share of an outlier's excess that a cause must make up
CPU_POINTS = 10  # percent of the machine above the usual: less is no other program at work

OUTLIER_RULE = (
    "Ringed, not dropped: log latency beyond 3 × IQR of the model's distances from their prompts' medians and, from "
    "8 repeats, of the prompt's own; below 5 repeats slow ones only; no flags below 8 requests a model."
)


def outliers(frame: pd.DataFrame) -> pd.Series:
    """Which requests took an unusual time for their model.

    frame: from `records.to_frame`. returns: bool Series, index as in the frame; only usable rows can be True.

    The rule: beyond Q1 − 3 IQR or Q3 + 3 IQR of log latency. Prompts differ in length, so like is compared with like:
    each row's distance from its prompt's median, pooled over the model's prompts with at least 3 repeats (at one
    concurrency), if that pool has 8 rows. A prompt with at least 8 repeats has a fence of its own as well, and a row
    must lie beyond both: one noisy prompt among quiet ones is no outlier. Prompts with 3 or 4 repeats only flag slow
    rows, those with fewer are not judged.
    False alarms, simulated (tests/analyse/test_simulation_flags.py): at most 2.5 % of clean models, from 8 requests
    on, normal log noise. Two things keep them there: the quartiles of one prompt's repeats are median-unbiased (numpy's
    default draws them closer: 7 % at n = 9); and rows that make the median of a prompt with fewer than 8 repeats do
    not set the pool's fence: their distance is (nearly) zero by construction, and the fence so narrow that 40–75 % of
    clean runs had an alarm.
    source: Tukey's outer fence; quantiles by Hyndman & Fan, types 7 (pool) and 8 (one prompt).
    """
    import numpy as np
    import pandas as pd

    found = pd.Series(False, index=frame.index)
    rows, pool, cell = _cells(frame)
    if not len(rows):
        return found
    log_s = np.log(rows["latency_s"].to_numpy())
    size, rank = np.bincount(cell)[cell], _rank(log_s, cell)
    distance = log_s - quantiles(log_s, cell, (0.5,), cell.max() + 1)[0][cell]
    judged = size >= REPEATS_FROM
    middle = (rank >= (size - 1) // 2) & (rank <= size // 2)
    odd = judged & _beyond(distance, pool, judged & ~(middle & (size < OUTLIERS_FROM)), alpha=1)
    odd &= np.bincount(pool, weights=judged)[pool] >= OUTLIERS_FROM
    odd &= (size < OUTLIERS_FROM) | _beyond(log_s, cell, size >= OUTLIERS_FROM, alpha=1 / 3)
    odd &= (size >= BOTH_SIDES_FROM) | (distance > 0)
    found[rows.index[odd]] = True
    return found


def causes(frame: pd.DataFrame) -> pd.Series:
    """What probably made each outlier take its time.

    frame: from `records.to_frame`. returns: str Series, index as in the frame: "" for a row that is no outlier, else
    the first that fits of
        "cold start": slow, and among the first requests of the model after a load (as many as there are streams),
            with no warm-up before it;
        "prompt not yet cached": slow, the first request with its prompt after the load, and its time to first token
            makes up at least half of the excess;
        "client lag": slow, and flagged client_bound, or client_lag_s makes up at least half of the excess;
        "longer reply": slow, and the tokens beyond the prompt's usual number, at its usual time per output token,
            make up at least half of the excess;
        "truncation", "shorter reply": fast, and the missing tokens make up at least half of what is missing in time;
            a truncation where the reply was cut, i.e. has another finish_reason than "stop";
        "other load on the machine": slow, and host_cpu_pct lies beyond Q3 + 3 IQR of the model's other rows and at
            least 10 points above their median;
        "unknown".
    "Usual" is the median over the prompt's rows that are no outliers; the excess is the latency minus that.
    """
    import numpy as np
    import pandas as pd

    odd = outliers(frame)
    cause = pd.Series("", index=frame.index)
    rows, pool, cell = _cells(frame)
    if not odd.any():
        return cause
    clean = ~odd[rows.index]

    def usual(column: str, group: np.ndarray, q: float = 0.5) -> pd.Series:
        return rows[column].where(clean).groupby(group).transform("quantile", q)

    excess_s = rows["latency_s"] - usual("latency_s", cell)
    slow = excess_s > 0
    extra_s = (rows["output_tokens"] - usual("output_tokens", cell)) * usual("tpot_s", cell)
    by_tokens = extra_s / excess_s >= EXPLAINS
    low, middle, high = (usual("host_cpu_pct", pool, q) for q in (0.25, 0.5, 0.75))
    busy_from = np.maximum(high + REACH * (high - low), middle + CPU_POINTS)
    waited = (rows["ttft_s"] - usual("ttft_s", cell)) / excess_s >= EXPLAINS
    lagging = (rows["client_lag_s"] >= EXPLAINS * excess_s) | stats.flagged(rows, {"client_bound"})
    tests = {
        "cold start": slow & _cold(frame)[rows.index],
        "prompt not yet cached": slow & rows["first_of_prompt"] & waited,
        "client lag": slow & lagging,
        "longer reply": slow & by_tokens,
        "truncation": ~slow & by_tokens & (rows["finish_reason"] != "stop"),
        "shorter reply": ~slow & by_tokens,
        "other load on the machine": slow & (rows["host_cpu_pct"] > busy_from),
    }
    named = np.select([test.to_numpy(dtype=bool) for test in tests.values()], list(tests), "unknown")
    cause[rows.index] = np.where(clean, "", named)
    return cause


def _cells(frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The rows that are judged, and for each the number of its model (at one concurrency) and of its prompt there."""
    rows = frame[stats.usable(frame) & (frame["latency_s"] > 0)]
    kind = [rows["model"], rows["concurrency"], rows["intended_at"].notna()]
    pool = rows.groupby(kind, sort=False, dropna=False).ngroup()
    cell = rows.groupby([pool, rows["prompt_id"]], sort=False, dropna=False).ngroup()
    return rows, pool.to_numpy(), cell.to_numpy()


def _cold(frame: pd.DataFrame) -> pd.Series:
    """Which rows are the first requests to a model after its load, as many as there are streams, without a warm-up."""
    asked = frame[frame["status"] != "skipped"].sort_values(["started_at", "order"], kind="stable")
    load = asked.groupby(["model", "load_index"], dropna=False).ngroup()
    warmed = (asked["phase"] == "warmup").groupby(load).cummax()
    cold = (asked.groupby(load).cumcount() < asked["concurrency"]) & ~warmed
    return cold.reindex(frame.index, fill_value=False)


def _beyond(values: np.ndarray, group: np.ndarray, setting: np.ndarray, alpha: float) -> np.ndarray:
    """Which values lie beyond the fence that those of their group set for which `setting` is True."""
    low, high = quantiles(values[setting], group[setting], (0.25, 0.75), group.max() + 1, alpha)
    reach = REACH * (high - low)
    return (values < (low - reach)[group]) | (values > (high + reach)[group])


def _rank(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The place of each value among those of its group, from 0 for the lowest."""
    import numpy as np

    order, size = np.lexsort((values, group)), np.bincount(group)
    rank = np.empty(len(values), dtype=int)
    rank[order] = np.arange(len(values)) - (np.cumsum(size) - size)[group[order]]
    return rank


def quantiles(
    values: np.ndarray, group: np.ndarray, q: tuple[float, ...], groups: int, alpha: float = 1.0
) -> list[np.ndarray]:
    """The quantiles q of each group, all groups at once.

    values: shape (n,). group: number of each value's group from 0, shape (n,). groups: how many there are.
    alpha: 1 as numpy's default, 1/3 for median-unbiased (the alphap = betap of scipy.stats.mstats.mquantiles).
    returns: for each of q, shape (groups,); NaN for a group without values.
    """
    import numpy as np

    size = np.bincount(group, minlength=groups)
    ordered = np.append(values[np.lexsort((values, group))], np.nan)
    top = np.maximum(size - 1, 0)
    start = np.where(size > 0, np.cumsum(size) - size, len(values))
    found = []
    for share in q:
        place = np.clip(share * (size + 1 - 2 * alpha) + alpha - 1, 0, top)
        below = np.floor(place).astype(int)
        low, high = ordered[start + below], ordered[start + np.minimum(below + 1, top)]
        found.append(low + (place - below) * (high - low))
    return found
