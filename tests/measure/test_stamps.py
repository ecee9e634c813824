"""The kernel's stamps on our clock, on made-up clocks: the wall clock is 1,000 s ahead of the other."""

import socket
import struct

import pytest

from slmbench.measure import stamps

AHEAD = 1_000 * 10**9
US = 1_000  # ns


def told(wall_ns, kind=stamps.SO_TIMESTAMPNS, form="@qq"):
    return [(socket.SOL_SOCKET, kind, struct.pack(form, wall_ns // 10**9, wall_ns % 10**9))]


def arrival(came_ns, read_ns, *, wall_ns=None, after_ns=None):
    """A piece that came and was read at these times; the clocks were looked at 100 ns later."""
    wall_ns = read_ns + 50 + AHEAD if wall_ns is None else wall_ns
    after_ns = read_ns + 100 if after_ns is None else after_ns
    return stamps.arrival_ns(read_ns, told(came_ns + AHEAD), wall_ns, after_ns)


def test_a_piece_came_when_the_kernel_says():
    assert arrival(500 * US, 700 * US) == 500 * US + 50  # later by what passed between the looks at the two clocks


def test_it_never_came_after_it_was_read():
    assert arrival(700 * US, 700 * US) == 700 * US
    late = {"wall_ns": 700 * US + 40 + AHEAD, "after_ns": 9000 * US}  # this thread was put aside between the clocks
    assert arrival(500 * US, 700 * US, **late) == 700 * US


def test_a_stamp_from_the_future_is_none():
    assert arrival(800 * US, 700 * US) is None  # the wall clock was set back meanwhile


@pytest.mark.parametrize("what", [told(1, kind=34), told(1, form="@ii")], ids=["another kind", "another size"])
def test_what_is_no_stamp_is_none(what):
    assert stamps.arrival_ns(5, what, 6, 7) is None


@pytest.mark.parametrize(("system", "switch"), [("darwin", None), ("win32", None), ("linux", "0")])
def test_the_kernel_is_asked_on_linux_only_and_may_be_left_alone(monkeypatch, system, switch):
    monkeypatch.setattr(stamps.sys, "platform", system)
    if switch:
        monkeypatch.setenv(stamps.SWITCH, switch)
    assert stamps.wanted() is False


def test_a_kernel_that_refuses_is_not_asked_again(monkeypatch):
    monkeypatch.setattr(stamps.sys, "platform", "linux")
    monkeypatch.setattr(stamps, "SO_TIMESTAMPNS", 9999)
    monkeypatch.setattr(stamps, "_keeper", None)
    assert stamps.wanted() is False
    assert stamps._keeper == -1
