"""The records of a run, read with json alone, and what statistics say of them, computed with numpy and scipy alone.

Nothing of slmbench is imported here. It knows the kind of run that data/ holds: one request at a time, one load.
"""

from __future__ import annotations

import itertools
import json
import math
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import stats

Record = dict[str, object]
METRICS = {"latency_s": "Latency", "ttft_s": "Time to first token", "decode_tps": "Decode speed"}
GAP = math.log(1.05)


def read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


class Records:
    """What a run folder holds."""

    def __init__(self, folder: Path):
        self.plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        self.machine = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
        self.rows, self.resources = read(folder / "rows.jsonl"), read(folder / "resources.jsonl")
        self.scores = read(folder / "scores.jsonl")

    @cached_property
    def models(self) -> list[str]:
        return list(dict.fromkeys(row["model"] for row in self.rows))

    @cached_property
    def names(self) -> list[str]:
        return [*self.models, *(prompt["id"] for prompt in self.plan["prompts"])]

    @cached_property
    def timed(self) -> list[Record]:
        return [row for row in self.rows if row["phase"] == "timed" and row["status"] == "ok"]

    @cached_property
    def timed_models(self) -> list[str]:
        return list(dict.fromkeys(row["model"] for row in self.timed))

    def of(self, model: str, prompt: str | None = None) -> list[Record]:
        return [row for row in self.timed if row["model"] == model and prompt in (None, row["prompt_id"])]

    def values(self, model: str, metric: str, prompt: str | None = None) -> np.ndarray:
        return np.array([value(row, metric) for row in self.of(model, prompt)])

    def sizes(self, model: str, field: str) -> float | None:
        found = [r[field] for r in self.resources if r["model"] == model and r.get(field) is not None]
        return float(np.median(found)) if found else None


def value(row: Record, metric: str) -> float:
    tokens, latency, first = row["output_tokens"], row["latency_s"], row["ttft_s"]
    if metric == "decode_tps":
        return (tokens - 1) / (latency - first)
    return tokens / latency if metric == "output_tps" else row[metric]


def interval(x: np.ndarray, q: float = 0.5, tail: float = 0.025) -> tuple[float, float]:
    """The order statistics that hold a quantile, each end missed with at most `tail`; from binomial probabilities."""
    ordered, n = np.sort(x), len(x)
    places = range(1, n + 1)
    low = max((k for k in places if stats.binom.cdf(k - 1, n, q) <= tail), default=0)
    high = min((k for k in places if stats.binom.sf(k - 1, n, q) <= tail), default=0)
    return (ordered[low - 1] if low else math.nan), (ordered[high - 1] if high else math.nan)


