"""The token view: recorded replies stream side by side once more, at the speed at which they came, or slowed.

A pure function makes tracks of rows; `tokens.js` plays them, wholly in the browser, so that neither a busy kernel nor
a server has a part in it. Texts are shown as text, never as HTML.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from slmbench.errors import UsageError
from slmbench.show import picks, plots, theme as looks
from slmbench.show.front import has_front_end
from slmbench.show.text import plain
from slmbench.show.together import together

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
KEYS = (
    ("Space", "play, pause"),
    ("r", "back to the start"),
    ("← →", "another speed, where one is focused"),
    ("?", "show or hide this"),
)
SPREAD = (
    "The record does not tell which characters came with which chunk: they are spread over the chunks by their sizes."
)
UNORDERED = "Some chunks are stamped earlier than the one before them: they are shown in their order."
NOTHING = "There is no streamed reply to show in these rows."


@dataclass(frozen=True)
class Piece:
    """What one chunk brought."""

    at_s: float  # arrival, seconds since the request was written
    channel: str  # answer | reasoning
    text: str  # without control marks; may be empty
    count: int  # tokens, chunks or characters (`Track.unit`) up to and with this one


@dataclass(frozen=True)
class Track:
    """One recorded reply, to be played. Times in seconds since its request was written."""

    model: str
    prompt: str
    round: int  # from 0; −1: not known
    concurrency: int  # requests at once when it was recorded
    pieces: tuple[Piece, ...]  # in order of arrival
    unit: str  # of the counts: tokens | chunks | characters
    ttft_s: float
    ttfa_s: float | None  # None: no answer, or no row says
    end_s: float
    tokens: int | None  # of the whole reply
    decode_tps: float | None  # tokens/s after the first one; of chunks, where nobody counted tokens
    speed: str  # the same in words
    cut: bool  # ended by the token limit
    note: str  # what the record leaves open, or ""


def tracks(
    frame: pd.DataFrame, *, models: Sequence[str] | str | None = None, prompt: str | None = None, round: int = 0
) -> list[Track]:
    """Replies to the same request as tracks, a model each.

    frame: from `records.to_frame`, with its texts. models: up to four, in this order (or "a, b"); prompt, round: as
    for `together.together`, which chooses the two that differ most where nothing is said.
    raises: UsageError as there.
    """
    rows = together(frame, named(models), prompt, round)
    return [_track(row) for _, row in rows.iterrows()]


def named(models: Sequence[str] | str | None) -> list[str] | None:
    """Names of models, each once; a text is a list with commas.

    >>> named("a, b"), named(["a", "a"]), named("")
    (['a', 'b'], ['a'], None)
    """
    if isinstance(models, str):
        models = [name.strip() for name in models.split(",") if name.strip()]
    return list(dict.fromkeys(models)) if models else None


def _track(row: pd.Series) -> Track:
    reply = picks.reply(str(row["model"]), row)
    channels = ["reasoning" if name == "reasoning" else "answer" for name in reply.channels]
    said, exact = [""] * len(channels), True
    for channel, column in (("answer", "text"), ("reasoning", "reasoning_text")):
        mine = [i for i, name in enumerate(channels) if name == channel]
        text = row[column] if isinstance(row[column], str) else ""
        parts, known = cut_up(text, [reply.chars[i] for i in mine])
        exact &= known
        for i, part in zip(mine, parts, strict=True):
            said[i] = part
    times = list(itertools.accumulate(reply.chunk_s, max))
    tokens, source = reply.tokens, row["token_source"]
    if tokens == len(times):  # each chunk has one at least
        unit, sizes = "chunks" if source == "chunks" else "tokens", [1] * len(times)
    else:
        unit, sizes = "characters", [len(part) for part in said]
    counts = list(itertools.accumulate(sizes))
    notes = [] if exact else [SPREAD]
    notes += [] if times == reply.chunk_s else [UNORDERED]
    return Track(
        model=reply.model,
        prompt=reply.prompt,
        round=reply.round,
        concurrency=int(row["concurrency"]),
        pieces=tuple(map(Piece, times, channels, _shown(said), counts)),
        unit=unit,
        ttft_s=float(reply.ttft_s),
        ttfa_s=reply.ttfa_s,
        end_s=times[-1],
        tokens=tokens,
        decode_tps=reply.decode_tps,
        speed=_speed(reply, "chunks" if source == "chunks" else "tokens"),
        cut=row["finish_reason"] == "length",
        note=" ".join(notes),
    )


def cut_up(text: str, sizes: Sequence[int]) -> tuple[list[str], bool]:
    """A text in pieces of so many characters (code points). returns: the pieces, and whether they are certain.

    A character beyond U+FFFF that came as two halves, in two chunks, counted in both: where all such characters did,
    each belongs to the chunk that completed it. Where the sizes don't add up otherwise, the pieces share the text in
    proportion to them.

    >>> cut_up("abc", [1, 2]), cut_up("a😀", [1, 1, 1]), cut_up("abcd", [1, 1])
    ((['a', 'bc'], True), (['a', '', '😀'], True), (['ab', 'cd'], False))
    """
    if min(sizes, default=0) < 0 or (text and not any(sizes)):  # a record from elsewhere
        sizes = [1] * len(sizes)
    ends = list(itertools.accumulate(sizes))
    whole = ends[-1] if ends else 0
    if whole == len(text):
        return _between(text, ends), True
    starts = list(itertools.accumulate((1 + (c > "\uffff") for c in text), initial=0))  # with halves as two
    if whole == starts[-1]:
        within = {at + 1 for at, c in zip(starts, text, strict=False) if c > "\uffff"}  # between two halves
        if within <= set(ends):
            place = {at: i for i, at in enumerate(starts)}
            return _between(text, [place[end - 1 if end in within else end] for end in ends]), True
    return _between(text, [len(text) * end // whole if whole else 0 for end in ends]), False


def _between(text: str, ends: Sequence[int]) -> list[str]:
    return [text[start:end] for start, end in itertools.pairwise([0, *ends])]


def _shown(pieces: Sequence[str]) -> list[str]:
    """Without direction and control marks, piece by piece; a line end may come in two halves."""
    found = []
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
        split = piece.endswith("\r") and following.startswith("\n")
        found.append(plain((piece[:-1] if split else piece).replace("\r\n", "\n"), keep="\n\t"))
    return found


def _speed(reply: picks.Reply, unit: str) -> str:
    if reply.decode_tps is not None:
        return picks.speed_of([reply]).replace("tokens", unit)
    return "no speed: it came in one chunk" if len(reply.chunk_s) == 1 else "no speed was measured"


def seconds(value: float) -> str:
    """A time as it stands beside the clock: "0.31 s", below a tenth "0.059 s"."""
    return f"{value:.2f} s" if value >= 0.1 else f"{value:.3f} s"


def told(found: Sequence[Track]) -> dict[str, Any]:
    """All that the browser is told, as plain JSON: texts without marks that a page would obey."""
    if not found:
        return {"title": "Nothing to replay", "about": NOTHING, "tracks": []}
    first = found[0]
    which = plain(first.prompt) + (f", round {first.round}" if first.round >= 0 else "")
    replies = "The reply" if len(found) == 1 else f"{len(found)} replies"
    load = "one request at a time" if first.concurrency == 1 else f"{first.concurrency} requests at once"
    clock = "Its clock" if len(found) == 1 else "Each reply's clock"
    return {
        "title": f"{replies} to {which}, as recorded",
        "about": f"A recording of {load}, not a live measurement. {clock} starts with its own request; speeds are "
        "those after the first token.",
        "tracks": [_told(track) for track in found],
    }


def _told(track: Track) -> dict[str, Any]:
    events = [(track.ttft_s, f"first token after {seconds(track.ttft_s)}")]
    if track.ttfa_s is not None and track.ttfa_s > track.ttft_s:
        events.append((track.ttfa_s, f"first of the answer after {seconds(track.ttfa_s)}"))
    ended = ", cut by the token limit" if track.cut else ""
    events.append((track.end_s, f"done after {seconds(track.end_s)}{ended}"))
    return {
        "model": plain(track.model),
        "speed": track.speed,
        "events": events,
        "unit": track.unit,
        "pieces": [list(asdict(piece).values()) for piece in track.pieces],
        "end": track.end_s,
        "note": track.note,
    }


class Replay(anywidget.AnyWidget):
    """The widget. view: what is played, as plain JSON. It begins when somebody presses Play."""

    _esm = HERE / "tokens.js"
    _css = HERE / "tokens.css"
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, frame: pd.DataFrame | None = None, *, theme: str = "light", scale: str = "normal", **which: Any):
        """frame: rows, or None: nothing yet. theme, scale: as for `theme.params`. which: as for `tracks`."""
        self._turn, self.tracks = 0, []
        super().__init__()
        self.view = told([]) | {"turn": 0, "keys": KEYS}
        self.look(theme, scale)
        self.show(frame, **which)

    def look(self, theme: str, scale: str) -> None:
        """Changes how it looks, also while it plays. raises: UsageError for names that `theme.params` does not know."""
        looks.params(theme, scale)
        self.view = self.view | {"theme": theme, "scale": scale}

    def show(self, frame: pd.DataFrame | None, **which: Any) -> None:
        """Hands over other replies. A page that plays goes on with its own, and takes these when it starts again.

        frame: None: nothing. which: models, prompt, round as for `tracks`; without any, two replies that are shown
        stay as long as they are in the frame, so that a run can grow.
        raises: UsageError as `tracks`; what is shown stays.
        """
        if frame is None:
            found = []
        elif not which and len(self.tracks) > 1 and self._still(frame):
            return
        else:
            found = tracks(frame, **which)
        if found != self.tracks:
            self.tracks = found
            self._turn += 1
            self.view = self.view | told(found) | {"turn": self._turn}

    def _still(self, frame: pd.DataFrame) -> bool:
        """Whether the replies that are shown are in the frame."""
        first = self.tracks[0]
        try:
            same = tracks(frame, models=[t.model for t in self.tracks], prompt=first.prompt, round=first.round)
        except UsageError:
            return False
        return same == self.tracks

    def __repr__(self) -> str:
        return f"Replay of {len(self.tracks)} recorded replies"


def replay(
    frame: pd.DataFrame,
    *,
    models: Sequence[str] | str | None = None,
    prompt: str | None = None,
    round: int = 0,
    theme: str = "light",
    scale: str = "normal",
) -> None:
    """Replies side by side in a notebook, to be played; below them the same as a picture, which stays.

    Where nobody can press Play (papermill, nbconvert), the picture alone. frame, models, prompt, round: as for
    `tracks`. theme, scale: as for `theme.params`. raises: UsageError as these.
    """
    from IPython.display import display

    rows = together(frame, named(models), prompt, round)
    if has_front_end():
        display(Replay(rows, models=named(models), theme=theme, scale=scale))
    with looks.use(theme, scale):
        display(plots.picture(rows, "token_timeline"))
