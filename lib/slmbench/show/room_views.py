"""The views of a room on the instructor's board: stations as tiles, their speed, their machines, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from slmbench.analyse import stats
from slmbench.show import alt, parts, theme
from slmbench.show.board_views import Shown, machine_of
from slmbench.show.room_tiles import counts, draw, sign_of
from slmbench.show.text import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from slmbench.store.follow_room import RoomFollower
    from slmbench.store.rooms import Station

NAMED = 20  # stations of a state whose names stand in the words of a picture
SPEED = "decode_tps"
NO_SPEED = "The records of no station are here yet: they come when it has done all that it was asked."
MEDIAN = "Mark: a station's median; bar: its 95 % interval, from 6 requests on. Further right is better."
ALL_WELL = "All stations are as they should be."


def tiles_view(room: RoomFollower, size: tuple[int, int]) -> Shown:
    """Where each station stands."""
    stations = in_order(room.stations)
    if not stations:
        return Shown("No station has joined yet.", [])
    figure = _figure(size)
    notes = draw(stations, figure)
    return Shown("", notes, theme.png(figure), tiles_in_words(stations))


def tiles_in_words(stations: Sequence[Station]) -> str:
    """For instance "2 stations, a tile each. gathered 1: lap07. failed 1: lap08 (no space left)."."""
    said = [f"{alt.plural(len(stations), 'station')}, a tile each."]
    for state, n in counts(stations).items():
        names = [one.name + (f" ({one.reason})" if one.reason else "") for one in stations if one.state == state]
        more = [f"and {n - NAMED} more"] if n > NAMED else []
        said.append(f"{state} {n}: {', '.join(names[:NAMED] + more)}.")
    return " ".join(said)


def speed_view(room: RoomFollower, size: tuple[int, int]) -> Shown:
    """How fast the stations are whose records are here."""
    frame = room.frame()
    if not len(medians(frame)):
        return Shown(NO_SPEED, [])
    figure = speed(frame, size)
    have = frame["station"].nunique()
    notes = [f"Records of {have} of {alt.plural(len(room.stations), 'station')} are here. {MEDIAN}"]
    return Shown("", notes, theme.png(figure), speed_in_words(frame))


def medians(frame: pd.DataFrame) -> pd.DataFrame:
    """`stats.describe` of the decode speed of each station and model, the fastest station first.

    frame: rows of several stations. A station's place is by the mean of its medians' ratios to those of all stations,
    so that one that has not measured every model is compared by those that it has.
    """
    import pandas as pd

    good = frame[stats.usable(frame) & frame[SPEED].notna()]
    lines = [
        {"station": station, "model": model, **stats.describe(part[SPEED])}
        for (station, model), part in good.groupby(["station", "model"], sort=True)
    ]
    found = pd.DataFrame(lines, columns=["station", "model", "n", "p50", "p50_low", "p50_high"])
    if not len(found):
        return found
    ratio = found["p50"] / found.groupby("model")["p50"].transform("median")
    place = ratio.groupby(found["station"]).mean().sort_values(ascending=False, kind="stable").index
    return found.set_index("station").loc[place].reset_index()


def speed(frame: pd.DataFrame, size: tuple[int, int]) -> Figure:
    """Decode speed of each model on each station, a line a station, the fastest on top. size: in pixels."""
    figure, found = _figure(size), medians(frame)
    figure.set_layout_engine("constrained")
    ax = figure.add_subplot()
    order, models = list(dict.fromkeys(found["station"])), sorted(set(found["model"]))
    for place, model in enumerate(models):
        look, mine = theme.look(place), found[found["model"] == model]
        lanes = [order.index(name) + (place - (len(models) - 1) / 2) * 0.5 / len(models) for name in mine["station"]]
        ax.hlines(lanes, mine["p50_low"], mine["p50_high"], color=look.color, gid="interval")
        label = theme.wrap(model, 30, 1)
        ax.scatter(mine["p50"], lanes, color=look.color, marker=look.marker, label=label, zorder=3, gid="median")
    em = parts.rc("font.size") * theme.DPI / 72
    every = -(-len(order) // max(1, int((size[1] - 4.6 * em) / em)))
    ax.set_yticks(range(0, len(order), every), [theme.wrap(name, 14, 1) for name in order[::every]])
    ax.set(ylim=(len(order) - 0.4, -0.6), xlim=(0, None), xlabel=alt.label_of(SPEED))
    ax.set_ylabel("" if every == 1 else f"1 of {every} named", **parts.data_text())
    ax.grid(axis="y", visible=len(order) <= 40)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, borderpad=0, handletextpad=0.3)
    return figure


def speed_in_words(frame: pd.DataFrame) -> str:
    """The fastest, the slowest and the middle of each model's stations."""
    said = ["Decode speed by station, a line each, the fastest on top."]
    for model, mine in medians(frame).groupby("model"):
        ranked = mine.sort_values("p50", ascending=False)
        ends = [
            f"{row.station} {number(row.p50)}" for row in (next(ranked.itertuples()), next(ranked[::-1].itertuples()))
        ]
        middle = number(ranked["p50"].median())
        many = alt.plural(len(ranked), "station")
        said.append(f"{model} on {many}: fastest {ends[0]} tokens/s, slowest {ends[1]}, middle {middle}.")
    return " ".join(said)


def machines_view(room: RoomFollower, _: tuple[int, int]) -> Shown:
    """What the stations are, as far as they told."""
    lines = [("Station", "Processor", "Cores", "Memory", "State")]
    for one in in_order(room.stations):
        memory = f"{one.memory_mb / 1024:.0f} GB" if one.memory_mb else ""
        cpu = machine_of({"cpu": one.cpu})
        lines.append((one.name, cpu, str(one.cores or ""), memory, _state(one)))
    return Shown("", [], table=lines) if len(lines) > 1 else Shown("No station has joined yet.", [])


def problems_view(room: RoomFollower, _: tuple[int, int]) -> Shown:
    """Stations that are not as they should be, and all that is known of why; after them those with failed requests."""
    lines = [("Station", "State", "Reason")]
    for one in sorted(in_order(room.stations), key=lambda one: not sign_of(one.state).trouble):
        failed = alt.plural(one.failed, "failed request") if one.failed else ""
        if sign_of(one.state).trouble or one.reason or failed:
            lines.append((one.name, _state(one), " · ".join(filter(None, [one.reason, failed]))))
    notes = [room.problem] if room.problem else []
    return Shown("", notes, table=lines) if len(lines) > 1 else Shown("" if notes else ALL_WELL, notes)


def in_order(stations: Sequence[Station]) -> list[Station]:
    """By name, lap2 before lap10."""
    return sorted(stations, key=lambda one: [(not p.isdigit(), p.zfill(32)) for p in re.findall(r"\d+|\D+", one.name)])


def _state(one: Station) -> str:
    return f"{sign_of(one.state).text} {one.state}"


def _figure(size: tuple[int, int]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(size[0] / theme.DPI, size[1] / theme.DPI))


VIEWS: dict[str, tuple[str, Callable[[RoomFollower, tuple[int, int]], Shown]]] = {
    "tiles": ("Stations", tiles_view),
    "speed": ("Speed", speed_view),
    "machines": ("Machines", machines_view),
    "problems": ("Problems", problems_view),
}


def look(room: RoomFollower, view: str, size: tuple[int, int]) -> Shown:
    """One view of a room. size: of the picture, in pixels. The settings of `theme.params` are to be in force."""
    return VIEWS[view][1](room, size)
