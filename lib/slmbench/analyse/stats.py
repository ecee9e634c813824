"""Summaries and intervals of a run: frames from `records.to_frame` in, plain frames out.

What each sample size allows is decided in `intervals` and nowhere else: medians get an interval from n = 6, a p95 gets
an upper bound from n = 59 and an interval from n = 72, and below that there are only the values that were seen. From 3
loads of a model on, the interval of a median is one across loads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set as AbstractSet
from typing import TYPE_CHECKING, Any

from slmbench.analyse.intervals import (
    LOADS_FROM,
    MEDIAN_FROM,
    P95_BOUND_FROM,
    P95_INTERVAL_FROM,
    across_loads,
    median_interval,
    p95_interval,
    p95_upper,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

METRICS = ("latency_s", "ttft_s", "tpot_s", "decode_tps", "output_tps", "total_tps")
TAIL_METRICS = ("latency_s", "ttft_s")  # the ones whose p95 a user feels

INDICATIVE_FROM = 3  # below: the points themselves
SESSION = "within this session"
PAIR_KEY = ("prompt_id", "load_index", "round", "concurrency")
INVALID_FLAGS = frozenset({"clock_jump"})  # the clock jumped or the machine slept: not a time anybody waited


def usable(frame: pd.DataFrame) -> pd.Series:
    """Which rows the statistics are made of: timed, ok, and with a clock that ran on evenly.

    returns: bool Series, index as in the frame.
    """
    return (frame["phase"] == "timed") & frame["ok"] & ~flagged(frame, INVALID_FLAGS)


def summarise(frame: pd.DataFrame, by: Sequence[str] = ("model",)) -> pd.DataFrame:
    """One line per group, in the order of the groups' first rows. Warm-up rows take no other part; a group of
    nothing else has n_ok 0. Rows that are `superseded` count nowhere.

    frame: from `records.to_frame`. by: columns that make a group.
    returns: the columns of `by`; then n_ok, n_failed, n_skipped, n_interrupted (stopped from here, so no failure
        of the model), n_invalid (a clock jump: counted here, in no statistic), n_client_bound (of n_ok: this
        client could not keep up); prompts: how many different ones were asked; repeats_min: usable replies to the
        one that has fewest (rounds, over all loads);
        basis: "across N loads" from 3 loads with usable rows, else "within this session": of the medians' intervals;
        for every metric X of METRICS, in its unit of `records.UNITS`: X_n, X_mean, X_p50, X_p50_low, X_p50_high,
        X_min, X_max; for TAIL_METRICS also X_p95, X_p95_upper, X_p95_low, X_p95_high (see `describe`);
        output_tokens_mean; token_source (joined by " + " when mixed); status_note: the first row's reason among
        those that failed or were skipped, else "".
        A group without one ok row has n_ok 0 and NaN.
    """
    import numpy as np
    import pandas as pd

    by = list(by)
    skipped = frame["status"] == "skipped"
    counted = (((frame["phase"] == "timed") | skipped) & ~superseded(frame)).to_numpy()
    slim = frame[[*METRICS, "output_tokens", "token_source", "status", "error", "prompt_id", "load_index", "ok"]]
    good = usable(frame)
    slim = slim.assign(good=good, invalid=frame["ok"] & ~good, bound=flagged(frame, {"client_bound"}))
    codes = frame.groupby(by, sort=False, dropna=False).ngroup()  # with the warm-ups: one is a first appearance too
    keys = frame.loc[~codes.duplicated(), by]
    order, ends = np.argsort(codes.to_numpy(), kind="stable"), np.cumsum(np.bincount(codes))
    places = np.split(order, ends[:-1]) if len(keys) else []
    columns = {name: slim[name].to_numpy() for name in slim}  # groups are small and many: pandas costs ten times more
    lines = [_summary_line({n: x[place[counted[place]]] for n, x in columns.items()}) for place in places]
    found = pd.DataFrame(lines, columns=_summary_columns())
    return pd.concat([keys.reset_index(drop=True), found], axis="columns")


def _summary_columns() -> list[str]:
    columns = ["n_ok", "n_failed", "n_skipped", "n_interrupted", "n_invalid", "n_client_bound", "prompts"]
    columns += ["repeats_min", "basis"]
    for metric in METRICS:
        columns += [f"{metric}_{part}" for part in ("n", "mean", "p50", "p50_low", "p50_high", "min", "max")]
        if metric in TAIL_METRICS:
            columns += [f"{metric}_{part}" for part in ("p95", "p95_upper", "p95_low", "p95_high")]
    return [*columns, "output_tokens_mean", "token_source", "status_note"]


def _summary_line(group: Mapping[str, np.ndarray]) -> dict:
    """group: arrays of shape (n,), its columns."""
    import numpy as np

    ok, good, status = group["ok"], group["good"], group["status"]
    skipped, interrupted = status == "skipped", status == "interrupted"
    failed = ~ok & ~skipped & ~interrupted
    asked = known(group["prompt_id"])
    repeats = Counter(known(group["prompt_id"][good]))
    loads = group["load_index"][good]
    n_loads = len(np.unique(loads[~np.isnan(loads)]))
    untold = np.flatnonzero(failed | skipped)[:1]
    line = {
        "n_ok": int(good.sum()),
        "n_failed": int(failed.sum()),
        "n_skipped": int(skipped.sum()),
        "n_interrupted": int(interrupted.sum()),
        "n_invalid": int(group["invalid"].sum()),
        "n_client_bound": int(group["bound"][good].sum()),
        "prompts": len(set(asked)),
        "repeats_min": min((repeats[prompt] for prompt in asked), default=0),
        "basis": basis(n_loads),
        "output_tokens_mean": mean(group["output_tokens"][good]),
        "token_source": " + ".join(dict.fromkeys(known(group["token_source"][good]))),
        "status_note": "".join(reason({n: group[n][at] for n in ("status", "error")}) for at in untold),
    }
    by_load = loads if n_loads >= LOADS_FROM else None
    for metric in METRICS:
        numbers = describe(group[metric][good], metric in TAIL_METRICS, by_load)
        line |= {f"{metric}_{part}": value for part, value in numbers.items()}
    return line


def known(values: np.ndarray) -> list[str]:
    """The texts of a column; None and NaN left out."""
    return [value for value in values if isinstance(value, str)]


def mean(values: np.ndarray) -> float:
    """Of a column; NaN values left out, NaN without any."""
    import numpy as np

    found = values[~np.isnan(values)]
    return float(found.mean()) if len(found) else np.nan


def basis(loads: int) -> str:
    """What an interval made in so many loads speaks of."""
    return f"across {loads} loads" if loads >= LOADS_FROM else SESSION


def superseded(frame: pd.DataFrame) -> pd.Series:
    """Which rows say that a model can't be asked, and were overtaken: later in the run it did reply.

    frame: from `records.to_frame`, in the order of the run. returns: bool Series, index as in the frame; True only
    for rows without a prompt. Such a row is of one load, or of all loads where it names none.
    """
    import numpy as np
    import pandas as pd

    place = pd.Series(np.arange(len(frame)), index=frame.index)
    silent = frame["prompt_id"].isna()
    found = pd.Series(False, index=frame.index)
    if not silent.any():
        return found
    replied = frame.loc[frame["ok"] & ~silent, ["model", "load_index"]].assign(last=place)
    of_load = replied.groupby(["model", "load_index"], dropna=False)["last"].max().rename("of_load").reset_index()
    of_model = replied.groupby("model")["last"].max()
    rows = frame.loc[silent, ["model", "load_index"]]
    last = rows.merge(of_load, on=["model", "load_index"], how="left")["of_load"].to_numpy()
    last = np.where(rows["load_index"].isna(), rows["model"].map(of_model), last)
    found[silent] = place[silent].to_numpy() < last  # False where it never replied: NaN
    return found


def describe(values, tail: bool = False, loads=None) -> dict[str, float]:
    """The numbers of one sample, NaN values left out.

    values: shape (n,). tail: what is known of the p95 as well. loads: shape (n,), the load that each value comes
        from, where there are at least 3: the median's interval then is that of `across_loads`.
    returns: n, mean, p50, p50_low, p50_high, min, max (p95, p95_upper, p95_low, p95_high); NaN for what n does not
        allow. p50_low/high: two-sided 95 % interval, from n = 6. p95: linear percentile of what was seen.
        p95_upper: one-sided 95 % upper bound of the p95, from n = 59. p95_low/high: its two-sided interval, from 72.
    """
    import numpy as np

    x = np.asarray(values, dtype=float)
    there = ~np.isnan(x)
    x = x[there]
    names = ["mean", "p50", "p50_low", "p50_high", "min", "max"]
    names += ["p95", "p95_upper", "p95_low", "p95_high"] * tail
    if not x.size:
        return {"n": 0} | dict.fromkeys(names, np.nan)
    low, high = median_interval(x) if loads is None else across_loads(x, np.asarray(loads)[there])
    line = {"n": x.size, "mean": x.mean(), "p50": np.percentile(x, 50), "p50_low": low, "p50_high": high}
    line |= {"min": x.min(), "max": x.max()}
    if tail:
        low, high = p95_interval(x)
        line |= {"p95": np.percentile(x, 95), "p95_upper": p95_upper(x), "p95_low": low, "p95_high": high}
    return {name: (value if name == "n" else float(value)) for name, value in line.items()}


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


def failure_change(k: int, n: int, other_k: int, other_n: int) -> float:
    """The p value of as many failures or more extreme ones, if both fail alike: k of n, and other_k of other_n.

    returns: two-sided; 1.0 where either asked for nothing.
    source: Fisher's exact test, scipy.stats.fisher_exact.
    """
    from scipy.stats import fisher_exact

    return float(fisher_exact([[k, n - k], [other_k, other_n - other_k]]).pvalue) if n and other_n else 1.0


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
    returns: one line per (prompt_id, load_index, round, concurrency; model too where `by` is another column) that
        both have measured: base, other, in the column's unit, and ratio = other / base. Of several usable replies
        to one request, the last one counts.
    """
    key = [*PAIR_KEY, *([] if by == "model" else ["model"])]
    rows = frame[usable(frame) & frame[column].notna()].drop_duplicates([*key, by], keep="last")
    left, right = (rows.loc[rows[by] == name, [*key, column]] for name in (base, other))
    both = left.rename(columns={column: "base"}).merge(right.rename(columns={column: "other"}), on=key)
    return both.assign(ratio=both["other"] / both["base"])


def flagged(frame: pd.DataFrame, flags: AbstractSet[str]) -> pd.Series:
    """Which rows carry one of these flags. returns: bool Series, index as in the frame."""
    import numpy as np
    import pandas as pd

    lists, found = frame["flags"].to_numpy(dtype=object), np.zeros(len(frame), dtype=bool)
    some = np.flatnonzero(lists.astype(bool))  # most rows have none, and are not looked at one by one
    found[some] = [not flags.isdisjoint(row) for row in lists[some]]
    return pd.Series(found, index=frame.index)


def reason(row: Mapping[str, Any] | pd.Series) -> str:
    """Why a row has no reply: its status and its error; of a skipped one, the error says it all."""
    if not isinstance(row["error"], str):
        return str(row["status"])
    return row["error"] if row["status"] == "skipped" else f"{row['status']}: {row['error']}"
