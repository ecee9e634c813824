"""The loop that reads many streams in one thread: who begins when, what is kept, and that nobody disturbs another."""

import errno
import itertools
import socket
import statistics
import sys
import threading
import time

import pytest

from slmbench.measure import ending, flight as flights, stamps, stream, streams
from slmbench.measure.connection import addresses
from slmbench.measure.flight import Flight, now_ns
from slmbench.measure.streams import Streams
from slmbench.measure.wire import Address, Wire, exchange, request
from support.cases import ASKED, server_flags
from support.replies import delta, event, good, head, plain
from support.server import HOLD, Drip, Pause, Server

MS = 1_000_000  # ns
PART = head() + event(delta("Hel"))
LONG = head() + good(*(f"{n} " for n in range(200)))


def flight(server, key=0, *, path="/v1/chat/completions", deadline_s=10.0, **more):
    address = Address.of(f"{server.root}{path}")
    where = addresses(address.host, address.port)
    return Flight(key, where, request(address, ASKED), deadline_s=deadline_s, **more)


def fly(*flights, limit=None):
    """Have them all fly, and give them in the order in which they ended."""
    ended = []
    with Streams(limit, ended.append) as loop:
        for one in flights:
            loop.add(one)
        loop.run()
    return ended


def read(flown):
    return stream.read(Wire.of(flown), model="m")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return gone.getsockname()[1]


class Counting:
    """Notes in which order requests came and how many were open at once; answers a while after `most` were."""

    def __init__(self, most):
        self.came, self.open, self.most, self.lock = [], 0, 0, threading.Lock()
        self.wanted, self.reached = most, threading.Event()

    def __call__(self, asked):
        with self.lock:
            self.came.append(asked.path)
            self.open += 1
            self.most = max(self.most, self.open)
            if self.most >= self.wanted:
                self.reached.set()
        yield head()
        self.reached.wait(5)
        yield Pause(0.05)
        with self.lock:
            self.open -= 1
        yield good()


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (3, 3), (None, 9)])
def test_no_more_fly_than_may_and_in_the_order_given(limit, most):
    counting = Counting(most)
    with Server(counting) as server:
        ended = fly(*(flight(server, n, path=f"/{n}") for n in range(9)), limit=limit)
    assert counting.most == most
    assert [read(one).status for one in ended] == ["ok"] * 9
    if limit == 1:
        assert counting.came == [f"/{n}" for n in range(9)]
        assert [one.key for one in ended] == list(range(9))


def test_many_streams_are_all_whole():
    with Server([Drip(LONG, size=4000)]) as server:
        ended = fly(*(flight(server, n) for n in range(32)))
    assert sorted(one.key for one in ended) == list(range(32))
    for one in ended:
        reply = read(one)
        assert (reply.status, len(reply.chunk_s)) == ("ok", 200)
        assert b"".join(one.pieces) == LONG[: len(b"".join(one.pieces))]
        assert one.stamps == sorted(one.stamps) and one.written_ns <= one.stamps[0] <= one.stamps[-1] <= one.end_ns


def test_trouble_stays_with_the_stream_that_has_it():
    scripts = {
        "/stalled": [PART, HOLD],
        "/dripping": [PART, Drip(b": ping\n\n", 0.01, 8, forever=True)],
        "/oops": [plain({"error": "no"}, "500 Oops"), HOLD],
        "/closed": [],
    }
    with Server(lambda asked: scripts.get(asked.path, [Drip(head() + good(), 0.01, 60)])) as server:
        refused = Flight(0, addresses("127.0.0.1", closed_port()), b"", deadline_s=5)
        unknown = Flight(1, socket.gaierror("Name or service not known"), b"", deadline_s=5)
        troubled = [flight(server, n, path=path, deadline_s=0.4) for n, path in enumerate(scripts, 2)]
        healthy = [flight(server, n) for n in range(10, 14)]
        ended = {one.key: read(one) for one in fly(refused, unknown, *troubled, *healthy)}
    statuses = [ended[n].status for n in range(6)]
    assert statuses == ["refused", "connection_error", "timeout", "timeout", "http_500", "connection_error"]
    assert ended[2].text == ended[3].text == "Hel"
    assert [ended[n].status for n in range(10, 14)] == ["ok"] * 4


def test_a_request_that_is_due_is_written_then():
    began_ns = now_ns()
    due_ns = [began_ns + n * 30 * MS for n in (3, 1, 2)]
    with Server([head(), Pause(0.1), good()]) as server:
        ended = fly(*(flight(server, n, due_ns=ns) for n, ns in enumerate(due_ns)))
    assert [one.key for one in ended] == [1, 2, 0]
    for one in ended:
        assert one.start_ns == one.due_ns == due_ns[one.key] <= one.written_ns
        assert one.opened_ns < due_ns[one.key]  # so that the connection is there by then
        assert Wire.of(one).lag_ns >= one.written_ns - one.due_ns
    assert [one.due_at_s for one in ended] == sorted(one.due_at_s for one in ended)


