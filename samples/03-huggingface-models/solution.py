"""One way to fill the gaps of starter.py; it takes the same options."""

from functools import partial

import pandas as pd
import starter

from slmbench import config
from slmbench.analyse import stats
from slmbench.cli.script import run_script


def aggregate(rows: pd.DataFrame) -> pd.DataFrame:
    """Means for the middle, numpy's percentile for the tail, medians for speeds."""
    return rows.groupby("model", sort=False).agg(
        n=("latency_s", "size"),
        latency_s_mean=("latency_s", "mean"),
        latency_s_p95=("latency_s", lambda seconds: seconds.quantile(0.95)),
        ttft_s_p50=("ttft_s", "median"),
        decode_tps_p50=("decode_tps", "median"),
    )


def scores_to_fill(rows: pd.DataFrame, prompts: dict[str, config.Prompt]) -> pd.DataFrame:
    """Blind and shuffled; the row's cell leads back to the model when the scores are in."""
    first = rows.drop_duplicates(["model", "prompt_id"]).sample(frac=1, random_state=0)
    return pd.DataFrame(
        {
            "cell": first["cell"],
            "prompt": [prompts[i].text for i in first["prompt_id"]],
            "expected": ["; ".join(prompts[i].aspects) for i in first["prompt_id"]],
            "reply": first["text"],
            "score_1_to_5": "",
            "why": "",
        }
    )


def highlights(summary: pd.DataFrame) -> list[str]:
    """Name a middle and its n, and leave the word "fastest" to a comparison with intervals."""
    if summary.empty:
        return ["No reply was received."]
    lines = [f"- {m.Index}: mean latency {m.latency_s_mean:.2f} s over {m.n} requests" for m in summary.itertuples()]
    return [*lines, "", f"How far this carries: {stats.claim(int(summary.n.min()))}."]


if __name__ == "__main__":
    run_script(partial(starter.main, aggregate=aggregate, scores_to_fill=scores_to_fill, highlights=highlights))
