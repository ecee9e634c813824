"""The loop that reads many streams, directed by another thread: stopped, held up, and told to go on."""

import threading
import time

import pytest

from slmbench.measure import stream, streams
from slmbench.measure.connection import addresses
from slmbench.measure.flight import Flight, now_ns
from slmbench.measure.streams import Streams
from slmbench.measure.wire import Address, Wire, request
from support.cases import ASKED
from support.replies import delta, event, good, head, plain
from support.server import HOLD, Server

MS = 1_000_000  # ns
PART = head() + event(delta("Hel"))


def flight(server, key=0, *, path="/v1/chat/completions", due_ns=None):
    asked = request(Address.of(f"{server.root}{path}"), ASKED)
    return Flight(key, addresses("127.0.0.1", server.port), asked, deadline_s=10, due_ns=due_ns)


def read(flown):
    return stream.read(Wire.of(flown), model="m")


class Enough(Exception):
    """Ends a loop that takes calls, which would go on for ever."""


def directed(loop, direct):
    """Run the loop while a thread directs it by its calls."""
    call = loop.accept_calls().call

    def leave():
        raise Enough

    def script():
        direct(call)
        call(leave)

    thread = threading.Thread(target=script)
    thread.start()
    with pytest.raises(Enough):
        loop.run()
    thread.join()


def until(happened):
    while not happened():
        time.sleep(0.001)


def test_what_is_stopped_keeps_what_came_and_the_rest_is_forgotten():
    ended, dropped = [], []
    with Server([PART, HOLD]) as server, Streams(2, ended.append) as loop:
        flights = [flight(server, n) for n in range(4)]
        for one in flights:
            loop.add(one)
        loop.add(flight(server, 9, due_ns=now_ns() + 10_000 * MS))

        def direct(call):
            until(lambda: all(one.pieces for one in flights[:2]))
            call(lambda: dropped.extend(loop.drop()))
            call(loop.interrupt)

        directed(loop, direct)
    assert [one.key for one in dropped] == [2, 3, 9]
    assert [(read(one).status, read(one).text) for one in ended] == [("interrupted", "Hel")] * 2
    assert all(one.sock.fileno() < 0 for one in flights[:2])


def test_what_waits_to_be_written_is_never_sent_once_stopped(monkeypatch):
    """Its connection is open, and its time comes after the stop."""
    monkeypatch.setattr(streams, "AHEAD_NS", 10_000 * MS)
    ended = []
    with Server([head(), good()]) as server, Streams(None, ended.append) as loop:
        one = flight(server, due_ns=now_ns() + 200 * MS)
        loop.add(one)

        def direct(call):
            until(lambda: one.connect_ns is not None)
            call(loop.interrupt)
            until(lambda: one.end)
            assert one.step(0, 0) is False  # as for an event that came together with the stop
            until(lambda: not loop._timeline)

        directed(loop, direct)
        assert (ended, one.written_ns, one.sock.fileno()) == ([], 0, -1)
    assert server.posts == []


def test_a_failure_holds_up_the_queue_until_somebody_says_go_on():
    ended, seen = [], []

    def hold(one):
        ended.append(one.key)
        if one.refused:
            loop.hold()

    def answer(asked):
        return [plain({}, "500 Oops")] if asked.path == "/0" else [head(), good()]

    with Server(answer) as server, Streams(1, hold) as loop:
        for n in range(3):
            loop.add(flight(server, n, path=f"/{n}"))

        def direct(call):
            until(lambda: ended)
            call(lambda: seen.append(len(server.requests)))
            call(loop.go_on)
            until(lambda: len(ended) == 3)

        directed(loop, direct)
    assert (seen, ended) == ([1], [0, 1, 2])
