"""The numbers of a report's section on quality, derived from scores.jsonl with numpy and scipy alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from scipy import stats
from traced_rows import Record, Records, interval
from traced_text import Expected, Near, shown, tables

RESAMPLES = 4000
HUMAN, JUDGE, CODE = "human", "model", "code"
SIGNS = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": 0.5}


def given(run: Records, kind: str) -> list[Record]:
    return [s for s in run.scores if s["task"] == "score" and s["kind"] == kind and s["status"] == "ok"]


def by_prompt(run: Records, kind: str, model: str) -> dict[str, float]:
    """Prompt -> score of a model's reply; there is one rater of each kind."""
    return {s["prompt_id"]: s["score"] for s in given(run, kind) if model in s["models"]}


def mean(run: Records, scores: dict[str, float]) -> list[float]:
    """Mean and Student's 95 % interval, which ends where the scale does. Prompts have the weights of the plan; they
    count as (sum of weights)² / sum of squared weights."""
    weights = {prompt["id"]: prompt["weight"] for prompt in run.plan["prompts"]}
    x, w = np.array(list(scores.values()), dtype=float), np.array([weights[prompt] for prompt in scores])
    n, middle = w.sum() ** 2 / (w**2).sum(), np.average(x, weights=w)
    error = math.sqrt(np.average((x - middle) ** 2, weights=w) / (n - 1))
    return [middle, *np.clip(stats.t.interval(0.95, n - 1, middle, error), 1.0, 5.0)]


def means_table(run: Records, lines: Sequence[dict[str, str]]) -> Iterator[Expected]:
    for line in lines:
        scores = by_prompt(run, line["Judged by"].partition(":")[0], line["Model"])
        yield from (f"{v:.2f}" for v in mean(run, scores))
        yield from (str(len(scores)), shown(min(scores.values())), shown(max(scores.values())))


def best(run: Records) -> list[Expected]:
    """The highest mean, with its interval and its prompts."""
    found = max((by_prompt(run, HUMAN, model) for model in run.models), key=lambda scores: mean(run, scores)[0])
    return [*(f"{v:.2f}" for v in mean(run, found)), str(len(found))]


def chart(run: Records) -> Iterator[Expected]:
    for model in run.models:
        speed, scores = run.values(model, "decode_tps"), by_prompt(run, HUMAN, model)
        yield from (shown(v) for v in (np.median(speed), *interval(speed), *mean(run, scores)))


def sentences(run: Records) -> Iterator[Expected]:
    """Each two models by the human's scores; where they can't be told apart, how many prompts would do."""
    order = list(dict.fromkeys(itertools.chain.from_iterable(s["models"] for s in given(run, HUMAN))))
    for one, other in itertools.combinations(order, 2):
        scores = [by_prompt(run, HUMAN, model) for model in (one, other)]
        x = np.array([scores[0][p] - scores[1][p] for p in scores[0]])
        low, high = stats.t.interval(0.95, len(x) - 1, x.mean(), stats.sem(x))
        if low > 0 or high < 0:
            yield from (f"{abs(x.mean()):.2f}", f"{low:+.2f}", f"{high:+.2f}", str(len(x)))
        else:
            yield from (f"{x.mean():+.2f}", f"{low:+.2f}", f"{high:+.2f}", str(len(x)))
            yield from (str(prompts_needed(x.std(ddof=1))), f"{x.std(ddof=1):.2f}")


def prompts_needed(sd: float) -> int:
    """For a power of 0.8 to see a difference of 0.5."""
    for n in itertools.count(6):
        least, shift = stats.t.ppf(0.975, n - 1), 0.5 / sd * math.sqrt(n)
        if stats.nct.sf(least, n - 1, shift) + stats.nct.cdf(-least, n - 1, shift) >= 0.8:
            return n
    raise AssertionError


def alpha(scores: np.ndarray) -> float:
    """Krippendorff's ordinal alpha of two raters without gaps, from its definition. scores: shape (items, 2)."""
    values, every = np.unique(scores), scores.ravel()
    n = {v: (every == v).sum() for v in values}

    def far(a: float, b: float) -> float:
        a, b = min(a, b), max(a, b)
        return (sum(n[v] for v in values if a <= v <= b) - (n[a] + n[b]) / 2) ** 2

    distance = {(a, b): far(a, b) for a in values for b in values}
    seen = sum(distance[a, b] for a, b in scores) / len(scores)
    chance = sum(n[a] * n[b] * distance[a, b] for a in values for b in values) / (len(every) * (len(every) - 1))
    return 1 - seen / chance if chance else math.nan


def widened(found: np.ndarray, n: int) -> tuple[float, float]:
    """Percentile bootstrap, its ends as far out as Student's t asks for (Hesterberg 2015)."""
    tail = stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return low, high


