"""Many made-up runs at once, and what the statistics say of them: how often an interval covers, a verdict is wrong.

Each function draws `runs` seeded runs, puts them through the functions of slmbench.analyse or their array-wise core
(tests/analyse/test_simulation_*.py holds both to the same answers), and returns `Case`s. A share that theory gives is
allowed its simulation error: four standard errors, as there are hundreds of cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom, nct, t

from slmbench.analyse import decide, intervals, precision
from slmbench.analyse.drift import drift
from slmbench.analyse.outliers import outliers

EXACT_WITHIN = 1.5  # points: simulated coverage beside the binomial value
COVERAGE_FROM, ADAPTIVE_FROM, FALSE_UP_TO, POWER_FROM = 94.5, 93.0, 5.0, 80.0  # percent
ROUNDS_MAX = 200  # of an adaptive cell


@dataclass(frozen=True, slots=True)
class Case:
    """What was simulated. n: size of the sample, in words where it takes some; exact: what theory expects, percent, or
    NaN; simulated: percent; low, high: what it may be."""

    name: str
    n: str
    runs: int
    exact: float
    simulated: float
    low: float
    high: float

    @property
    def held(self) -> bool:
        return self.low <= self.simulated <= self.high

    def missed(self) -> list[str]:
        """The bound that does not hold, in words."""
        found = f"{self.name}, {self.n}: {self.simulated:.2f} % were found, {self.bound()} % were expected"
        return [] if self.held else [found]

    def bound(self) -> str:
        if self.low > 0 and self.high < 100:
            return f"{self.low:.1f} to {self.high:.1f}"
        return f"≥ {self.low:.1f}" if self.low > 0 else f"≤ {self.high:.1f}"


def error(percent: float, runs: int) -> float:
    """Four standard errors of a share simulated in so many runs, in points."""
    share = percent / 100
    return 400 * math.sqrt(share * (1 - share) / runs)


def _case(
    name: str, n: object, hits: np.ndarray, *, exact: float = math.nan, low: float = 0, high: float = 100
) -> Case:
    return Case(name, str(n), len(hits), exact, 100 * float(hits.mean()), low, high)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def quantile(name: str, p: float, ns: Iterable[int], runs: int, *, upper: bool = False, seed: int = 1) -> list[Case]:
    """Coverage of the order-statistic interval of the quantile p, or of its one-sided upper bound."""
    chance, alternative, cases = np.random.default_rng(seed), "less" if upper else "two-sided", []
    for n in ns:
        low, high = intervals.ranks(n, p, alternative)
        x = chance.random((runs, n))  # ranks know no shape: the quantile p of these is p itself
        x.partition((low - 1, high - 1), axis=1)
        below = -math.inf if upper else x[:, low - 1]
        exact = 100 * (binom.cdf(high - 1, n, p) - (0 if upper else binom.cdf(low - 1, n, p)))
        floor = max(exact - EXACT_WITHIN, COVERAGE_FROM - error(COVERAGE_FROM, runs))
        covered = (below <= p) & (p <= x[:, high - 1])
        cases.append(_case(name, n, covered, exact=exact, low=floor, high=exact + EXACT_WITHIN))
    return cases


def stopped(x: np.ndarray, asked_pct: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sampling that stops as `precision.reached` says. x: shape (runs, most samples). returns: how many each run took,
    and the interval of its median then; each of shape (runs,)."""
    runs, most = x.shape
    took, low, high = np.full(runs, most), np.empty(runs), np.empty(runs)
    going, narrow = np.arange(runs), np.zeros(runs, dtype=bool)
    for n in range(precision.LOOK_FROM - 1, most + 1):
        ordered, (first, last) = np.sort(x[going, :n], axis=1), precision.ranks(n)
        middle = np.median(ordered, axis=1)
        low[going], high[going] = ordered[:, first - 1], ordered[:, last - 1]
        width = 100 * np.maximum(high[going] - middle, middle - low[going]) / middle
        before, narrow = narrow, width <= asked_pct
        ends = narrow & before & (n >= precision.LOOK_FROM)
        took[going[ends]], going, narrow = n, going[~ends], narrow[~ends]
    return took, low, high


