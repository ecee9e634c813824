"""The validation checklist, against servers that answer well and badly."""

from pathlib import Path

import pytest

from slmbench import config
from slmbench.endpoint import connect, resolve
from slmbench.endpoint.probe import probe
from slmbench.endpoint.target import Target
from support.replies import behaved, message, model_list, plain
from support.server import RESET, Server


def probed(reply, alias="a"):
    def respond(request):
        return (
            [model_list(["a"]) if request.path == "/v1/models" else plain({}, "404 No")]
            if request.method == "GET"
            else reply
        )

    with Server(respond) as server:
        endpoint = connect(server.root, say=lambda _: None)
        [target] = resolve(endpoint, [alias], config.ModelsFile(Path("models.json"), {}, {}))
        return probe(endpoint, target), server.posts


def test_a_model_that_answers_is_ok():
    found, posts = probed([plain(message("Hello."))])
    assert (found.ok, found.listed, found.answer, found.problem, len(posts)) == (True, True, "Hello.", None, 1)
    assert "authorization" in posts[0].headers  # the openai package always sends one: a dummy


BAD = {
    "a 500": ([plain({"error": {"message": "out of memory"}}, "500 Oops")], "out of memory"),
    "a 429": ([plain({"error": {"message": "wait"}}, "429 Wait", Retry_After="1")], "wait"),
    "a reset": ([RESET], "Connection error"),
    "an empty reply": ([plain(message(""))], "no text in the reply"),
    "no choices": ([plain({"object": "chat.completion", "choices": []})], "no text in the reply"),
    "choices null": ([plain({"object": "chat.completion", "choices": None})], "no text in the reply"),
    "message null": ([plain({"choices": [{"index": 0, "message": None}]})], "no text in the reply"),
    "content a number": ([plain({"choices": [{"index": 0, "message": {"content": 3}}]})], "no text in the reply"),
    "HTML": ([plain(b"<html>hi</html>", kind="text/html")], "no text in the reply"),
    "malformed JSON": ([plain(b"{")], "not a chat completion"),
    "a redirect": ([plain(b"", "307 Moved", Location="http://127.0.0.1:9/")], "307"),
}


@pytest.mark.parametrize(("reply", "problem"), BAD.values(), ids=BAD)
def test_a_model_that_does_not_answer_has_a_problem(reply, problem):
    found, posts = probed(reply)
    assert (found.ok, found.listed, found.answer) == (False, True, None)
    assert problem in found.problem
    assert len(posts) == 1  # no hidden retry


def test_a_model_that_is_not_there_is_not_asked():
    with Server(behaved("a")) as server:
        endpoint = connect(server.root, say=lambda _: None)
        found = probe(endpoint, Target("gone", reason="not downloaded"))
    assert (found.ok, found.listed, found.problem, server.posts) == (False, False, "not downloaded", [])


def test_no_key_of_the_environment_is_borrowed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    _, posts = probed([plain(message("Hello."))])
    assert posts[0].headers["authorization"] == "Bearer not-needed"
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", " k\r")  # as a Windows file leaves it
    _, posts = probed([plain(message("Hello."))])
    assert posts[0].headers["authorization"] == "Bearer k"


def test_nothing_of_the_users_openai_account_is_sent(monkeypatch):
    names = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET")
    for name in names:
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-leak: canary\nauthorization: Bearer canary")
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", "")
    found, posts = probed([plain(message("Hello."))])
    assert found.ok
    assert "canary" not in str(posts[0].headers)
    assert "openai-organization" not in posts[0].headers
