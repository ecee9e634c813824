"""Machines that were asked the same, side by side: a line per station, each against one of them, and the two ends.

Frames come from `store.rooms.Room.frame`: those of `records.to_frame`, with the name of the machine in `station`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.analyse import compare, stats
from slmbench.analyse.decide import ALPHA, GAP, VERDICT_FROM

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("latency_s", "ttft_s", "decode_tps")
NUMBERS = ("n", "p50", "p50_low", "p50_high", "min", "max")
PAIRED = ("n_pairs", "ratio", "ratio_low", "ratio_high", "p_holm", "verdict", "basis", "more_rounds", "note")
COLUMNS = ("station", *NUMBERS, "n_ok", "n_failed", "n_skipped", "status_note", "aside", *PAIRED)
REFERENCE, NOT_COMPARED = "reference", "not compared"  # in the place of a verdict
REFERENCE_SHARE = 0.8  # of the largest sample: a reference with fewer replies leaves too many without a counterpart


@dataclass(frozen=True, slots=True)
class Span:
    """The slowest station beside the fastest one, by their medians.

    ratio: how many times as slow, the geometric mean over requests that both answered (n_pairs of them); low, high:
    its 95 % interval, and p; both are corrected for every pair that could have been picked out of so many `stations`.
    NaN below 6 pairs. apart: whether p < 0.05 and the ratio is at least 1.05. basis: as in `compare.models`.
    """

    fastest: str
    slowest: str
    stations: int
    n_pairs: int
    ratio: float
    low: float
    high: float
    p: float
    basis: str

    @property
    def apart(self) -> bool:
        return self.p < ALPHA and self.ratio >= GAP


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model on all stations that were asked for it.

    lines: columns COLUMNS, a line per station, the fastest median first; then those with something aside, and those
        without a value last. n … max: of `column`, in its unit, as `stats.describe` gives them. n_ok … status_note:
        as in `stats.summarise`. aside: why the station takes no part in ranking, a sentence fragment, or "". n_pairs …
        note: of `compare.models`, this station over the reference; verdict: also "reference" and "not compared".
    reference: the station that the others are compared with, None where nobody has a value; named: by whoever asked.
    span: None where fewer than two stations can be ranked.
    """

    model: str
    column: str
    lines: pd.DataFrame
    reference: str | None
    named: bool
    span: Span | None


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """`stats.summarise` by model and station, station by station: that a model could not be had on one of them is not
    overtaken by the replies that another one has.

    returns: columns station, model, then those of `stats.summarise`; in the order of the frame.
    """
    import pandas as pd

    parts = [
        stats.summarise(rows, by=("station", "model")) for _, rows in frame.groupby("station", sort=False, dropna=True)
    ]
    whole = [part for part in parts if len(part)]
    return pd.concat(whole, ignore_index=True) if whole else stats.summarise(frame[:0], by=("station", "model"))


def comparison(
    frame: pd.DataFrame,
    model: str,
    column: str = "latency_s",
    *,
    base: str | None = None,
    apart: Mapping[str, str] | None = None,
    known: pd.DataFrame | None = None,
) -> Comparison:
    """One model's stations beside each other.

    frame: of one number of requests at once. column: one of METRICS. base: the station to compare with; where it has
        no value of this model, or is None, it is `middle`. apart: station -> why it was asked for something else; such
        a one is shown, and neither compared nor ranked. known: `summary(frame)`, where it is there already.
    raises: UsageError for a column that is neither a time nor a speed.

    Verdicts are those of `compare.models`, with Holm's correction over the stations of this one table. All of them are
    compared with the same station, which makes them depend on each other; Holm's correction holds then, too.
    """
    known = summary(frame) if known is None else known
    rows = compare.measured(frame[frame["model"] == model], column, "station")
    lines = _alone(known[known["model"] == model], rows, column, dict(apart or {}))
    fit = lines[(lines["n"] > 0) & ~lines["station"].isin(apart or {})]
    named = base is not None and base in set(fit["station"])
    reference = base if named else middle(fit)
    lines = _against(lines, rows[rows["station"].isin(fit["station"])], column, reference)
    ranked = list(lines.loc[lines["aside"] == "", "station"])
    return Comparison(model, column, lines, reference, named, _span(rows, column, ranked))


