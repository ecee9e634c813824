"""Stopping the process that reads many streams, dropping what was not begun, and Ctrl-C at any moment."""

import itertools
import os
import signal
import threading
import time

import psutil
import pytest

from slmbench.measure import stream
from slmbench.measure.reader import Reader
from support.cases import ASKED
from support.replies import delta, event, good, head
from support.server import HOLD, Pause, Server

PART = head() + event(delta("Hel"))


def ask(reader, server, key, path="/v1/chat/completions", **more):
    reader.send(key, f"{server.root}{path}", ASKED, **more)


def take(reader, count):
    return dict(reader.take() for _ in range(count))


def test_what_is_stopped_is_handed_over():
    def respond(asked):
        return [head(), good()] if asked.path == "/quick" else [PART, HOLD]

    with Server(respond) as server, Reader(3) as reader:
        ask(reader, server, 0, "/quick")
        for key in range(1, 6):
            ask(reader, server, key)
        reader.start()
        while len(server.requests) < 4:  # three are held, and nobody has taken the first
            time.sleep(0.001)
        time.sleep(0.05)
        stopped = dict(reader.stop())
        assert reader.stop() == []
        with pytest.raises(LookupError):
            reader.take()
        ask(reader, server, 9, "/quick")
        reader.start()
        assert reader.take()[0] == 9  # it may be used again
    found = {key: stream.read(wire) for key, wire in stopped.items()}
    assert {key: (r.status, r.text) for key, r in found.items()} == {
        0: ("ok", "Hello!"),
        **dict.fromkeys((1, 2, 3), ("interrupted", "Hel")),
    }
    assert len(server.requests) == 5


def test_an_open_loop_can_be_stopped_just_before_a_request_is_due():
    """Its connection is open already: the process must neither send it then, nor trip over it."""

    def respond(asked):
        return [head(), good()] if asked.path == "/quick" else [PART, HOLD]

    with Server(respond) as server, Reader(None) as reader:
        for path in ("/1", "/2", "/3"):
            connections = len(server._threads)
            ask(reader, server, 1, path, due_s=0.0)
            reader.start()
            while len(server._threads) == connections:
                time.sleep(0.001)
            assert {wire.end for _, wire in reader.stop()} <= {"interrupted"}  # if it was quick enough, nothing
            ask(reader, server, 9, "/quick", due_s=0.05)  # by then the other one's time has come
            reader.start()
            key, wire = reader.take()
            assert (key, stream.read(wire).status) == (9, "ok")
            assert reader.stop() == []  # so that the next one waits for the start


def test_a_stop_waits_for_its_own_answer(monkeypatch):
    """Ctrl-C came while `drop` waited for the keys: the answer to that is no sign that all is stopped."""
    with Server([PART, HOLD]) as server, Reader(1) as reader:
        for key in (1, 2):
            ask(reader, server, key)
        reader.start()
        while not server.requests:
            time.sleep(0.001)
        time.sleep(0.05)  # for its first piece
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Reader, "_wait", interrupted)
            reader.drop()
        while reader._answers.empty():
            time.sleep(0.001)
        [(key, wire)] = reader.stop()
        assert (key, wire.end, stream.read(wire).text) == (1, "interrupted", "Hel")
        ask(reader, server, 3)
        assert reader.stop() == []
        ask(reader, server, 4)
        assert reader.drop() == [4]


def test_a_stop_that_nobody_waited_for_is_no_answer_to_a_drop(monkeypatch):
    with Reader(1) as reader:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Reader, "_await_stop", interrupted)
            reader.stop()
        reader.send(1, "http://127.0.0.1:1/", ASKED)
        assert reader.drop() == [1]
        assert reader.stop() == []


def interrupted(*_):
    raise KeyboardInterrupt


def test_what_was_not_begun_can_be_dropped():
    with Server([head(), Pause(0.2), good()]) as server, Reader(2) as reader:
        for key in range(6):
            ask(reader, server, key)
        ask(reader, server, 6, due_s=60)
        reader.start()
        while len(server.requests) < 2:
            time.sleep(0.001)
        assert reader.drop() == [2, 3, 4, 5, 6]
        assert sorted(take(reader, 2)) == [0, 1]
    assert len(server.requests) == 2


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a process there by other ways")
def test_ctrl_c_reaches_the_parent_alone():
    with Server([PART, HOLD]) as server, Reader(1) as reader:
        ask(reader, server, 1)
        reader.start()
        while not server.requests:
            time.sleep(0.001)
        os.kill(reader.pid, signal.SIGINT)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            reader.take()
        [(key, wire)] = reader.stop()
    assert (key, wire.end, stream.read(wire).text) == (1, "interrupted", "Hel")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a process there by other ways")
def test_ctrl_c_leaves_no_half_of_a_message_behind():
    """The process takes nothing at that moment, so that the pipe is full in the midst of a request of 5 KB."""
    with Server([head(), good()]) as server, Reader(1) as reader:
        child = psutil.Process(reader.pid)
        child.suspend()
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            for key in itertools.count():
                reader.send(key, f"{server.root}/", b"x" * 4800)
        child.resume()
        assert reader.stop() == []
        ask(reader, server, -1)
        reader.start()
        assert reader.take()[0] == -1
