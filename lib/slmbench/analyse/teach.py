"""For the notebook on distributions: a run that stops early, and a game with hidden names. Frames in, frames out."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.analyse import compare, stats
from slmbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

SIDES = ("A", "B")


class Game(NamedTuple):
    """Two models behind the names A and B, asked the same prompt in the same rounds."""

    names: dict[str, str]  # side -> model
    prompt: str
    rows: pd.DataFrame  # all rounds, as `records.to_frame` has them but for `model`, which is A or B; A first
    drawn: pd.DataFrame  # the few rounds that were drawn


def stopped_early(frame: pd.DataFrame, model: str, sizes: Sequence[int] = (3, 6, 12, 60)) -> pd.DataFrame:
    """What would have been measured, had the run been stopped after so many requests of a model.

    frame: from `records.to_frame`. sizes: requests; those that the run has not are left out.
    returns: the model's usable rows in running order, the first n of them for each size and all of them in the end,
        `model` saying which: "first 3", "first 6", …, "all 120". A row stands in it once for each size it is in.
        The model's warm-ups stand before each part: without them its first request would pass for a cold start.
    """
    import pandas as pd

    mine = frame[frame["model"] == model].sort_values("order", kind="stable")
    rows, warm = mine[stats.usable(mine)], mine[mine["phase"] == "warmup"]
    kept = {f"first {n}": rows.head(n) for n in sizes if n < len(rows)} | {f"all {len(rows)}": rows}
    parts = [pd.concat([warm, part]).assign(model=name) for name, part in kept.items()]
    return pd.concat(parts, ignore_index=True)


def play(frame: pd.DataFrame, seed: int = 0, rounds: int = 3, column: str = "latency_s") -> Game:
    """Takes the two models that are nearest to each other, hides their names, and draws a few rounds of one prompt.

    frame: from `records.to_frame`. seed: what draws the rounds, and which model is A. column: a time or a speed; its
    ratio (see `compare.models`) says how near two models are. Of the prompts the one with most pairs, the first of
    equals, is played.
    raises: UsageError where no two models have replied to one prompt in `rounds` rounds, or the seed is none.
    """
    import numpy as np
    import pandas as pd

    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed={seed!r}: a whole number from 0 on was expected.", "seed=0")
    found = compare.models(frame, column)
    for line in found.loc[np.log(found["ratio"]).abs().sort_values(kind="stable").index].to_dict("records"):
        rows = _both(frame, (line["base"], line["other"]), column)
        pairs = rows.groupby("prompt_id", sort=False).size() // 2
        if not len(pairs) or pairs.max() < rounds:
            continue
        chance, prompt = np.random.default_rng(seed), pairs.idxmax()
        names = dict(zip(SIDES, chance.permutation([line["base"], line["other"]]).tolist(), strict=True))
        hidden = {model: side for side, model in names.items()}
        warm = frame[(frame["phase"] == "warmup") & frame["model"].isin(hidden)]  # or the first would look cold
        rows = pd.concat([warm, rows[rows["prompt_id"] == prompt]])
        rows = rows.assign(model=rows["model"].map(hidden)).sort_values(["model", "order"], kind="stable")
        asked = rows[rows["phase"] == "timed"]
        request = asked.groupby(list(stats.PAIR_KEY), dropna=False).ngroup()
        drawn = chance.choice(request.nunique(), rounds, replace=False)
        return Game(names, str(prompt), rows, asked[request.isin(drawn)])
    message = f"the game needs two models with {rounds} rounds of one prompt in common; this run has no such two."
    raise UsageError(message, f"slmbench run --models A,B --rounds {max(12, rounds)}   (makes one that has)")


def _both(frame: pd.DataFrame, models: tuple[str, str], column: str) -> pd.DataFrame:
    """The usable rows of two models to the requests that both have replied to; of several, the last."""
    key = list(stats.PAIR_KEY)
    rows = frame[stats.usable(frame) & frame["model"].isin(models) & (frame[column] > 0) & frame["prompt_id"].notna()]
    rows = rows.drop_duplicates([*key, "model"], keep="last")
    return rows[rows.groupby(key, dropna=False)["model"].transform("size") == 2]


def redraw(
    rows: pd.DataFrame,
    sizes: Sequence[int] = (1, 3, 6, 12),
    draws: int = 1000,
    seed: int = 0,
    column: str = "latency_s",
) -> pd.DataFrame:
    """The game played again and again: what other draws of so many rounds would have said.

    rows: of a `Game`. sizes: rounds of a draw; those that are more than there are, are left out.
    returns: shape (draws, sizes), named by the size: the ratio mean of B / mean of A in each draw. A draw takes no
        round twice, and its first rounds are the smaller sizes' draw.
    """
    import numpy as np
    import pandas as pd

    pairs = stats.pairs(rows, *SIDES, column)[["base", "other"]].to_numpy()
    order = np.random.default_rng(seed).random((draws, len(pairs))).argsort(axis=1)
    sums = pairs[order].cumsum(axis=1)  # shape (draws, rounds, 2)
    return pd.DataFrame({n: sums[:, n - 1, 1] / sums[:, n - 1, 0] for n in sizes if n <= len(pairs)})


def whole(rows: pd.DataFrame, column: str = "latency_s") -> float:
    """The ratio mean of B / mean of A over all rounds of a `Game`: what `redraw` gives when nothing is left out."""
    pairs = stats.pairs(rows, *SIDES, column)
    return float(pairs["other"].mean() / pairs["base"].mean())


def sentences(frame: pd.DataFrame, column: str = "latency_s", width: int = 88) -> str:
    """Every line of `compare.models` in words, in lines of text that a notebook shows without breaking them."""
    style = {"width": width, "subsequent_indent": "    ", "break_on_hyphens": False}
    said = map(compare.sentence, compare.models(frame, column).to_dict("records"))
    lines = [textwrap.fill(text.replace(" %", "\N{NO-BREAK SPACE}%"), **style) for text in said]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def side(guess: str) -> str:
    """A guess as A or B. raises: UsageError for anything else."""
    said = str(guess).strip().upper()
    if said not in SIDES:
        raise UsageError(f"guess={guess!r} was found; A or B was expected.", "guess='A'")
    return said


def score(guess: str, line: Mapping[str, Any]) -> str:
    """How a guess did. line: of `compare.models`, of the two sides.

    >>> score("A", {"base": "A", "other": "B", "verdict": "slower"})
    'You said A: right.'
    """
    winner = {"faster": line["other"], "slower": line["base"]}.get(line["verdict"])
    if winner is None:
        end = "a tie" if line["verdict"] == "tie" else "it can't be told"
        return f"You said {side(guess)}: {end}, so nobody is right."
    return f"You said {side(guess)}: {'right' if side(guess) == winner else 'wrong'}."
