"""A run that asks the same at several numbers of requests at once: each level is a measurement of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.show import alt

if TYPE_CHECKING:
    import pandas as pd


def levels(frame: pd.DataFrame) -> list[int]:
    """The numbers of requests at once that were timed, rising; [1] for a run without a timed request."""
    timed = frame[(frame["phase"] == "timed") & frame["prompt_id"].notna()]
    return sorted(int(level) for level in timed["concurrency"].unique()) or [1]


def name(level: int) -> str:
    """A level in words: "one request at a time", "4 requests at once"."""
    return "one request at a time" if level == 1 else f"{level} requests at once"


def only(frame: pd.DataFrame, level: int) -> pd.DataFrame:
    """The rows of one level; warm-ups and models that were skipped belong to each."""
    return frame[(frame["concurrency"] == level) | (frame["phase"] != "timed") | frame["prompt_id"].isna()]


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the level in each model's name, "4 × a", where there are several; else as it is.

    returns: sorted by model and level, so that names come in that order; `order` is where a row stood in the run. A
    warm-up goes with the first level of its model; a row that says a model was skipped keeps the plain name, and is
    left out where the model replied later.
    """
    import pandas as pd

    if len(levels(frame)) < 2:
        return frame
    frame = frame.assign(order=alt.positions(frame))[~stats.superseded(frame)]
    several = (frame["phase"] != "warmup") & frame["prompt_id"].notna()
    level = frame["concurrency"].where(several)
    level = level.fillna(frame["model"].map(level.groupby(frame["model"]).min()))
    level = level.where(frame["prompt_id"].notna())
    place = {model: number for number, model in enumerate(dict.fromkeys(frame["model"]))}
    named = level.map(lambda streams: f"{streams:.0f} × ", na_action="ignore").fillna("") + frame["model"]
    order = pd.DataFrame({"model": frame["model"].map(place), "level": level, "order": frame["order"]})
    return frame.assign(model=named).loc[order.sort_values(["model", "level", "order"], kind="stable").index]
