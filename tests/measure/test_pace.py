"""When a client could not keep up, on wires made by hand: written at 100 s, the first content at 101 s."""

import pytest

from slmbench.measure import stream
from slmbench.measure.pace import client_bound
from slmbench.measure.wire import Wire
from support.replies import DONE, delta, event, events, good, head, usage

S = 1_000_000_000  # ns
STOP = delta(finish="stop")


def wire(*stamped, **more):
    pieces = [(round(t * S), p) for t, p in stamped]
    return Wire(**{"start_ns": 100 * S, "written_ns": 100 * S, "pieces": pieces, "end": "done"} | more)


def steady(**more):
    """20 chunks, 10 ms apart, from 101 s on."""
    chunks = [(101 + n / 100, event(delta("x"))) for n in range(20)]
    return wire((100.1, head()), *chunks, (101.2, events(STOP, usage()) + DONE), **more)


def flags(made):
    return stream.read(made).flags


LATE = 0.051  # of the limit of 5 % of a second


@pytest.mark.parametrize(
    ("lag_s", "more", "bound"),
    [
        (0.049, {}, False),
        (LATE, {}, True),
        (LATE, {"kernel": True}, False),  # each arrival is by the kernel's word
        (9.0, {"kernel": True}, False),
    ],
)
def test_a_late_reader_makes_its_own_stamps_late(lag_s, more, bound):
    made = steady(lag_ns=round(lag_s * S), idle_ns=S, **more)
    assert (flags(made) == ["client_bound"]) is bound
    assert stream.read(made).client_lag_s == lag_s


def test_below_a_millisecond_nobody_is_late():
    pieces = [(100.002, head() + event(delta("x"))), (100.004, events(STOP, usage()) + DONE)]
    assert flags(wire(*pieces, lag_ns=900_000)) == []  # 5 % of 2 ms would be 0.1 ms
    assert flags(wire(*pieces, lag_ns=1_100_000)) == ["client_bound"]


def test_the_kernel_has_one_stamp_for_what_was_read_at_once():
    """The second chunk came last and gave both its time, so that nobody knows when the first one came."""
    together = wire((100.1, head()), (101, events(delta("a"), delta("b"), STOP, usage()) + DONE), kernel=True)
    assert flags(together) == []  # a server may well send both at once, and the reader was in time
    together.lag_ns = round(LATE * S)
    assert flags(together) == ["client_bound"]


def test_a_request_that_was_written_late_is_the_clients_fault():
    for late_s, expected in ((0.049, []), (LATE, ["client_bound"])):
        made = steady(due_ns=100 * S, kernel=True, idle_ns=S)
        made.written_ns += round(late_s * S)
        assert flags(made) == expected


@pytest.mark.parametrize("kernel", [False, True])
def test_a_reader_that_never_waited_may_have_set_the_pace(kernel):
    """1.1 s pass between the first piece and the last."""
    assert flags(steady(idle_ns=round(0.056 * S), kernel=kernel)) == []
    assert flags(steady(idle_ns=round(0.054 * S), kernel=kernel)) == ["client_bound"]
    assert flags(steady(idle_ns=None, kernel=kernel)) == []


def test_few_chunks_or_reads_have_no_pace():
    nine = wire((100.1, head()), *((101 + n / 100, event(delta("x"))) for n in range(9)), (102, DONE), idle_ns=0)
    assert not client_bound(nine, [at_ns for at_ns, _ in nine.pieces[1:-1]])
    one_burst = wire((101, head() + good(*"abcdefghijkl")), idle_ns=0)
    assert flags(one_burst) == []


def test_without_content_there_is_nothing_to_be_late_for():
    silent = Wire(start_ns=100 * S, end="timeout", error="the deadline passed", lag_ns=S)
    reply = stream.read(silent)
    assert (reply.flags, reply.client_lag_s) == ([], None)
