"""The numbers of a report's sections on the choice, its cost and its routes, derived with numpy and scipy alone.

It knows the kind of run that data/quality_run is: one load, every request answered by every model, one human rater.
"""

from __future__ import annotations

import itertools
import json
import math
from functools import cache
from pathlib import Path

import numpy as np
from scipy import stats
from traced_quality import HUMAN, by_prompt, mean
from traced_rows import Records, holm, interval, value
from traced_text import Expected, of_text, shown, tables

SELECTION = Path(__file__).parents[2] / "data" / "selection.json"
MORE = ("throughput", "quality")
LIMITS = {"memory_mb": "Memory", "ttft_s": "Median time to first token"}


@cache
def selection() -> dict[str, dict]:
    return json.loads(SELECTION.read_text(encoding="utf-8"))


class Chosen:
    """Shares of the best, scores, and each two models' ratio of scores."""

    def __init__(self, run: Records):
        self.run, self.models = run, run.models
        self.weights = {d: w / sum(selection()["weights"].values()) for d, w in selection()["weights"].items()}
        self.prompt_weights = {prompt["id"]: prompt["weight"] for prompt in run.plan["prompts"]}
        self.quality = {model: by_prompt(run, HUMAN, model) for model in self.models}
        self.logs = {d: {m: np.log(self._of(m, c)) for m in self.models} for d, c in self._speeds().items()}
        self.values = {
            "latency": {m: float(np.exp(x.mean())) for m, x in self.logs["latency"].items()},
            "throughput": {m: float(np.exp(x.mean())) for m, x in self.logs["throughput"].items()},
            "memory": {m: run.sizes(m, "rss_after_mb") for m in self.models},
            "quality": {m: mean(run, self.quality[m])[0] for m in self.models},
            "footprint": {m: run.sizes(m, "disk_mb") for m in self.models},
        }
        best = {d: max(of.values()) if d in MORE else min(of.values()) for d, of in self.values.items()}
        self.shares = {
            m: {d: of[m] / best[d] if d in MORE else best[d] / of[m] for d, of in self.values.items()}
            for m in self.models
        }
        self.scores = {
            m: math.exp(sum(w * math.log(self.shares[m][d]) for d, w in self.weights.items())) for m in self.models
        }
        self.order = sorted(self.models, key=lambda m: -self.scores[m])

    @staticmethod
    def _speeds() -> dict[str, str]:
        return {"latency": "latency_s", "throughput": "decode_tps"}

    def _of(self, model: str, metric: str) -> np.ndarray:
        """By prompt and round, in the same order for all models."""
        rows = sorted(self.run.of(model), key=lambda r: (r["prompt_id"], r["load_index"], r["round"]))
        return np.array([value(row, metric) for row in rows])

    def gains(self, one: str, other: str) -> dict[str, float]:
        """Of each dimension, what it adds to the logarithm of the two scores' ratio."""
        return {d: w * math.log(self.shares[one][d] / self.shares[other][d]) for d, w in self.weights.items()}

    def error(self, one: str, other: str) -> tuple[float, float]:
        """Standard error of that logarithm and its degrees of freedom: speed and quality, after Welch–Satterthwaite."""
        apart = self.weights["throughput"] * (self.logs["throughput"][one] - self.logs["throughput"][other])
        apart = apart - self.weights["latency"] * (self.logs["latency"][one] - self.logs["latency"][other])
        speed = apart.var(ddof=1) / len(apart)
        prompts = list(self.quality[one])
        w = np.array([self.prompt_weights[p] for p in prompts])
        x, y = (np.array([self.quality[m][p] for p in prompts], dtype=float) for m in (one, other))
        z, n = x / np.average(x, weights=w) - y / np.average(y, weights=w), w.sum() ** 2 / (w**2).sum()
        judged = self.weights["quality"] ** 2 * np.average(z**2, weights=w) / (n - 1)
        free = (speed + judged) ** 2 / (speed**2 / (len(apart) - 1) + judged**2 / (n - 1))
        return math.sqrt(speed + judged), free

    def corrected(self) -> dict[tuple[str, str], float]:
        """(one, other) -> p of their ratio of scores, Holm over all pairs; in the order of the scores."""
        both = list(itertools.combinations(self.order, 2))
        p = []
        for one, other in both:
            error, free = self.error(one, other)
            p.append(2 * stats.t.sf(abs(sum(self.gains(one, other).values())) / error, free))
        return dict(zip(both, holm(p), strict=True))

    def sure(self) -> bool:
        """Whether the first is ahead of all others: after Holm's correction, and with a gap of 5 %."""
        first, p = self.order[0], self.corrected()
        return all(p[first, m] < 0.05 and self.scores[first] > 1.05 * self.scores[m] for m in self.order[1:])


def percent(share: float) -> str:
    return f"{100 * share:.0f}"


def verdict(run: Records) -> list[Expected]:
    found = Chosen(run)
    winner = found.order[0]
    first = [f"{found.scores[winner]:.2f}", str(len(found.order)), *(percent(w) for w in found.weights.values())]
    return [*first, f"{found.values['quality'][winner]:.2f}"]


