"""Which replies are shown side by side: those to the very same request, of models that differ."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from slmbench.analyse import stats
from slmbench.errors import UsageError
from slmbench.show import picks

if TYPE_CHECKING:
    import pandas as pd

MOST = 4  # replies that find room beside each other


class _Asked(NamedTuple):
    """What was replied to one prompt at one number of requests at once."""

    places: dict[str, dict[tuple[float, float], int]]  # model -> (load, round) -> row
    speeds: dict[str, float]  # model -> median decode speed, tokens/s; NaN without any

    def shared(self, models: Sequence[str]) -> set[tuple[float, float]]:
        """Load and round of the requests that all of these models have replied to."""
        return set.intersection(*(set(self.places.get(model, ())) for model in models))

    def spread(self, models: Sequence[str]) -> float:
        """The fastest median over the slowest; 1 where less than two are known."""
        known = [self.speeds[model] for model in models if self.speeds[model] > 0]
        return max(known) / min(known) if known else 1.0


def together(
    frame: pd.DataFrame, models: Sequence[str] | None = None, prompt: str | None = None, round: int = 0
) -> pd.DataFrame:
    """One row for each model, all of the same prompt, round, load and number of requests at once, and with texts.

    models: whose, in this order, MOST at most; None: the two whose median decode speeds on one prompt differ most, as
        a ratio and over all rounds (one disturbed reply does not choose), in order of appearance; one alone, where no
        two were asked the same. prompt: None: that one. round: from 0; where not all have a usable reply in it, the
        next one in which they have, else the last.
    returns: rows of the frame; none where nobody has a streamed reply.
    raises: UsageError for a model or prompt that is not in the frame (it names the nearest), for models without a
        reply to the same request, for more than MOST of them, and for a frame that was read without its texts.
    """
    _check(frame, models, prompt)
    groups = _asked(frame, prompt)
    names = [str(name) for name in dict.fromkeys(frame["model"])]
    for size in (len(models),) if models else (2, 1):
        choices = [tuple(models)] if models else list(itertools.combinations(names, size))
        found = [(group, chosen) for group in groups for chosen in choices if group.shared(chosen)]
        if found:
            group, chosen = max(found, key=lambda one: one[0].spread(one[1]))  # the first of equals
            shared = sorted(group.shared(chosen))
            at = next((key for key in shared if key[1] >= round), shared[-1])
            return frame.iloc[[group.places[model][at] for model in chosen]]
    if models:
        where = "" if prompt is None else f" {prompt!r}"
        wanted = f"streamed replies to the same prompt{where} in the same round were expected of all of them"
        raise UsageError(
            f"models={list(models)}: {wanted}, and there are none", "leave models out to see two that have"
        )
    return frame.iloc[:0]


def _check(frame: pd.DataFrame, models: Sequence[str] | None, prompt: str | None) -> None:
    if not {"chunk_s", "chunk_chars", "chunk_channel", "text", "reasoning_text"} <= set(frame.columns):
        raise UsageError("these rows were read without their texts", "take store.read(FOLDER).frame()")
    if models is not None and not 1 <= len(models) <= MOST:
        raise UsageError(f"models: {len(models)} were found, 1 to {MOST} were expected", "name the ones to be compared")
    for name in models or ():
        picks.check("models", name, frame["model"])
    picks.check("prompt", prompt, frame["prompt_id"])


def _asked(frame: pd.DataFrame, prompt: str | None) -> list[_Asked]:
    """The replies by prompt and number of requests at once, in order of appearance; of retries the last one."""
    told = picks.streamed(frame) & (frame["text"].notna() | frame["reasoning_text"].notna())
    rows = frame[["model", *stats.PAIR_KEY, "decode_tps"]].assign(place=range(len(frame)))[told]
    if prompt is not None:
        rows = rows[rows["prompt_id"] == prompt]
    found = []
    for _, group in rows.fillna({"load_index": -1, "round": -1}).groupby(["prompt_id", "concurrency"], sort=False):
        places: dict[str, dict[tuple[float, float], int]] = {}
        for row in group.itertuples():
            places.setdefault(str(row.model), {})[row.load_index, row.round] = row.place
        found.append(_Asked(places, group.groupby("model")["decode_tps"].median().to_dict()))
    return found
