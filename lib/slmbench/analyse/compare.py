"""Which of two is faster: requests in pairs, an interval for their ratio, and a verdict no bigger than the sample."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench.analyse import stats
from slmbench.analyse.decide import GAP, VERDICT_FROM, judge, more_is_better, more_loads, more_rounds
from slmbench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

WORDS = {
    "latency_s": "latency",
    "ttft_s": "time to first token",
    "ttfa_s": "time to first answer token",
    "tpot_s": "time per output token",
    "decode_tps": "decode speed",
    "output_tps": "output speed",
    "total_tps": "total speed",
    "prefill_tps": "prompt speed",
}
BY_LENGTH = ("latency_s", "output_tps", "total_tps")  # change with the length of a reply
BY_COUNT = ("tpot_s", "decode_tps", "output_tps", "total_tps")  # made from token counts
COLUMNS = (
    *("base", "other", "column", "n_pairs", "prompts", "loads", "ratio", "ratio_low", "ratio_high", "p", "p_holm"),
    *("verdict", "basis", "more_rounds", "more_loads", "note"),
)


def models(frame: pd.DataFrame, column: str = "latency_s", by: str = "model", base: str | None = None) -> pd.DataFrame:
    """Models (or devices) against each other, request by request.

    frame: from `records.to_frame`. column: a time (…_s) or a speed (…_tps) of the frame. by: what is compared.
    base: a value of `by` that all others are compared with; None: every pair.
    returns: one line per pair, in order of appearance, columns COLUMNS: ratio is other / base, the geometric mean
        over pairs with the same prompt, load, round and concurrency (n_pairs of them, NaN without any), across loads
        that of the loads' medians;
        ratio_low, ratio_high: 95 % interval, NaN below 6 pairs, as are p and p_holm. verdict is said of `other`:
        "faster" or "slower": the interval excludes 1, p_holm < 0.05 and the gap is at least 5 %; "tie": the interval
        lies inside [1/1.05, 1.05], under Holm as well; else, and below 6 pairs always, "can't tell".
        basis: "across N loads" from 3 loads in common, else "within this session". more_rounds: about how many more
        rounds of every prompt would decide it (see `decide.more_rounds`), NaN if decided or unknowable; more_loads:
        the same in loads of each model, where no practical number of rounds would do.
        note: what limits the line, a sentence fragment, or "".
    raises: UsageError for a column or a base that is not there.

    Within a session: Student's t on the log ratios of all pairs. Across N loads: t on the loads' median log ratios,
    with N − 1 degrees of freedom. Both speak of the prompts that were asked, and of no others; within a session each
    pair counts the same, so that a prompt with more rounds weighs more.
    """
    rows = measured(frame, column, by)
    names = list(rows[by].unique())
    if base is not None and base not in names:
        near = difflib.get_close_matches(base, map(str, names), 1)
        known = ", ".join(map(str, names)) or "nothing: no usable reply has it"
        message = f"base: {base!r} was found, one of these was expected: {known}"
        raise UsageError(message, f"base={near[0]!r}" if near else "leave base out to compare every pair")
    both = [(base, n) for n in names if n != base] if base is not None else list(itertools.combinations(names, 2))
    key = [*stats.PAIR_KEY, *([] if by == "model" else ["model"])]
    return _table(list(_lines(rows, column, by, both, key)), column)


def measured(frame: pd.DataFrame, column: str, by: str = "model") -> pd.DataFrame:
    """The rows that comparisons are made of: usable, with a value and a name. raises: UsageError as `models` does."""
    more_is_better(frame, column)
    return frame[stats.usable(frame) & (frame[column] > 0) & frame[by].notna()]


def runs(a: pd.DataFrame, b: pd.DataFrame, column: str = "latency_s") -> pd.DataFrame:
    """Two runs against each other, model by model: GPU against CPU, two machines, before and after.

    a, b: from `records.to_frame`. returns: the columns of `models`, then `model`; one line per model that both runs
    have usable rows of; base is the name of run a, other that of run b ("run A", "run B" if they have one name). Holm
    is over the models; basis: as there, or "within these two runs". The runs were not made at the same time, which no
    interval shows; the note says so.
    """
    import pandas as pd

    more_is_better(a, column), more_is_better(b, column)
    names = [_name(a, "run A"), _name(b, "run B")]
    if names[0] == names[1]:
        names = ["run A", "run B"]
    parts = [f[stats.usable(f) & (f[column] > 0)].assign(run=n) for f, n in zip((a, b), names, strict=True)]
    shared = [m for m in parts[0]["model"].unique() if m in set(parts[1]["model"])]
    rows = pd.concat([part[part["model"].isin(shared)] for part in parts], ignore_index=True)
    lines = []
    for model in shared:
        [line] = _lines(rows[rows["model"] == model], column, "run", [tuple(names)], list(stats.PAIR_KEY))
        apart = "the runs were made one after the other: what else changed between them is in the ratio"
        lines.append({**line, "notes": [*line["notes"], apart]})
    found = _table(lines, column).assign(model=shared)
    return found.assign(basis=found["basis"].replace(stats.SESSION, "within these two runs"))


def _name(frame: pd.DataFrame, otherwise: str) -> str:
    names = frame["run"].dropna().unique()
    return str(names[0]) if len(names) == 1 else otherwise


def paired(
    rows: pd.DataFrame, both: Sequence[tuple], by: str = "model", key: Sequence[str] = stats.PAIR_KEY
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Which replies answer the same request, for each pair of names.

    rows: from `measured`. both: pairs of values of `by`. key: columns that make a request.
    returns: for each pair where in `rows` its replies stand, two arrays of shape (n,), and how many replies have no
        counterpart. Of several replies to one request, the last one counts.
    """
    import numpy as np

    request = rows.groupby(list(key), sort=False, dropna=False).ngroup().to_numpy()
    named = rows[by].to_numpy()
    last = {}  # for each name: where the last reply to each request stands, -1 where there is none
    for name in {name for pair in both for name in pair}:
        of_name = np.flatnonzero(named == name)
        last[name] = np.full(request.max(initial=-1) + 1, -1)
        last[name][request[of_name]] = of_name
    for base, other in both:
        left, right = last[base], last[other]
        common = (left >= 0) & (right >= 0)
        yield left[common], right[common], int(((left >= 0) ^ (right >= 0)).sum())


