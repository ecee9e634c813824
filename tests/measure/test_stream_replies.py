"""What a reply must be to count as ok: good replies in every form that HTTP and server-sent events allow."""

import pytest

from slmbench.measure import stream
from slmbench.measure.wire import Address, exchange
from support.cases import ASKED, GOOD, STOP, server_flags
from support.replies import DONE, event, events, good, head, message, plain, usage
from support.server import HOLD, Drip, Server


@pytest.mark.parametrize("script", GOOD.values(), ids=GOOD)
def test_a_good_reply_is_ok(script):
    with Server(script) as server:
        wire = exchange(Address.of(f"{server.root}/v1/chat/completions"), ASKED, deadline_s=10)
    reply = stream.read(wire, model="m")
    assert (reply.status, reply.error) == ("ok", None)
    assert (reply.text, server_flags(reply)) == ("Hello!", [])
    assert (reply.prompt_tokens, reply.output_tokens, reply.token_source) == (7, 3, "server")
    assert wire.end in ("done", "eof")  # it did not wait for the deadline where the connection stays open
    assert len(server.requests) == 1


def test_the_request_is_sent_as_it_was_asked_for():
    with Server([head(), good()]) as server:
        stream.ask(f"{server.root}/v1/chat/completions", ASKED, headers={"Authorization": "Bearer k"})
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/chat/completions", ASKED)
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["host"] == server.root.removeprefix("http://")


def test_proxies_and_openai_variables_are_left_alone(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with Server([head(), good()]) as server:
        assert stream.ask(f"{server.root}/v1/chat/completions", ASKED).status == "ok"
    assert "authorization" not in server.requests[0].headers


def test_utf8_split_across_packets():
    with Server([head(), Drip(good("नमस्ते ", "😀", "é"), size=1)]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.text) == ("ok", "नमस्ते 😀é")


def test_a_character_in_two_halves_is_one():
    """Some servers cut text between the two UTF-16 halves of a character, each escaped."""
    halves = event(r'{"choices": [{"delta": {"content": "\ud83d"}}]}') + event(
        r'{"choices": [{"delta": {"content": "\ude00"}}]}'
    )
    with Server([head(), halves + events(STOP, usage()) + DONE]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.text) == ("ok", "😀")


def test_half_a_character_is_replaced():
    half = event(r'{"choices": [{"delta": {"content": "a\ud83d"}}]}')
    with Server([head(), half + events(STOP, usage()) + DONE]) as server:
        reply = stream.ask(f"{server.root}/v1/chat/completions", ASKED)
    assert (reply.status, reply.text) == ("ok", "a\ufffd")  # what comes after can be encoded everywhere


def test_without_a_stream():
    with Server([plain(message("Hello!")), HOLD]) as server:
        wire = exchange(Address.of(f"{server.root}/v1/chat/completions"), ASKED, deadline_s=10)
    reply = stream.read(wire, stream=False)
    assert (wire.end, reply.status, reply.text, reply.finish_reason) == ("done", "ok", "Hello!", "stop")
    assert (reply.ttft_s, reply.chunk_s, reply.output_tokens) == (None, None, 3)
    assert reply.latency_s == (wire.pieces[-1][0] - wire.start_ns) / 1e9


@pytest.mark.parametrize(("asked", "seed"), [({"stream": False, "seed": None}, None), ({"stream": True, "seed": 3}, 3)])
def test_body_says_what_is_asked(asked, seed):
    import json

    value = json.loads(stream.body("m:1", "Hi", max_tokens=5, temperature=0.0, **asked))
    assert value["messages"] == [{"role": "user", "content": "Hi"}]
    assert (value["model"], value["max_tokens"], value["temperature"]) == ("m:1", 5, 0.0)
    assert (value["stream"], value.get("seed")) == (asked["stream"], seed)
    assert value.get("stream_options") == ({"include_usage": True} if asked["stream"] else None)