def holm(p: list[float]) -> list[float]:
    """Holm's correction, after his paper: the smallest p times m, the next times m − 1 …, and never falling."""
    found, least = list(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        least = found[place] = max(least, min(1.0, p[place] * (len(p) - rank)))
    return found


class Pair:
    """`other` against `base`, request by request, the same prompt, load and round."""

    def __init__(self, run: Records, base: str, other: str, metric: str):
        self.base, self.other, self.metric = base, other, metric
        key = [{(r["prompt_id"], r["load_index"], r["round"]): r for r in run.of(m)} for m in (base, other)]
        both = [(key[0][k], key[1][k]) for k in key[0] if k in key[1]]
        x = np.array([math.log(value(b, metric) / value(a, metric)) for a, b in both])
        self.n, self.mean, self.sd = len(x), x.mean(), x.std(ddof=1)
        self.se = self.sd / math.sqrt(self.n)
        reach = stats.t.ppf(0.975, self.n - 1) * self.se
        self.ratio = tuple(math.exp(m) for m in (self.mean, self.mean - reach, self.mean + reach))
        self.p = 2 * stats.t.sf(abs(self.mean) / self.se, self.n - 1)
        self.p_tie = stats.t.sf((GAP - abs(self.mean)) / self.se, self.n - 1) if abs(self.mean) < GAP else 1.0
        self.tokens = tuple(np.mean([pair[i]["output_tokens"] for pair in both]) for i in (0, 1))
        self.cells = len({(a["prompt_id"], a["load_index"]) for a, _ in both})
        self.p_holm = self.p_tie_holm = math.nan  # known when all pairs are
        self.lines = 1

    @property
    def verdict(self) -> str:
        if self.p_holm < 0.05 and abs(self.mean) >= GAP:
            return "faster" if (self.mean > 0) == self.metric.endswith("_tps") else "slower"
        inside = all(abs(math.log(end)) <= GAP for end in self.ratio[1:])
        return "tie" if inside and self.p_tie_holm <= 0.025 else "can't tell"

    @property
    def more_rounds(self) -> int | None:
        """The first number of further rounds that gives the verdict a chance of 80 % (a tie: 90 %); None if known."""
        if self.verdict != "can't tell":
            return None
        size = abs(self.mean)
        for rounds in range(1, 1001):
            n = self.n + rounds * self.cells
            se, surely = self.sd / math.sqrt(n), stats.t.ppf(1 - 0.025 / self.lines, n - 1)
            power, both = stats.t.ppf(0.8, n - 1), stats.t.ppf(0.9, n - 1)
            if size < GAP and (surely + both) * se <= GAP - size:
                return rounds
            if size >= GAP and (surely + power) * se <= size and power * se <= size - GAP:
                return rounds
        return None

    @property
    def lengths_differ(self) -> bool:
        return self.metric == "latency_s" and max(self.tokens) > 1.05 * min(self.tokens)


def pairs(run: Records, metric: str) -> list[Pair]:
    found = [Pair(run, base, other, metric) for base, other in itertools.combinations(run.timed_models, 2)]
    for pair, p, p_tie in zip(found, holm([p.p for p in found]), holm([p.p_tie for p in found]), strict=True):
        pair.p_holm, pair.p_tie_holm, pair.lines = p, p_tie, len(found)
    return found


def outliers(run: Records) -> dict[str, list[Record]]:
    """Model -> its outliers, beyond the fence of the model and that of the prompt; prompts with 8 repeats or more."""
    found: dict[str, list[Record]] = {}
    for model in run.models:
        by_prompt = {p: run.of(model, p) for p in dict.fromkeys(r["prompt_id"] for r in run.of(model))}
        if any(3 <= len(rows) < 8 for rows in by_prompt.values()):
            raise NotImplementedError("the rule for few repeats is not needed by the runs in data/")
        judged = [rows for rows in by_prompt.values() if len(rows) >= 8]
        logs = [np.log([row["latency_s"] for row in rows]) for rows in judged]
        apart = [x - np.median(x) for x in logs]
        pool = np.quantile(np.concatenate(apart), (0.25, 0.75)) if apart else (0.0, 0.0)
        found[model] = []
        for rows, x, d in zip(judged, logs, apart, strict=True):
            own = np.quantile(x, (0.25, 0.75), method="median_unbiased")
            odd = _beyond(d, pool) & _beyond(x, own)
            found[model] += [row for row, is_odd in zip(rows, odd, strict=True) if is_odd]
    return found


def _beyond(x: np.ndarray, quartiles: tuple[float, float]) -> np.ndarray:
    low, high = quartiles
    return (x < low - 3 * (high - low)) | (x > high + 3 * (high - low))


def busy(run: Records, model: str, odd: list[Record]) -> int:
    """How many outliers are slow while the rest of the machine was unusually busy, and no reply was late by itself."""
    cpu = np.array([row["host_cpu_pct"] for row in run.of(model) if row not in odd])
    low, middle, high = np.quantile(cpu, (0.25, 0.5, 0.75))
    limit, count = max(high + 3 * (high - low), middle + 10), 0
    for row in odd:
        others = [other for other in run.of(model, row["prompt_id"]) if other not in odd]
        excess = row["latency_s"] - np.median([other["latency_s"] for other in others])
        alike = row["output_tokens"] == np.median([other["output_tokens"] for other in others])
        late = row["client_lag_s"] >= 0.5 * excess
        count += bool(excess > 0 and alike and not late and row["host_cpu_pct"] > limit)
    return count


def drift(run: Records) -> dict[str, tuple[int, float, float]]:
    """Model -> rows judged, Kendall's tau, p after Holm; NaN below 10 rows. A prompt counts from 3 repeats on."""
    found = {}
    for model in run.timed_models:
        rows = sorted(run.of(model), key=lambda row: row["order"])
        usual = {}
        for prompt in {row["prompt_id"] for row in rows}:
            logs = np.log(run.values(model, "latency_s", prompt))
            if len(logs) >= 3:
                usual[prompt] = np.median(logs)
        x = [math.log(r["latency_s"]) - usual[r["prompt_id"]] for r in rows if r["prompt_id"] in usual]
        found[model] = (len(x), *(stats.kendalltau(range(len(x)), x) if len(x) >= 10 else (math.nan, math.nan)))
    known = [model for model, (_, _, p) in found.items() if not math.isnan(p)]
    corrected = dict(zip(known, holm([found[model][2] for model in known]), strict=True))
    return {model: (n, tau, corrected.get(model, math.nan)) for model, (n, tau, _) in found.items()}
