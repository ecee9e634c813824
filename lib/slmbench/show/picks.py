"""Which rows a picture is made of, chosen once for the picture and for its words."""

from __future__ import annotations

import difflib
import itertools
import statistics
from typing import TYPE_CHECKING, NamedTuple

from slmbench.analyse import compare, stats
from slmbench.errors import UsageError
from slmbench.show.text import number

if TYPE_CHECKING:
    import pandas as pd


class Reply(NamedTuple):
    """One streamed reply, chunk by chunk. Times in seconds since the request was written."""

    model: str
    prompt: str
    round: int
    chunk_s: list[float]
    chars: list[int]
    channels: list[str]  # answer | reasoning
    ttft_s: float
    ttfa_s: float | None  # None: no answer, or no row says
    tokens: int | None
    decode_tps: float | None

    @property
    def gaps(self) -> list[float]:
        """Seconds between one chunk and the next, shape (chunks − 1,)."""
        return [after - before for before, after in itertools.pairwise(self.chunk_s)]

    def gap_ends(self) -> dict[str, int]:
        """Which chunks end the largest gap and the one nearest to the median; {} for a reply of one chunk."""
        gaps = self.gaps
        if not gaps:
            return {}
        middle = statistics.median(gaps)
        nearest = min(range(len(gaps)), key=lambda i: abs(gaps[i] - middle))
        return {"largest gap": max(range(len(gaps)), key=gaps.__getitem__) + 1, "median gap": nearest + 1}


def pairs(frame: pd.DataFrame, column: str, base: str | None = None) -> pd.DataFrame:
    """`compare.models`; where each name stands for one number of requests at once (`levels.labelled`), of those of the
    same number only, as only these were asked side by side.
    """
    import pandas as pd

    at_once = frame[stats.usable(frame)].groupby("model", sort=False)["concurrency"].unique()
    levels = sorted({int(n) for found in at_once for n in found})
    if len(levels) < 2 or at_once.map(len).max() > 1:
        return compare.models(frame, column, base=base)
    parts = [compare.models(frame[frame["concurrency"] == n], column, base=base) for n in levels]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def replies(frame: pd.DataFrame, model: str | None = None, prompt: str | None = None, round: int = 0) -> list[Reply]:
    """One streamed reply of each model (or of `model`) to the same prompt, models in order of appearance.

    prompt: the one that most models have replied to, if left out. round: of that round, from 0; where a model has no
    usable reply in it, of the next one that it has, else of the last.
    raises: UsageError for a model or prompt that is not in the frame; it names the nearest.
    """
    for name, value, column in (("model", model, "model"), ("prompt", prompt, "prompt_id")):
        check(name, value, frame[column])
    rows = frame[streamed(frame)]
    if model is not None:
        rows = rows[rows["model"] == model]
    if prompt is None and len(rows):
        models = rows.groupby("prompt_id")["model"].nunique()
        prompt = models.reindex(frame["prompt_id"].dropna().unique()).idxmax()  # the first of equals
    found = []
    for name in dict.fromkeys(frame["model"]):
        mine = rows[(rows["model"] == name) & (rows["prompt_id"] == prompt)]
        mine = mine.sort_values(["load_index", "round"], kind="stable")
        later = mine[mine["round"] >= round]
        found += [reply(str(name), row) for _, row in (later.head(1) if len(later) else mine.tail(1)).iterrows()]
    return found


def streamed(frame: pd.DataFrame) -> pd.Series:
    """Which rows are usable replies to a prompt with the times of their chunks: bool Series, index as in the frame."""
    chunks = frame["chunk_s"].map(bool, na_action="ignore").fillna(False).astype(bool)
    return stats.usable(frame) & frame["ttft_s"].notna() & frame["prompt_id"].notna() & chunks


def check(name: str, value: str | None, known: pd.Series) -> None:
    """raises: UsageError where the argument `name` has a value that is not among those known; it names the nearest."""
    names = [str(other) for other in known.dropna().unique()]
    if value is None or not names or value in names:
        return
    close = difflib.get_close_matches(value, names, 1, 0)
    raise UsageError(f"{name}={value!r} is not in this run; expected one of {', '.join(names)}", f"{name}={close[0]!r}")


def reply(model: str, row: pd.Series) -> Reply:
    """A row of a frame. Where its lists don't fit together, each chunk has one character, of the answer."""
    ttfa, tokens, speed = (None if row[c] != row[c] else row[c] for c in ("ttfa_s", "output_tokens", "decode_tps"))
    chunks = row["chunk_s"]
    chars, channels = row["chunk_chars"], row["chunk_channel"]
    if not isinstance(chars, list) or len(chars) != len(chunks):  # a record from elsewhere may hold anything
        chars = [1] * len(chunks)
    if not isinstance(channels, list) or len(channels) != len(chunks):
        channels = ["answer"] * len(chunks)
    number_of_round = -1 if row["round"] != row["round"] else int(row["round"])
    tokens = None if tokens is None else int(tokens)
    return Reply(
        model, str(row["prompt_id"]), number_of_round, chunks, chars, channels, row["ttft_s"], ttfa, tokens, speed
    )


def speed_of(replies: list[Reply]) -> str:
    """Their decode speed, "145 tokens/s" or "127 to 181 tokens/s"; "" where none has one."""
    speeds = sorted(reply.decode_tps for reply in replies if reply.decode_tps is not None)
    if not speeds:
        return ""
    ends = dict.fromkeys([number(float(f"{speeds[0]:.3g}")), number(float(f"{speeds[-1]:.3g}"))])
    return f"{' to '.join(ends)} tokens/s"


def duration(seconds: float) -> str:
    """A time as people read it: "7.42 ms", "1.23 s".

    >>> duration(0.00742), duration(1.234)
    ('7.42 ms', '1.23 s')
    """
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(1000 * seconds)} ms"
