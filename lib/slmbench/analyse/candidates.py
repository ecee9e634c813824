"""What each model of a run offers, side by side: the six dimensions by which one is chosen.

Speeds are compared on the requests that all candidates have answered; what a limit is held to is each model's own
median with its interval.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slmbench.analyse import stats
from slmbench.analyse.intervals import half_width, weighted_error

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SPEEDS = {"latency": ("latency_s",), "throughput": ("decode_tps", "output_tps")}  # the first that was measured
VALUES = {"latency": "latency_s", "throughput": "decode_tps", "memory": "memory_mb", "quality": "quality"}
VALUES |= {"footprint": "disk_mb"}  # dimension: its column
MORE_IS_BETTER = ("throughput", "quality")
MEMORY = ("rss_peak_mb", "rss_after_mb", "rss_loaded_mb")  # the first that all have
ENOUGH = 0.5  # of the requests that the fullest model answered: one with fewer can't be set beside it


@dataclass(frozen=True, eq=False)
class Candidates:
    """The models of a run.

    table: a line a model, see `of_run`. logs: dimension -> logarithms, shape (requests, models), of the requests that
    all `models` answered. loads: of each request. scores: by prompt and model, NaN where none; weights: of its prompts.
    speed: the column that throughput was taken from. memory: the column that memory was taken from, None without any.
    """

    table: pd.DataFrame
    models: tuple[str, ...]
    logs: Mapping[str, np.ndarray]
    loads: np.ndarray
    scores: pd.DataFrame
    weights: Mapping[str, float]
    speed: str
    memory: str | None


def of_run(
    frame: pd.DataFrame,
    resources: Sequence[Mapping[str, Any]],
    entries: Mapping[str, Any],
    scores: pd.DataFrame | None = None,
    weights: Mapping[str, float] | None = None,
) -> Candidates:
    """The candidates of a run, from its records.

    frame: from `records.to_frame`; of several numbers of requests at once, the lowest counts. resources: as
        resources.jsonl has them. entries: alias -> entry of models.json. scores: 1-5, a line a prompt, a column a
        model (`quality.means.by_prompt`). weights: prompt -> weight in a mean score.
    returns: `Candidates`; its table has, in the order of the run: model, n (requests that all comparable models
        answered), n_ok, n_failed, latency_s and decode_tps (geometric means over these n, output_tps where replies
        were not streamed), ttft_s_p50, latency_s_p50, decode_tps_p50 each with _low and _high (95 %, own requests),
        memory_mb, disk_mb (medians of what was measured), quality (weighted mean), quality_low, quality_high, prompts
        (scored), licence, commercial_use, parameters_m, note (why it can't be compared, else ""). NaN: not measured.
    """
    import numpy as np
    import pandas as pd

    frame = frame[frame["concurrency"] == frame["concurrency"].min()]
    summary = stats.summarise(frame)
    speed = next((c for c in SPEEDS["throughput"] if frame.loc[stats.usable(frame), c].notna().any()), "decode_tps")
    models, wide, loads = _common(frame, summary, speed)
    known = [_memory_of(resources, name) for name in MEMORY]
    memory = next((n for n, of in zip(MEMORY, known, strict=True) if models and set(models) <= of.keys()), None)
    held = dict(zip(MEMORY, known, strict=True)).get(memory, {})
    disk = _memory_of(resources, "disk_mb")
    scores = pd.DataFrame() if scores is None else scores
    lines = []
    for line in summary.to_dict("records"):
        model = line["model"]
        place = models.index(model) if model in models else None
        logs = {name: wide[name][:, place] if place is not None else np.array([]) for name in SPEEDS}
        entry = entries.get(model)
        lines.append(
            {
                "model": model,
                "n": len(logs["latency"]),
                "n_ok": line["n_ok"],
                "n_failed": line["n_failed"],
                **{VALUES[name]: math.exp(level(of, loads)) if len(of) else math.nan for name, of in logs.items()},
                **{name: line[name] for name in _intervals("ttft_s", "latency_s")},
                **{f"decode_tps_p50{end}": line[f"{speed}_p50{end}"] for end in ("", "_low", "_high")},
                "memory_mb": held.get(model, math.nan),
                "disk_mb": disk.get(model, math.nan),
                **_quality(scores, model, weights or {}),
                "licence": getattr(entry, "licence", None),
                "commercial_use": getattr(entry, "commercial_use", None),
                "parameters_m": getattr(entry, "parameters_m", None) or math.nan,
                "note": "" if place is not None else _why(line),
            }
        )
    return Candidates(pd.DataFrame(lines), tuple(models), wide, loads, scores, weights or {}, speed, memory)


def _intervals(*metrics: str) -> list[str]:
    return [f"{metric}_p50{end}" for metric in metrics for end in ("", "_low", "_high")]


def _common(frame: pd.DataFrame, summary: pd.DataFrame, speed: str):
    """Models with enough replies; the logarithms of what they took for the requests that all of them answered."""
    import numpy as np

    columns = {"latency": "latency_s", "throughput": speed}
    good = frame[stats.usable(frame) & (frame["latency_s"] > 0)]
    good = good.drop_duplicates([*stats.PAIR_KEY, "model"], keep="last")
    counts = good["model"].value_counts()
    models = [m for m in summary["model"] if counts.get(m, 0) >= max(1, ENOUGH * counts.max())]
    good = good[good["model"].isin(models)]
    if not models:
        return [], {name: np.empty((0, 0)) for name in columns}, np.empty(0)
    good = good.assign(load_index=good["load_index"].fillna(0))  # where loading is not ours to do
    each = good.pivot(index=list(stats.PAIR_KEY), columns="model", values=["latency_s", speed])
    each = each.dropna(subset=[("latency_s", model) for model in models])
    wide = {}
    for name, column in columns.items():
        values = each[column].reindex(columns=models).to_numpy(dtype=float)
        wide[name] = np.log(values, where=values > 0, out=np.full(values.shape, np.nan))
    whole = ~np.isnan(wide["throughput"]).any(axis=1)  # a reply of one token has no speed
    if whole.any():
        wide = {name: of[whole] for name, of in wide.items()}
        each = each[whole]
    return models, wide, each.index.get_level_values("load_index").to_numpy()


def level(logs: np.ndarray, loads: np.ndarray) -> float:
    """The mean of some logarithms; from 3 loads on that of the loads' means, so that each load counts the same."""
    return float(load_means(logs, loads).mean())


def load_means(values: np.ndarray, loads: np.ndarray) -> np.ndarray:
    """From 3 loads on the mean of each load, else the values themselves: what an interval is made of."""
    import numpy as np

    names, place = np.unique(loads, return_inverse=True)
    if len(names) < stats.LOADS_FROM:
        return values
    return np.bincount(place, weights=values) / np.bincount(place)


def _memory_of(resources: Sequence[Mapping[str, Any]], name: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for record in resources:
        if record.get(name) is not None:
            found.setdefault(record["model"], []).append(record[name])
    return {model: statistics.median(values) for model, values in found.items()}


def _quality(scores: pd.DataFrame, model: str, weights: Mapping[str, float]) -> dict[str, float]:
    import numpy as np

    names = ("quality", "quality_low", "quality_high", "prompts")
    own = scores[model].dropna() if model in scores else []
    if not len(own):
        return dict(zip(names, (math.nan, math.nan, math.nan, 0), strict=True))
    weight = np.array([weights.get(prompt, 1.0) for prompt in own.index])
    x = own.to_numpy(dtype=float)
    mean = float((weight * x).sum() / weight.sum())
    reach = half_width(*weighted_error(x - mean, weight))
    low, high = (float(np.clip(edge, 1, 5)) for edge in (mean - reach, mean + reach))
    return dict(zip(names, (mean, low, high, len(own)), strict=True))


def quality_error(candidates: Candidates, one: str, other: str) -> tuple[float, float, int]:
    """Of the logarithm of two models' ratio of mean scores, over the prompts that both were scored on: its standard
    error and degrees of freedom (NaN as `weighted_error`), and how many prompts these are.

    source: the delta method for a ratio of means of pairs.
    """
    import numpy as np

    both = candidates.scores[[one, other]].dropna()
    if not len(both):
        return math.nan, math.nan, 0
    weight = np.array([candidates.weights.get(prompt, 1.0) for prompt in both.index])
    x, y = (both[name].to_numpy(dtype=float) for name in (one, other))
    apart = x / np.average(x, weights=weight) - y / np.average(y, weights=weight)
    return *weighted_error(apart, weight), len(both)


def _why(line: Mapping[str, Any]) -> str:
    if line["status_note"] and not line["n_ok"]:
        return line["status_note"]
    return f"only {line['n_ok']} usable replies: too few to set it beside the others"
