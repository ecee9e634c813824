"""What a server delivers under load: tokens per second over a stated window, and the share of replies in time."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

TIMES = ("ttft_s", "latency_s", "tpot_s")
LIMITED = ("ttft_s", "ttfa_s", "tpot_s", "latency_s")
PAUSE = 30  # median gaps between two intended starts: a longer one is a pause of the run, no arrival process
CUT = ("output_tokens", "chunk_s", "ttft_s", "latency_s", "start", "opens", "closes")
POINT = ("model", "concurrency", "open")


def load_points(frame: pd.DataFrame, limits: Sequence[tuple[str, float]] = ()) -> pd.DataFrame:
    """One line per model and load (how many streams, or which arrival rate): a point of a throughput curve.

    frame: from `records.to_frame`. limits: of a good reply, as (("ttft_s", 0.5), ("tpot_s", 0.1)), in seconds.
    returns: one line per (model, concurrency, open or closed loop), in order of appearance: model, concurrency; rate:
        requests per second that were offered, from the intended starts, NaN in a closed loop; n_ok, n_failed (ok and
        failed timed requests); window_s, tokens: the time of `windows` and the output tokens that came within it;
        system_tps = tokens / window_s, of all streams together (NaN without a window); request_rate: replies per
        second in the windows (see `windows`); in_flight: requests under way at once, the mean over the windows;
        X_p50, X_p50_low, X_p50_high for X of ttft_s, latency_s, tpot_s: of single requests, as `stats.describe`,
        in an open loop from the intended start; client_bound: usable replies that this client could not keep up
        with; goodput_k of goodput_n requests inside all limits (failures are outside; a reply of one token has no
        time per output token to miss), and goodput_low, goodput_high: 95 % interval of that share. NaN without limits.
    raises: UsageError for a limit on something else.

    system_tps is no mean of the requests' own output_tps, and neither can be had from the other.
    """
    import pandas as pd

    _check(limits)
    rows = _timed(frame)
    found = windows(frame).groupby(list(POINT), sort=False)[["window_s", "tokens", "requests", "busy_s", "gaps"]].sum()
    lines = []
    for key, group in rows.groupby(list(POINT), sort=False):
        window_s, tokens, requests, busy_s, gaps = found.loc[key] if key in found.index else [float("nan")] * 5
        good = group[group["usable"]]
        line = dict(zip(POINT, key, strict=True)) | {"n_ok": len(good), "n_failed": int(group["failed"].sum())}
        line |= {"rate": gaps / window_s if line.pop("open") and window_s else float("nan")}
        line |= {"window_s": window_s, "tokens": tokens, "client_bound": int(good["bound"].sum())}
        for name, part in ("system_tps", tokens), ("request_rate", requests), ("in_flight", busy_s):
            line[name] = part / window_s if window_s else float("nan")
        loads = good["load_index"].to_numpy() if good["load_index"].nunique() >= stats.LOADS_FROM else None
        for time in TIMES:
            numbers = stats.describe(good[time].to_numpy(), loads=loads)
            line |= {f"{time}_{part}": numbers[part] for part in ("p50", "p50_low", "p50_high")}
        lines.append(line | _goodput(group, limits))
    return pd.DataFrame(lines, columns=_columns())


def _columns() -> list[str]:
    columns = ["model", "concurrency", "rate", "n_ok", "n_failed", "window_s", "tokens", "system_tps", "request_rate"]
    columns += ["in_flight"] + [f"{time}_{part}" for time in TIMES for part in ("p50", "p50_low", "p50_high")]
    return [*columns, "client_bound", "goodput_k", "goodput_n", "goodput_low", "goodput_high"]


def _check(limits: Sequence[tuple[str, float]]) -> None:
    for name, _ in limits:
        if name not in LIMITED:
            near = difflib.get_close_matches(name, LIMITED, 1)
            message = f"limits: {name!r} was found, one of {', '.join(LIMITED)} was expected"
            raise UsageError(message, f"limits=(({near[0] if near else 'ttft_s'!r}, 0.5),)")


def _goodput(group: pd.DataFrame, limits: Sequence[tuple[str, float]]) -> dict[str, float]:
    if not limits:
        return dict.fromkeys(("goodput_k", "goodput_n", "goodput_low", "goodput_high"), float("nan"))
    inside = group["usable"]
    for name, limit_s in limits:
        single = (group["output_tokens"] == 1) if name == "tpot_s" else False
        inside = inside & ((group[name] <= limit_s) | single)
    k, n = int(inside.sum()), int((group["usable"] | group["failed"]).sum())
    low, high = stats.failure_interval(k, n)
    return {"goodput_k": k, "goodput_n": n, "goodput_low": low, "goodput_high": high}


def windows(frame: pd.DataFrame) -> pd.DataFrame:
    """The times in which throughput is counted, and what came within them.

    frame: from `records.to_frame`.
    returns: one line per window: model, concurrency, open, load_index, window_s, tokens, requests, busy_s (seconds of
        all requests within it), gaps (between intended starts; 0 in a closed loop).

    A block is an unbroken series of timed requests to one model, in one load and at one concurrency. It ends where
    another model is asked, at a warm-up, and in a closed loop wherever nothing is under way: so the client's pauses
    between two single requests are in no window. At one stream each request is a block: system_tps is all tokens over
    all latencies.
    Closed loop with N streams: the window is open while all N are busy, from the Nth start to the first end after the
        last start (after which there was nothing left to begin). If one of the last N requests failed, its end is not
        known, and the window closes at the last start. A block with fewer than N requests has no window.
    Open loop: from the first to the last intended start, so that n requests have n − 1 gaps. A pause of more than 30
        median gaps (a run that was resumed) begins a new block.
    Tokens: of usable replies. Each of n chunks stands for output_tokens / n. The first one counts when it arrives; the
        tokens of a later one accrue evenly since the one before, so that a window that ends between two arrivals
        loses nothing. In a frame without chunk_s the tokens after the first accrue evenly; a reply without a stream
        arrives at its end.
    Requests: in a closed loop each usable reply counts with the share of its latency that lies in the window, in an
        open loop if it ended there.
    A block with a clock that jumped is left out: its starts are on that clock.
    """
    import numpy as np
    import pandas as pd

    rows = _blocks(frame)
    block = rows.groupby("block", sort=False)
    streams = np.minimum(rows["concurrency"], np.where(rows["open"], 1, np.inf))
    last = block["start"].transform("max")
    first = rows["start"].where(block.cumcount() + 1 == streams).groupby(rows["block"]).transform("max")
    drained = rows["end"].where(rows["end"] > last).groupby(rows["block"]).transform("min")
    unsure = (rows["failed"] & (block.cumcount(ascending=False) < streams)).groupby(rows["block"]).transform("any")
    close = np.where(rows["open"] | unsure, last, drained.fillna(last))
    sound = ~rows["jumped"].groupby(rows["block"]).transform("any") & (close > first)
    rows = rows.assign(opens=first, closes=close)[sound]
    inside = (np.minimum(rows["end"], rows["closes"]) - np.maximum(rows["start"], rows["opens"])).clip(lower=0)
    ended = (rows["end"] <= rows["closes"]).astype(float)
    rows["busy_s"] = inside.fillna(0)
    rows["requests"] = np.where(rows["open"], ended, inside / rows["latency_s"]) * rows["usable"]
    whole = (rows["start"] >= rows["opens"]) & (rows["end"] <= rows["closes"])
    rows["tokens"] = rows["output_tokens"].where(rows["usable"] & whole, 0.0).fillna(0.0)
    cut = rows[rows["usable"] & ~whole].reindex(columns=CUT)
    rows.loc[cut.index, "tokens"] = [_tokens_within(row) for row in cut.itertuples()]
    rows["gaps"] = rows["open"].astype(float)
    rows["window_s"] = rows["closes"] - rows["opens"]
    kept = [*POINT, "load_index", "window_s"]
    sums = {name: (name, "sum") for name in ("tokens", "requests", "busy_s", "gaps")}
    found = rows.groupby("block", sort=False).agg(**{name: (name, "first") for name in kept}, **sums)
    found["gaps"] = (found["gaps"] - 1).clip(lower=0)
    return found.reset_index(drop=True) if len(found) else pd.DataFrame(columns=found.columns)


def _tokens_within(row) -> float:
    """The output tokens of one reply that came while its window was open; NaN counts as none."""
    import numpy as np

    if not row.output_tokens > 0:
        return 0.0
    if hasattr(row.chunk_s, "__len__") and len(row.chunk_s):
        arrivals = row.chunk_s
        counts = np.arange(1, len(arrivals) + 1) * row.output_tokens / len(arrivals)
    elif row.ttft_s < row.latency_s:
        arrivals, counts = [row.ttft_s, row.latency_s], [1.0, row.output_tokens]
    else:
        arrivals, counts = [row.latency_s], [row.output_tokens]
    ends = (row.opens - row.start, row.closes - row.start)
    opened, closed = np.interp(ends, arrivals, counts, left=0.0)
    return float(closed - opened)


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    """Timed requests with what is said of them in columns of their own."""
    told = {"usable": stats.usable(frame), "bound": stats.flagged(frame, {"client_bound"})}
    told |= {"jumped": stats.flagged(frame, stats.INVALID_FLAGS), "open": frame["intended_at"].notna()}
    told |= {"failed": ~frame["ok"] & ~frame["status"].isin(["skipped", "interrupted"])}
    rows = frame.assign(**told)
    return rows[(rows["phase"] == "timed") & (rows["status"] != "skipped")]


def _blocks(frame: pd.DataFrame) -> pd.DataFrame:
    """Timed requests in the order of their starts, with start and end in seconds, and the number of their block."""
    import pandas as pd

    told = _timed(frame).assign(phase="timed")
    other = frame[frame["phase"] != "timed"].assign(usable=False, bound=False, jumped=False, failed=False)
    other["open"] = other["intended_at"].notna()
    rows = pd.concat([told, other]) if len(other) else told
    began = pd.to_datetime(rows["intended_at"].fillna(rows["started_at"]), utc=True, format="ISO8601", errors="coerce")
    rows = rows.assign(start=(began - began.min()).dt.total_seconds()).dropna(subset="start")
    rows = rows.sort_values(["start", "order"], kind="stable")
    rows["end"] = (rows["start"] + rows["latency_s"]).where(rows["ok"])
    key = rows.groupby(["phase", *POINT, "load_index"], sort=False, dropna=False).ngroup()
    series = (key != key.shift()).cumsum()
    latest = rows["end"].fillna(rows["start"]).groupby(series).cummax().groupby(series).shift()
    gap = rows["start"].groupby(series).diff()
    pause = gap > PAUSE * gap.groupby(series).transform("median")
    idle = (rows["start"] > latest) | (rows["concurrency"] == 1)
    rows["block"] = (series != series.shift()).cumsum() + (idle.where(~rows["open"], pause)).cumsum()
    return rows[rows["phase"] == "timed"]
