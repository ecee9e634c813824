"""Stations as tiles: as much of each as can be read in the room that the picture has, and never two words in one place.

Whole tiles say name, state, reason and counts in words; where those find no room, names and signs are left, then signs
alone. A state is told by its sign's shape as well as by its colour.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slmbench.show import parts, theme
from slmbench.show.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from slmbench.store.rooms import Station


class Sign(NamedTuple):
    """How a state looks. place: of its colour in the theme's cycle; text: the sign in a table; trouble: it is not as
    it should be.
    """

    place: int
    marker: str
    text: str
    trouble: bool = False


SIGNS: Mapping[str, Sign] = {
    "gathered": Sign(0, "s", "■"),
    "measured": Sign(5, "D", "◆"),
    "measuring": Sign(6, ">", "▶"),
    "joined": Sign(2, "o", "●"),
    "expected": Sign(6, ".", "·"),
    "late": Sign(4, "^", "▲", True),
    "failed": Sign(1, "X", "✖", True),
    "left": Sign(3, "v", "▼", True),
    "absent": Sign(3, "_", "▬", True),
    "other version": Sign(7, "P", "✚", True),
}
UNKNOWN = Sign(6, "$?$", "?", True)  # of a state that a later version writes
MOST = 400  # tiles
LARGEST = 2.0  # times the size of the theme's type
PAD, GAP = 0.27, 0.15  # between texts and frames, and between tiles, in units of the size of type
ROOMY, TIGHT = (1.18, 0.27, 0.32), (1.06, 0.1, 0.25)  # heights of a line, of a space and of a bar, in such units
NAME = 11.0  # width that a name may take before it is cut in the middle
MANY = 200  # characters of a reason, of which more are never measured
SLACK = 0.02  # widths come from divisions
SPACE = 0.4  # least between two texts
REASON = 4.5  # width of a part of a reason that is worth showing
ALONE = "Names find no room here: 3 lists all stations, 4 those that are not as they should be."


def sign_of(state: str) -> Sign:
    return SIGNS.get(state, UNKNOWN)


def color_of(state: str) -> str:
    return theme.look(sign_of(state).place).color


def draw(stations: Sequence[Station], figure: Figure) -> list[str]:
    """A tile a station, in their order, on an empty figure. returns: what is to be said besides.

    The settings of `theme.params` are to be in force; no type is smaller than theirs.
    """
    return _Page(figure).fill(stations)


class _Page:
    """A figure with one axes whose units are pixels, from the upper left."""

    def __init__(self, figure: Figure):
        self.width, self.height = figure.bbox.size
        self.ax: Axes = figure.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, self.width), ylim=(self.height, 0))
        self.ax.set_axis_off()
        self._renderer, self._dpi = theme.renderer(figure), figure.dpi
        self._base = parts.rc("font.size") * figure.dpi / 72
        self._widths: dict[tuple[str, str], float] = {}
        self._signs: dict[tuple[str, float], list[tuple[float, float]]] = {}
        self._weight, self._beside, self._failed, self._of = "bold", True, "{} failed", "{} of {}"  # of all tiles
        self._line, self._pad, self._bar = ROOMY

    def fill(self, stations: Sequence[Station]) -> list[str]:
        notes = []
        if len(stations) > MOST:
            ordered = sorted(stations, key=lambda one: not sign_of(one.state).trouble)
            notes = [f"{MOST} of {len(stations)} stations are drawn, those not as they should be first."]
            stations = ordered[:MOST]
        top, draw, grid = 0.0, self._whole, self._grid_of_whole(stations)
        if grid[-1] < self._base:
            top, name = self._legend(stations), max(min(NAME, self.ems(one.name)) for one in stations)
            draw, grid = self._named, self._grid(len(stations), 1.4 + name + 2 * PAD, sum(ROOMY) + 1.5 * PAD, top)
        if grid[-1] < self._base:
            draw, grid = self._small, self._grid(len(stations), 1.5, 1.5, top)
            notes = [ALONE, *notes]
        self._place(stations, grid, top, draw)
        for (state, em), places in self._signs.items():
            self._scatter(state, em, places)
        return notes

    def _grid_of_whole(self, stations: Sequence[Station]) -> tuple[int, float, float, float]:
        """With room for two lines of reasons, if it is there, else for one or for none; and for counts."""
        failed = [self.ems(f"{one.failed}✖") + SPACE if one.failed else 0.0 for one in stations]
        names = {
            weight: max(1.4 + min(NAME, self.ems(one.name, weight)) for one in stations) + max(failed)
            for weight in ("normal", "bold")
        }
        states = max(self.ems(one.state) for one in stations)
        counted = max(self.ems(one.state) + SPACE + self.ems(_counted(one, "{}/{}")) for one in stations)
        lines = [(4, ROOMY)] if any(one.reason for one in stations) else []
        lines += [(3, ROOMY), (3, TIGHT), (2, ROOMY)]
        for (n, heights), self._beside in itertools.product(lines, (True, False)):
            self._line, self._pad, self._bar = heights
            self._weight = "bold" if n > 2 and heights == ROOMY else "normal"
            wide = 2 * PAD + max(names[self._weight], counted if self._beside else states)
            grid = self._grid(len(stations), wide, n * self._line + self._bar + 3 * self._pad, 0.0)
            if grid[-1] >= self._base:
                break
        room = (grid[1] - GAP * grid[-1]) / grid[-1] - 2 * PAD

        def fits(one: Station) -> bool:
            return self.ems(one.name, self._weight) + self.ems(f"{one.failed} failed") + 1.4 + SPACE <= room

        self._failed = "{} failed" if all(map(fits, stations)) else "{}✖"
        wordy = max(self.ems(one.state) + SPACE + self.ems(_counted(one, "{} of {}")) for one in stations)
        self._of = "{} of {}" if wordy <= room or not self._beside else "{}/{}"
        return grid

    def _grid(self, n: int, wide: float, high: float, top: float) -> tuple[int, float, float, float]:
        """The columns that leave the largest type, width and height of a tile, and that type, in pixels.

        wide, high: of a tile, in units of its type.
        """
        found = []
        for columns in range(1, max(n, 1) + 1):
            rows = math.ceil(n / columns) or 1
            space = self.width / columns, (self.height - top) / rows
            em = min(space[0] / (wide + GAP), space[1] / (high + GAP))
            found.append((em, -columns, *space))
        em, columns, w, h = max(found)
        em = min(em, LARGEST * self._base)
        return -columns, min(w, 3 * wide * em), min(h, 1.6 * high * em), em

    def _place(self, stations: Sequence[Station], grid: tuple, top: float, draw: Callable) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        columns, w, h, em = grid
        gap = min(GAP * em, 0.15 * w)
        frames, bars, fills = [], [], []
        for n, one in enumerate(stations):
            x, y = (n % columns) * w + gap / 2, top + (n // columns) * h + gap / 2
            box = x, y, w - gap, h - gap
            color, trouble = color_of(one.state), sign_of(one.state).trouble
            frames.append((Rectangle(box[:2], *box[2:]), color, 4.0 if trouble else 1.3))
            side, thick = min(PAD * em, 0.12 * box[2]), self._bar * min(em, 1.5 * self._base)
            pad = min(self._pad * em, side)
            bar = x + side, y + box[3] - pad - thick, box[2] - 2 * side, thick
            bars.append((Rectangle(bar[:2], *bar[2:]), color, 1.3))
            if one.total:
                part = min(1.0, one.done / one.total)
                fills.append((Rectangle(bar[:2], bar[2] * part, thick), color, 0.0))
            draw(one, (x + side, y + 0.6 * pad, box[2] - 2 * side, bar[1] - y - 1.5 * pad), em)
        for kind, drawn in (("tile", frames), ("bar", bars), ("done", fills)):
            patches, colors, widths = zip(*drawn, strict=True) if drawn else ((), (), ())
            face = colors if kind == "done" else "none"
            style = {"facecolor": face, "edgecolor": colors, "linewidth": widths, "gid": kind}
            self.ax.add_collection(PatchCollection(patches, **style), autolim=False)

    def _whole(self, one: Station, box: tuple, em: float) -> None:
        x, y, w, h = box
        line, room = self._line * em, w / em
        self._sign(one.state, x + em / 2, y + line / 2, em)
        failed = self._failed.format(one.failed) if one.failed else ""
        left = room - 1.4 - (self.ems(failed) + SPACE if failed else 0)
        self._text(x + 1.4 * em, y, self.cut(one.name, left, self._weight), em, weight=self._weight)
        self._text(x + w, y, failed, em, ha="right")
        spare = max(0, int((h - 2 * line) / line + 0.05))
        reason, state = plain(one.reason).strip(), one.state
        left = room - self.ems(f"{state}: ")
        if reason and not spare and left >= REASON:
            state = f"{state}: {self.begin(reason, left)}"
        self._text(x, y + line, state, em)
        if self._beside and state == one.state:
            self._text(x + w, y + line, _counted(one, self._of), em, ha="right")
        elif not self._beside:
            reason = reason or _counted(one, self._of)
        for n, words in enumerate(self.wrapped(reason, room, spare)):
            self._text(x, y + (2 + n) * line, words, em)

    def _named(self, one: Station, box: tuple, em: float) -> None:
        x, y, w, _ = box
        self._sign(one.state, x + em / 2, y + self._line * em / 2, em)
        self._text(x + 1.4 * em, y, self.cut(one.name, w / em - 1.4), em)

    def _small(self, one: Station, box: tuple, em: float) -> None:
        x, y, w, h = box
        self._sign(one.state, x + w / 2, y + 0.55 * h, min(em, 0.8 * h, 1.4 * self._base))

    def _legend(self, stations: Sequence[Station]) -> float:
        """Each sign that is there, with its state and number. returns: the height that it takes, in pixels."""
        em, x, y = self._base, GAP * self._base, 0.0
        for state, n in counts(stations).items():
            words = f"{n} {state}"
            wide = (1.4 + self.ems(words)) * em
            if x + wide > self.width and x > em:
                x, y = GAP * em, y + 1.4 * em
            self._sign(state, x + em / 2, y + 0.7 * em, em)
            self._text(x + 1.4 * em, y + 0.1 * em, words, em)
            x += wide + 1.2 * em
        return y + 1.6 * em

    def _sign(self, state: str, x: float, y: float, em: float) -> None:
        self._signs.setdefault((state, em), []).append((x, y))

    def _scatter(self, state: str, em: float, places: Sequence[tuple[float, float]]) -> None:
        """All signs of a state and a size in one go: one by one, 200 take a second."""
        sign, points = sign_of(state), em * 72 / self._dpi
        style = {"marker": sign.marker, "color": color_of(state), "gid": f"sign {state}"}
        thick = 0.16 * points if sign.marker == "_" else 0.5
        self.ax.scatter(*zip(*places, strict=True), s=(0.62 * points) ** 2, linewidth=thick, **style)

    def _text(self, x: float, y: float, words: str, em: float, **style: object) -> None:
        """words: drawn from the top of a line on."""
        if words:
            style = {"fontsize": em * 72 / self._dpi, "va": "center_baseline", "ha": "left", **style}
            self.ax.text(x, y + self._line * em / 2, words, **{**parts.data_text(), **style})

    def ems(self, words: str, weight: str = "normal") -> float:
        """The width of a text in units of its size."""
        if (words, weight) not in self._widths:
            from matplotlib.font_manager import FontProperties

            font = FontProperties(size=20, weight=weight, family=parts.rc("font.family"))
            width = self._renderer.get_text_width_height_descent(words, font, ismath=False)[0] if words else 0.0
            self._widths[words, weight] = width / (20 * self._dpi / 72)
        return self._widths[words, weight]

    def cut(self, words: str, room: float, weight: str = "normal") -> str:
        """As much of a name as fits, an ellipsis in its middle if that is not all."""
        if self.ems(words, weight) <= room + SLACK:
            return words
        fits = (text for n in range(len(words), 1, -1) if self.ems(text := theme.wrap(words, n, 1), weight) <= room)
        return next(fits, "")

    def begin(self, words: str, room: float) -> str:
        """As much of a sentence as fits, an ellipsis at its end if that is not all."""
        if self.ems(words[:MANY]) <= room + SLACK and len(words) <= MANY:
            return words
        kept = min(len(words), MANY)
        while kept and self.ems(f"{words[:kept].rstrip()}…") > room:
            kept -= 1
        return f"{words[:kept].rstrip()}…"

    def wrapped(self, words: str, room: float, lines: int) -> list[str]:
        """A text in at most so many lines; the last one is cut."""
        found, rest = [], words.split()
        while rest and len(found) < lines - 1:
            line = rest.pop(0)
            while rest and self.ems(f"{line} {rest[0]}") <= room:
                line += f" {rest.pop(0)}"
            found.append(self.begin(line, room))
        return [*found, self.begin(" ".join(rest), room)] if rest and lines else found


def _counted(one: Station, form: str) -> str:
    return form.format(one.done, one.total) if one.total else ""


def counts(stations: Sequence[Station]) -> dict[str, int]:
    """How many stations there are in each state, those that are as they should be first."""
    states = [one.state for one in stations]
    return {state: states.count(state) for state in dict.fromkeys([*SIGNS, *states]) if state in states}