def middle(lines: pd.DataFrame) -> str | None:
    """The station whose median is nearest to the middle of all medians, None for none.

    lines: columns station, n, p50, aside. Of those with nothing aside (if there are any), and with at least 80 % of
    the most replies. Nearest in ratio; of two, the first.

    Why the middle: whoever is picked for being first or last is there partly by chance, and would make all others look
    slower or faster than they are. The middle one is moved least by that, and is a machine that was really measured.
    """
    import numpy as np

    able = lines[lines["aside"] == ""]
    able = able if len(able) else lines
    if not len(able):
        return None
    logs = np.log(able["p50"])
    apart = (logs - logs.median()).abs().round(9)  # of two stations both are as near
    enough = able["n"] >= REFERENCE_SHARE * able["n"].max()
    return str(able.loc[apart[enough].idxmin(), "station"])


def _alone(known: pd.DataFrame, rows: pd.DataFrame, column: str, apart: Mapping[str, str]) -> pd.DataFrame:
    """What each station has by itself, the fastest first. rows: of the model, usable and with a value."""
    prompts = rows.groupby("station")["prompt_id"].nunique()
    most = prompts[~prompts.index.isin(apart)].max() if len(prompts) else 0
    lines = known[["station", "n_ok", "n_failed", "n_skipped", "status_note"]]
    lines = lines.assign(**{name: known[f"{column}_{name}"] for name in NUMBERS})
    lines["aside"] = [_aside(line, apart, prompts.get(line["station"], 0), most) for line in lines.to_dict("records")]
    place = (lines["aside"] != "").astype(int) + (lines["n"] == 0)
    rising = [True, not column.endswith("_tps"), True]
    order = lines.assign(place=place).sort_values(["place", "p50", "station"], ascending=rising).index
    return lines.loc[order].reset_index(drop=True)


def _aside(line: Mapping, apart: Mapping[str, str], prompts: int, most: int) -> str:
    if line["station"] in apart:
        return f"asked for something else: {apart[line['station']]}"
    if not line["n"]:
        return "nothing measured"
    if line["n"] < stats.MEDIAN_FROM:
        return f"n = {line['n']}, and an interval of a median needs {stats.MEDIAN_FROM}"
    return f"replied to {prompts} of {most} prompts only" if prompts < most else ""


def _against(lines: pd.DataFrame, rows: pd.DataFrame, column: str, reference: str | None) -> pd.DataFrame:
    """The lines with what `compare.models` says of each station against the reference."""
    names = [name for name in PAIRED if name != "verdict"]
    if reference is None:
        return lines.assign(verdict=NOT_COMPARED, **dict.fromkeys(names, math.nan)).assign(
            n_pairs=0, basis="", note=""
        )[list(COLUMNS)]
    found = compare.models(rows, column, by="station", base=reference).set_index("other")
    merged = lines.join(found[list(PAIRED)], on="station")
    merged["verdict"] = merged["verdict"].astype(object).where(merged["verdict"].notna(), NOT_COMPARED)
    merged.loc[merged["station"] == reference, "verdict"] = REFERENCE
    texts = {name: merged[name].astype(object).where(merged[name].notna(), "") for name in ("basis", "note")}
    return merged.assign(n_pairs=merged["n_pairs"].fillna(0).astype(int), **texts)[list(COLUMNS)]


def _span(rows: pd.DataFrame, column: str, ranked: list[str]) -> Span | None:
    """ranked: the stations that take part, the fastest first."""
    from scipy.stats import t

    if len(ranked) < 2:
        return None
    fastest, slowest = ranked[0], ranked[-1]
    both = rows[rows["station"].isin((fastest, slowest))]
    [line] = compare.models(both, column, by="station", base=fastest).to_dict("records")
    sign = -1 if column.endswith("_tps") else 1
    about = {"fastest": fastest, "slowest": slowest, "stations": len(ranked), "n_pairs": line["n_pairs"]}
    about |= {"ratio": line["ratio"] ** sign, "basis": line["basis"]}
    if line["n_pairs"] < VERDICT_FROM or math.isnan(line["ratio_low"]):
        return Span(**about, low=math.nan, high=math.nan, p=math.nan)
    pairs = (
        len(ranked) * (len(ranked) - 1) // 2
    )  # that the two ends were picked from, each with this chance (Bonferroni)
    df = (line["n_pairs"] if line["basis"] == stats.SESSION else line["loads"]) - 1
    wider = t.ppf(1 - ALPHA / 2 / pairs, df) / t.ppf(1 - ALPHA / 2, df)
    reach = wider * math.log(line["ratio_high"] / line["ratio_low"]) / 2
    middle_log = math.log(about["ratio"])
    ends = {"low": math.exp(middle_log - reach), "high": math.exp(middle_log + reach)}
    return Span(**about, **ends, p=min(1.0, line["p"] * pairs))