def section(run: Records, body: str) -> list[Expected]:
    found = Chosen(run)
    first, *rivals = found.order
    told, limit = verdict(run), selection()["limits"]["ttft_s"]
    waiting = interval(run.values(first, "ttft_s"))
    told += [shown(limit), *waited(run, first)] if waiting[0] < limit < waiting[1] else []
    corrected = found.corrected()
    for rival in rivals:
        middle, (error, free) = sum(found.gains(first, rival).values()), found.error(first, rival)
        low, high = stats.t.interval(0.95, free, middle, error)
        told += [f"{math.exp(v):.2f}" for v in (middle, low, high)]
        p = corrected[first, rival]
        told += [f"{p:.3f}"] if low > 0 and p >= 0.05 else []
    told += turning(found, first, rivals)
    chosen, kept = tables(body)
    for line in chosen:
        told += row(found, line["Model"])
    told += [f"{selection()['limits'][limit]:g}" for limit in LIMITS]
    for line in kept:
        told += [shown(found.values["memory"][line["Model"]])]
        told += waited(run, line["Model"])
    for model in run.models:
        told += [*(shown(found.shares[model][d]) for d in found.weights), f"{found.scores[model]:.2f}"]
    at = crossing(found, first, rivals, "quality")
    return [*told, percent(found.weights["quality"]), *(percent(weight) for weight, _ in at)]


def waited(run: Records, model: str) -> list[str]:
    x = run.values(model, "ttft_s")
    return [shown(v) for v in (float(np.median(x)), *interval(x))]


def row(found: Chosen, model: str) -> list[str]:
    values, scores = found.values, found.quality[model]
    told = [f"{found.scores[model]:.2f}", str(found.order.index(model) + 1)]
    told += [shown(values[d][model]) for d in ("latency", "throughput", "memory")]
    told += [f"{v:.2f}" for v in mean(found.run, scores)]
    return [*told, shown(values["footprint"][model]), *of_text("Apache-2.0")]


def turning(found: Chosen, first: str, rivals: list[str]) -> list[str]:
    """How far all weights may move at once; then where each weight alone makes another model the first."""
    margins = []
    for rival in rivals:
        gains = found.gains(first, rival).values()
        if min(gains) < 0:
            margins.append(sum(gains) / sum(map(abs, gains)))
    told, by_model = [percent(min(margins))], {}
    for dimension in found.weights:
        for weight, rival in crossing(found, first, rivals, dimension):
            by_model.setdefault(rival, []).extend([percent(weight), percent(found.weights[dimension])])
    return told + [n for turns in by_model.values() for n in turns]


def crossing(found: Chosen, first: str, rivals: list[str], dimension: str) -> list[tuple[float, str]]:
    """The nearest weight below, and above, at which a rival's score is the same, by bisection."""
    own = found.weights[dimension]

    def ahead(rival: str, weight: float) -> float:
        gains = {d: g / found.weights[d] for d, g in found.gains(first, rival).items()}
        others = sum(found.weights[d] * g for d, g in gains.items() if d != dimension) / (1 - own)
        return weight * gains[dimension] + (1 - weight) * others

    nearest = {}
    for rival in rivals:
        for end in (0.0, 1.0):
            if ahead(rival, end) >= 0:
                continue
            near, far = own, end
            for _ in range(60):
                middle = (near + far) / 2
                near, far = (middle, far) if ahead(rival, middle) >= 0 else (near, middle)
            if end not in nearest or abs(near - own) < abs(nearest[end][0] - own):
                nearest[end] = (near, rival)
    return [nearest[end] for end in (0.0, 1.0) if end in nearest]


def cost(run: Records, body: str) -> list[Expected]:
    told: list[Expected] = []
    watts, price = selection()["cost"]["power_w"], selection()["cost"]["price_per_kwh"]
    [lines] = tables(body)
    for line in lines:
        rows = run.of(line["Model"])
        tokens, seconds = (np.mean([r[name] for r in rows]) for name in ("output_tokens", "latency_s"))
        wh = watts * seconds / 3600
        each = (wh / tokens, wh / 1000 * price)
        told += [str(len(rows)), shown(tokens), shown(seconds), f"{watts:g}", shown(1000 * each[0])]
        told += [small(each[0] * price), small(1000 * each[1])]
    return told


def small(amount: float) -> str:
    """Three significant digits, however small."""
    return shown(amount) if amount >= 1 else f"{amount:.{2 - math.floor(math.log10(amount))}f}"


def routes(run: Records, _: str) -> list[Expected]:
    """Every prompt to the model that writes fastest, against all to the one that takes most disk."""
    found = Chosen(run)
    cheap = max(run.models, key=found.values["throughput"].__getitem__)
    big = max(run.models, key=found.values["footprint"].__getitem__)
    x, y = np.exp(found.logs["latency"][cheap]), np.exp(found.logs["latency"][big])
    n, ratio = len(x), x.sum() / y.sum()
    reach = stats.t.ppf(0.975, n - 1) * (x - ratio * y).std(ddof=1) / math.sqrt(n) / y.mean()
    prompts = list(found.quality[big])
    apart = [found.quality[cheap][p] - found.quality[big][p] for p in prompts]
    error = np.std(apart, ddof=1) / math.sqrt(len(apart))
    low, high = stats.t.interval(0.95, len(apart) - 1, np.mean(apart), error)
    n_prompts = len(run.plan["prompts"])
    told = [str(n_prompts), str(n_prompts)]  # all of them go to the cheap one, which the choice puts behind its winner
    told += [f"{x.sum():.1f}", f"{y.sum():.1f}", *(f"{v:.2f}" for v in (ratio, ratio - reach, ratio + reach))]
    told += [str(n), str(len(prompts))]
    return [*told, *(f"{v:+.2f}" for v in (np.mean(apart), low, high)), str(len(apart))]
