"""What a picture shows, in words computed from the same rows: alternative texts, captions and counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.errors import UsageError
from slmbench.records import UNITS
from slmbench.show.text import number

if TYPE_CHECKING:
    import pandas as pd

LABELS = {
    "latency_s": "latency (s)",
    "ttft_s": "time to first token (s)",
    "ttfa_s": "time to first answer token (s)",
    "tpot_s": "time per output token (s/token)",
    "decode_tps": "decode speed (tokens/s)",
    "output_tps": "output speed (tokens/s)",
    "total_tps": "prompt + output tokens over latency (tokens/s)",
}
OPENINGS = {
    "latency_by_model": "Latency of every request by model, as dots with a box.",
    "ecdf": "Share of requests at or below each {column}, one step line a model.",
    "speed": "Decode speed of every request by model, with medians.",
    "run_order": "Latency of every request in the order of the run.",
    "per_prompt": "{Column} by prompt and model, as dots with medians.",
    "acceleration": "{base} and {other} compared prompt by prompt.",
}
COLUMNS = {"latency_by_model": "latency_s", "ecdf": "ttft_s", "speed": "decode_tps", "run_order": "latency_s"}


def describe(frame: pd.DataFrame, kind: str, **options: str) -> str:
    """The picture `kind` in a few sentences: what is drawn, then the numbers to be read from it.

    kind: a name in `plots.KINDS`. options: those the picture was drawn with (column, base, other, by).
    """
    if kind not in OPENINGS:
        raise UsageError(
            f"kind={kind!r} is no picture; expected one of {', '.join(OPENINGS)}", "kind='latency_by_model'"
        )
    column = options.get("column") or COLUMNS.get(kind, "latency_s")
    names = {"column": quantity(column).lower(), "Column": quantity(column)}
    opening = OPENINGS[kind].format(**names, base=options.get("base"), other=options.get("other"))
    if kind == "acceleration":
        base, other = options["base"], options["other"]
        ratio = stats.pairs(frame, base, other, column, options.get("by", "model"))["ratio"]
        return f"{opening} {other} / {base}: {ratio_text(ratio, column)}."
    values = samples(frame, column)
    sentences = [opening, *(_numbers(model, sample, column) for model, sample in values.items() if len(sample))]
    if not any(len(sample) for sample in values.values()):
        sentences.append("No request was measured.")
    if kind in ("latency_by_model", "run_order"):
        sentences.append(_outlier_sentence(frame))
    if kind == "run_order":
        warm_ups, lost = int((frame["phase"] == "warmup").sum()), int(failed(frame).sum())
        sentences.append(f"Warm-up requests: {warm_ups}, failed: {lost}.")
    if kind == "per_prompt":
        sentences.append(f"Prompts: {frame.loc[stats.usable(frame), 'prompt_id'].nunique()}.")
    return " ".join(filter(None, [*sentences, absent(values)]))


def label_of(column: str) -> str:
    """A column's name and unit for an axis."""
    return LABELS.get(column) or (f"{column} ({UNITS[column]})" if column in UNITS else column)


def quantity(column: str) -> str:
    """A column's name for a title."""
    name = label_of(column).split(" (")[0]
    return name[:1].upper() + name[1:]


def samples(frame: pd.DataFrame, column: str) -> dict[str, pd.Series]:
    """The measured values of a column, by model in order of appearance; empty where a model has none."""
    good = frame[stats.usable(frame)]
    models = dict.fromkeys(frame["model"])
    return {model: good.loc[good["model"] == model, column].dropna().astype(float) for model in models}


def failed(frame: pd.DataFrame) -> pd.Series:
    """Which rows are requests that gave no usable reply (skipped ones were never asked). bool Series."""
    asked = (frame["status"] != "skipped") & ~stats.superseded(frame)
    return asked & (~frame["ok"] | ((frame["phase"] == "timed") & ~stats.usable(frame)))


def counts(frame: pd.DataFrame, values: Mapping[str, pd.Series]) -> dict[str, str]:
    """Per model: "n = 12", "n = 10, 2 failed", "skipped"."""
    lost = frame[failed(frame) & (frame["phase"] == "timed")]["model"].value_counts()
    skipped = set(frame.loc[_skipped(frame), "model"])
    notes = {}
    for model, sample in values.items():
        note = [f"n = {len(sample)}"] if len(sample) or model not in skipped else []
        note += [f"{lost[model]} failed"] if model in lost else []
        notes[model] = ", ".join(note + ["skipped"] * (model in skipped))
    return notes


def reasons(frame: pd.DataFrame) -> dict[str, str]:
    """Why a model failed or was skipped, in the words of its first such row."""
    lost = frame[(failed(frame) & (frame["phase"] == "timed")) | _skipped(frame)]
    return {model: stats.reason(row) for model, row in lost.drop_duplicates("model").set_index("model").iterrows()}


def _skipped(frame: pd.DataFrame) -> pd.Series:
    return (frame["status"] == "skipped") & ~stats.superseded(frame)


def positions(frame: pd.DataFrame) -> pd.Series:
    """Where each row stands in the run: `order` where that is whole and unique, else the row's own number."""
    import pandas as pd

    order = frame["order"]
    if order.notna().all() and order.is_unique:
        return order
    return pd.Series(range(len(frame)), index=frame.index, dtype="float64")


def absent(values: Mapping[str, pd.Series]) -> str:
    """Names the models without a value, "" when there is none."""
    missing = [str(model) for model, sample in values.items() if not len(sample)]
    return f"Not measured: {', '.join(missing)}." if missing else ""


def token_note(frame: pd.DataFrame) -> list[str]:
    """A warning where token counts are not the server's own; [] otherwise."""
    sources = sorted(frame.loc[stats.usable(frame), "token_source"].dropna().unique())
    return [] if sources in ([], ["server"]) else [f"Tokens counted by: {', '.join(sources)}."]


def ratio_text(ratio: pd.Series, column: str) -> str:
    """For instance "latency × 0.58 (12 pairs, 0.41 to 0.70)": the geometric mean, and the lowest and highest pair.

    ratio: shape (n,), positive, NaN left out.
    """
    logs = [math.log(value) for value in ratio.dropna()]
    if not logs:
        return "no pair was measured"
    span = f"{math.exp(min(logs)):.2f} to {math.exp(max(logs)):.2f}"
    return f"{quantity(column).lower()} × {math.exp(math.fsum(logs) / len(logs)):.2f} ({len(logs)} pairs, {span})"


def _numbers(model: str, sample: pd.Series, column: str) -> str:
    found = {name: number(value) for name, value in stats.describe(sample).items()}
    spread = f"lowest {found['min']}, highest {found['max']}"
    if len(sample) >= stats.MEDIAN_FROM:
        spread += f", 95 % interval of the median {found['p50_low']} to {found['p50_high']}"
    return f"{model}: median {found['p50']} {UNITS.get(column, '')}, {spread}, n = {found['n']}."


def _outlier_sentence(frame: pd.DataFrame) -> str:
    models = frame.loc[stats.outliers(frame), "model"].value_counts()
    return f"Outliers: {', '.join(f'{n} of {model}' for model, n in models.items()) or 'none'}."