def adaptive(
    runs: int, noises: Sequence[float] = (0.05, 0.1, 0.2), asked_pct: float = 5.0, seed: int = 2
) -> list[Case]:
    """Coverage of the median's interval where its width decided how many samples were taken."""
    chance, cases = np.random.default_rng(seed), []
    draws: dict[str, tuple[Callable, float]] = {
        f"{_percent(noise)} log-normal": (lambda size, s=noise: chance.lognormal(0, s, size), 1.0) for noise in noises
    }
    draws["1 + exponential"] = (lambda size: 1 + 0.2 * chance.exponential(size=size), 1 + 0.2 * math.log(2))
    for noise, (draw, true) in draws.items():
        took, low, high = stopped(draw((runs, ROUNDS_MAX)), asked_pct)
        n = f"{took.mean():.0f} (mean; {took.min()}–{took.max()})"
        covered = (low <= true) & (true <= high)
        name = f"median, sampled until ± {asked_pct:g} %, {noise} noise"
        cases.append(_case(name, n, covered, exact=95, low=ADAPTIVE_FROM))
    return cases


def logs(chance: np.random.Generator, shape: tuple[int, ...], noise: float, far: float = 0.0) -> np.ndarray:
    """Log latencies with log-normal noise; a share `far` of them takes three times as long."""
    return chance.normal(0, noise, shape) + math.log(3) * (chance.random(shape) < far)


def verdicts(ratios: np.ndarray, axis: int = -1) -> np.ndarray:
    """`decide.judge` on log ratios. ratios: shape (runs, lines, pairs). returns: verdicts, shape (runs, lines)."""
    n = ratios.shape[axis]
    se = ratios.std(axis=axis, ddof=1) / math.sqrt(n)
    return decide.judge(ratios.mean(axis=axis), se, np.full(se.shape, n - 1))["verdict"]


def against_each_other(log_s: np.ndarray) -> np.ndarray:
    """Log ratios of every pair of models. log_s: shape (runs, models, requests). returns: (runs, pairs, requests)."""
    one, two = np.triu_indices(log_s.shape[1], 1)
    return log_s[:, two] - log_s[:, one]


def false_verdicts(runs: int, seed: int = 3) -> list[Case]:
    """How often a table has a "faster" or "slower" though all models are the same."""
    chance, cases = np.random.default_rng(seed), []
    designs = [(2, n, noise, 0.0) for n in (6, 12, 20, 60) for noise in (0.1, 0.3)]
    for count, n, noise, far in [*designs, (2, 20, 0.1, 0.05), (4, 12, 0.3, 0.0)]:
        said = verdicts(against_each_other(logs(chance, (runs, count, n), noise, far)))
        name = f"false faster/slower, {count} equal models, {_percent(noise)} noise" + (
            f", {_percent(far)} × 3" if far else ""
        )
        wrong, limit = np.isin(said, ("faster", "slower")).any(axis=1), FALSE_UP_TO + error(FALSE_UP_TO, runs)
        cases.append(_case(name, f"{n} pairs", wrong, exact=5, high=limit))
    return cases


def false_across_loads(runs: int, seed: int = 9) -> list[Case]:
    """How often two models that are the same are told apart over several loads, each of which is a little faster or
    slower than the last; 5 % noise within a load.
    """
    chance, cases = np.random.default_rng(seed), []
    for loads, between in (3, 0.03), (3, 0.1), (5, 0.1), (10, 0.1):
        of_load = chance.normal(0, between, (runs, 2, loads, 1))
        log_s = of_load + logs(chance, (runs, 2, loads, 12), 0.05)
        medians = np.median(log_s[:, 1] - log_s[:, 0], axis=-1)[:, None]  # one line: shape (runs, 1, loads)
        wrong = np.isin(verdicts(medians)[:, 0], ("faster", "slower"))
        name = f"false faster/slower across loads, 2 equal models, {_percent(between)} between loads"
        cases.append(_case(name, f"{loads} × 12 pairs", wrong, high=FALSE_UP_TO + error(FALSE_UP_TO, runs)))
    return cases


