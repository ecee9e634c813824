"""The truth server where the system gives it less than it asks for: room for clients, a place in front, its own pid."""

import contextlib
import ctypes
import errno
import http.client
import os
import socket
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from slmbench import truth
from slmbench.truth import Schedule, TruthServer
from slmbench.truth.process import _come_first

MODELS = {"m": Schedule(ttft_s=0.01, gap_s=0.002, tokens=6)}
posix = pytest.mark.skipif(os.name == "nt", reason="the server is started by a shell script")


@pytest.fixture
def started_by(monkeypatch, tmp_path):
    """Have a shell script start it: started_by('ulimit -n 40; exec "$python" "$@"')."""

    def script(text):
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\npython="{sys.executable}"\n{text}\n', encoding="utf-8")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))

    return script


def client(server):
    made = http.client.HTTPConnection("127.0.0.1", int(server.root.rsplit(":", 1)[1]), timeout=10)
    made.connect()
    return contextlib.closing(made)


def answered(line):
    """Whether the server answers one more request on this connection."""
    line.request("GET", "/health")
    reply = line.getresponse()
    reply.read()
    return reply.status == 200


@posix
def test_it_makes_room_for_its_clients(started_by):
    started_by('ulimit -S -n 40; exec "$python" "$@"')
    with truth.process(MODELS) as server, contextlib.ExitStack() as all_of_them:
        lines = [all_of_them.enter_context(client(server)) for _ in range(60)]
        assert all(answered(line) for line in lines)


@posix
def test_who_finds_no_room_holds_up_nobody_and_comes_in_later(started_by):
    started_by('ulimit -n 40; exec "$python" "$@"')
    with truth.process(MODELS) as server, client(server) as first:
        with contextlib.ExitStack() as others:
            for _ in range(60):
                others.enter_context(client(server))
            last = contextlib.ExitStack()
            late = last.enter_context(client(server))
            assert all(answered(first) for _ in range(3))
        with last:
            assert answered(late)


class Full:
    """Lets no client in as long as `on` is set, and counts how often that was asked for."""

    def __init__(self, monkeypatch):
        self.on, self.tried, accept = False, 0, socket.socket.accept

        def tried(sock):
            if self.on:
                self.tried += 1
                raise OSError(errno.EMFILE, "Too many open files")
            return accept(sock)

        monkeypatch.setattr(socket.socket, "accept", tried)

    def wait(self, times):
        while self.tried < times:
            time.sleep(0.001)


def test_who_waits_for_room_is_not_looked_after_all_the_time(monkeypatch):
    full = Full(monkeypatch)
    with TruthServer(MODELS) as server, contextlib.ExitStack() as first, client(server) as late:
        line = first.enter_context(client(server))
        assert answered(late) and answered(line)
        full.on = True
        with client(server) as waits:
            full.wait(1)
            assert all(answered(line) for _ in range(5))
            assert full.tried == 1
            full.on = False
            first.close()
            assert answered(waits)


def test_where_no_client_could_make_room_it_is_tried_again(monkeypatch):
    full = Full(monkeypatch)
    with TruthServer(MODELS) as server:
        full.on = True
        with client(server) as waits:
            full.wait(3)
            full.on = False
            assert answered(waits)


@posix
def test_the_pid_is_that_of_the_server_whoever_has_started_it(started_by):
    """As a virtual environment's python.exe does on Windows."""
    started_by('"$python" "$@"\nexit $?')
    with truth.process(MODELS) as server:
        assert psutil.Process(server.pid).ppid() == server._child.pid


@pytest.mark.skipif(os.name != "nt", reason="everybody may ask for that on Windows only")
def test_it_comes_before_others_on_windows():
    with truth.process(MODELS) as server:
        assert psutil.Process(server.pid).nice() == psutil.HIGH_PRIORITY_CLASS


def test_it_asks_windows_itself(monkeypatch):
    """A priority that is given to the launcher of a virtual environment is not handed on to the server."""
    asked = []
    kernel = SimpleNamespace(GetCurrentProcess=lambda: -1 % 2**64)
    kernel.SetPriorityClass = lambda it, priority: asked.append((it.value, priority))
    monkeypatch.setattr(ctypes, "WinDLL", lambda name: {"kernel32": kernel}[name], raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    _come_first()
    assert asked == [(-1 % 2**64, 0x80)]
