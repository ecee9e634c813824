"""The models of a room, each on all stations: what can be said, in sentences and tables of Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.analyse import stations, stats
from slmbench.analyse.decide import GAP, VERDICT_FROM
from slmbench.analyse.stations import METRICS, Comparison, Span
from slmbench.records import UNITS
from slmbench.show import alt, room_machines, room_plots, text
from slmbench.show.findings import p_value
from slmbench.show.levels import levels, name as level_name, only
from slmbench.show.room_plots import listed
from slmbench.show.verdict import median, ratio

if TYPE_CHECKING:
    import pandas as pd

    from slmbench.store.rooms import Room

ENDS = 20  # lines from either end of a table that would be longer than `room_machines.LINES`
PICTURED = {"latency": "latency_s", "speed": "decode_tps"}  # by the words that files are named with


class Part(NamedTuple):
    """One model at one number of requests at once. frame: its rows; found: by column, in METRICS; known: from
    `stations.summary`, of this model; more: the number at once in words, "" where the room has only one."""

    number: int
    model: str
    level: int
    more: str
    frame: pd.DataFrame
    known: pd.DataFrame
    found: Mapping[str, Comparison]

    @property
    def title(self) -> str:
        return f"{self.model}, {self.more}" if self.more else self.model


def parts(room: Room, frame: pd.DataFrame, base: str | None = None) -> list[Part]:
    """Every model that was asked for, in that order, at every number of requests at once. base: the station to compare
    with, None for the one whose latency is in the middle, for each of them.
    """
    asked, aside, made = levels(frame), room_machines.apart(room), []
    models = dict.fromkeys([*(room.asked.get("models") or ()), *frame["model"]])
    for level in asked:
        rows = only(frame, level)
        known = stations.summary(rows)
        for model in models:
            mine = known[known["model"] == model]
            if not len(mine):
                continue
            of_model = rows[rows["model"] == model]
            given = {"apart": aside, "known": mine}
            first = stations.comparison(of_model, model, METRICS[0], base=base, **given)
            found = {METRICS[0]: first}
            for column in METRICS[1:]:  # one reference for all that is said of a model
                other = stations.comparison(of_model, model, column, base=first.reference, **given)
                found[column] = replace(other, named=first.named)
            more = level_name(level) if len(asked) > 1 else ""
            made.append(Part(len(made) + 1, model, level, more, of_model, mine, found))
    return made


def span_sentence(found: Comparison) -> str:
    """How far the fastest and the slowest station are apart, in plain text."""
    shown = found.lines[found.lines["n"] > 0]
    unit, what = UNITS[found.column], alt.quantity(found.column).lower()
    if not len(shown):
        return "No station has measured it."
    if found.span is None:
        each = listed([f"{line['station']} {median(_named(line), 'x', f' {unit}')}" for line in _lines(shown)], 4)
        why = "only one station can be ranked" if (shown["aside"] == "").any() else "no station can be ranked"
        return f"Median {what}: {each}. The stations are not compared: {why}{_unranked(shown)}."
    ends = found.lines.set_index("station")["p50"]
    span, far = found.span, {}
    for name in (span.fastest, span.slowest):
        far[name] = f"{name} ({text.number(float(ends[name]))} {unit})"
    opening = f"Median {what}: fastest {far[span.fastest]}, slowest {far[span.slowest]}"
    return f"{opening}, of {alt.plural(span.stations, 'station')}. {_apart(span)}"


def _unranked(shown: pd.DataFrame) -> str:
    """Why stations can't be ranked, each reason with those it holds for; and what would help."""
    reasons = room_machines.grouped((line["aside"], line["station"]) for line in _lines(shown) if line["aside"])
    told = "; ".join(f"{why}: {listed(names)}" for why, names in reasons.items())
    few = ". It takes more rounds (--rounds N)" if any(shown["n"] < stats.MEDIAN_FROM) else ""
    return f" ({told}){few}" if told else ""


def _apart(span: Span) -> str:
    if math.isnan(span.low):
        seen = "" if math.isnan(span.ratio) else f"× {span.ratio:.2f} seen in {alt.plural(span.n_pairs, 'pair')}; "
        return f"Whether they differ can't be told: {seen}a comparison needs {VERDICT_FROM} pairs of the same request."
    pairs = span.stations * (span.stations - 1) // 2
    counted = f"{alt.plural(span.n_pairs, 'pair')} of the same request, {span.basis}"
    if pairs > 1:
        counted += f"; corrected for the {pairs:,} pairs of stations that they were picked from"
    if span.apart:
        return f"The slowest is {_ratio(span)} times as slow ({counted})."
    tie = span.low >= 1 / GAP and span.high <= GAP
    return f"{'That is a tie' if tie else 'That is no difference shown'}: × {_ratio(span)} ({counted})."


def _ratio(span: Span) -> str:
    sizes = (span.ratio, span.low, span.high)
    middle, low, high = (f"{size:.2f}" if size < 10 else text.number(size) for size in sizes)
    return f"{middle} [{low} to {high}]"


