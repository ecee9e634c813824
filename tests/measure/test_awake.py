"""A clock that stands still while the machine sleeps: Windows' by a made-up library, the others' by their own."""

import ctypes
import sys
import time

import pytest

from slmbench.measure import awake, flight, stream, wire
from support.replies import good, head
from support.server import Server


class Kernel32:
    """Made up: what Windows' library would say."""

    def __init__(self, *ticks):
        self.ticks = list(ticks)

    def QueryUnbiasedInterruptTime(self, where):
        where._obj.value = self.ticks.pop(0)
        return 1


def test_windows_counts_in_ticks_of_100_ns():
    now_ns = awake.clock("win32", Kernel32(5, 2**40))
    assert (now_ns(), now_ns()) == (500, 2**40 * 100)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_elsewhere_the_performance_counter_is_one(platform):
    assert awake.clock(platform) is time.perf_counter_ns


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such clocks")
def test_this_machines_clock_stands_still_in_sleep_as_its_system_says():
    """Linux: CLOCK_MONOTONIC does, CLOCK_BOOTTIME does not. macOS: CLOCK_UPTIME_RAW does."""
    clock = time.CLOCK_UPTIME_RAW if sys.platform == "darwin" else time.CLOCK_MONOTONIC
    assert abs(time.clock_gettime_ns(clock) - awake.awake_ns()) < 10**9


@pytest.mark.parametrize(("slept_s", "flags"), [(0.0, []), (0.5, []), (3600.0, ["clock_jump"])])
def test_a_request_that_slept_on_windows_is_flagged(monkeypatch, slept_s, flags):
    """Made-up clocks: the wall clock and the performance counter go on through the sleep, this one stands still."""
    began_ns = time.perf_counter_ns()
    asleep_ns = iter([0, 0, int(slept_s * 1e9)])  # as it opens, as it writes, at its end
    monkeypatch.setattr(flight, "awake_ns", lambda: time.perf_counter_ns() - began_ns - next(asleep_ns))
    with Server([head(), good()]) as server:
        address = wire.Address.of(f"{server.root}/v1/chat/completions")
        reply = stream.read(wire.exchange(address, b"{}"))
    assert (reply.status, [f for f in reply.flags if f != "client_bound"]) == ("ok", flags)


def test_the_made_up_library_is_called_as_ctypes_calls_it():
    ticks = ctypes.c_ulonglong()
    Kernel32(7).QueryUnbiasedInterruptTime(ctypes.byref(ticks))
    assert ticks.value == 7
