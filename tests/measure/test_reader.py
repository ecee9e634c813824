"""The process that reads many streams: the same verdicts as alone, and no end of either side that hurts the other."""

import socket
from collections import Counter

import psutil
import pytest

from slmbench.measure import stamps, stream
from slmbench.measure.reader import Reader
from support.cases import ASKED, FAULTS, GOOD, WHOLE, WHOLE_ASKED, Case, server_flags
from support.replies import delta, event, good, head, plain
from support.server import Drip, Pause, Server

PART = head() + event(delta("Hel"))
MS = 1_000_000  # ns
TABLES = {"fault": FAULTS, "good": {n: Case(s, "ok", text="Hello!") for n, s in GOOD.items()}, "whole": WHOLE}
CASES = {f"{table}: {name}": case for table, cases in TABLES.items() for name, case in cases.items()}


def ask(reader, server, key, path="/v1/chat/completions", **more):
    reader.send(key, f"{server.root}{path}", ASKED, **more)


def take(reader, count):
    return dict(reader.take() for _ in range(count))


@pytest.fixture(scope="module", params=["kernel's stamps", "own stamps"])
def replies(request):
    """All scripted cases through one process, 24 at once."""
    names = list(CASES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(stamps.SWITCH, "0" if request.param == "own stamps" else "1")
        return all_of(names)


def all_of(names):
    with Server(lambda asked: CASES[names[int(asked.path[1:])]].script) as server, Reader(24) as reader:
        for number, name in enumerate(names):
            body = WHOLE_ASKED if name.startswith("whole") else ASKED
            reader.send(number, f"{server.root}/{number}", body, deadline_s=CASES[name].deadline_s)
        reader.start()
        wires = take(reader, len(names))
        counts = Counter(asked.path for asked in server.requests)
    assert set(counts.values()) == {1}, "a request was sent twice"
    return {n: stream.read(wires[i], stream=not n.startswith("whole"), model="m") for i, n in enumerate(names)}


@pytest.mark.parametrize("name", CASES)
def test_many_streams_have_the_verdicts_of_one(name, replies):
    assert CASES[name].differences(replies[name]) == []
    if name.startswith("good"):
        found = replies[name]
        assert (found.output_tokens, found.token_source, server_flags(found)) == (3, "server", [])


def test_64_streams_at_once_are_all_right():
    said = [f"{n} " for n in range(50)]
    script = [head(), Pause(0.05), Drip(good(*said), 0.001, 900)]
    with Server(script) as server, Reader(64) as reader:
        for key in range(128):
            ask(reader, server, key)
        reader.start()
        wires = take(reader, 128)
    assert sorted(wires) == list(range(128))
    for wire in wires.values():
        found = stream.read(wire, model="m")
        assert (found.status, found.text, len(found.chunk_s)) == ("ok", "".join(said), 50)
        assert wire.written_ns <= wire.pieces[0][0] and wire.pieces[-1][0] <= wire.end_ns


def test_what_ends_first_is_taken_first():
    with Server(lambda asked: [head(), Pause(int(asked.path[1:]) / 10), good()]) as server, Reader(None) as reader:
        for key in (3, 1, 2):
            ask(reader, server, key, f"/{key}")
        reader.start()
        assert [reader.take()[0] for _ in range(3)] == [1, 2, 3]
        with pytest.raises(LookupError, match="nothing was sent"):
            reader.take()


def test_requests_may_follow_the_start_and_each_other():
    with Server([head(), good()]) as server, Reader(2) as reader:
        reader.start()
        for key in range(5):
            ask(reader, server, key)
        assert sorted(take(reader, 5)) == list(range(5))
        ask(reader, server, 5)
        assert list(take(reader, 1)) == [5]


def test_nothing_goes_out_before_the_start():
    with Server([head(), good()]) as server, Reader(2) as reader:
        ask(reader, server, 1)
        assert reader.drop() == [1]
        assert server.requests == []
        ask(reader, server, 2)
        reader.start()
        assert list(take(reader, 1)) == [2]
    assert len(server.requests) == 1


def test_a_request_goes_out_as_it_was_asked_for():
    with Server([head(), good()]) as server, Reader(1) as reader:
        ask(reader, server, 7, headers={"Authorization": "Bearer k"})
        reader.start()
        reader.take()
        arguments = psutil.Process(reader.pid).cmdline()
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/chat/completions", ASKED)
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["host"] == server.root.removeprefix("http://")
    assert not any("Bearer" in word or "Say hello" in word for word in arguments)


def test_a_dead_port_and_a_dead_name_end_beside_good_streams(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Server([head(), Pause(0.1), good()]) as server, Reader(None) as reader:
        ask(reader, server, 0)
        reader.send(1, f"http://localhost:{port}/v1", ASKED)
        reader.send(2, "http://nowhere.invalid/v1", ASKED)
        reader.start()
        found = {key: stream.read(wire) for key, wire in take(reader, 3).items()}
    assert [found[n].status for n in range(3)] == ["ok", "refused", "connection_error"]
    assert "refused" in found[1].error and found[2].error


def test_an_open_loop_keeps_its_times():
    with Server([head(), Pause(0.2), good()]) as server, Reader(None) as reader:
        for key in range(5):
            ask(reader, server, key, due_s=0.1 + key * 0.02)
        reader.start()
        wires = take(reader, 5)
    due_ns = [wires[key].due_ns for key in range(5)]
    assert [ns - due_ns[0] for ns in due_ns] == [n * 20 * MS for n in range(5)]
    for wire in wires.values():
        assert wire.start_ns == wire.due_ns <= wire.written_ns
        assert wire.lag_ns >= wire.written_ns - wire.due_ns
        assert stream.read(wire).ttft_s >= 0.2 + (wire.written_ns - wire.due_ns) / 1e9
    assert len({wire.due_at_s for wire in wires.values()}) == 5


def test_after_a_failure_nothing_begins_until_it_was_dealt_with():
    """Failures are quick: without this, all the rest would have failed before anybody could have given up."""
    with Server([plain({}, "500 Oops")]) as server, Reader(2) as reader:
        for key in range(50):
            ask(reader, server, key)
        reader.start()
        for _ in range(3):
            assert stream.read(reader.take()[1]).status == "http_500"
        dropped = reader.drop()
        take(reader, 50 - 3 - len(dropped))
    assert len(dropped) >= 45  # of those that were open when the third had failed nobody could be kept from failing
    assert len(server.requests) == 50 - len(dropped)