def cells(rows: pd.DataFrame, key: Sequence[str] = stats.PAIR_KEY) -> np.ndarray:
    """The request of each row without its round, as a number: one more round adds one of each. shape (len(rows),)"""
    return rows.groupby([k for k in key if k != "round"], sort=False, dropna=False).ngroup().to_numpy()


def _lines(rows: pd.DataFrame, column: str, by: str, both: list[tuple], key: list[str]) -> Iterator[dict[str, Any]]:
    """What each pair of names has in common."""
    import numpy as np

    cell, log = cells(rows, key), np.log(rows[column].to_numpy())
    looked = {n: rows[n].to_numpy() for n in ("prompt_id", "load_index", "output_tokens", "token_source")}
    looked["bound"] = stats.flagged(rows, {"client_bound"}).to_numpy()
    for (base, other), (left, right, alone) in zip(both, paired(rows, both, by, key), strict=True):
        one, two = ({n: x[side] for n, x in looked.items()} for side in (left, right))
        notes = list(_notes(one, two, column, alone))
        line = _spread(log[right] - log[left], one["load_index"])
        line |= {"base": base, "other": other, "prompts": len({*stats.known(one["prompt_id"])}), "notes": notes}
        yield line | {"cells": len(np.unique(cell[left]))}


def _spread(logs: np.ndarray, loads: np.ndarray) -> dict[str, Any]:
    """The mean log ratio of some pairs (across loads: of the loads' medians) with its standard error and degrees of
    freedom; what makes up the error.
    """
    import numpy as np

    names, load, sizes = np.unique(loads, return_inverse=True, return_counts=True)
    line = {"n_pairs": len(logs), "loads": len(names), "basis": stats.basis(len(names))}
    if len(logs) < 2:
        return line | {"mean": logs.mean() if len(logs) else np.nan, "se": np.nan, "df": np.nan, "within": np.nan}
    if len(names) < stats.LOADS_FROM:
        within = logs.std(ddof=1)
        return line | {"mean": logs.mean(), "se": within / len(logs) ** 0.5, "df": len(logs) - 1, "within": within}
    means, free = np.bincount(load, weights=logs) / sizes, len(logs) - len(names)
    medians = np.array([np.median(logs[load == place]) for place in range(len(names))])
    within = (((logs - means[load]) ** 2).sum() / free) ** 0.5 if free else np.nan
    between = max(0.0, means.var(ddof=1) - within**2 * (1 / sizes).mean()) ** 0.5 if free else np.nan
    spread = medians.std(ddof=1)
    line |= {"mean": medians.mean(), "se": spread / len(names) ** 0.5, "df": len(names) - 1, "spread": spread}
    return line | {"within": within, "between": between}


