"""What an endpoint can do wrong, and what the row then says. Each fault is one request, whatever it is."""

import socket

import pytest

from slmbench.measure import stream, wire
from support.cases import ASKED, FAULTS, STOP, WHOLE, WHOLE_ASKED, server_flags
from support.replies import DONE, USAGE, delta, events, good, head, plain, usage
from support.server import HOLD, Server


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_a_fault_has_its_status(case):
    with Server(case.script) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED, deadline_s=case.deadline_s)
    assert case.differences(reply) == []
    assert len(server.requests) == 1  # no retry, no redirect


@pytest.mark.parametrize("name", [n for n, c in FAULTS.items() if HOLD in c.script and c.status != "timeout"])
def test_an_end_is_seen_while_the_connection_stays_open(name):
    """Read by the end that the wire noted: it did not take the deadline to end."""
    with Server(FAULTS[name].script) as server:
        found = wire.exchange(wire.Address.of(f"{server.root}/v1/chat/completions"), ASKED, deadline_s=10)
    assert found.end in ("done", "too_large")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return gone.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_listens(host):
    reply = stream.ask(f"http://{host}:{closed_port()}/v1/chat/completions", ASKED, deadline_s=5)
    assert (reply.status, reply.connect_s, reply.text) == ("refused", None, None)
    assert "refused" in reply.error


def test_an_unknown_host_is_a_connection_error(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    reply = stream.ask("http://nowhere.invalid/v1/chat/completions", ASKED)
    assert (reply.status, reply.error) == ("connection_error", "Name or service not known")


def test_no_connection_within_the_deadline():
    """TLS belongs to the connection, and here nobody answers to it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/v1/chat/completions"
        reply = stream.ask(url, ASKED, deadline_s=0.3)
    assert (reply.status, reply.error) == ("timeout", "no connection within 0.3 s")


def test_no_tls_there():
    with Server([plain(b"what?", "400 Bad Request")]) as server:
        reply = stream.ask(f"https://127.0.0.1:{server.port}/v1/chat/completions", ASKED, deadline_s=5)
    assert reply.status == "connection_error"


COUNTS = {
    "absent": (None, None, 3, "chunks", ["usage_missing"]),
    "negative": ({"prompt_tokens": 7, "completion_tokens": -1}, 7, 3, "chunks", ["usage_invalid"]),
    "a text": ("many", None, 3, "chunks", ["usage_invalid"]),
    "text inside": ({"prompt_tokens": "7", "completion_tokens": "3"}, None, 3, "chunks", ["usage_invalid"]),
    "true": ({"prompt_tokens": True, "completion_tokens": True}, None, 3, "chunks", ["usage_invalid"]),
    "fractions": ({"prompt_tokens": 7.5, "completion_tokens": 3.0}, None, 3, "chunks", ["usage_invalid"]),
    "0": ({"prompt_tokens": 7, "completion_tokens": 0}, 7, 3, "chunks", ["usage_invalid"]),
    "0 for the prompt": ({"prompt_tokens": 0, "completion_tokens": 5}, None, 5, "server", ["usage_invalid"]),
    "beyond all measure": ({"prompt_tokens": 7, "completion_tokens": 10**400}, 7, 3, "chunks", ["usage_invalid"]),
    "empty": ({}, None, 3, "chunks", ["usage_invalid"]),
    "good": (USAGE, 7, 3, "server", []),
}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_counts_that_cannot_be_are_flagged(counts):
    told, prompt, output, source, flags = counts
    end = [] if told is None else [usage(told)]
    with Server([head() + events(delta("He"), delta("llo"), delta("!"), STOP, *end) + DONE]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.text) == ("ok", "Hello!")
    assert (reply.prompt_tokens, reply.output_tokens, reply.token_source) == (prompt, output, source)
    assert server_flags(reply) == flags


@pytest.mark.parametrize(("details", "cached"), [({"cached_tokens": 5}, 5), ({"cached_tokens": -1}, None), ("x", None)])
def test_cached_tokens(details, cached):
    with Server([head(), good(counts=USAGE | {"prompt_tokens_details": details})]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.cached_tokens, server_flags(reply)) == ("ok", cached, [])


@pytest.mark.parametrize(("answered", "flags"), [("m", []), ("m-large", ["other_model"]), ("", []), (None, [])])
def test_another_model_is_flagged(answered, flags):
    chunks = [c | {"model": answered} for c in (delta("Hello!"), STOP, usage())]
    with Server([head() + events(*chunks) + DONE]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, server_flags(reply)) == ("ok", flags)


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_faults_without_a_stream(case):
    with Server(case.script) as server:
        url = f"{server.root}/v1/chat/completions"
        reply = stream.ask(url, WHOLE_ASKED, stream=False, deadline_s=case.deadline_s)
    assert case.differences(reply) == []
    assert len(server.requests) == 1
