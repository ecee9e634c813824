"""Who is ahead while a run is still going on: a test that may be looked at after every request.

A 95 % interval is made to be looked at once. Looked at after every request, it sooner or later excludes 1 by chance,
and each look is another chance. So a call needs an e-value as well, which holds at all looks together.

The test. Of two models, the one with the better value wins a request that both were asked; exactly equal ones are left
out. If each is as likely to win, a gambler who starts with 1 and bets on the next winner at fair odds can't expect to
gain anything. `e_value` is what a gambler has who stakes in proportion to the wins so far; by Ville's inequality the
chance that this ever reaches 1/α, at whatever request somebody looks, is at most α. A race of several pairs divides α
by their number (Bonferroni), so the chance that anybody at all is wrongly called ahead in a run is at most 5 %.

What it assumes. Pairs are independent, or at least each is a fair game whatever came before: the order is shuffled,
and both models were asked within the same session (what differs from one load to the next is the model's as far as
this test knows). It tests who wins more of the same requests, not by how much; it speaks of the prompts that were
asked, and of no others. A run whose prompts are asked one after the other, unshuffled, has no such test.

A call also needs the verdict of `compare.models`, which takes care of "by how much": its interval excludes 1, after
Holm's correction too, and the gap is at least 5 %. So the race never says more than the final report would of the same
requests.

Simulated (tests/bench/README.md; 2 equal models, 60 requests each, a look after every one): somebody was ever called
ahead in 2.9 % of 20,000 runs, while the 95 % interval excluded 1 at some look in 28 %; with 4 models 1.9 % and 73 %. A
ratio of 0.7 was called within 12 pairs in 80 % of runs where ratios vary by 25 %, in 48 % where each request does.

sources: Ville (1939), Étude critique de la notion de collectif; Robbins (1970), "Statistical methods related to the law
of the iterated logarithm" (mixtures); Ramdas, Grünwald, Vovk, Shafer (2023), "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38(4).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import compare, stats
from slmbench.analyse.decide import GAP, VERDICT_FROM

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ALPHA = 0.05  # of anybody wrongly called ahead, at any look
AHEAD, BEHIND, OPEN = "ahead", "behind", "can't tell yet"
MORE_MAX = 1000  # requests; a longer wait is no number to plan with
LOG_MAX = 700.0  # of an e-value: beyond it, a float ends
COLUMNS = (
    *("base", "other", "column", "n", "won", "e_value", "needed"),
    *("ratio", "ratio_low", "ratio_high", "verdict", "more"),
)
REPORTED = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "verdict", "more_rounds"), math.nan)  # of `compare`
PLACES = (
    *("model", "n", "p50", "p50_low", "p50_high", "min", "max"),
    *("won", "lost", "rivals", "ahead_of", "behind", "place"),
)


def e_value(won, n) -> np.ndarray:
    """How strongly wins speak against "each is as likely to win": 1 says nothing; of equals,
    at most 1 pair in 20 ever gets to 20.

    won, n: wins of one of two models, and requests that one of them won; arrays of one shape.
    returns: 2ⁿ B(won + ½, n − won + ½) / B(½, ½), the wealth of a gambler against a fair coin who bets the mixture of
        all win rates with Jeffreys' weights Beta(½, ½). The same for wins and losses swapped. At most e⁷⁰⁰.
    source: Robbins (1970); Krichevsky and Trofimov (1981) for these weights.

    >>> e_value([1, 2, 7, 11], [1, 2, 7, 12]).round(2)
    array([ 1.  ,  1.5 , 26.81, 28.7 ])
    """
    import numpy as np
    from scipy.special import betaln

    won, n = np.asarray(won, dtype=float), np.asarray(n, dtype=float)
    log = n * math.log(2) + betaln(won + 0.5, n - won + 0.5) - betaln(0.5, 0.5)
    return np.exp(np.minimum(log, LOG_MAX))


def calls(frame: pd.DataFrame, column: str = "latency_s", models: Sequence[str] | None = None) -> pd.DataFrame:
    """What can be said so far of each pair of models in the race.

    frame: from `records.to_frame`, of a run as far as it is. column: a time (…_s) or a speed (…_tps) of it.
    models: all that will be asked, where that is known; else those that have a row. The more there are, the more a
        call needs, so name them where they come one after the other. Skipped ones are in no race.
    returns: one line per pair, in order of appearance (of `models`, if given), columns COLUMNS. n: requests that both
        have measured (same prompt, load, round and concurrency) and one of them won; won: by `other`; e_value: see
        there; needed: number of pairs / 0.05. ratio, ratio_low, ratio_high: of `compare.models`, other / base.
        verdict is said of `other`: "ahead" or "behind" where e_value >= needed and `compare.models` says "faster" or
        "slower" on the side of the wins; else "can't tell yet". more: about how many more requests answered by both
        would do at the rate seen so far; NaN if called or unknowable (see `_more`).
        Two names that were asked at no common concurrency are no pair.
    raises: UsageError for a column that is not there.
    """
    import numpy as np
    import pandas as pd

    names = _names(frame, models)
    place = {name: number for number, name in enumerate(names)}
    order = frame["model"].map(place).fillna(len(names)).to_numpy()
    frame = frame.iloc[np.argsort(order, kind="stable")]  # so that `compare` has its pairs in order of names, too
    rows, both = compare.measured(frame, column), _pairs(frame, names)
    found = compare.models(frame, column).set_index(["base", "other"])
    values, cell, lines = rows[column].to_numpy(), compare.cells(rows), []
    for pair, (left, right, _) in zip(both, compare.paired(rows, both), strict=True):
        one, two = values[left], values[right]
        won = (two > one if column.endswith("_tps") else two < one).sum()
        line = {"column": column, "n": (two != one).sum(), "won": won, "cells": len(np.unique(cell[left]))}
        line |= {
            "needed": len(both) / ALPHA,
            "base": pair[0],
            "other": pair[1],
            "e_value": float(e_value(won, line["n"])),
        }
        line |= found.loc[pair, [*REPORTED]].to_dict() if pair in found.index else REPORTED
        line["called"] = _verdict(line)
        lines.append(line | {"more": _more(line)})
    table = pd.DataFrame(lines, columns=[*COLUMNS, "called"])
    kinds = {"n": int, "won": int} | dict.fromkeys(("e_value", "needed", *[*REPORTED][:3], "more"), float)
    return table.assign(verdict=table["called"])[[*COLUMNS]].astype(kinds)


def _names(frame: pd.DataFrame, models: Sequence[str] | None) -> list[str]:
    """Those in the race: all but those that were only ever skipped."""
    asked = frame.loc[frame["status"] != "skipped", "model"].dropna().unique()
    absent = set(frame["model"].dropna()) - set(asked)
    return [name for name in dict.fromkeys([*(models or []), *asked]) if name not in absent]


def _pairs(frame: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs but those that are never asked side by side: a name may stand for one number of requests at once."""
    timed = frame[frame["phase"] == "timed"]
    levels = {name: set(found) for name, found in timed.groupby("model")["concurrency"]}
    both = itertools.combinations(names, 2)
    return [(a, b) for a, b in both if a not in levels or b not in levels or levels[a] & levels[b]]


