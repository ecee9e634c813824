"""Rows taken in a thread: pause, stop, errors, one at a time; in a kernel, what an awaiting cell gets."""

import asyncio
import queue
import threading

import pytest

from slmbench.errors import KitError, Stopped
from slmbench.show import background, live
from slmbench.show.background import Background
from support.made_rows import request

WAIT_S = 20


class Watcher:
    """Keeps what it is told, and lets a test wait for it."""

    def __init__(self):
        self.rows, self.states, self.finished = [], [], 0
        self._told = threading.Condition()

    def update(self, row):
        self._note(self.rows, row)

    def changed(self, work):
        self._note(self.states, work.state)

    def finish(self):
        self.finished += 1

    def _note(self, kept, what):
        with self._told:
            kept.append(what)
            self._told.notify_all()

    def until(self, happened):
        with self._told:
            assert self._told.wait_for(lambda: happened(self), WAIT_S), (self.states, self.rows)


class Source:
    """A generator whose rows come when a test lets them."""

    def __init__(self, *, keeps=True):
        self._given, self.closed, self._keeps = queue.Queue(), False, keeps
        self.asked, self._changed = 0, threading.Condition()

    def give(self, *rows):
        for row in rows:
            self._given.put(row)

    def wait_for(self, asked):
        """Until so many rows have been asked for."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked >= asked, WAIT_S)

    def rows(self):
        taken = []
        try:
            while True:
                with self._changed:
                    self.asked += 1
                    self._changed.notify_all()
                row = self._given.get(timeout=WAIT_S)
                if row is None:
                    return taken
                if isinstance(row, BaseException):
                    raise row
                taken.append(row)
                yield row
        except Stopped:
            if not self._keeps:
                raise
            return taken
        finally:
            self.closed = True


class Answering(Watcher):
    """Lets the request that is under way end once the work is to stop."""

    def __init__(self, source):
        super().__init__()
        self.source = source

    def changed(self, work):
        super().changed(work)
        if work.state == "stopping":
            self.source.give("last")


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def watcher():
    return Watcher()


def test_all_rows_are_taken_and_the_value_is_given(source, watcher):
    work = Background(source.rows(), watcher)
    source.give("a", "b", None)
    assert work.wait() == ["a", "b"]
    assert (watcher.rows, watcher.states, watcher.finished) == (["a", "b"], ["running", "done"], 1)
    assert work.wait() == ["a", "b"]  # as often as one likes


def test_nothing_is_asked_for_while_it_is_paused(source, watcher):
    work = Background(source.rows(), watcher)
    source.wait_for(1)
    work.pause()
    assert work.state == "pausing"  # a request is under way
    source.give("a", "b", None)
    watcher.until(lambda w: "paused" in w.states)
    assert (watcher.rows, source.asked) == (["a"], 1)
    work.go_on()
    assert work.wait() == ["a", "b"]
    assert watcher.states == ["running", "pausing", "paused", "running", "done"]


def test_it_may_wait_for_a_start(source, watcher):
    source.give("a", None)
    work = Background(source.rows(), watcher, start=False)
    assert (work.state, source.asked) == ("not started", 0)
    work.go_on()
    assert work.wait() == ["a"]


def test_stopping_keeps_what_there_is(source, watcher):
    work = Background(source.rows(), watcher)
    source.give("a")
    source.wait_for(2)
    work.stop()
    source.give("b", "c")  # b is under way
    assert work.wait() == ["a", "b"]
    assert (work.state, source.closed, watcher.rows) == ("stopped", True, ["a", "b"])
    work.stop()
    work.pause()
    work.go_on()
    assert work.state == "stopped"


def test_a_pause_can_end_in_a_stop(source, watcher):
    work = Background(source.rows(), watcher)
    source.give("a")
    work.pause()
    watcher.until(lambda w: "paused" in w.states)
    work.stop()
    assert work.wait() == ["a"]


def test_stopped_before_its_first_request_there_is_nothing_to_give(source, watcher):
    work = Background(source.rows(), watcher, start=False)
    work.stop()
    with pytest.raises(KitError, match="before its first request"):
        work.wait()
    assert source.asked == 0


def test_a_generator_that_keeps_nothing_gives_nothing(watcher):
    source = Source(keeps=False)
    work = Background(source.rows(), watcher)
    source.give("a")
    work.pause()
    watcher.until(lambda w: "paused" in w.states)
    work.stop()
    assert work.wait() is None


@pytest.mark.parametrize("thread", [True, False])
def test_an_error_reaches_whoever_waits(source, watcher, thread):
    source.give("a", ValueError("the model broke"))
    with pytest.raises(ValueError, match="the model broke"):
        Background(source.rows(), watcher, thread=thread).wait()
    assert (watcher.rows, watcher.states[-1], watcher.finished) == (["a"], "failed", 1)


def test_an_error_of_the_watcher_closes_the_rows(source, watcher, monkeypatch):
    monkeypatch.setattr(watcher, "update", lambda _: 1 / 0)
    source.give("a")
    with pytest.raises(ZeroDivisionError):
        Background(source.rows(), watcher).wait()
    assert source.closed


def test_an_interrupt_in_the_same_thread_is_not_taken_for_a_stop(source, watcher):
    source.give("a", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        Background(source.rows(), watcher, thread=False)
    assert (watcher.rows, watcher.finished) == (["a"], 1)


def test_without_a_thread_all_of_it_happens_at_once(source, watcher):
    source.give("a", "b", None)
    work = Background(source.rows(), watcher, start=False, thread=False)
    assert (work.state, work.wait()) == ("done", ["a", "b"])


def test_another_one_stops_the_one_before(source):
    first = Background(source.rows(), Answering(source))
    source.wait_for(1)
    other = Source()
    second = Background(other.rows(), Watcher())
    assert (first.state, first.wait(), source.closed) == (
        "stopped",
        ["last"],
        True,
    )  # before the second one asks for anything
    assert [t.name for t in threading.enumerate()].count("benchmark") == 1
    other.give(None)
    assert second.wait() == []


def test_awaiting_gives_the_value_and_a_cancelled_wait_stops_it(source, watcher):
    async def waited(work):
        return await work

    source.give("a", None)
    assert asyncio.run(waited(Background(source.rows(), watcher))) == ["a"]

    async def cancelled():
        other = Source()
        work = Background(other.rows(), Answering(other))
        waiting = asyncio.ensure_future(waited(work))
        await asyncio.sleep(0)
        other.wait_for(1)  # and nothing comes before it is to stop
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return work

    assert asyncio.run(cancelled()).state == "stopped"


def test_the_chart_says_what_the_work_does_and_its_buttons_do_it(source, monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")  # where the widget stays
    chart = live.LiveChart(total=4, live=True)
    work = chart.follow(source.rows(), start=False)

    def shown():
        view = chart._stage.view
        return view["said"], {
            b["id"]: (b["label"], b["disabled"]) for b in view["buttons"] if b["id"] in ("go", "stop")
        }

    assert shown() == ("Not started yet.", {"go": ("Start", False), "stop": ("Stop", False)})
    chart._stage._hear(None, {"press": "go"})
    source.give(request("a"))
    source.wait_for(2)
    assert shown() == ("", {"go": ("Pause", False), "stop": ("Stop", False)})
    chart._stage._hear(None, {"press": "ecdf"})
    assert [b["id"] for b in chart._stage.view["buttons"] if b["pressed"]] == ["ecdf"]
    chart._stage._hear(None, {"press": "stop"})
    assert shown() == ("Stopping after this request …", {"go": ("Pause", True), "stop": ("Stop", True)})
    chart._stage._hear(None, {"press": "go"})  # a button that can't be pressed
    source.give(request("a", number=1))
    assert len(work.wait()) == 2
    assert shown() == ("Stopped; what was measured is kept.", {"go": ("Pause", True), "stop": ("Stop", True)})
    assert "a: median 0.100 s, lowest 0.100, highest 0.100, n = 2." in chart._stage.view["alt"]


def test_time_left_leaves_pauses_out():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    clock = Clock()
    chart = live.LiveChart(total=5, live=False, clock=clock)
    work = type("Work", (), {"state": background.RUNNING, "error": None})()
    for at in (0, 2):
        clock.now = at
        chart.update(request("a"))
    work.state = background.PAUSED
    chart.changed(work)
    clock.now = 500
    assert "about 6 s left" in chart.line()
    work.state = background.RUNNING
    chart.changed(work)
    assert "about 6 s left" in chart.line()
