"""A chart that grows during a run in a notebook, drawn where no timed request is in this process.

One request at a time is read in this process: the chart is drawn between two of them, in the thread that calls
`update`. Drawing from a second thread while a reply streams in added up to 0.1 s to the TTFT of a 0.1 s server;
between requests it adds nothing that could be told from noise. Several at once are read in a process of their own,
which drawing here is not in the way of. A redraw costs 0.1 to 0.3 s (about a second at 36,000 requests); it happens at
most once a second, and takes at most a tenth of the time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from slmbench.records import Row, to_frame
from slmbench.show import alt, background as states, plots, theme
from slmbench.show.background import Background
from slmbench.show.front import has_front_end, in_voila, kernel
from slmbench.show.levels import labelled
from slmbench.show.progress import ConsoleProgress, count
from slmbench.show.text import plain

if TYPE_CHECKING:
    import pandas as pd

REDRAW_S = 1.0
SHARE = 0.1  # of the time that drawing may take
NOTES = 6  # of what was said, the last that are shown while it goes on
VIEWS = {
    "race": ("Race", "1"),
    "latency_by_model": ("Points", "2"),
    "ecdf": ("Curves", "3"),
    "run_order": ("Order", "4"),
}
WAITING = "Waiting for the first reply: the models are being loaded"
SAID = {
    states.NOT_STARTED: "Not started yet.",
    states.RUNNING: "",
    states.PAUSING: "Pausing after this request …",
    states.PAUSED: "Paused: nothing is being asked.",
    states.STOPPING: "Stopping after this request …",
    states.STOPPED: "Stopped; what was measured is kept.",
}


class Ask(Protocol):
    """A request that is about to go out."""

    @property
    def target(self) -> Any: ...
    @property
    def prompt(self) -> Any: ...


class LiveChart:
    """Progress of a run: a picture and a line of text that change while it goes on, one still picture at its end.

        chart = LiveChart(total=48)
        benchmark = chart.follow(rows_as_they_come)  # in a thread; the cell returns
        run = await benchmark                        # in another cell

    or, in the cell itself, `with LiveChart(total=48) as chart:` and `chart.update(row)` for each.

    total: rows expected; more may come where a run samples until it is precise enough. theme, scale: as in
    `theme.params`. kind: a name in `plots.KINDS` that needs no further options; several numbers of requests at once
    are told apart in it, or are the points of "concurrency_curve". Buttons change to the kinds in VIEWS.
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
        kind: str = "race",
        clock: Callable[[], float] = time.monotonic,
    ):
        import scipy.stats  # noqa: F401  its first import takes a second: not during the run

        self.total, self.rows, self.failed, self.kind = total, [], 0, kind
        self.live = has_front_end() if live is None else live
        self.work: Background | None = None
        self._theme, self._scale, self._clock = theme, scale, clock
        self._began, self._next, self._finished = 0.0, float("-inf"), False
        self._paused_s, self._paused_at, self._now, self._told = 0.0, None, None, float("-inf")
        self._said: list[str] = []
        self._drawing = threading.Lock()
        if self.live:
            self._show_stage()
        else:
            self._lines = ConsoleProgress(total, sys.stdout)

    def follow(self, rows: Generator[Row, None, Any], *, start: bool = True) -> Background:
        """Take all rows, in a thread where somebody may look, else in this call. returns: what to wait for.

        rows: a generator such as `runner.rows`. start: False waits for a click on Start, where somebody can click.
        """
        self.work = Background(rows, self, start=start, thread=self.live)
        return self.work

    def update(self, row: Row) -> None:
        """Takes the next row. Call it between requests: it may redraw."""
        if not self.rows:
            self._began = self._clock()
        self.rows.append(row)
        self.failed += row.status not in ("ok", "skipped")
        self._now = None
        if not self.live:
            self._lines.update(row)
        elif self._clock() >= self._next:
            began = self._clock()
            self._draw()
            ended = self._clock()  # slow drawing leaves the run its share
            self._next = ended + max(REDRAW_S, (ended - began) * (1 / SHARE - 1))
            self._told = ended

    def begin(self, ask: Ask) -> None:
        """Says which request is about to go out; at most once a second. Call it between requests."""
        self._now = (ask.target.alias, ask.prompt.id)
        if self.live and self._clock() >= self._told + REDRAW_S:
            self._told = self._clock()
            self._stage.show(line=self.line())

    def say(self, words: str) -> None:
        """Shows a message; where nobody looks, prints it."""
        if not self.live:
            print(plain(words, keep="\n"))
            return
        self._said.append(words)
        self._stage.show(notes=self._said[-NOTES:])

    def changed(self, work: Background) -> None:
        """Takes a new state of the work it follows."""
        self.work = work
        if work.state in (states.PAUSED, states.NOT_STARTED):
            self._paused_at = self._clock()
        elif self._paused_at is not None:
            self._paused_s += self._clock() - self._paused_at
            self._paused_at = None
        if self.live and not self._finished:
            self._stage.show(said=self._state(), line=self.line(), buttons=self._buttons())

    def finish(self) -> None:
        """Puts one still picture, which an executed notebook keeps, in the widget's place. Safe to call twice.

        In Voilà, which keeps nothing and does not hear of it, the widget stays, with its last picture.
        """
        if self._finished:
            return
        self._finished = True
        if not self.live and kernel() is None:
            return
        from IPython.display import display

        with theme.use(self._theme, self._scale):
            picture = plots.picture(self._frame(), self.kind)
        if not self.live:
            display(picture)
            return
        self._stage.show(picture.data, alt=picture.alt, line=self.line(), said=self._state(), buttons=self._buttons())
        if not in_voila():
            self._shown.update(picture)  # a widget that stayed behind would be "not found" in the saved notebook
            print(*map(plain, [self.line(), *self._said]), sep="\n")

    def line(self) -> str:
        """Where the run stands, for instance "12 of 48 requests · qwen2.5-0.5b · rag · about 90 s left · 1 failed"."""
        done = sum(row.prompt_id is not None for row in self.rows)  # a model that was skipped is no request
        parts = [f"{done} of {self.total} requests" if done <= self.total else count(done, self.total)]
        last = self._now or ((self.rows[-1].model, self.rows[-1].prompt_id) if self.rows else ())
        if not self._finished:
            parts += [plain(name) for name in last if name is not None]
            if (
                1 < done <= self.total
            ):  # counted from the first row on: what came before it, a model's load say, does not repeat
                left = self._measured_s() / (done - 1) * max(0, self.total - done)
                parts.append(f"about {left:.0f} s left")
        return " · ".join([*parts, f"{self.failed} failed"])

    def expect(self, total: int) -> None:
        """Corrects how many rows are to come in all."""
        self.total = total
        if not self.live:
            self._lines.expect(total)

    def _measured_s(self) -> float:
        """Seconds since the first row, without pauses."""
        now = self._clock() if self._paused_at is None else self._paused_at
        return max(0.0, now - self._began - self._paused_s)

    def _frame(self) -> pd.DataFrame:
        frame = to_frame(self.rows)
        return frame if self.kind == "concurrency_curve" else labelled(frame)

    def _show_stage(self) -> None:
        from IPython.display import display

        from slmbench.show.stage import Stage  # here: a command line has no use for widgets

        self._stage = Stage("Benchmark", look=self._theme, scale=self._scale, on_press=self._press)
        self._stage.add_class("bench-live")
        self._draw()
        self._shown = display(self._stage, display_id=True)

    def _draw(self) -> None:
        with self._drawing:
            picture, words = self._png()
            self._stage.show(
                picture, alt=words, line=self.line(), done=len(self.rows), total=self.total, buttons=self._buttons()
            )

    def _png(self) -> tuple[bytes, str]:
        """The picture and its alternative text."""
        from matplotlib.figure import Figure

        frame, kind = self._frame(), self.kind
        with theme.use(self._theme, self._scale):
            figure = Figure()
            ax = figure.add_axes((0.1, 0.16, 0.87, 0.74))
            plots.draw(frame, kind, ax=ax)
            if not self.rows:
                ax.set_title(WAITING, loc="left")
            theme.make_room(ax)
            return theme.png(figure), alt.describe(frame, kind) if self.rows else WAITING

    def _state(self) -> str:
        """What a screen reader is to read out."""
        if self.work is None:
            return ""
        if self.work.state == states.FAILED:
            return f"Failed: {self.work.error}"
        return SAID.get(self.work.state, "Done.")

    def _buttons(self) -> list[dict]:
        from slmbench.show.stage import Button

        views = {self.kind: (self.kind.replace("_", " ").capitalize(), None), **VIEWS}
        found = [
            Button(kind, label, key=key, pressed=kind == self.kind)
            for kind, (label, key) in sorted(views.items(), key=lambda view: view[1][1] or "0")
        ]
        if self.work is None:
            return found
        state, ended = self.work.state, self.work.state in states.ENDED
        going = state in (states.RUNNING, states.STOPPING) or ended
        go = "Pause" if going else "Start" if state == states.NOT_STARTED else "Go on"
        group = "Benchmark"
        return [
            Button("go", go, group=group, key="p", disabled=ended or state == states.STOPPING),
            Button("stop", "Stop", group=group, key="s", disabled=ended or state == states.STOPPING),
            *found,
        ]

    def _press(self, button: str) -> None:
        """Of the widget: perhaps in another thread than the work's."""
        work = self.work
        if button in plots.KINDS:
            self.kind, self._next = button, float("-inf")  # a request may be under way: the next row draws
            if work is not None and work.state in (states.PAUSED, states.NOT_STARTED, *states.ENDED):
                self._draw()
            else:
                self._stage.show(buttons=self._buttons())
        elif work is not None and button == "stop":
            work.stop()
        elif work is not None and button == "go":
            (work.pause if work.state == states.RUNNING else work.go_on)()

    def __enter__(self) -> LiveChart:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.finish()
