"""Many made-up races at once, looked at after every request: how often equal models are called, how soon others are.

As in `simulate`: array-wise, seeded, and held by a test to what `slmbench.analyse.race` says of the same requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from slmbench.analyse import decide, race
from support.simulate import FALSE_UP_TO, Case, error

CHUNK = 250  # runs at a time, for the memory's sake
NOISE = 0.25  # of the log of a latency: a busy laptop


@dataclass(frozen=True, slots=True)
class Looks:
    """What stands after each request; every array of shape (runs, looks, pairs)."""

    n: np.ndarray
    called: np.ndarray  # "ahead" or "behind" by the race
    interval: np.ndarray  # the 95 % interval of `compare.models` excludes 1


def requests(
    chance: np.random.Generator, runs: int, models: int, prompts: int, rounds: int, *, noise: float, taste: float = 0.0
) -> np.ndarray:
    """Log latencies of equal models: prompts of different length, log-normal noise. returns: (runs, models, requests).

    taste: by how much each model is faster than others on half of the prompts, and slower on the other half.
    """
    level = np.tile(np.linspace(-1, 1, prompts), rounds)
    better = np.where(np.arange(prompts) % 2, taste, -taste)
    shift = np.stack([np.tile(better * (-1) ** model / 2, rounds) for model in range(models)])
    return level + shift + chance.normal(0, noise, (runs, models, prompts * rounds))


def shuffled(chance: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Where each request stands in its run: model × prompt × round in one shuffled order."""
    runs, models, each = shape
    places = np.tile(np.arange(models * each), (runs, 1))
    return chance.permuted(places, axis=1).reshape(shape)


def looks(log_s: np.ndarray, order: np.ndarray) -> Looks:
    """The race after every request. log_s, order: shape (runs, models, requests)."""
    runs, models, each = log_s.shape
    one, two = np.triu_indices(models, 1)
    ratio, done = log_s[:, two] - log_s[:, one], np.maximum(order[:, one], order[:, two])

    def so_far(values: np.ndarray) -> np.ndarray:
        found = np.zeros((runs, len(one), models * each))
        np.put_along_axis(found, done, values, axis=2)
        return found.cumsum(axis=2).transpose(0, 2, 1)

    n, won = so_far(np.ones_like(ratio)), so_far(ratio < 0)
    total, squares = so_far(ratio), so_far(ratio**2)
    enough, many = n >= decide.VERDICT_FROM, np.maximum(n, 2)
    mean = total / many
    se = np.sqrt(np.maximum(squares - many * mean**2, 0) / (many - 1) / many)
    judged = decide.judge(mean, np.where(enough, se, np.nan), np.where(enough, many - 1, np.nan))
    with np.errstate(invalid="ignore"):
        interval = (judged["ratio_low"] > 1) | (judged["ratio_high"] < 1)
    verdict = np.isin(judged["verdict"], ("faster", "slower"))
    strong = race.e_value(won, n) >= len(one) / race.ALPHA
    return Looks(n, strong & verdict & ((mean < 0) == (2 * won > n)), interval)


def _ever(case: tuple[int, int, int, float, float], runs: int, seed: int) -> np.ndarray:
    """Whether anything was ever said of equal models. returns: bool (runs, 2): by the race, by an interval."""
    models, prompts, rounds, noise, taste = case
    chance, found = np.random.default_rng(seed), []
    for start in range(0, runs, CHUNK):
        log_s = requests(chance, min(CHUNK, runs - start), models, prompts, rounds, noise=noise, taste=taste)
        seen = looks(log_s, shuffled(chance, log_s.shape))
        found.append(np.stack([x.any(axis=(1, 2)) for x in (seen.called, seen.interval)], axis=1))
    return np.concatenate(found)


DESIGNS = ((2, 4, 15, NOISE, 0.0), (2, 4, 50, NOISE, 0.0), (2, 4, 15, NOISE, 0.4), (4, 4, 9, NOISE, 0.0))


def false_calls(runs: int, designs: tuple = DESIGNS, seed: int = 10) -> list[Case]:
    """How often anybody is ever called ahead though all models are the same, with a look after every request; and how
    often the 95 % interval of `compare.models` would have said so.
    """
    cases, limit = [], FALSE_UP_TO + error(FALSE_UP_TO, runs)
    for models, prompts, rounds, noise, taste in designs:
        ever = _ever((models, prompts, rounds, noise, taste), runs, seed)
        share, n = 100 * ever.mean(axis=0), f"{models} × {prompts} × {rounds}"
        about = f"{models} equal models, looked at after every request"
        about += ", each better at half the prompts" if taste else ""
        cases.append(Case(f"race: anybody called ahead, {about}", n, runs, math.nan, share[0], 0, limit))
        # shown, as it is what looking again and again costs
        cases.append(Case(f"95 % interval excludes 1 at some look, {about}", n, runs, math.nan, share[1], 10, 100))
    return cases


def until_called(runs: int, noise: float = NOISE, ratio: float = 0.7, rounds: int = 25, seed: int = 11) -> np.ndarray:
    """How many pairs it takes to call the faster of two models. returns: shape (runs,), infinity for never."""
    chance, found = np.random.default_rng(seed), []
    for start in range(0, runs, CHUNK):
        log_s = requests(chance, min(CHUNK, runs - start), 2, 4, rounds, noise=noise)
        log_s[:, 1] += math.log(ratio)
        seen = looks(log_s, shuffled(chance, log_s.shape))
        found.append(np.where(seen.called[..., 0], seen.n[..., 0], np.inf).min(axis=1))
    return np.concatenate(found)


def calls_in_time(runs: int) -> list[Case]:
    """How often a clear difference is called within so many pairs: 25 % noise of a ratio, and of each request."""
    floors = {(NOISE / math.sqrt(2), 12): 70, (NOISE / math.sqrt(2), 20): 90, (NOISE, 12): 40, (NOISE, 40): 95}
    cases = []
    for (noise, n), low in floors.items():
        what = "of a request" if noise == NOISE else "of a ratio"
        found = 100 * float((until_called(runs, noise) <= n).mean())
        cases.append(Case(f"race: ratio 0.7 called, 25 % noise {what}", f"{n} pairs", runs, math.nan, found, low, 100))
    return cases