def _verdict(line: Mapping[str, Any]) -> str:
    """Of `other`, see `calls`."""
    if line["e_value"] >= line["needed"]:
        if line["verdict"] == "faster" and 2 * line["won"] > line["n"]:
            return AHEAD
        if line["verdict"] == "slower" and 2 * line["won"] < line["n"]:
            return BEHIND
    return OPEN


def _more(line: Mapping[str, Any]) -> float:
    """About how many more requests answered by both would call a pair, if wins and ratios go on as they have begun.

    returns: enough for the e-value at the share of wins so far, and for the verdict of `compare.models` by its
        `more_rounds`. NaN where that is no honest guess: called already, below 6 requests, wins and ratio on different
        sides, a gap below 5 %, a verdict that no practical number of rounds would give, more than 1,000 requests.
    """
    import numpy as np

    n, won, gap = line["n"], line["won"], math.log(line["ratio"])
    faster = won * 2 > n
    if line["called"] != OPEN or n < VERDICT_FROM or abs(gap) < math.log(GAP) or won * 2 == n:
        return math.nan
    if (gap < 0) != (faster != line["column"].endswith("_tps")):
        return math.nan
    rounds = 0 if line["verdict"] in ("faster", "slower") else line["more_rounds"]
    more = np.arange(MORE_MAX + 1)
    enough = (e_value(won + more * won / n, n + more) >= line["needed"]) & (more >= rounds * line["cells"])
    return float(more[enough.argmax()]) if enough.any() else math.nan  # NaN rounds are never enough