def agreement(run: Records) -> list[Expected]:
    people, judge = ({s["item"]: s["score"] for s in given(run, kind)} for kind in (HUMAN, JUDGE))
    x = np.array([(people[item], judge[item]) for item in people if item in judge], dtype=float)
    rng = np.random.default_rng(12345)
    drawn = np.array([alpha(x[rng.integers(len(x), size=len(x))]) for _ in range(RESAMPLES // 2)])
    low, high = widened(drawn, len(x))
    return [f"{alpha(x):.2f}", Near(low, 0.05), Near(high, 0.05), str(len(x))]


def ticks(run: Records, kind: str) -> list[Expected]:
    """How many ticks are as the checks decide: an aspect that a check of the reply names, and none leaves open."""
    decided: dict[tuple[str, str, int], bool] = {}
    for score in given(run, CODE):
        for number in {check["aspect"] for check in score["checks"]} - {None}:
            about = [check for check in score["checks"] if check["aspect"] == number]
            failed = any(check["decides"] and not check["passed"] for check in about)
            if failed or all(check["decides"] for check in about):
                decided[score["item"], score["criteria"], number] = not failed
    same = [
        tick == decided[score["item"], score["criteria"], number]
        for score in given(run, kind)
        for number, tick in enumerate(score["aspects"] or ())
        if (score["item"], score["criteria"], number) in decided
    ]
    return [str(sum(same)), str(len(same)), *share(sum(same), len(same))]


def share(k: float, n: int) -> list[str]:
    """A share in percent with Wilson's interval, also of a k that is no whole number."""
    z, part = stats.norm.ppf(0.975), k / n
    centre = (part + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(part * (1 - part) / n + z**2 / (4 * n**2))
    return [f"{100 * v:.0f}" for v in (part, centre - reach, centre + reach)]


def furthest(run: Records, lines: Sequence[dict[str, str]]) -> Iterator[Expected]:
    for line in lines:
        models = line["models"].split(", ")
        one, other = (
            next(s["score"] for s in given(run, kind) if (s["prompt_id"], s["models"]) == (line["prompt"], models))
            for kind in (HUMAN, JUDGE)
        )
        yield from (str(one), str(other), str(abs(one - other)))


def checked(run: Records, lines: Sequence[dict[str, str]]) -> Iterator[Expected]:
    for line in lines:
        for kind in (name for name in line if name != "Model"):
            done = [
                c for s in given(run, CODE) if line["Model"] in s["models"] for c in s["checks"] if c["kind"] == kind
            ]
            yield from (str(sum(c["passed"] for c in done)), str(len(done)))


def orders(run: Records) -> list[tuple[Record, Record]]:
    """Each pair of replies as the judge saw it: the one called first on the left, and on the right."""
    asked: dict[str, dict[str, Record]] = {}
    for score in run.scores:
        if score["task"] == "pair" and score["status"] == "ok":
            asked.setdefault(score["item"], {})[score["left"]] = score
    return [(both["first"], both["second"]) for both in asked.values() if len(both) == 2]


def ranking(run: Records) -> list[Expected]:
    """The strongest model: its share of wins with an interval, comparisons, prompts, won, tied, lost."""
    models = run.models
    prompts = list(dict.fromkeys(s["prompt_id"] for s, _ in orders(run)))
    wins, ties = np.zeros((len(prompts), len(models), len(models))), np.zeros(len(models))
    for first, second in orders(run):
        sign = SIGNS[first["choice"]] if first["choice"] == second["choice"] else 0.5
        for one, other in itertools.product(first["models"], first["others"]):
            if one != other:
                place, a, b = prompts.index(first["prompt_id"]), models.index(one), models.index(other)
                wins[place, a, b] += sign
                wins[place, b, a] += 1 - sign
                ties[[a, b]] += sign == 0.5
    total = wins.sum(axis=0)
    p_win = bradley_terry(total[None])[0]
    top = int(p_win.argmax())
    rng = np.random.default_rng(54321)
    drawn = rng.multinomial(len(prompts), np.full(len(prompts), 1 / len(prompts)), size=RESAMPLES)
    low, high = widened(bradley_terry(np.tensordot(drawn, wins, axes=1))[:, top], len(prompts))
    played, won, tied = int((total + total.T)[top].sum()), int(total[top].sum() - ties[top] / 2), int(ties[top])
    record = [str(n) for n in (played, len(prompts), won, tied, played - won - tied)]
    return [f"{100 * p_win[top]:.0f}", Near(100 * low, 2), Near(100 * high, 2), *record]


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """Each model's mean chance against the others, by Hunter's MM steps, with a tenth of a comparison tied before.

    wins: shape (tables, models, models). returns: (tables, models).
    """
    k = wins.shape[1]
    wins = wins + 0.05 / (k - 1) * (1 - np.eye(k))
    met, strength = wins + wins.transpose(0, 2, 1), np.ones(wins.shape[:2])
    for _ in range(500):
        against = met / (strength[:, :, None] + strength[:, None, :])
        strength = wins.sum(axis=2) / against.sum(axis=2)
        strength /= strength.mean(axis=1, keepdims=True)
    chance = strength[:, :, None] / (strength[:, :, None] + strength[:, None, :])
    return (chance.sum(axis=2) - 0.5) / (k - 1)


def consistency(run: Records) -> list[Expected]:
    both = orders(run)
    same = sum(a["choice"] == b["choice"] for a, b in both)
    chosen = [
        (s["choice"] == s["left"], pair)
        for pair, two in enumerate(both)
        for s in two
        if s["choice"] in ("first", "second")
    ]
    left, pairs = sum(is_left for is_left, _ in chosen), len({pair for _, pair in chosen})
    found = [str(same), str(len(both)), *share(same, len(both)), str(len(chosen))]
    return [*found, *share(left / len(chosen) * pairs, pairs)]


@cache
def resampled(run: Records) -> tuple[list[Expected], list[Expected]]:
    return agreement(run), ranking(run)


def section(run: Records, body: str) -> list[Expected]:
    scored, apart, passed = tables(body)
    agreed, ranked = resampled(run)
    own = sum(bool({"self_judged", "same_weights"} & set(s["flags"])) for s in run.scores if s["kind"] == JUDGE)
    return [
        *(*means_table(run, scored), *chart(run), *sentences(run)),
        *(*agreed, *ticks(run, HUMAN), *ticks(run, JUDGE), str(own)),
        *(*furthest(run, apart), *checked(run, passed), *ranked, *consistency(run)),
    ]