def false_ties(runs: int, seed: int = 4) -> list[Case]:
    """How often models are called a tie that are just 5 % apart."""
    chance, cases = np.random.default_rng(seed), []
    for n, noise in (6, 0.02), (20, 0.05), (60, 0.1):
        ratios = against_each_other(logs(chance, (runs, 2, n), noise)) + math.log(decide.GAP)
        found = verdicts(ratios)[:, 0] == "tie"
        cases.append(
            _case(
                f"false tie, 5 % apart, {_percent(noise)} noise",
                f"{n} pairs",
                found,
                exact=2.5,
                high=2.5 + error(2.5, runs),
            )
        )
    return cases


def power(runs: int, seed: int = 5) -> list[Case]:
    """How often a gap is found: of 10 % at 20 pairs, and with as many rounds as `decide.more_rounds` says."""
    chance, cases = np.random.default_rng(seed), []
    ratios = against_each_other(logs(chance, (runs, 2, 20), 0.1)) + math.log(1.1)
    found = verdicts(ratios)[:, 0] == "slower"
    exact = 100 * nct.sf(t.ppf(0.975, 19), 19, math.log(1.1) / (0.1 * math.sqrt(2 / 20)))
    cases.append(_case("a true 10 % gap found, 10 % noise", "20 pairs", found, exact=exact, low=POWER_FROM))
    for gap, noise, verdict in (1.1, 0.3, "slower"), (1.3, 0.3, "slower"), (1.0, 0.1, "tie"):
        spread = noise * math.sqrt(2)
        n = 6 + 4 * int(decide.more_rounds(math.log(gap), spread, 6, 4))
        found = verdicts(against_each_other(logs(chance, (runs, 2, n), noise)) + math.log(gap))[:, 0] == verdict
        name = f"as many rounds as planned, ratio {gap:g}, {_percent(noise)} noise: {verdict}"
        cases.append(_case(name, f"{n} pairs", found, exact=80, low=POWER_FROM - 5))
    return cases


def across_loads(runs: int, within: float = 0.05, between: float = 0.03, rounds: int = 20, seed: int = 6) -> list[Case]:
    """Coverage of a median's interval where loads of the model differ: across them, and naively from one."""
    chance, cases = np.random.default_rng(seed), []
    for loads in (3, 5, 10):
        shift = chance.normal(0, between, (runs, loads, 1))
        medians = np.median(shift + chance.normal(0, within, (runs, loads, rounds)), axis=2)
        low, high = intervals.t_interval(medians)
        floor = COVERAGE_FROM - error(COVERAGE_FROM, runs)
        covered = (low <= 0) & (high >= 0)
        cases.append(_case("median across loads", f"{loads} × {rounds}", covered, exact=95, low=floor))
    x = np.sort(shift[:, 0] + chance.normal(0, within, (runs, rounds)), axis=1)
    low, high = intervals.ranks(rounds, 0.5)
    covered = (x[:, low - 1] <= 0) & (x[:, high - 1] >= 0)
    # what one load says of all of them: shown, as it is what "within this session" stands for
    cases.append(_case("median from one load, said of all loads (naive)", f"1 × {rounds}", covered, high=70))
    mean = shift[:, 0] + chance.normal(0, within, (runs, rounds))
    low, high = intervals.t_interval(mean)
    return [
        *cases,
        _case("mean from one load, said of all (naive)", f"1 × {rounds}", (low <= 0) & (high >= 0), high=70),
    ]


