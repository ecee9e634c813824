"""The busy share of all CPUs, on counters made by hand."""

import time
from collections import namedtuple

import pytest

from slmbench.measure import host

Times = namedtuple("Times", "user system idle iowait guest guest_nice")


@pytest.fixture
def counters(monkeypatch):
    """Set what the system's clock and counters say: at(seconds, busy seconds, idle seconds)."""
    now = {}

    def at(seconds, busy_s, idle_s, guest_s=0.0):
        now.update(at=seconds, times=Times(busy_s, 0.0, idle_s / 2, idle_s / 2, guest_s, 0.0))

    monkeypatch.setattr(host.time, "time", lambda: now["at"])
    monkeypatch.setattr(host.psutil, "cpu_times", lambda: now["times"])
    return at


def test_the_share_is_that_of_the_window(counters):
    counters(100.0, 50, 50)
    cpu = host.HostCpu()
    counters(101.0, 51, 51)
    cpu.mark()
    counters(102.0, 52.5, 51.5)
    assert cpu.pct_since(101.0) == 75.0  # 1.5 of the 2 CPU seconds since
    assert cpu.pct_since(100.5) == pytest.approx(62.5)  # from the mark before it


def test_marks_are_set_as_time_goes_on(counters):
    counters(100.0, 0, 0)
    cpu = host.HostCpu()
    for second in range(1, 5):
        counters(100.0 + second, 0, 2.0 * second)
        cpu.pct_since(100.0)
    counters(105.0, 2, 8)
    assert cpu.pct_since(104.0) == 100.0


def test_counters_that_have_not_moved_say_nothing(counters):
    counters(100.0, 5, 5)
    assert host.HostCpu().pct_since(100.0) is None


def test_guests_are_counted_once(counters):
    counters(100.0, 0, 0)
    cpu = host.HostCpu()
    counters(101.0, 1, 1, guest_s=0.5)  # the system counts a guest's time as user time, too
    assert cpu.pct_since(100.0) == 50.0


def test_this_machine_has_counters():
    """They have counted at least most of what this process has worked meanwhile."""
    cpu, (_, busy_s, all_s), worked_s = host.HostCpu(), host._now(), time.process_time() + 0.2
    while time.process_time() < worked_s:
        pass
    _, busy_after_s, all_after_s = host._now()
    assert 0.1 <= busy_after_s - busy_s <= all_after_s - all_s
    assert cpu.pct_since(0.0) > 0
