"""Whether a model grew slower or faster while the run went on: warming up, heat, other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.analyse.decide import holm, more_is_better

if TYPE_CHECKING:
    import pandas as pd

DRIFT_FROM = 10  # requests of a model
REPEATS_FROM = 3  # repeats of a prompt from which its median can be taken out
LIKE = ("prompt_id", "load_index", "concurrency")  # what repeats of one request share
ALPHA = 0.05


def drift(frame: pd.DataFrame, column: str = "latency_s") -> pd.DataFrame:
    """Mann–Kendall test for a trend over the run, each model against its own order of requests.

    frame: from `records.to_frame`. column: a time or a speed, positive.
    returns: one line per model with a usable row, in order of appearance: model, n (rows judged), tau (Kendall's,
        −1…1), p (two-sided), p_holm (over the models of the frame), drifting (p_holm < 0.05), direction: "slower" or
        "faster" where it drifts, else "". tau and p are NaN below n = 10.

    Prompts differ in length, and loads of a model differ as well, so the test sees each row's distance on the log
    scale from the median of its prompt in its load; prompts with fewer than 3 repeats there tell nothing and take no
    part. A trend that runs across loads only is not seen.
    source: Mann (1945), Kendall; scipy.stats.kendalltau(index, x).
    """
    import numpy as np
    import pandas as pd

    better = more_is_better(frame, column)
    rows = frame[stats.usable(frame) & (frame[column] > 0)].sort_values("order", kind="stable")
    log = np.log(rows[column])
    like = log.groupby([rows["model"], *(rows[name] for name in LIKE)], dropna=False)
    distance = (log - like.transform("median"))[like.transform("size") >= REPEATS_FROM]
    judged = dict(list(distance.groupby(rows["model"])))
    lines = []
    for model in frame.loc[stats.usable(frame), "model"].unique():
        x = judged.get(model, distance.iloc[:0])
        lines.append((model, len(x), *_trend(x.to_numpy())))
    found = pd.DataFrame(lines, columns=["model", "n", "tau", "p"]).astype({"n": int, "tau": float, "p": float})
    found["p_holm"] = holm(found["p"])
    found["drifting"] = found["p_holm"] < ALPHA
    rising = np.where((found["tau"] > 0) == better, "faster", "slower")
    return found.assign(direction=np.where(found["drifting"], rising, ""))


def _trend(x) -> tuple[float, float]:
    from scipy.stats import kendalltau

    if len(x) < DRIFT_FROM:
        return float("nan"), float("nan")
    tau, p = kendalltau(range(len(x)), x)
    return float(tau), float(p)
