"""What a picture shows, in words computed from the same rows: alternative texts, captions and counts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from slmbench.analyse import compare, outliers, race, stats, traffic
from slmbench.errors import UsageError
from slmbench.records import UNITS
from slmbench.show import picks, theme
from slmbench.show.text import number, plain

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
    "per_prompt": "{Column} by prompt and model, a panel a prompt, as dots with medians.",
    "token_timeline": "One reply of each model to the same prompt, a tick for each chunk as it arrived.",
    "concurrency_curve": "Throughput of all streams against median {column}, a point for each level of load.",
    "ratios": "{Column} of models in pairs: ratios with their 95 % intervals.",
    "acceleration": "{base} and {other} compared prompt by prompt.",
    "race": "{Column} of every request by model so far, whoever is ahead on top, with medians.",
}
NAME = 60  # characters of a model's name in a caption
COLUMNS = {"ecdf": "ttft_s", "speed": "decode_tps", "concurrency_curve": "ttft_s"}  # of the others: latency_s


def describe(frame: pd.DataFrame, kind: str, **options: Any) -> str:
    """The picture `kind` in a few sentences: what is drawn, then the numbers to be read from it.

    kind: a name in `plots.KINDS`. options: those the picture was drawn with (column, base, other, by).
    returns: one line without what a terminal or a page would obey.
    """
    return plain(_described(frame, kind, **options))


def _described(frame: pd.DataFrame, kind: str, **options: Any) -> str:
    if kind not in OPENINGS:
        raise UsageError(
            f"kind={kind!r} is no picture; expected one of {', '.join(OPENINGS)}", "kind='latency_by_model'"
        )
    column = options.get("column") or COLUMNS.get(kind, "latency_s")
    names = {"column": quantity(column).lower(), "Column": quantity(column)}
    opening = OPENINGS[kind].format(**names, base=options.get("base"), other=options.get("other"))
    if kind in MORE:
        return " ".join(filter(None, [opening, *MORE[kind](frame, **options)]))
    if kind == "acceleration":
        base, other = options["base"], options["other"]
        ratio = stats.pairs(frame, base, other, column, options.get("by", "model"))["ratio"]
        return f"{opening} {other} / {base}: {ratio_text(ratio, column)}."
    values = samples(frame, column)
    measured = {model: numbers(frame, sample) for model, sample in values.items() if len(sample)}
    sentences = [opening, *(_sentence(model, found, column) for model, found in measured.items())]
    if not measured:
        sentences.append("No request was measured.")
    if kind in ("latency_by_model", "run_order"):
        sentences.append(outlier_sentence(frame))
    if kind == "run_order":
        untimed = {kind: int((frame["phase"] == kind).sum()) for kind in ("warmup", "cooldown")}
        also = f", cool-down: {untimed['cooldown']}" if untimed["cooldown"] else ""
        sentences.append(f"Warm-up requests: {untimed['warmup']}{also}, failed: {int(failed(frame).sum())}.")
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


def numbers(frame: pd.DataFrame, sample: pd.Series) -> dict[str, float]:
    """`stats.describe` of some values of the frame, the interval across loads where there are enough of them."""
    loads = frame.loc[sample.index, "load_index"]
    return stats.describe(sample, loads=loads if loads.nunique() >= stats.LOADS_FROM else None)


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


def absent(values: Mapping[str, Sized]) -> str:
    """Names the models without a value, "" when there is none."""
    missing = [theme.wrap(str(model), NAME, 1) for model, sample in values.items() if not len(sample)]
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


def _sentence(model: str, numbers: Mapping[str, float], column: str) -> str:
    found = {name: number(value) for name, value in numbers.items()}
    spread = f"lowest {found['min']}, highest {found['max']}"
    if numbers["n"] >= stats.MEDIAN_FROM:
        spread += f", 95 % interval of the median {found['p50_low']} to {found['p50_high']}"
    return f"{model}: median {found['p50']} {UNITS.get(column, '')}, {spread}, n = {found['n']}."


def outlier_sentence(frame: pd.DataFrame) -> str:
    """How many outliers each model has, and their probable causes: "Outliers: none." or more."""
    causes = outliers.causes(frame)
    models = frame.loc[causes != "", "model"].value_counts()
    counted = ", ".join(f"{n} of {model}" for model, n in models.items())
    return f"Outliers: {counted or 'none'}." + (f" {cause_counts(causes)}" if counted else "")


def cause_counts(causes: pd.Series) -> str:
    """For instance "Probable causes: cold start 3, unknown 1."; "" for none. causes: from `outliers.causes`."""
    counted = causes[causes != ""].value_counts()
    return f"Probable causes: {', '.join(f'{cause} {n}' for cause, n in counted.items())}." if len(counted) else ""


def plural(n: float, name: str) -> str:
    """For instance "1 pair", "12 pairs"."""
    return f"{n:,.0f} {name}{'' if n == 1 else 's'}"


def level(point: Mapping[str, Any]) -> str:
    """A line of `traffic.load_points` as its load: "4" streams, or "2/s" arriving."""
    return f"{point['concurrency']:.0f}" if math.isnan(point["rate"]) else f"{number(float(point['rate']))}/s"


def limits_text(limits: Iterable[tuple[str, float]]) -> str:
    """For instance "time to first token ≤ 0.5 s and time per output token ≤ 0.1 s"."""
    return " and ".join(f"{quantity(name).lower()} ≤ {value:g} s" for name, value in limits)


def levels_note(points: pd.DataFrame, limits: Iterable[tuple[str, float]] = (), crowded: bool = False) -> str:
    """What the words at the points of the concurrency curve mean. crowded: a share that stays is not repeated."""
    kinds = ["requests at once"] * bool(points["rate"].isna().any())
    kinds += ["requests arriving each second"] * bool(points["rate"].notna().any())
    named = f"At each point: {' or '.join(kinds)}" if kinds else ""
    named += f"; %: share of requests with {limits_text(limits)}" if named and limits else ""
    named += ", where it changes" if named and limits and crowded else ""
    return f"{named}. Bar: 95 % interval of the median." if named else ""


def client_bound_note(points: pd.DataFrame) -> str:
    """How many requests, by load, the client could not keep up with; "" for none."""
    bound = points[points["client_bound"] > 0].to_dict("records")
    where = ", ".join(
        f"{p['client_bound']} of {p['n_ok'] + p['n_failed']} at {level(p)} ({theme.wrap(p['model'], NAME, 1)})"
        for p in bound
    )
    return f"Hollow: client bound, the limit may be this client's and not the server's: {where}." if where else ""


def _timeline(frame: pd.DataFrame, model: str | None = None, prompt: str | None = None, round: int = 0) -> list[str]:
    found = picks.replies(frame, model, prompt, round)
    if not found:
        return ["No request was measured."]
    said = [f"Prompt: {found[0].prompt}, round {found[0].round}."]
    for reply in found:
        parts = [f"first token after {picks.duration(reply.ttft_s)}", plural(len(reply.chunk_s), "chunk")]
        reasoning = reply.channels.count("reasoning")
        parts += [f"{reasoning} of them reasoning"] if reasoning else []
        if reply.gaps:
            middle, largest = statistics.median(reply.gaps), max(reply.gaps)
            parts.append(f"median gap {picks.duration(middle)}, largest {picks.duration(largest)}")
        said.append(f"{reply.model}: {', '.join(filter(None, [*parts, picks.speed_of([reply])]))}.")
    return said


def _curve(frame: pd.DataFrame, limits: Iterable[tuple[str, float]] = (), column: str = "ttft_s") -> list[str]:
    limits = tuple(limits)
    points = traffic.load_points(frame, limits)
    drawn = points[points["system_tps"].notna() & points[f"{column}_p50"].notna()]
    said = []
    for p in drawn.to_dict("records"):
        words = f"{p['model']} at {level(p)}: {number(p['system_tps'])} tokens/s, median {number(p[f'{column}_p50'])} s"
        inside = f", {p['goodput_k']:.0f} of {p['goodput_n']:.0f} inside the limits" if limits else ""
        said.append(f"{words}, n = {p['n_ok']}{inside}.")
    return [*(said or ["No request was measured."]), client_bound_note(points)]


def _ratios(frame: pd.DataFrame, column: str = "latency_s", base: str | None = None) -> list[str]:
    lines = picks.pairs(frame, column, base).to_dict("records")
    return [compare.sentence(line) for line in lines if line["n_pairs"]] or ["No pair was measured."]


def _race(frame: pd.DataFrame, column: str = "latency_s", models: Sequence[str] | None = None) -> list[str]:
    found = race.calls(frame, column, models)
    lines = race.standings(frame, column, models, found).to_dict("records")
    if not any(line["n"] for line in lines):
        return ["No request was measured."]
    said = [race.headline(found)] if len(found) else []
    for line in lines:
        numbers = {name: value for name, value in line.items() if not isinstance(value, str)}
        said += [f"{_sentence(line['model'], numbers, column)[:-1]}; {line['place']}."] if line["n"] else []
    return [*said, absent({line["model"]: range(line["n"]) for line in lines})]


MORE = {"token_timeline": _timeline, "concurrency_curve": _curve, "ratios": _ratios, "race": _race}
