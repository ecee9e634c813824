"""How pictures look: light or dark, on a screen or on a projector, with letters for Latin and Devanagari."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import textwrap
import unicodedata
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from slmbench.errors import UsageError
from slmbench.show.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THEMES = ("light", "dark")
SCALES = ("normal", "projector")
DPI = 100
NORMAL_SIZE = (8.0, 4.5)  # inches
PROJECTOR_SIZE = (12.0, 6.75)  # inches: 1200 x 675 px
PROJECTOR_POINTS = 18.0

# Okabe and Ito's hues for every kind of colour vision, without black and the yellow that white swallows, darkened or
# lightened until each stands out from its ground by 3 : 1 (WCAG 2.2, 1.4.11), also the thin line of a median, and the
# next in the cycle can be told from it without red, green or blue cones: tests/show/test_contrast.py has the bounds.
CYCLES = {
    "light": ("#0072B2", "#D55E00", "#009E73", "#C871A1", "#7F5800", "#1D99DF", "#666666", "#5B2E76"),
    "dark": ("#56B4E9", "#F5793A", "#2CC79B", "#DA6CAF", "#F2A700", "#9AD0F5", "#BBBBBB", "#F0E442"),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))
INK = {"light": ("#ffffff", "#1a1a1a", "#d5d5d5"), "dark": ("#16181c", "#eeeeee", "#3c4048")}  # ground, text, grid


class Look(NamedTuple):
    """What tells one model from another, by colour and by shape."""

    color: str
    marker: str
    line: object


def params(theme: str = "light", scale: str = "normal") -> dict[str, object]:
    """Matplotlib settings for a theme; a pure function of its arguments but for the font, which is registered once.

    theme: light | dark. scale: normal | projector (1200 × 675 px, no text below 18 pt).
    raises: UsageError for another name.
    """
    from cycler import cycler

    for name, value, known in (("theme", theme, THEMES), ("scale", scale, SCALES)):
        if value not in known:
            raise UsageError(
                f"{name}={value!r} is not known; expected one of {', '.join(known)}", f"{name}={known[0]!r}"
            )
    ground, text, grid = INK[theme]
    projector = scale == "projector"
    points = PROJECTOR_POINTS if projector else 10.0
    settings = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), ground)
    settings |= dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), text)
    settings |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize", "axes.labelsize"), points)
    return settings | {
        "font.size": points,
        "axes.titlesize": points * 1.15,
        "xtick.major.pad": points * 0.4,  # the zeros of both axes stay apart
        "figure.figsize": PROJECTOR_SIZE if projector else NORMAL_SIZE,
        "figure.dpi": DPI,
        "savefig.dpi": "figure",
        "font.family": ["DejaVu Sans", *devanagari_family()],
        "axes.prop_cycle": cycler(color=CYCLES[theme]),
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "grid.color": grid,
        "legend.edgecolor": grid,
        "lines.linewidth": 3.0 if projector else 1.8,
        "lines.markersize": 10.0 if projector else 6.0,
        "text.parse_math": False,  # names from data may hold a $
    }


def use(theme: str = "light", scale: str = "normal") -> AbstractContextManager:
    """The settings of `params` inside a `with` block; nothing outside it changes.

    Nothing at all where they are in force already: matplotlib's settings are the process's, and a thread that sets
    and restores them would undo what another one has set meanwhile.
    """
    import matplotlib

    wanted = matplotlib.RcParams(params(theme, scale))  # values in the form that matplotlib keeps them in
    if all(matplotlib.rcParams[name] == value for name, value in wanted.items()):
        return contextlib.nullcontext()
    return matplotlib.rc_context(wanted)


def size_px(scale: str) -> tuple[int, int]:
    """Width and height of a picture, in pixels. scale: as for `params`."""
    width, height = PROJECTOR_SIZE if scale == "projector" else NORMAL_SIZE
    return round(width * DPI), round(height * DPI)


def apply(theme: str = "light", scale: str = "normal") -> None:
    """The settings of `params` for all pictures to come, and tables that show text as it is: neither $…$ as formulas,
    nor cells of a plain `.style` as HTML (`tables.styled` does more). For the first cell of a notebook.
    """
    import matplotlib
    import pandas as pd

    matplotlib.rcParams.update(params(theme, scale))
    pd.set_option("display.html.use_mathjax", False, "styler.html.mathjax", False, "styler.format.escape", "html")


@functools.cache
def devanagari_family() -> tuple[str, ...]:
    """The families that draw Devanagari, registered with matplotlib on the first call."""
    import devanagari_fonts
    from matplotlib import font_manager

    files = [str(font.path) for font in devanagari_fonts.fonts() if font.source == "bundled"]
    for file in files:
        font_manager.fontManager.addfont(file)
    return tuple(dict.fromkeys(font_manager.get_font(file).family_name for file in files))


def look(position: int) -> Look:
    """Colour of the current cycle, marker and line style for the n-th series. From the ninth on the shapes move."""
    import matplotlib

    colors = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    lap = position // len(colors)
    return Look(colors[position % len(colors)], MARKERS[(position + lap) % 8], LINES[(position + lap) % 8])


def is_projector() -> bool:
    """Whether the settings in force are those for a projector."""
    import matplotlib

    return matplotlib.rcParams["font.size"] >= PROJECTOR_POINTS


def new_axes(rows: int = 0) -> Axes:
    """Axes on a figure of its own, which no pyplot state knows. rows: lines of labels that must find room."""
    import matplotlib
    from matplotlib.figure import Figure

    width, height = matplotlib.rcParams["figure.figsize"]
    if not is_projector():  # a projector's picture keeps its size
        height = min(40.0, max(height, 1.8 + 0.42 * rows))
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def wrap(text: str, width: int, lines: int = 2) -> str:
    """A label of at most `lines` lines of `width` characters; what is left out in the middle shows as an ellipsis.

    Breaks at spaces and hyphens where that costs no more than a third of the room, else anywhere.
    """
    text = plain(text)
    for room in range(width * lines, width * lines * 2 // 3, -1):
        parts = textwrap.wrap(_middle_out(text, room), width)
        if len(parts) <= lines:
            return "\n".join(parts)
    text = _middle_out(text, width * lines)
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


def _middle_out(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    head = math.ceil(room * 0.6)
    tail = text[len(text) - (room - head - 1) :]
    while tail and unicodedata.category(tail[0]).startswith("M"):  # a vowel sign without its letter
        tail = tail[1:]
    return f"{text[:head]}…{tail}"


def make_room(ax: Axes) -> None:
    """Moves the sides of the axes so that labels and legend fit: one pass, for figures without a layout engine."""
    figure = ax.figure
    drawn = renderer(figure)
    box, taken = ax.get_window_extent(drawn), ax.get_tightbbox(drawn)
    edge, (width, height) = 0.05 * DPI, figure.bbox.size
    left, right = edge + box.x0 - taken.x0, width - edge - (taken.x1 - box.x1)
    bottom, top = edge + box.y0 - taken.y0, height - edge - (taken.y1 - box.y1)
    if right > left and top > bottom:
        ax.set_position((left / width, bottom / height, (right - left) / width, (top - bottom) / height))


def renderer(figure: Figure):
    """What measures texts as they will be drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg(figure).get_renderer()


