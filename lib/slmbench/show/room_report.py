"""The files that people read after a room was measured: the comparison of its stations as Markdown, web page and JSON,
two CSV files and the pictures.

All of them are derived from the records and can be made again at any time; each is written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slmbench import __version__, store
from slmbench.analyse import stations, stats
from slmbench.errors import UsageError
from slmbench.show import report_json, room_machines, room_plots, room_sections, sections, text, theme, web
from slmbench.show.room_sections import Part
from slmbench.store.files import without_nan

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from slmbench.store.rooms import Room

SCHEMA = "slmbench-room-report/1"
PICTURED_PARTS = 12  # models with pictures; of more, the tables alone
PICTURE = re.compile(r"room_(latency|speed)_\d+\.png")
MADE = f"Made by slmbench {__version__} from the records of the room, and to be made again: slmbench report ROOM"
MEANINGS = ("Latency (s)", "Time to first token (s)", "Decode speed (tokens/s)", "Within this session", "Client bound")
METHOD = (
    "Each station is compared with one reference, model by model, in pairs: the same prompt, load and round on both. "
    "The reference is the station whose median latency is nearest to the middle of all stations' for that model (of "
    "those with at least 80 % of the most replies): a first or last one would be picked partly by chance. "
    "Faster or slower: 5 % or more apart, with an interval off 1 after Holm's correction for the stations of that "
    "table. A tie: the interval lies inside [1/1.05, 1.05]. Else can't tell, and below 6 pairs always. The fastest and "
    "the slowest are picked by their medians; the interval of their ratio is corrected for all pairs of stations that "
    "could have been picked. Medians pool the prompts, so their intervals are wider than those of the pairs, in which "
    "a prompt's length falls on both."
)
CSV = "CSV files are UTF-8 without a byte-order mark; in Excel use Data > From Text/CSV and 65001 (UTF-8)."


def write(room: Room, base: str | None = None) -> list[Path]:
    """Writes room_report.md, .html and .json, stations.csv, rows.csv and the pictures into the room's folder.

    base: the station to compare with; None: the middle one of each model.
    returns: the files written, the report first. raises: UsageError if base is no station of the room.
    """
    known = [one.name for one in room.stations]
    if base is not None and base not in known:
        raise UsageError(f"base: {base!r} was found, one of {', '.join(known)} was expected", "base=None")
    frame = room.frame()
    made = room_sections.parts(room, frame, base)
    page, drawn = markdown(room, frame, made), drawings(made)
    html = web.page(page, drawn, f"Room report: {room.name}", MADE)
    files = {
        "room_report.md": page.encode("utf-8", "backslashreplace"),
        "room_report.html": html.encode("utf-8", "backslashreplace"),
        "room_report.json": report_json.as_bytes(as_json(room, frame, made)),
        "stations.csv": text.csv(table(room, made)),
        "rows.csv": text.csv(frame),
        **{file: picture.light for file, picture in drawn.items()},
    }
    for file, content in files.items():
        store.write_bytes(room.path / file, content)
    for old in room.path.glob("room_*.png"):
        if PICTURE.fullmatch(old.name) and old.name not in files:
            old.unlink()  # of an earlier report
    return [room.path / file for file in files]


def drawings(made: Sequence[Part]) -> dict[str, web.Picture]:
    """Every picture by its file's name, for light and dark pages."""
    found = {}
    with theme.use("light"):
        for part in made[:PICTURED_PARTS]:
            for file, column, _ in room_sections.pictures(part):
                found[file] = web.Picture(*theme.both(room_plots.stations(part.found[column], part.frame, part.more)))
    return found


