"""The process that reads many streams: how it starts and ends, what it may open, and what goes through its pipes."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from slmbench.errors import KitError
from slmbench.measure import descriptors, reader as reading, reader_process
from slmbench.measure.flight import Flight
from slmbench.measure.reader import Reader
from slmbench.measure.wire import Wire
from support.cases import ASKED
from support.replies import delta, event, good, head, message, plain
from support.server import HOLD, Pause, Server

PART = head() + event(delta("Hel"))


def ask(reader, server, key, path="/v1/chat/completions", **more):
    reader.send(key, f"{server.root}{path}", ASKED, **more)


def test_a_process_that_is_killed_is_an_error_after_what_it_gave():
    quick = [head(), good()]
    with Server(lambda asked: quick if asked.path == "/quick" else [PART, HOLD]) as server, Reader(2) as reader:
        ask(reader, server, 1)
        ask(reader, server, 2, "/quick")
        reader.start()
        time.sleep(0.2)
        psutil.Process(reader.pid).kill()
        assert reader.take()[0] == 2
        for _ in range(2):
            with pytest.raises(KitError, match="the process that reads the streams has ended with code"):
                reader.take()
        with pytest.raises(KitError):
            reader.drop()
        assert reader.stop() == []


def test_what_a_broken_process_said_is_told(monkeypatch):
    monkeypatch.setattr(reading, "CODE", "raise SystemExit('no such module')")
    with Reader(1) as reader, pytest.raises(KitError, match="ended with code 1: no such module"):
        reader.send(1, "http://127.0.0.1:1/", ASKED)
        reader.start()
        reader.take()


BROKEN = {
    "what hands over": ("p.pack = None", "'NoneType' object is not callable"),
    "what takes commands": ("p.addresses = None", "'NoneType' object is not callable"),
}


@pytest.mark.parametrize(("what", "said"), BROKEN.values(), ids=BROKEN)
def test_a_thread_that_fails_ends_the_process(monkeypatch, what, said):
    begin, _, end = reading.CODE.partition("from slmbench.measure.reader_process import main; ")
    monkeypatch.setattr(reading, "CODE", f"{begin}import slmbench.measure.reader_process as p; {what}; p.{end}")
    with Server([head(), good()]) as server, Reader(1) as reader, pytest.raises(KitError, match=f"code 1: .*{said}"):
        ask(reader, server, 1)
        reader.start()
        reader.take()


@pytest.mark.parametrize("streams", [None, 1])
def test_it_ends_with_its_parent(streams):
    """Whatever it does then."""
    with Server([PART, HOLD]) as server:
        code = f"""
from slmbench.measure.reader import Reader
reader = Reader({streams})
reader.send(1, {server.root!r}, b"{{}}", deadline_s=600)
reader.start()
print(reader.pid, flush=True)
reader.take()
"""
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
            child = psutil.Process(int(parent.stdout.readline()))
            while not server.requests:
                time.sleep(0.001)
            parent.kill()
        child.wait(10)
    assert not child.is_running()


def test_leaving_ends_it_whatever_is_under_way():
    with Server([PART, HOLD]) as server:
        with Reader(4) as reader:
            for key in range(6):
                ask(reader, server, key)
            reader.start()
            child = psutil.Process(reader.pid)
            while len(server.requests) < 4:
                time.sleep(0.001)
        assert not child.is_running()


@pytest.fixture
def limited(monkeypatch, tmp_path):
    """Have the process start under a limit of open files: limited("-S -n 48") for the soft one."""
    if os.name == "nt":
        pytest.skip("there is no such limit")

    def set_to(limit):
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nulimit {limit}\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))

    return set_to


def test_it_has_room_for_its_streams(limited):
    limited("-S -n 48")
    with Server([head(), Pause(0.3), good()]) as server, Reader(64) as reader:
        for key in range(64):
            ask(reader, server, key)
        reader.start()
        assert {reader.take()[1].end for _ in range(64)} == {"done"}


def test_where_there_is_none_the_others_are_read_to_their_end(limited):
    """What a look inside a reply needs can't be imported then."""
    limited("-n 40")
    with Server([Pause(0.5), plain(message("Hello!")), HOLD]) as server, Reader(100) as reader:
        for key in range(60):
            ask(reader, server, key)
        reader.start()
        wires = [reader.take()[1] for _ in range(60)]
    assert {wire.end for wire in wires} == {"done", "unreachable"}
    assert all("open files" in wire.error for wire in wires if wire.end == "unreachable")


LIMITS = {  # soft, hard, what the system lets through, wanted: soft then, whether that is enough
    "macOS": (256, -1, 10_240, 1088, 1088, True),
    "enough": (20_000, 20_000, 20_000, 10_240, 20_000, True),
    "a low hard one": (256, 512, 512, 1024, 512, False),
    "none": (-1, -1, -1, 1024, -1, True),
    "less than it says": (256, -1, 3000, 10_240, 2560, False),
    "nothing more": (256, -1, 256, 1024, 256, False),
}


@pytest.mark.parametrize("case", LIMITS.values(), ids=LIMITS)
def test_its_limit_is_raised_as_far_as_it_can_be(monkeypatch, case):
    soft, hard, most, files, then, enough = case
    limits = {"now": (soft, hard)}

    def setrlimit(_, asked):
        if asked[0] > most:
            raise ValueError("not allowed to raise maximum limit")
        limits["now"] = asked

    system = SimpleNamespace(getrlimit=lambda _: limits["now"], setrlimit=setrlimit, RLIM_INFINITY=-1, RLIMIT_NOFILE=7)
    monkeypatch.setitem(sys.modules, "resource", system)
    monkeypatch.setattr(descriptors.sys, "platform", "darwin")
    assert descriptors.allow(files) is enough
    assert limits["now"] == (then, hard)


def test_there_is_room_for_what_is_being_closed():
    assert [descriptors.wanted(n) for n in (1, 512, None)] == [1024, 1088, 10_240]


def test_a_flight_survives_the_pipe():
    flown = Flight(-5, OSError("no way"), b"x" * 10, deadline_s=1, due_ns=2**60)
    flown.open()
    message = b"".join(bytes(part) for part in reader_process.pack(flown))
    parts = iter([message[1:][i : i + 7] for i in range(0, len(message), 7)])
    key, wire, failed = reading.unpack(reader_process.exactly(lambda: next(parts, b"")))
    assert (key, failed, wire.end, wire.error) == (-5, True, "unreachable", "no way")
    assert wire == Wire.of(flown)
    assert (wire.due_ns, wire.connect_ns, wire.idle_ns) == (2**60, None, None)


def test_half_a_message_is_the_end():
    parts = iter([b"ab", b"c"])
    read = reader_process.exactly(lambda: next(parts, b""))
    assert read(1) == b"a"
    with pytest.raises(EOFError):
        read(3)


def test_it_starts_with_little():
    """Its start is part of a run: what looks inside a reply, or comes with a parent's part, is not there yet."""
    code = "import sys; from slmbench.measure import reader_process; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
                            stdout=subprocess.PIPE, check=True, text=True).stdout.split()  # fmt: skip
    heavy = {"h11", "json", "dataclasses", "typing", "re", "ssl", "subprocess", "numpy", "slmbench.measure.wire"}
    assert heavy & set(loaded) == set()