def test_when_it_was_due_is_told_by_the_wall_clock_too(monkeypatch):
    monkeypatch.setattr(flights.time, "time", lambda: 1000.0)
    monkeypatch.setattr(flights, "now_ns", lambda: 7000 * MS)
    one = Flight(0, OSError("no way"), b"", deadline_s=1, due_ns=7250 * MS)
    one.open()
    assert (one.due_at_s, one.start_ns) == (1000.25, 7250 * MS)


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel is asked")
def test_the_kernels_stamps_are_earlier_than_our_own(monkeypatch):
    found, earlier_ns = {}, {}
    with Server([Drip(head() + good(*"abcdefghij"), 0.002, 90)]) as server:
        exchange(Address.of(server.root), ASKED)  # the kernel needs a moment to begin
        for switch in ("1", "0"):
            monkeypatch.setenv(stamps.SWITCH, switch)
            flown = fly(*(flight(server, n) for n in range(4)))
            read_ns = [note[0] for one in flown for note in one._notes]  # our own stamps, until it is settled
            found[switch] = [Wire.of(one) for one in flown]
            came_ns = [ns for wire in found[switch] for ns, _ in wire.pieces]
            earlier_ns[switch] = [ours - theirs for ours, theirs in zip(read_ns, came_ns, strict=True)]
    assert [w.kernel for w in found["1"]] == [True] * 4
    assert [w.kernel for w in found["0"]] == [False] * 4
    assert min(earlier_ns["1"]) >= 0 and statistics.median(earlier_ns["1"]) > 0
    assert set(earlier_ns["0"]) == {0}
    for wire in itertools.chain(*found.values()):
        at_ns = [ns for ns, _ in wire.pieces]
        assert wire.written_ns <= at_ns[0] and at_ns == sorted(at_ns) and at_ns[-1] <= wire.end_ns
        assert 0 < wire.idle_ns <= wire.end_ns - wire.start_ns and wire.lag_ns >= 0


def test_the_time_spent_elsewhere_is_known_as_lag(monkeypatch):
    """The loop is kept from its work for 80 ms, while the next piece comes."""
    monkeypatch.setenv(stamps.SWITCH, "0")
    take = ending.Ending.add
    monkeypatch.setattr(ending.Ending, "add", lambda self, piece: time.sleep(0.08) or take(self, piece))
    with Server([head(), Pause(0.02), good(), HOLD]) as server:
        [one] = fly(flight(server))
    assert Wire.of(one).lag_ns >= 80 * MS - streams.TICK_NS


@pytest.mark.parametrize("kernel", ["1", "0"])
def test_time_without_bytes_is_time_waited(kernel, monkeypatch):
    monkeypatch.setenv(stamps.SWITCH, kernel)
    for flown in (fly, lambda one: [exchanged(one)]):
        with Server([head(), Pause(0.1), good()]) as server:
            [one] = flown(flight(server))
        wire = one if isinstance(one, Wire) else Wire.of(one)
        assert 50 * MS < wire.idle_ns <= wire.end_ns - wire.start_ns


def exchanged(one):
    host, port = one._where[0][1]
    return exchange(Address("http", host, port, "/"), ASKED)


def test_a_sockets_error_is_told_in_words(monkeypatch):
    """Also where the system's own table of errors does not know those of sockets, as on Windows."""

    class Unreachable:
        def getsockopt(self, *_):
            return 10065

        def close(self):
            pass

    monkeypatch.setattr(socket, "errorTab", {10065: "The host is unreachable."}, raising=False)
    one = Flight(0, [], b"", deadline_s=1)
    one.sock = Unreachable()
    assert one.step() is True
    assert (one.end, one.error) == ("unreachable", "[Errno 10065] The host is unreachable.")


def test_a_look_waits_for_what_it_needs(monkeypatch):
    """The strict reader is imported by a thread the first time, and again if too many files were open."""
    monkeypatch.setattr(ending, "_loading", None)
    monkeypatch.setattr(ending, "_loaded", False)
    faults = [OSError(errno.EMFILE, "Too many open files"), None]
    asked = []

    def slowly(name):
        asked.append(name)
        time.sleep(0.02)
        if fault := faults[len(asked) - 1]:
            raise fault

    monkeypatch.setattr(ending, "import_module", slowly)
    with Server([plain({"error": "no"}, "500 Oops"), HOLD]) as server:
        [one] = fly(flight(server))
    assert (one.end, asked) == ("done", ["slmbench.measure.framing"] * 2)


def test_a_large_body_is_written_piece_by_piece():
    """More than a socket takes at once, to a server that does not read at first."""
    body = b"x" * 5_000_000
    received = []

    def answer():
        sock, _ = listener.accept()
        with sock:
            time.sleep(0.1)
            sock.settimeout(10)
            while sum(map(len, received)) < len(body):
                received.append(sock.recv(1 << 20))
            sock.sendall(head() + good())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        where = addresses("127.0.0.1", listener.getsockname()[1])
        [one] = fly(Flight(0, where, body, deadline_s=10))
        thread.join()
    assert b"".join(received) == body
    assert (read(one).text, server_flags(read(one))) == ("Hello!", [])


def test_names_are_looked_up_where_they_must_be(monkeypatch):
    assert addresses("localhost", 5) == [(socket.AF_INET, ("127.0.0.1", 5)), (socket.AF_INET6, ("::1", 5, 0, 0))]
    asked = []
    found = [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 5))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *_, **__: asked.append(name) or found)
    assert addresses("host.example", 5) == [(socket.AF_INET, ("192.0.2.1", 5))]
    assert asked == [b"host.example"]


def test_a_loop_that_has_nothing_to_do_ends():
    assert fly() == []