def _lines(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


def _named(line: Mapping[str, Any]) -> dict[str, Any]:
    """A station's numbers under the names that `verdict.median` looks for."""
    return {f"x_{name}": line[name] for name in stations.NUMBERS}


def section(part: Part, room: Room) -> list[str]:
    """What is said of one model below its pictures."""
    return [
        _overview(part),
        *_table(part),
        text.bullets(remarks(part)),
        *_ends(part, room),
    ]


def _overview(part: Part) -> str:
    """A line per metric: the reference, the counts of verdicts, the two ends."""
    import pandas as pd

    lines = []
    for column, found in part.found.items():
        if found.reference is None:
            continue
        counts = found.lines["verdict"].value_counts()
        [own] = _lines(found.lines[found.lines["station"] == found.reference])
        span = found.span
        lines.append(
            {
                "Metric": alt.label_of(column),
                "Reference": f"{found.reference}{' (as named)' if found.named else ''}",
                "Its median [95 % interval]": median(_named(own), "x"),
                **{v.capitalize(): int(counts.get(v, 0)) for v in ("faster", "slower", "tie", "can't tell")},
                "Not compared": int(counts.get(stations.NOT_COMPARED, 0)),
                "Fastest": span.fastest if span else text.MISSING,
                "Slowest": span.slowest if span else text.MISSING,
                "Times as slow": text.MISSING if span is None else _ratio(span) if span.low > 0 else "can't tell",
            }
        )
    return text.table(pd.DataFrame(lines)) if lines else ""


def _table(part: Part) -> list[str]:
    """A line per station, by its latency (by its first metric with a value)."""
    import pandas as pd

    main = part.found["latency_s"]
    others = {column: part.found[column].lines.set_index("station") for column in ("ttft_s", "decode_tps")}
    shown = _lines(main.lines[main.lines["n"] > 0])
    lines = [
        {
            "Station": line["station"],
            "n": line["n"],
            "Failed": line["n_failed"],
            "Median latency (s)": median(_named(line), "x"),
            "Median time to first token (s)": median(_named(others["ttft_s"].loc[line["station"]]), "x"),
            "Median decode speed (tokens/s)": median(_named(others["decode_tps"].loc[line["station"]]), "x"),
            "Latency is": line["verdict"],
            "Ratio [95 % interval]": "1" if line["verdict"] == stations.REFERENCE else ratio(line),
            "Pairs": line["n_pairs"],
            "p (Holm)": p_value(line["p_holm"]),
            "Remark": "; ".join(filter(None, [line["aside"] or line["note"], _more(line)])) or "–",
        }
        for line in shown
    ]
    if not lines:
        return []
    cut = len(lines) > room_machines.LINES
    kept = [
        line for i, line in enumerate(lines) if i < ENDS or i >= len(lines) - ENDS or line["Latency is"] == "reference"
    ]
    left_out = f"{len(lines) - len(kept)} lines in the middle are left out; all stations are in stations.csv."
    return [text.table(pd.DataFrame(kept if cut else lines)), *([left_out] if cut else [])]


def _more(line: Mapping[str, Any]) -> str:
    if line["verdict"] != "can't tell" or math.isnan(line["more_rounds"]):
        return ""
    return f"about {alt.plural(line['more_rounds'], 'more round')} of every prompt would decide it"


def remarks(part: Part) -> Iterator[str]:
    """Where it was not measured and why; what else differs between its stations."""
    lost = _lines(part.known[part.known["n_ok"] == 0])
    reasons = ((line["status_note"] or "no timed request of it ended well", line["station"]) for line in lost)
    for why, names in room_machines.grouped(reasons).items():
        yield f"Not measured on {listed(names, room_machines.LINES)}: {text.shortened(why, 300)[0]}"
    failed = part.known[(part.known["n_failed"] > 0) & (part.known["n_ok"] > 0)]
    if len(failed):
        each = [f"{line['station']} {line['n_failed']} of {line['n_failed'] + line['n_ok']}" for line in _lines(failed)]
        yield f"Requests failed on {listed(each)}; they are in no median."
    bound = part.known[part.known["n_client_bound"] > 0]
    if len(bound):
        each = [f"{line['station']} {line['n_client_bound']} of {line['n_ok']}" for line in _lines(bound)]
        yield f"Client bound on {listed(each)} requests: replies came faster than these could be read there."
    good = part.frame[stats.usable(part.frame)]
    for column, words in (
        ("model_id", "Served as"),
        ("execution_provider", "Execution provider"),
        ("device", "Device"),
    ):
        pairs = good[[column, "station"]].dropna().drop_duplicates()
        groups = room_machines.grouped(pairs.itertuples(index=False, name=None))
        if len(groups) > 1:
            yield f"{words}: {room_machines.said_groups(groups)}. These are not the same work."
    counted = good[["token_source", "station"]].dropna().drop_duplicates()
    sources = room_machines.grouped(counted.itertuples(index=False, name=None))
    if len(sources) > 1:
        yield f"Tokens were counted by {room_machines.said_groups(sources)}: speeds compare within one source."


def _ends(part: Part, room: Room) -> list[str]:
    """In what the machines of the two ends differ, where these are apart."""
    span: Span | None = part.found["latency_s"].span
    if span is None or not span.apart:
        return []
    told = room_machines.differences(room, span.fastest, span.slowest)
    said = f"In what {span.fastest} (fastest) and {span.slowest} (slowest) differ, as far as both told:"
    if not told:
        return [f"Nothing that {span.fastest} (fastest) and {span.slowest} (slowest) both told of themselves differs."]
    return [said, text.bullets(told), "A difference that stands here need not be the cause."]


def pictures(part: Part) -> list[tuple[str, str, str]]:
    """(name of its file, column, what it shows) of each picture that has something to show."""
    return [
        (f"room_{kind}_{part.number}.png", column, room_plots.words(part.found[column], part.more))
        for kind, column in PICTURED.items()
        if (part.found[column].lines["n"] > 0).any()
    ]