def frame(latency_s: np.ndarray, order: np.ndarray | None = None) -> pd.DataFrame:
    """Rows as from `records.to_frame`, as far as flags and drift look at them; each run is a model of its own.

    latency_s: shape (runs, prompts, repeats). order: place of each request in its run, same shape.
    """
    run, prompt, repeat = (axis.ravel() for axis in np.indices(latency_s.shape))
    rows = pd.DataFrame({"model": run, "prompt_id": prompt, "round": repeat, "latency_s": latency_s.ravel()})
    rows = rows.assign(phase="timed", status="ok", ok=True, concurrency=1, load_index=0.0, intended_at=None)
    rows["order"] = rows.index if order is None else order.ravel()
    return rows.assign(flags=[[]] * len(rows))


def requests(chance: np.random.Generator, runs: int, prompts: int, repeats: int, noise: float = 0.05) -> np.ndarray:
    """Latencies of clean runs: prompts of different length, log-normal noise. returns: (runs, prompts, repeats)."""
    levels = np.exp(0.5 * np.arange(prompts))[:, None]
    return levels * chance.lognormal(0, noise, (runs, prompts, repeats))


def outlier_alarms(runs: int, seed: int = 7) -> list[Case]:
    """How often a clean run has a flagged request: one model, and three as one run has them."""
    chance, cases = np.random.default_rng(seed), []
    single = [(1, 8), (1, 9), (1, 20), (1, 60), (3, 3), (4, 3), (4, 5), (4, 9), (10, 3)]
    for prompts, repeats in single:
        flags = outliers(frame(requests(chance, runs, prompts, repeats))).to_numpy()
        alarmed = flags.reshape(runs, -1).any(axis=1)
        cases.append(_case("false outlier in a clean model", f"{prompts} × {repeats}", alarmed, high=2.5))
        if (prompts, repeats) == (4, 3):
            models = alarmed[: runs // 3 * 3].reshape(-1, 3).any(axis=1)
            limit = FALSE_UP_TO + error(FALSE_UP_TO, len(models))
            cases.append(_case("false outlier in a clean run of 3 models", "3 × 4 × 3", models, high=limit))
    return cases


def drift_alarms(runs: int, seed: int = 8) -> list[Case]:
    """How often a model that stays as it is has p < 0.05, with its requests in shuffled order; and one that slows."""
    chance, cases = np.random.default_rng(seed), []
    limit = FALSE_UP_TO + error(FALSE_UP_TO, runs)
    for prompts, repeats in (1, 10), (1, 60), (4, 5), (4, 20):
        n = prompts * repeats
        order = chance.permuted(np.tile(np.arange(n), (runs, 1)), axis=1).reshape(runs, prompts, repeats)
        found = drift(frame(requests(chance, runs, prompts, repeats), order))["p"] < 0.05
        cases.append(_case("false drift", f"{prompts} × {repeats}", found.to_numpy(), exact=5, high=limit))
    slower = requests(chance, runs, prompts, repeats) * np.exp(0.1 * order / n)
    found = drift(frame(slower, order))["p"] < 0.05
    cases.append(_case("10 % slower from start to end found, 5 % noise", f"{prompts} × {repeats}", found, low=90))
    return cases


def spread_bound(runs: int, pilot: int = 2, prompts: int = 4, seed: int = 9) -> list[Case]:
    """How often a plan made of a pilot expects no narrower an interval than the true spread would give."""
    from slmbench.analyse.planning import upper_spread

    chance, noise = np.random.default_rng(seed), 0.1
    x = chance.normal(0, noise, (runs, prompts, pilot))
    squares = ((x - x.mean(axis=2, keepdims=True)) ** 2).sum(axis=(1, 2))
    enough = np.array([upper_spread(s, prompts * (pilot - 1)) for s in squares]) >= noise
    name = "a plan from 2 rounds promises no more than the true spread gives"
    return [_case(name, f"{prompts} × {pilot}", enough, exact=80, low=80 - error(80, runs))]