def both(figure: Figure) -> tuple[bytes, bytes]:
    """A figure of the light theme as PNG bytes, light and dark. It is dark afterwards."""
    light = png(figure)
    darken(figure)
    return light, png(figure)


def darken(figure: Figure) -> None:
    """A figure that was drawn in the light theme, in the dark one from now on; in place, and all in its place.

    Every colour of a picture is of CYCLES or INK. Cheaper than another drawing by more than half.
    """
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Annotation, Text

    figure.set_layout_engine("none")
    kinds = {Line2D: ("color", "markerfacecolor", "markeredgecolor")}
    kinds |= dict.fromkeys((Patch, Collection), ("facecolor", "edgecolor"))
    artists = figure.findobj()
    behind = [artist.get_bbox_patch() for artist in artists if isinstance(artist, Text)]  # nobody's children, these
    behind += [artist.arrow_patch for artist in artists if isinstance(artist, Annotation)]
    for artist in (*artists, *filter(None, behind)):
        names = next((names for kind, names in kinds.items() if isinstance(artist, kind)), ("color",))
        colors = {name: getattr(artist, f"get_{name}")() for name in names if hasattr(artist, f"get_{name}")}
        for name, color in colors.items():  # all are known by now: a marker that follows its line is not turned twice
            getattr(artist, f"set_{name}")(_dark(color))


def _dark(color: object) -> object:
    """A colour of the light theme, or shape (n, 4) of them, as that of the dark one, as opaque as it was."""
    import numpy as np

    if isinstance(color, np.ndarray) and color.ndim == 2:
        return [_dark_one(tuple(one)) for one in color]
    return _dark_one(tuple(color) if isinstance(color, np.ndarray) else color)


@functools.lru_cache(maxsize=256)
def _dark_one(color: object) -> object:
    from matplotlib.colors import to_hex, to_rgba

    dark = dict(zip((*CYCLES["light"], *INK["light"]), (*CYCLES["dark"], *INK["dark"]), strict=True))
    found, name = to_rgba(color), to_hex(color)
    turned = next((dark[light] for light in dark if light.lower() == name), color)
    return (*to_rgba(turned)[:3], found[3])


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes, drawn by Agg without any window or pyplot state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()
