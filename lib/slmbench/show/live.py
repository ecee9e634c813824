"""A chart that grows during a run in a notebook, drawn where no timed request is in this process.

One request at a time is read in this process: the chart is drawn between two of them, in the thread that calls
`update`. Drawing from a second thread while a reply streams in added up to 0.1 s to the TTFT of a 0.1 s server;
between requests it adds nothing that could be told from noise. Several at once are read in a process of their own,
which drawing here is not in the way of. A redraw costs about 0.1 s (0.2 s at 36,000 requests); it happens at most once
a second, and takes at most a tenth of the time.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from slmbench.records import Row, to_frame
from slmbench.show import plots, theme
from slmbench.show.levels import labelled
from slmbench.show.progress import ConsoleProgress, count
from slmbench.show.text import plain

if TYPE_CHECKING:
    import pandas as pd

REDRAW_S = 1.0
SHARE = 0.1  # of the time that drawing may take


class LiveChart:
    """Progress of a run: a picture and a line of text that change while it goes on, one still picture at its end.

        with LiveChart(total=48) as chart:
            for row in rows_as_they_come:
                chart.update(row)

    total: rows expected; more may come where a run samples until it is precise enough. theme, scale: as in
    `theme.params`. kind: a name in `plots.KINDS` that needs no further options; several numbers of requests at once
    are told apart in it, or are the points of "concurrency_curve".
    live: True for widgets, False for a line of text per 10 %; None finds out (`has_front_end`). Make the chart in
    the cell itself, not in a thread that the cell starts: only there can it be found out.
    clock: seconds, monotonic.
    """

    def __init__(
        self,
        total: int,
        *,
        theme: str = "light",
        scale: str = "normal",
        live: bool | None = None,
        kind: str = "latency_by_model",
        clock: Callable[[], float] = time.monotonic,
    ):
        import scipy.stats  # noqa: F401  its first import takes a second: not during the run

        self.total, self.rows, self.failed = total, [], 0
        self.live = has_front_end() if live is None else live
        self._theme, self._scale, self._kind, self._clock = theme, scale, kind, clock
        self._began, self._next, self._finished = 0.0, float("-inf"), False
        if self.live:
            self._show_widgets()
        else:
            self._lines = ConsoleProgress(total, sys.stdout)

    def update(self, row: Row) -> None:
        """Takes the next row. Call it between requests: it may redraw."""
        if not self.rows:
            self._began = self._clock()
        self.rows.append(row)
        self.failed += row.status not in ("ok", "skipped")
        if not self.live:
            self._lines.update(row)
        elif self._clock() >= self._next:
            began = self._clock()
            self._text.value = self.line()
            self._image.value = self._png()
            ended = self._clock()  # slow drawing leaves the run its share
            self._next = ended + max(REDRAW_S, (ended - began) * (1 / SHARE - 1))

    def finish(self) -> None:
        """Puts one still picture, which an executed notebook keeps, in the widgets' place. Safe to call twice."""
        if self._finished:
            return
        self._finished = True
        if not self.live and _kernel() is None:
            return
        from IPython.display import display

        with theme.use(self._theme, self._scale):
            picture = plots.picture(self._frame(), self._kind)
        if not self.live:
            display(picture)
            return
        self._box.layout.display = "none"
        print(self.line())
        if threading.current_thread() is self._thread:
            self._shown.update(picture)  # a widget that stayed behind would be "not found" in the saved notebook
        else:
            display(picture)  # Voilà does not hear of updates from other threads

    def line(self) -> str:
        """Where the run stands, for instance "12 of 48 requests · qwen2.5-0.5b · rag · about 90 s left · 1 failed"."""
        done = sum(row.prompt_id is not None for row in self.rows)  # a model that was skipped is no request
        parts = [f"{done} of {self.total} requests" if done <= self.total else count(done, self.total)]
        if self.rows and not self._finished:
            last = self.rows[-1]
            parts += [plain(name) for name in (last.model, last.prompt_id) if name is not None]
            if (
                1 < done <= self.total
            ):  # counted from the first row on: what came before it, a model's load say, does not repeat
                left = (self._clock() - self._began) / (done - 1) * max(0, self.total - done)
                parts.append(f"about {left:.0f} s left")
        return " · ".join([*parts, f"{self.failed} failed"])

    def expect(self, total: int) -> None:
        """Corrects how many rows are to come in all."""
        self.total = total
        if not self.live:
            self._lines.expect(total)

    def _frame(self) -> pd.DataFrame:
        frame = to_frame(self.rows)
        return frame if self._kind == "concurrency_curve" else labelled(frame)

    def _show_widgets(self) -> None:
        import ipywidgets
        from IPython.display import display

        self._text = ipywidgets.Label(self.line())  # a Label runs no HTML, whatever a model is called
        self._text.add_class("mathjax_ignore")  # but it shows formulas, such as $x$
        self._image = ipywidgets.Image(value=self._png(), format="png", layout={"max_width": "100%"})
        self._box = ipywidgets.VBox([self._text, self._image], layout={"align_items": "flex-start"})
        self._box.add_class("bench-live")
        self._thread = threading.current_thread()
        self._shown = display(self._box, display_id=True)

    def _png(self) -> bytes:
        from matplotlib.figure import Figure

        with theme.use(self._theme, self._scale):
            figure = Figure()
            ax = figure.add_axes((0.1, 0.16, 0.87, 0.74))
            plots.draw(self._frame(), self._kind, ax=ax)
            if not self.rows:
                ax.set_title("Waiting for the first reply: the models are being loaded", loc="left")
            theme.make_room(ax)
            return theme.png(figure)

    def __enter__(self) -> LiveChart:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.finish()


def has_front_end() -> bool:
    """Whether somebody may be looking at this cell.

    Front ends say with each cell that they can ask a person for input; nbclient, and with it papermill and
    nbconvert, says that it can't. Voilà runs cells through nbclient, but names itself in the environment.
    """
    kernel = _kernel()
    if kernel is None:
        return False
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
        return True
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def _kernel():
    """The Jupyter kernel this runs in; None in a plain Python or a terminal's IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None)
