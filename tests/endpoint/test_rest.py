"""Plain JSON requests: what they return, and the status of each thing that can go wrong."""

import json

import pytest

from slmbench.endpoint import rest
from slmbench.errors import UsageError
from support.replies import head, model_list, plain
from support.server import HOLD, RESET, Drip, Server
from support.tiny import free_port

LIST = model_list(["a:1", "b:1"])


def test_get_and_post():
    with Server([plain({"ok": True})]) as server:
        assert rest.get(f"{server.root}/status") == {"ok": True}
        assert rest.post(f"{server.root}/x", {"say": "नमस्ते"}) == {"ok": True}
    got, posted = server.requests
    assert (got.method, got.path, got.body) == ("GET", "/status", b"")
    assert (posted.method, posted.path, json.loads(posted.body)) == ("POST", "/x", {"say": "नमस्ते"})
    assert "authorization" not in got.headers


def test_localhost_is_where_local_servers_listen():
    with Server([plain([])]) as server:
        assert rest.get(f"http://localhost:{server.port}/") == []


def test_the_key_goes_along_only_where_a_caller_says_so(monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_KEY", "not for this")
    with Server([plain({})]) as server:
        rest.get(f"{server.root}/")
        rest.get(f"{server.root}/", headers=rest.key_headers())
        rest.post(f"{server.root}/", {}, headers=rest.key_headers())
    assert [r.headers.get("authorization") for r in server.requests] == [None, "Bearer k", "Bearer k"]


@pytest.mark.parametrize("key", ["ключ", "a\nb", "a\x1bb"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(monkeypatch, key):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", key)
    with pytest.raises(UsageError, match="FOUNDRY_LOCAL_API_KEY") as raised:
        rest.key_headers()
    assert key not in str(raised.value)


def test_proxies_are_left_alone(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Server([plain({})]) as server:
        assert rest.get(f"{server.root}/") == {}


FAULTS = {
    "404": ([plain({"error": "no"}, "404 Not Found")], "http_404", "answered HTTP 404"),
    "500 without a body": ([plain(b"", "500 Oops")], "http_500", "answered HTTP 500"),
    "a redirect": ([head("307 Moved", Location="http://127.0.0.1:9/", Content_Length="0")], "http_307", "HTTP 307"),
    "HTML": ([plain(b"<html>hi</html>", kind="text/html")], "protocol_error", "no JSON but text/html: <html>hi"),
    "no type": ([head(kind=None) + b"hello"], "protocol_error", "no content type: hello"),
    "invalid UTF-8": ([plain(b'"\xff"')], "protocol_error", "no JSON"),
    "nested without end": ([plain(b"[" * 100_000)], "protocol_error", "no JSON"),
    "no reply": ([], "connection_error", "127.0.0.1"),
    "a reset": ([RESET], "connection_error", "127.0.0.1"),
    "garbage": ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], "connection_error", "SSH"),
    "a cut body": ([plain({"ok": True})[:-3]], "protocol_error", "no JSON"),
    "silence": ([HOLD], "timeout", "within 0.3 s"),
    "silence in the body": ([plain({"ok": True})[:-3], HOLD], "timeout", "within 0.3 s"),
    "a dripped head": ([Drip(head() * 99, 0.02)], "timeout", "within 0.3 s"),
    "a dripped body": ([head(kind="application/json"), Drip(b" ", 0.02, forever=True)], "timeout", "within 0.3 s"),
}


@pytest.mark.parametrize(("script", "status", "message"), FAULTS.values(), ids=FAULTS)
def test_faults(script, status, message):
    with Server(script) as server, pytest.raises(rest.RestError) as raised:
        rest.get(f"{server.root}/v1/models", timeout_s=0.3 if status == "timeout" else 10)
    assert (raised.value.status, raised.value.exit_code) == (status, 1)
    assert message in raised.value.message
    assert len(server.requests) == 1


def test_nobody_listens():
    with pytest.raises(rest.RestError, match="nothing answers at 127") as raised:
        rest.get(f"http://127.0.0.1:{free_port()}/")
    assert raised.value.status == "refused"


def test_model_ids():
    with Server([LIST]) as server:
        assert rest.model_ids(f"{server.root}/v1") == ["a:1", "b:1"]
    assert server.requests[0].path == "/v1/models"


@pytest.mark.parametrize("value", [[], {}, {"data": None}, {"data": {}}, "models"], ids=str)
def test_json_that_lists_no_models(value):
    with Server([plain(value)]) as server, pytest.raises(rest.RestError, match="without a list of models") as raised:
        rest.model_ids(f"{server.root}/v1")
    assert raised.value.status == "protocol_error"


def test_entries_that_are_no_models_are_passed_over():
    with Server([plain({"data": [{"id": "a"}, {"id": 3}, "b", None, {}]})]) as server:
        assert rest.model_ids(f"{server.root}/v1") == ["a"]
