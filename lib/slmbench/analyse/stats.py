"""Summaries, outliers and intervals of a run: frames from `records.to_frame` in, plain frames out.

What each sample size allows is decided here and nowhere else: medians get an interval from n = 6, a p95 gets an
upper bound from n = 59, and below that there are only the values that were seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

METRICS = ("latency_s", "ttft_s", "tpot_s", "decode_tps", "output_tps", "total_tps")
TAIL_METRICS = ("latency_s", "ttft_s")  # the ones whose p95 a user feels

INDICATIVE_FROM = 3  # below: the points themselves
MEDIAN_FROM = 6  # first n with a two-sided 95 % order-statistic interval: 2 x 0.5**6 < 0.05
P95_BOUND_FROM = 59  # first n with 0.95**n < 0.05: a one-sided upper bound of the p95
P95_INTERVAL_FROM = 72  # first n whose two-sided interval of the p95 has an upper end
OUTLIERS_FROM = 8
REPEATS_FROM = 3  # repeats of a prompt from which its median can be taken out

INVALID_FLAGS = frozenset({"clock_jump"})  # the clock jumped or the machine slept: not a time anybody waited
OUTLIER_RULE = (
    "Ringed, not dropped: log latency beyond 3 × IQR, within one prompt from 8 repeats, "
    "else around each prompt's median; no flags below 8 requests a model."
)


def usable(frame: pd.DataFrame) -> pd.Series:
    """Which rows the statistics are made of: timed, ok, and with a clock that ran on evenly.

    returns: bool Series, index as in the frame.
    """
    return (frame["phase"] == "timed") & frame["ok"] & ~_invalid(frame)


def summarise(frame: pd.DataFrame, by: Sequence[str] = ("model",)) -> pd.DataFrame:
    """One line per group, in the order of the groups' first rows. Warm-up rows take no other part; a group of
    nothing else has n_ok 0. Rows that are `superseded` count nowhere.

    frame: from `records.to_frame`. by: columns that make a group.
    returns: the columns of `by`; then n_ok, n_failed, n_skipped, n_interrupted (stopped from here, so no failure
        of the model), n_invalid (a clock jump: counted here, in no statistic); prompts: how many different ones
        were asked; repeats_min: usable replies to the one that has fewest (rounds, over all loads);
        for every metric X of METRICS, in its unit of `records.UNITS`: X_n, X_mean, X_p50, X_p50_low, X_p50_high,
        X_min, X_max; for TAIL_METRICS also X_p95 and X_p95_upper;
        output_tokens_mean; token_source (joined by " + " when mixed); status_note: the first row's reason among
        those that failed or were skipped, else "".
        X_p50_low/high: two-sided 95 % order-statistic interval, NaN below n = 6. X_p95: linear percentile of
        what was seen. X_p95_upper: one-sided 95 % upper bound of the p95, NaN below n = 59.
        A group without one ok row has n_ok 0 and NaN.
    source: scipy.stats.quantile_test (exact binomial bounds).
    """
    import pandas as pd

    by = list(by)
    counted = ((frame["phase"] == "timed") | (frame["status"] == "skipped")) & ~superseded(frame)
    groups = frame.groupby(by, sort=False, dropna=False)  # with the warm-ups: one is a first appearance too
    lines = [dict(zip(by, key, strict=True)) | _summary_line(group[counted[group.index]]) for key, group in groups]
    return pd.DataFrame(lines, columns=by + _summary_columns())


def _summary_columns() -> list[str]:
    columns = ["n_ok", "n_failed", "n_skipped", "n_interrupted", "n_invalid", "prompts", "repeats_min"]
    for metric in METRICS:
        columns += [f"{metric}_{part}" for part in ("n", "mean", "p50", "p50_low", "p50_high", "min", "max")]
        if metric in TAIL_METRICS:
            columns += [f"{metric}_p95", f"{metric}_p95_upper"]
    return [*columns, "output_tokens_mean", "token_source", "status_note"]


def _summary_line(group: pd.DataFrame) -> dict:
    good = group[usable(group)]
    skipped, interrupted = group["status"] == "skipped", group["status"] == "interrupted"
    failed = ~group["ok"] & ~skipped & ~interrupted
    asked = group["prompt_id"].dropna().unique()
    repeats = good["prompt_id"].value_counts().reindex(asked, fill_value=0)
    line = {
        "n_ok": len(good),
        "n_failed": int(failed.sum()),
        "n_skipped": int(skipped.sum()),
        "n_interrupted": int(interrupted.sum()),
        "n_invalid": int((group["ok"] & _invalid(group)).sum()),
        "prompts": len(asked),
        "repeats_min": int(repeats.min()) if len(asked) else 0,
        "output_tokens_mean": good["output_tokens"].mean(),
        "token_source": " + ".join(good["token_source"].dropna().unique()),
        "status_note": next((reason(row) for _, row in group[failed | skipped].head(1).iterrows()), ""),
    }
    for metric in METRICS:
        line |= {f"{metric}_{part}": value for part, value in describe(good[metric], metric in TAIL_METRICS).items()}
    return line


def superseded(frame: pd.DataFrame) -> pd.Series:
    """Which rows say that a model can't be asked, and were overtaken: later in the run it did reply.

    frame: from `records.to_frame`, in the order of the run. returns: bool Series, index as in the frame; True only
    for rows without a prompt. Such a row is of one load, or of all loads where it names none.
    """
    import pandas as pd

    found = pd.Series(False, index=frame.index)
    replied: dict[object, set] = {}
    for i, model, load, prompt, ok in reversed(
        list(zip(frame.index, frame["model"], frame["load_index"], frame["prompt_id"], frame["ok"], strict=True))
    ):
        loads = replied.setdefault(model, set())
        if ok and not pd.isna(prompt):
            loads.add(load)
        elif pd.isna(prompt):
            found[i] = bool(loads) if pd.isna(load) else load in loads
    return found


def describe(values, tail: bool = False) -> dict[str, float]:
    """The numbers of one sample, NaN values left out.

    values: shape (n,). tail: p95 and its upper bound as well.
    returns: n, mean, p50, p50_low, p50_high, min, max (p95, p95_upper); NaN for what n does not allow.
    """
    import numpy as np

    x = np.asarray(values, dtype=float)
    x = x[~np.isnan(x)]
    names = ["mean", "p50", "p50_low", "p50_high", "min", "max"] + ["p95", "p95_upper"] * tail
    if not x.size:
        return {"n": 0} | dict.fromkeys(names, np.nan)
    low, high = median_interval(x)
    line = {"n": x.size, "mean": x.mean(), "p50": np.percentile(x, 50), "p50_low": low, "p50_high": high}
    line |= {"min": x.min(), "max": x.max()}
    if tail:
        line |= {"p95": np.percentile(x, 95), "p95_upper": p95_upper(x)}
    return {name: (value if name == "n" else float(value)) for name, value in line.items()}


def median_interval(x) -> tuple[float, float]:
    """Two-sided 95 % interval of the median from order statistics; (NaN, NaN) below n = 6. x: shape (n,), no NaN."""
    from scipy.stats import quantile_test

    if len(x) < MEDIAN_FROM:
        return float("nan"), float("nan")
    interval = quantile_test(x, p=0.5).confidence_interval()
    return float(interval.low), float(interval.high)


def p95_upper(x) -> float:
    """The value the p95 lies at or below with 95 % confidence; NaN below n = 59. x: shape (n,), no NaN."""
    from scipy.stats import quantile_test

    if len(x) < P95_BOUND_FROM:
        return float("nan")
    return float(quantile_test(x, p=0.95, alternative="less").confidence_interval().high)


def outliers(frame: pd.DataFrame) -> pd.Series:
    """Which requests took an unusual time for their model. They are flagged, never dropped.

    frame: from `records.to_frame`. returns: bool Series, index as in the frame; only usable rows can be True.

    The rule: beyond Q1 − 3 IQR or Q3 + 3 IQR of log latency. Prompts differ in length, so like is compared with
    like: repeats of one prompt by one model where there are at least 8; else each row's distance from its prompt's
    median, pooled over the model's prompts with at least 3 repeats, if that pool has 8 rows. Prompts with fewer
    repeats are not judged. The rows that make a prompt's median do not set the fence of such a pool: their
    distance is (nearly) zero by construction, and with 3 repeats they would narrow the fence so far that 40–75 %
    of clean runs had a false alarm; without them it is 0–3 % (4,000 simulated runs, 3–20 prompts, normal log noise).
    source: Tukey's outer fence.
    """
    import numpy as np
    import pandas as pd

    found = pd.Series(False, index=frame.index)
    rows = frame[usable(frame) & (frame["latency_s"] > 0)]
    log_latency = np.log(rows["latency_s"])
    for _, places in rows.groupby("model", sort=False).indices.items():
        model = log_latency.iloc[places]
        prompts = rows["prompt_id"].iloc[places].fillna("")
        pooled, setting = [], []
        for _, repeats in model.groupby(prompts, sort=False):
            if len(repeats) >= OUTLIERS_FROM:
                found[repeats.index] = _beyond_fence(repeats, repeats)
            elif len(repeats) >= REPEATS_FROM:
                distance = (repeats - repeats.median()).sort_values()
                pooled.append(distance)
                middle = {len(distance) // 2, (len(distance) - 1) // 2}
                setting.append(distance.iloc[[i for i in range(len(distance)) if i not in middle]])
        if sum(map(len, pooled)) >= OUTLIERS_FROM:
            distances = pd.concat(pooled)
            found[distances.index] = _beyond_fence(distances, pd.concat(setting))
    return found


def _beyond_fence(values: pd.Series, setting: pd.Series) -> np.ndarray:
    import numpy as np

    low, high = np.percentile(setting, [25, 75])
    reach = 3 * (high - low)
    return ((values < low - reach) | (values > high + reach)).to_numpy()


def claim(n: int) -> str:
    """What may be said from n requests, as a sentence fragment that fits behind a number."""
    if n < INDICATIVE_FROM:
        return f"n = {n}: points only"
    if n < MEDIAN_FROM:
        return f"n = {n}: indicative, median with [min, max]; an interval needs n ≥ {MEDIAN_FROM}"
    if n < P95_BOUND_FROM:
        return f"n = {n}: median with its 95 % interval; a p95 needs n ≥ {P95_BOUND_FROM}"
    if n < P95_INTERVAL_FROM:
        return f"n = {n}: median with its 95 % interval, p95 with an upper bound"
    return f"n = {n}: median and p95 with their 95 % intervals"


def failure_interval(k: int, n: int) -> tuple[float, float]:
    """Two-sided 95 % interval of the share of requests that fail, k of n seen. (0, 1) when nothing was asked.

    source: Clopper–Pearson, scipy.stats.binomtest.
    """
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    interval = binomtest(k, n).proportion_ci(confidence_level=0.95, method="exact")
    return float(interval.low), float(interval.high)


def determinism(frame: pd.DataFrame) -> pd.DataFrame:
    """How many replies to the same prompt are the same, byte for byte.

    returns: one line per (model, prompt_id) in order of appearance: n replies with a hash, identical (the size of
        the largest group of equal text_sha256), distinct, and proven_share: when all n are equal, the share of
        such replies that is proven with 95 % confidence, 0.05 ** (1 / n) (37 % for 3, 95 % for 59); else NaN.
    """
    import pandas as pd

    rows = frame[(frame["phase"] == "timed") & frame["ok"] & frame["text_sha256"].notna()]
    lines = []
    for (model, prompt), hashes in rows.groupby(["model", "prompt_id"], sort=False, dropna=False)["text_sha256"]:
        n, sizes = len(hashes), hashes.value_counts()
        proven = 0.05 ** (1 / n) if len(sizes) == 1 else float("nan")
        lines.append((model, prompt, n, int(sizes.iloc[0]), len(sizes), proven))
    return pd.DataFrame(lines, columns=["model", "prompt_id", "n", "identical", "distinct", "proven_share"])


def pairs(frame: pd.DataFrame, base: str, other: str, column: str = "latency_s", by: str = "model") -> pd.DataFrame:
    """The same request put to two models (or devices): like beside like.

    base, other: two values of the column `by`. column: what to compare.
    returns: one line per (prompt_id, load_index, round) that both have measured: base, other, in the column's unit,
        and ratio = other / base.
    """
    key = ["prompt_id", "load_index", "round"]
    rows = frame[usable(frame) & frame[column].notna()]
    left, right = (rows.loc[rows[by] == name, [*key, column]] for name in (base, other))
    both = left.rename(columns={column: "base"}).merge(right.rename(columns={column: "other"}), on=key)
    return both.assign(ratio=both["other"] / both["base"])


def _invalid(frame: pd.DataFrame) -> pd.Series:
    return frame["flags"].map(lambda flags: not INVALID_FLAGS.isdisjoint(flags or ())).astype(bool)


def reason(row: pd.Series) -> str:
    """Why a row has no reply: its status and its error; of a skipped one, the error says it all."""
    if not isinstance(row["error"], str):
        return str(row["status"])
    return row["error"] if row["status"] == "skipped" else f"{row['status']}: {row['error']}"
