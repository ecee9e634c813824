"""The instructor's board: run folders, or a room of many machines, watched as they grow, for all to see.

It only reads: the runs are other processes', and opening, reloading or closing the board starts and ends none of
them. It looks once a second, and draws only what has changed, at most once a second and a tenth of the time. What is
shown is said by buttons, each with a key; what there is to show is `board_runs.Runs`' or `room_board.OneRoom`'s, each
taking the other's place where a folder that is waited for turns out so.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from slmbench import paths
from slmbench.errors import UsageError
from slmbench.show import board_views, room_views, theme
from slmbench.show.board_runs import ROOM_BESIDE, Runs
from slmbench.show.board_views import Shown
from slmbench.show.front import has_front_end, in_voila
from slmbench.show.room_board import OneRoom
from slmbench.show.text import plain
from slmbench.store import rooms
from slmbench.store.follow import SIDE_BY_SIDE, Follower
from slmbench.store.follow_room import RoomFollower

if TYPE_CHECKING:
    from IPython.display import Image

AUTO = "auto"
VIEWS = tuple(dict.fromkeys((*board_views.VIEWS, *room_views.VIEWS)))  # of runs and of rooms
LOOK_S = 1.0
SHARE = 0.1  # of the time that drawing may take
ROOM = (640, 2400), (300, 1600)  # least and most pixels of a picture that is drawn for a window


class Board:
    """The state of one board. runs, theme, scale, view: as for `show`. clock: seconds, monotonic."""

    current: ClassVar[Board | None] = None  # the one that looks
    _alone = threading.Lock()

    def __init__(
        self,
        runs: Sequence[str | Path] | str = AUTO,
        *,
        theme: str = "light",
        scale: str = "projector",
        view: str = "race",
        clock: Callable[[], float] = time.monotonic,
    ):
        names = [name.strip() for name in runs.split(",")] if isinstance(runs, str) else runs
        if not isinstance(names, Sequence) or not all(isinstance(name, str | Path) for name in names):
            raise UsageError(
                f"runs: {runs!r} was found, run folders were expected.", "runs=['runs/before', 'runs/after']"
            )
        auto = list(names) in ([AUTO], [""], [])
        names = [] if auto else names
        if len(names) > SIDE_BY_SIDE:
            raise UsageError(
                f"runs: {len(names)} were found, at most {SIDE_BY_SIDE} are shown side by side.", "name fewer"
            )
        if view not in VIEWS:
            raise UsageError(f"view={view!r} is not known; expected one of {', '.join(VIEWS)}", "view='race'")
        folders = [paths.run_folder(n.strip() if isinstance(n, str) else n) for n in names]
        if len(folders) > 1 and any(map(rooms.is_room, folders)):
            raise UsageError(f"runs: {len(folders)} folders were found, one of them a room: {ROOM_BESIDE}", "name one")
        self._content: Runs | OneRoom = Runs(folders, auto=auto)
        self.view, self._theme, self._scale, self._clock = view, theme, scale, clock
        board_views.theme.params(theme, scale)  # refuses other names
        self._size = board_views.theme.size_px(scale)
        self._next, self._stale = float("-inf"), True
        self._busy, self._end = threading.RLock(), threading.Event()
        self._stage = self._replay = None

    @property
    def runs(self) -> list[Follower] | list[RoomFollower]:
        """What is followed: run folders, or a room."""
        return self._content.runs

    def tick(self) -> bool:
        """Look at the folders, and draw if something has changed and it is time. returns: whether it was drawn."""
        with self._busy:
            if folder := self._content.turned():
                self._content = Runs([folder]) if isinstance(self._content, OneRoom) else OneRoom(folder)
                self._stale = True
            self._stale |= self._content.poll()
            if not self._stale or self._clock() < self._next:
                return False
            self.draw()
            return True

    def draw(self) -> None:
        """Show the runs as they are known, now."""
        with self._busy:
            began = self._clock()
            self._stale = False
            shown = self._shown()
            if self._stage:
                self._tell(shown)
            ended = self._clock()
            self._next = ended + max(LOOK_S, (ended - began) * (1 / SHARE - 1))

    def press(self, button: str) -> None:
        """What was pressed, or typed."""
        with self._busy:
            names = list(self._content.views)
            step = {"next": 1, "previous": -1}.get(button)
            if step:
                button = names[(names.index(self._view()) + step) % len(names)]
            if button in names:
                self.view = button
            elif button == "theme":
                self._theme = theme.THEMES[self._theme == theme.THEMES[0]]
            elif button == "scale":
                self._scale = theme.SCALES[self._scale == theme.SCALES[0]]
            self.draw()

    def picture(self) -> Image | None:
        """A still of the view, which a saved notebook keeps; None in Voilà, where nothing is saved, and of words."""
        from IPython.display import Image

        if in_voila():
            return None
        with self._busy:
            shown = self._shown()
        return Image(shown.png, format="png", alt=plain(shown.alt)) if shown.png else None

    def lines(self) -> list[str]:
        """Where each run stands, or the room."""
        return self._content.lines()

    def close(self) -> None:
        """Look no more. Safe to call twice."""
        self._end.set()

    def show(self) -> None:
        """Display it, and look once a second from now on; where nobody looks, say where the runs stand."""
        with self._alone:
            if Board.current is not None:  # the cell was run again
                Board.current.close()
            Board.current = self
        self.tick()
        if not has_front_end():
            shown = self._shown()
            table = [" · ".join(filter(None, row)) for row in shown.table]
            print(*map(plain, filter(None, [*self.lines(), shown.title, *table])), sep="\n")
            return
        from IPython.display import display

        display(self._widget())
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._look,), name="board", daemon=True).start()

    def _look(self) -> None:
        while not self._end.wait(LOOK_S):
            try:
                self.tick()
            except BaseException as e:
                self._stage.show(said=f"The board stopped: {e}. Reload the page, or run the cell again.")
                raise

    def _view(self) -> str:
        """The view that is wanted, or the first one where there is none of that name."""
        names = self._content.views
        return self.view if self.view in names else next(iter(names))

    def _shown(self) -> Shown:
        with theme.use(self._theme, self._scale):
            return self._content.shown(self._view(), self._size, staged=self._stage is not None)

    def _widget(self) -> Any:
        import ipywidgets

        from slmbench.show.stage import Stage
        from slmbench.show.tokens import Replay

        self._stage = Stage("Board", look=self._theme, scale=self._scale, everywhere=in_voila(), on_press=self.press)
        self._stage.add_class("bench-board")
        self._stage.observe(self._resized, "room")
        self._replay = Replay(theme=self._theme, scale=self._scale)
        self.draw()
        return ipywidgets.VBox([self._stage, self._replay])

    def _resized(self, change: Any) -> None:
        """The window has another room for the picture."""
        with self._busy:
            size = tuple(min(max(px, low), high) for px, (low, high) in zip(change["new"], ROOM, strict=True))
            if size != self._size:
                self._size = size
                self.draw()

    def _tell(self, shown: Shown) -> None:
        done, total = self._content.progress()
        replayed = self._content.replayed(self._view())
        if replayed is not None:
            self._replay.look(self._theme, self._scale)
            with contextlib.suppress(UsageError):  # nothing to replay yet
                self._replay.show(replayed)
        self._replay.layout.display = "none" if replayed is None else None
        self._stage.show(
            shown.png,
            title=shown.title,
            line=" | ".join(self.lines()),
            alt=shown.alt,
            said=self._content.said,
            notes=shown.notes,
            table=shown.table,
            pictured=shown.png is not None,
            done=done,
            total=total,
            look=self._theme,
            scale=self._scale,
            size=self._size,
            buttons=self._buttons(),
        )

    def _buttons(self) -> list[dict]:
        from slmbench.show.stage import Button

        found = [
            Button(name, label, key=str(n), pressed=name == self._view())
            for n, (name, label) in enumerate(self._content.views.items(), 1)
        ]
        found += [
            Button(name, name, key=key, hidden=True)
            for name, key in (("next", "ArrowRight"), ("previous", "ArrowLeft"))
        ]
        return [
            *found,
            Button("theme", "Light" if self._theme == "dark" else "Dark", group="Look", key="t"),
            Button("scale", "Size", group="Look", key="z", hidden=True),
        ]


def show(
    runs: Sequence[str | Path] | str = AUTO, *, theme: str = "light", scale: str = "projector", view: str = "race"
) -> Board:
    """The board in a notebook or in Voilà. returns: it, for `picture`, `lines` and `close`.

    runs: run folders, as a list or as "a,b", or the folder of one room; one that is not there yet is waited for.
        "auto": the newest one under runs/, changing to a newer one when that begins; the recorded example before there
        is any.
    theme, scale: as for `theme.params`. view: a name in `VIEWS`; where what is shown has none of that name, its first.
    raises: UsageError for other values, for more than three runs, and for a room beside other folders.
    """
    board = Board(runs, theme=theme, scale=scale, view=view)
    board.show()
    return board
