"""How often the interval of two scores' ratio covers the truth, and equal models are told apart: by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from slmbench.analyse.candidates import Candidates
from slmbench.analyse.choose import choose

WEIGHTS = {"latency": 0.25, "throughput": 0.15, "quality": 0.6}
SLOWER, SCORES, EASE, NOISE = 0.1, (3.6, 3.2), 0.6, 0.8


def run(chance, n, means, slower):
    """n prompts that differ in ease and length, each answered once by every model; scores from 1 to 5."""
    k, names = len(means), [f"m{i}" for i in range(len(means))]
    latency = chance.normal(0, 0.5, (n, 1)) + np.arange(k) * slower + chance.normal(0, 0.05, (n, k))
    speed = -0.5 * latency + chance.normal(0, 0.02, (n, k))
    felt = np.array(means) + chance.normal(0, EASE, (n, 1)) + chance.normal(0, NOISE, (n, k))
    scores = pd.DataFrame(np.clip(np.rint(felt), 1, 5), columns=names)
    table = {"model": names, "n": n, "latency_s": np.exp(latency.mean(0)), "decode_tps": np.exp(speed.mean(0))}
    table |= {"quality": scores.mean().to_numpy(), "memory_mb": 1.0, "disk_mb": 1.0, "note": ""}
    logs = {"latency": latency, "throughput": speed}
    return Candidates(pd.DataFrame(table), tuple(names), logs, np.zeros(n), scores, {}, "decode_tps", None)


def true_log_ratio():
    """Of the first one's score over the second one's, from 400,000 prompts."""
    scores = run(np.random.default_rng(0), 400_000, SCORES, SLOWER).scores.mean()
    speed = WEIGHTS["latency"] * SLOWER + WEIGHTS["throughput"] * 0.5 * SLOWER
    return speed + WEIGHTS["quality"] * math.log(scores["m0"] / scores["m1"])


@pytest.mark.parametrize("n", [6, 20])
def test_the_interval_of_a_ratio_covers_it(n):
    chance, truth, runs, covered = np.random.default_rng(1), true_log_ratio(), 300, 0
    for _ in range(runs):
        choice = choose(run(chance, n, SCORES, SLOWER), WEIGHTS, {})
        line, sign = choice.rivals.iloc[0], 1 if choice.winner == "m0" else -1
        covered += math.log(line["ratio_low"]) <= sign * truth <= math.log(line["ratio_high"])
    assert binom.ppf(0.001, runs, 0.95) <= covered


def test_of_equal_models_one_is_seldom_called_ahead():
    chance, runs, ahead = np.random.default_rng(2), 200, 0
    for _ in range(runs):
        rivals = choose(run(chance, 12, (3.4, 3.4, 3.4), 0.0), WEIGHTS, {}).rivals
        ahead += (rivals["p_holm"] < 0.05).any()
    assert ahead <= binom.ppf(0.999, runs, 0.05)