def _notes(one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray], column: str, alone: int) -> Iterator[str]:
    n = len(one["bound"])
    if n < VERDICT_FROM:
        few = f"{n} pair{'s' * (n != 1)}, and a verdict needs {VERDICT_FROM}"
        yield few + (": 3 against 3 never get below p = 0.10" if 0 < n <= 3 else "")
    lengths = stats.mean(one["output_tokens"]), stats.mean(two["output_tokens"])
    if column in BY_LENGTH and min(lengths) > 0 and max(lengths) > GAP * min(lengths):
        tokens = " and ".join(f"{mean:.3g}" for mean in lengths)
        yield f"the replies differ in length (mean tokens {tokens}), so this compares different amounts of work"
    sources = [sorted({*stats.known(side["token_source"])}) for side in (one, two)]
    if column in BY_COUNT and sources[0] != sources[1]:
        yield f"tokens were counted differently ({' + '.join(sources[0])} and {' + '.join(sources[1])})"
    bound = one["bound"] | two["bound"]
    if bound.any():
        yield f"the client could not keep up in {bound.sum()} of the pairs"
    if alone:
        yield f"{alone} usable repl{'ies' if alone > 1 else 'y'} without a counterpart left out"


def _table(lines: list[dict[str, Any]], column: str) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    numbers = ["mean", "se", "df", "within", "between", "spread"]
    given = ["base", "other", "n_pairs", "prompts", "loads", "basis", *numbers, "cells", "notes"]
    found = pd.DataFrame(lines, columns=given).astype(dict.fromkeys(numbers, float))
    enough = found["n_pairs"] >= VERDICT_FROM
    judged = judge(found["mean"], found["se"].where(enough), found["df"].where(enough), column.endswith("_tps"))
    found = found.assign(**judged, column=column, ratio=np.exp(found["mean"]))
    more = [_more(line, max(1, int(enough.sum()))) for line in found.to_dict("records")]
    found["more_rounds"] = [rounds for rounds, _, _ in more]
    found["more_loads"] = [loads for _, loads, _ in more]
    found["note"] = ["; ".join([*n, *m]) for n, (_, _, m) in zip(found["notes"], more, strict=True)]
    kinds = {"more_rounds": float, "more_loads": float, "n_pairs": int, "prompts": int, "loads": int}
    return found[list(COLUMNS)].astype(kinds)


def _more(line: Mapping[str, Any], lines: int) -> tuple[float, float, list[str]]:
    """About how many more rounds, or else loads, would decide a line, and what there is to say about it."""
    if line["verdict"] != "can't tell" or not line["n_pairs"]:
        return math.nan, math.nan, []
    across = {} if line["basis"] == stats.SESSION else {"between": line["between"], "loads": line["loads"]}
    seen = line["mean"], line["within"], line["n_pairs"], line["cells"]
    rounds = more_rounds(*seen, lines=lines, **across)
    if not math.isinf(rounds):
        return rounds, math.nan, []
    loads = more_loads(line["mean"], line["spread"], line["loads"], lines=lines) if across else math.inf
    if math.isinf(loads):
        few = "no practical number of rounds" + (" or loads" if across else "")
        return math.nan, math.nan, [f"{few} would decide it"]
    words = f"no practical number of rounds would decide it, about {loads:.0f} more load{'s' * (loads != 1)} would"
    return math.nan, loads, [words]


def sentence(line: Mapping[str, Any]) -> str:
    """One line of `models` or `runs` in plain text.

    >>> line = {"base": "a", "other": "b", "column": "latency_s", "n_pairs": 20, "ratio": 0.761, "ratio_low": 0.7}
    >>> line |= {"ratio_high": 0.831, "basis": "within this session", "verdict": "faster", "more_rounds": math.nan}
    >>> sentence({**line, "note": ""})
    'b is faster than a: latency × 0.76 [0.70, 0.83] (95 % interval, 20 pairs, within this session).'
    """
    base, other, n = line["base"], line["other"], int(line["n_pairs"])
    said = {
        "faster": f"{other} is faster than {base}",
        "slower": f"{other} is slower than {base}",
        "tie": f"{other} and {base} tie, within {GAP - 1:.0%}".replace("%", " %"),
        "can't tell": f"Can't tell {other} from {base}",
    }[line["verdict"]]
    if line.get("model"):
        said = f"{line['model']}: {said[0].lower() + said[1:] if said.startswith('Can') else said}"
    counted = f"{n} pair{'s' * (n != 1)}, {line['basis']}"
    if n and not math.isnan(line["ratio_low"]):
        bounds = f"[{line['ratio_low']:.2f}, {line['ratio_high']:.2f}] (95 % interval, {counted})"
        said += f": {WORDS.get(line['column'], line['column'])} × {line['ratio']:.2f} {bounds}"
    elif n:
        said += f": {WORDS.get(line['column'], line['column'])} × {line['ratio']:.2f} seen in {counted}"
    if not math.isnan(line["more_rounds"]):
        rounds = int(line["more_rounds"])
        said += f"; about {rounds} more round{'s' * (rounds != 1)} of every prompt would decide it"
    return said + (f"; {line['note']}." if line["note"] else ".")