def standings(
    frame: pd.DataFrame,
    column: str = "latency_s",
    models: Sequence[str] | None = None,
    found: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The models in order of place.

    frame, column, models: as in `calls`. found: what `calls` says of the same, where it is at hand.
    returns: one line per model, columns PLACES. n: measured requests; p50, p50_low, p50_high: their median in the
        column's unit and its 95 % interval, min, max: as in `stats.describe`. won, lost: requests against all others.
        rivals: models that it is compared with; ahead_of, behind: how many of them, as far as they are called. place:
        the same in words.
        Nobody stands above a model that is called ahead of them; of the others, whoever is ahead of more comes first,
        and models that can't be told apart stay in order of appearance.
    """
    import pandas as pd

    found = calls(frame, column, models) if found is None else found
    rows = compare.measured(frame, column)
    above = _above(found)
    names = _order(_names(frame, models), above)
    lines = []
    for name in [*names, *(name for name in frame["model"].dropna().unique() if name not in names)]:
        mine = rows[rows["model"] == name]
        loads = mine["load_index"] if mine["load_index"].nunique() >= stats.LOADS_FROM else None
        line = {"model": name, **stats.describe(mine[column], loads=loads)}
        there, here = found[found["base"] == name], found[found["other"] == name]
        line["won"] = int(here["won"].sum() + there["n"].sum() - there["won"].sum())
        line["lost"] = int(here["n"].sum() + there["n"].sum()) - line["won"]
        line["rivals"] = len(there) + len(here)
        line |= {"ahead_of": len(above.get(name, ())), "behind": sum(name in below for below in above.values())}
        lines.append(line | {"place": _place(line, name in names)})
    return pd.DataFrame(lines, columns=[*PLACES]).astype({"n": int})


def _above(found: pd.DataFrame) -> dict[str, set[str]]:
    """For each model that is called ahead of others: whom of."""
    above: dict[str, set[str]] = {}
    for line in found[found["verdict"] != OPEN].to_dict("records"):
        first, second = line["other"], line["base"]
        if line["verdict"] == BEHIND:
            first, second = second, first
        above.setdefault(first, set()).add(second)
    return above


def _order(names: Sequence[str], above: Mapping[str, set[str]]) -> list[str]:
    """Names sorted so that nobody stands above a model that is ahead of them, else as they came."""
    left, done = list(names), []
    while left:
        over = {name: sum(name in above.get(other, ()) for other in left) for name in left}
        free = [name for name in left if over[name] == min(over.values())]  # over nobody, unless calls go in a circle
        best = max(free, key=lambda name: len(above.get(name, set()) & set(left)))  # the first of equals
        left.remove(best)
        done.append(best)
    return done


def _place(line: Mapping[str, Any], racing: bool) -> str:
    if not racing:
        return "skipped"
    if not line["n"]:
        return "no reply yet"
    if not line["rivals"]:
        return "no rival yet"
    said = [f"{word} {line[name]}" for word, name in (("ahead of", "ahead_of"), ("behind", "behind")) if line[name]]
    return ", ".join(said) or OPEN


def headline(found: pd.DataFrame) -> str:
    """Who is ahead of whom and on what evidence, in one or two plain sentences.

    found: from `calls`. returns: names as they are in the records; for a page, clean them.

    >>> import pandas as pd
    >>> line = {"base": "int8", "other": "int4", "column": "latency_s", "n": 12, "won": 11, "e_value": 28.7}
    >>> line |= {"needed": 20.0, "ratio": 0.58, "ratio_low": 0.5, "ratio_high": 0.67, "verdict": "ahead"}
    >>> headline(pd.DataFrame([line | {"more": math.nan}]))
    'int4 is ahead of int8: it won 11 of 12 requests, latency × 0.58 [0.50, 0.67].'
    """
    lines = found.to_dict("records")
    left, above = [line for line in lines if line["verdict"] == OPEN], _above(found)
    if not above:
        return f"Can't tell yet: {_nearest(lines)}."
    leader = _order(dict.fromkeys([*found["base"], *found["other"]]), above)[0]
    won = [
        _turned(line, leader) for line in lines if line["verdict"] != OPEN and leader in (line["base"], line["other"])
    ]
    won = sorted((line for line in won if line["verdict"] == AHEAD), key=lambda line: line["e_value"])
    first = won[0]
    whom = first["base"] if len(won) == 1 else f"{len(won)} others, least surely of {first['base']}"
    ratio = f"{first['ratio']:.2f} [{first['ratio_low']:.2f}, {first['ratio_high']:.2f}]"
    what = f"{compare.WORDS.get(first['column'], first['column'])} × {ratio}"
    said = f"{leader} is ahead of {whom}: it won {first['won']} of {first['n']} requests, {what}."
    if not left:
        return said
    if len(left) > 1:
        return f"{said} Can't tell yet in {len(left)} of {len(lines)} pairs."
    return f"{said} Can't tell yet: {_nearest(left)}."


def _turned(line: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A line of `calls` as said of this one of its two."""
    if line["other"] == name:
        return {**line}
    ratios = {"ratio": 1 / line["ratio"], "ratio_low": 1 / line["ratio_high"], "ratio_high": 1 / line["ratio_low"]}
    verdict = {AHEAD: BEHIND, BEHIND: AHEAD, OPEN: OPEN}[line["verdict"]]
    names = {"base": line["other"], "other": name}
    return {**line, **ratios, **names, "won": line["n"] - line["won"], "verdict": verdict}


def _nearest(lines: Sequence[Mapping[str, Any]]) -> str:
    """The pair that is nearest to a call, and about how much it takes."""
    if not any(line["n"] for line in lines):
        return "no request has been answered by two models"
    known = [line for line in lines if not math.isnan(line["more"])]
    line = min(known, key=lambda line: line["more"]) if known else max(lines, key=lambda line: line["e_value"])
    line = _turned(line, line["other"] if 2 * line["won"] >= line["n"] else line["base"])
    said = f"{line['other']} won {line['won']} of {line['n']} requests against {line['base']}"
    if known:
        return f"{said}; at this rate about {line['more']:.0f} more requests answered by both would do"
    small = line["e_value"] >= line["needed"] and abs(math.log(line["ratio"])) < math.log(GAP)
    return said + (f", by less than {GAP - 1:.0%}".replace("%", " %") if small else "")
