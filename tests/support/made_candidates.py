"""Made-up candidates with known numbers, as `analyse.candidates.of_run` gives them."""

import numpy as np
import pandas as pd

from slmbench.analyse.candidates import Candidates

PROMPTS = 8


def candidates(models, scores=None, loads=1):
    """models: alias -> {latency, tps, memory, disk, quality (one score for all prompts, or a list), …}: a request a
    prompt and load, each prompt 10 % slower than the one before."""
    slower = np.log(1.1 ** np.arange(PROMPTS))
    names = tuple(models)
    latency = np.stack([np.log(of["latency"]) + np.tile(slower, loads) for of in models.values()], axis=1)
    speed = np.stack([np.full(PROMPTS * loads, np.log(of["tps"])) for of in models.values()], axis=1)
    wobble = np.random.default_rng(5).normal(0, 0.01, latency.shape)
    given = {name: of["quality"] for name, of in models.items() if of.get("quality") is not None}
    scores = pd.DataFrame(given, index=[f"p{i}" for i in range(PROMPTS)], dtype=float)
    lines = [
        {
            "model": name,
            "n": len(latency),
            "n_ok": len(latency),
            "latency_s": float(np.exp(latency[:, i].mean())),
            "decode_tps": of["tps"],
            "memory_mb": of.get("memory", np.nan),
            "disk_mb": of.get("disk", np.nan),
            "quality": scores[name].mean() if name in scores else np.nan,
            "quality_low": np.nan,
            "quality_high": np.nan,
            "ttft_s_p50": 0.2,
            "ttft_s_p50_low": 0.1,
            "ttft_s_p50_high": 0.3,
            "licence": "MIT",
            "commercial_use": of.get("commercial_use", True),
            "parameters_m": of.get("parameters_m", np.nan),
            "note": of.get("note", ""),
        }
        for i, (name, of) in enumerate(models.items())
    ]
    logs = {"latency": latency + wobble, "throughput": speed}
    at = np.repeat(np.arange(loads), PROMPTS)
    return Candidates(pd.DataFrame(lines), names, logs, at, scores, {}, "decode_tps", "rss_peak_mb")