def markdown(room: Room, frame: pd.DataFrame, made: Sequence[Part]) -> str:
    """The report as a string. frame: `room.frame()`. made: of it, from `room_sections.parts`."""
    verdicts = [f"- {text.markdown(p.title)}: {text.markdown(_verdict(p))}" for p in made]
    blocks = [
        f"# Room report: {text.markdown(room.name)}",
        f"**{text.markdown(room_machines.headline(room))}**",
        *(f"**{text.markdown(room_machines.one_server(*one))}.**" for one in room_machines.sharing(room).items()),
        "\n".join(verdicts) if verdicts else _nothing(room),
        "## Stations",
        *room_machines.standing(room),
        "## Machines",
        *(room_machines.hardware(room) or ["No station has told of its machine."]),
    ]
    for part in made:
        shown = room_sections.pictures(part) if part.number <= PICTURED_PARTS else []
        blocks.append(f"## {text.markdown(part.title)}")
        blocks += [text.markdown(room_sections.span_sentence(part.found["latency_s"]))]
        blocks += [f"![{text.markdown(said)}]({file})" for file, _, said in shown]
        blocks += room_sections.section(part, room)
    blocks += ["## What limits it", text.bullets(limits(room, frame, made)), "## Method", *_method(room)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _nothing(room: Room) -> str:
    if any(one.done for one in room.stations):
        return "No records are here yet; they are on the stations: slmbench fleet run … --resume gathers them."
    return "Nothing was measured, so there is nothing to compare."


def _verdict(part: Part) -> str:
    found = part.found["latency_s"]
    said = room_sections.span_sentence(found)
    return said if found.span is None else f"{said} {room_plots.counted(found)}."


def limits(room: Room, frame: pd.DataFrame, made: Sequence[Part]) -> Iterator[str]:
    """What a reader may be tempted to conclude, and can't; a sentence or two each, in plain text."""
    yield from room_machines.limits(room, frame)
    for station, what in sorted(room_machines.apart(room).items()):
        yield f"{station} was asked for something else, and is compared with nobody: {what}."
    if not room.asked:
        yield "What the room was asked is not noted, so that nobody can say whether all stations were asked the same."
    unseen = [m for m in room.asked.get("models") or () if m not in {part.model for part in made}]
    if unseen:
        yield f"Asked for, and in no station's records: {room_plots.listed(unseen)}."
    few = room_plots.listed(sorted({name for part in made for name in _few(part)}))
    if few:
        yield f"Fewer than {stats.MEDIAN_FROM} replies of a model, which prove next to nothing: {few}."
    bound = sorted(set().union(*(part.known.loc[part.known["n_client_bound"] > 0, "station"] for part in made)))
    if bound:
        yield f"Client bound: on {room_plots.listed(bound)} some times are the limit of the client that read them."
    if len(made) > PICTURED_PARTS:
        yield f"Pictures are of the first {PICTURED_PARTS} of {len(made)} models."
    loads = frame.loc[stats.usable(frame), "load_index"].nunique()
    if 0 < loads < stats.LOADS_FROM:
        yield (
            "Models were loaded once or twice: intervals hold within this session, not for the next load, nor for "
            "another machine of the same make."
        )
    yield "A station is one machine at one time, with its heat, battery and other programs: the ratio is of all that."
    yield "Speed is not quality: another execution provider may reply in other words. Replies are in rows.csv."
    yield CSV


def _few(part: Part) -> list[str]:
    lines = part.found["latency_s"].lines
    return list(lines.loc[(lines["n"] > 0) & (lines["n"] < stats.MEDIAN_FROM), "station"])


def _method(room: Room) -> list[str]:
    """How stations are compared, what they were asked, and what the names mean."""
    asked = [n for n in sections.ASKED if room.asked.get(n) and (n != "arrivals" or room.asked.get("rate"))]
    names = (*sections.SETTINGS, *asked)
    prompts = [f"- {text.markdown(p['id'])}: {text.markdown(p['text'])}" for p in room.asked.get("prompts") or ()]
    return [
        METHOD,
        sections.facts({name: room.asked[name] for name in names if name in room.asked}),
        "\n".join(["Prompts:\n", *prompts]) if prompts else "",
        "\n".join(["What the names mean:\n", *(f"- {n}: {text.markdown(sections.DEFINITIONS[n])}" for n in MEANINGS)]),
    ]


def table(room: Room, made: Sequence[Part]) -> pd.DataFrame:
    """stations.csv: a line per station, model and number of requests at once; one for a station without any.

    returns: station, state, reason, model, concurrency, COUNTS; for each metric X of METRICS, in its unit, X_ and each
        of VALUES, as in `stations.Comparison`, and X_reference; then what is known of the machine, in words.
    """
    import pandas as pd

    lines = []
    for one in sorted(room.stations, key=lambda one: one.name):
        about = {"station": one.name, "state": one.state, "reason": one.reason}
        told = {f"machine_{_snake(name)}": value for name, value in room_machines.facts(room, one).items()}
        of_it = [(part, part.known[part.known["station"] == one.name].to_dict("records")) for part in made]
        mine = [_line(part, line) for part, found in of_it for line in found]
        lines += [about | line | told for line in mine or [{"model": ""}]]
    return pd.DataFrame(lines)


def _snake(name: str) -> str:
    """
    >>> _snake("Memory (GB)")
    'memory_gb'
    """
    return "_".join(re.findall(r"\w+", name.lower()))


COUNTS = ("n_ok", "n_failed", "n_skipped", "n_client_bound", "status_note")
VALUES = (*stations.NUMBERS, "n_pairs", "ratio", "ratio_low", "ratio_high", "p_holm", "verdict", "aside", "note")


def _line(part: Part, known: Mapping[str, Any]) -> dict[str, Any]:
    """A station's numbers of one model."""
    line = {"model": part.model, "concurrency": part.level} | {name: known[name] for name in COUNTS}
    for column, found in part.found.items():
        [own] = found.lines[found.lines["station"] == known["station"]].to_dict("records")
        line |= {f"{column}_{name}": own[name] for name in VALUES} | {f"{column}_reference": found.reference}
    return line


def as_json(room: Room, frame: pd.DataFrame, made: Sequence[Part]) -> dict[str, Any]:
    """The report for programs, without NaN. The schema, slmbench-room-report/1; fields may be added under this name:

    room        name, asked: the settings. report: slmbench, the version that wrote this
    delivered   all, part, nothing: names of stations. headline: the same in a sentence
    stations    [{name, state, reason, done, total, failed, rows, at, machine}]; machine: its facts, in words
    models      [{model, concurrency, remarks, metrics}]; metrics: by column, {reference, named, span, lines}: as
                `analyse.stations.Comparison`; times in s, speeds in tokens/s; verdict: faster | slower | tie |
                can't tell | reference | not compared
    limits      [sentence]
    """
    groups = room_machines.delivered(room)
    told = [dataclasses.asdict(one) | {"machine": room_machines.facts(room, one)} for one in room.stations]
    value = {
        "schema": SCHEMA,
        "room": {"name": room.name, "asked": dict(room.asked)},
        "report": {"slmbench": __version__},
        "headline": room_machines.headline(room),
        "delivered": {how: [one.name for one in found] for how, found in groups.items()},
        "stations": told,
        "models": [
            {
                "model": part.model,
                "concurrency": part.level,
                "remarks": list(room_sections.remarks(part)),
                "metrics": {column: _comparison(found) for column, found in part.found.items()},
            }
            for part in made
        ],
        "limits": list(limits(room, frame, made)),
    }
    return without_nan(value)


def _comparison(found: stations.Comparison) -> dict[str, Any]:
    span = None if found.span is None else dataclasses.asdict(found.span) | {"apart": found.span.apart}
    told = {"reference": found.reference, "named": found.named, "span": span}
    return told | {"lines": found.lines.to_dict("records")}
