"""A judge behind an endpoint: what is sent, what servers may answer, and the embedded model for real."""

import json
import shutil
from collections import Counter

import pytest

from slmbench import judging, paths
from slmbench.endpoint import service
from slmbench.errors import UsageError
from slmbench.quality import scores
from support.judged import run_with, saved
from support.replies import message, plain
from support.server import Server

KEY = "sk-canary-0123456789"
ANSWER = {"reason": "fine", "aspects": [True, False], "score": 4}
LISTED = {"object": "list", "data": [{"id": "judge", "object": "model"}]}


def completion(text):
    return message(text, counts={"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59})


def answered(value, status="200 OK"):
    return [plain(json.dumps(value).encode(), status, "application/json")]


class Script:
    """Lists one model, and answers each chat request with the next of these; the last one over and over."""

    def __init__(self, *answers):
        self.answers, self.bodies = list(answers), []

    def __call__(self, request):
        if request.method == "GET":
            return answered(LISTED)
        self.bodies.append(json.loads(request.body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def folder(tmp_path):
    return run_with(tmp_path / "run", {(m, p): f"{m} on {p}" for m in "ab" for p in "pq"})


def judged(script, folder, **how):
    with Server(script) as server:
        return list(judging.judge_run(folder, "judge", endpoint=f"{server.root}/v1", say=lambda _: None, **how))


def test_it_is_asked_at_temperature_0_with_the_schema(folder):
    script = Script(answered(completion(json.dumps(ANSWER))))
    found = judged(script, folder)
    assert [(s.status, s.score, s.prompt_tokens, s.output_tokens) for s in found] == [("ok", 4, 50, 9)] * 4
    assert all(s.latency_s > 0 and s.flags == [] for s in found)
    for body in script.bodies:
        assert (body["temperature"], body["model"], body["seed"]) == (0, "judge", 0)
        form = body["response_format"]["json_schema"]
        assert form["required"] == form["schema"]["required"] == ["aspects", "reason", "score"]
        assert "stream" not in body


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable", "500 Oops"])
def test_a_server_that_refuses_the_schema_is_asked_without(folder, status):
    script = Script(
        answered({"error": {"message": "response_format"}}, status), answered(completion(json.dumps(ANSWER)))
    )
    found = judged(script, folder, replies=1)
    assert [(s.status, s.flags, s.error) for s in found] == [("ok", ["form_not_forced"], None)]
    assert ["response_format" in body for body in script.bodies] == [True, False]


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (answered({"error": {"message": "busy"}}, "503 Busy"), "failed", "503"),
        (answered({"error": {"message": "gone"}}, "500 Oops"), "failed", "500"),
        (answered(completion(None)), "failed", "no text"),
        (answered({"choices": []}), "failed", "no text"),
        (answered(completion("4 of 5")), "unparsable", "does not begin with a JSON object"),
        ([plain(b"<html>", "200 OK", "text/html")], "failed", ""),
        ([plain(b"{not json", "200 OK", "application/json")], "failed", ""),
    ],
)
def test_what_is_no_answer_is_a_row(folder, answer, status, said):
    found = judged(Script(answer), folder, replies=2)
    assert [s.status for s in found] == [status] * 2 and all(said in s.error and s.score is None for s in found)
    assert [line["status"] for line in saved(folder)] == [status] * 2


def test_a_key_that_the_server_repeats_is_kept_nowhere(folder, monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", KEY)
    judged(Script(answered(completion(f"your key is {KEY}"))), folder, replies=1)
    judged(Script(answered({"error": {"message": f"bad key {KEY}"}}, "401 No")), folder, replies=2)
    assert all(KEY not in path.read_text() for path in folder.iterdir() if path.is_file())
    assert "[key removed]" in (folder / "scores.jsonl").read_text()


def test_an_unknown_judge_and_a_folder_that_is_none_are_refused_before_anything_is_asked(folder, tmp_path):
    script = Script(answered(completion("{}")))
    with Server(script) as server, pytest.raises(UsageError, match="jugde"):
        list(judging.judge_run(folder, "jugde", endpoint=f"{server.root}/v1", say=lambda _: None))
    with pytest.raises(UsageError, match="is no run folder"):
        list(judging.judge_run(tmp_path, "judge"))
    assert script.bodies == [] and not (folder / "scores.jsonl").exists()


def test_recorded_asks_nobody(folder):
    assert judging.judge_if_asked(folder, judging.RECORDED, endpoint="http://127.0.0.1:9/v1") == []


def test_a_notebooks_judge_is_asked_for_replies_then_for_pairs(folder):
    pair = answered(completion('{"reason": "", "winner": "tie"}'))
    script = Script(*[answered(completion(json.dumps(ANSWER)))] * 4, pair)
    with Server(script) as server:
        how = {"endpoint": f"{server.root}/v1", "say": lambda _: None}
        found = judging.judge_if_asked(folder, "judge", **how)
    assert [(s.task, s.status) for s in found] == [("score", "ok")] * 4 + [("pair", "ok")] * 4


@pytest.mark.real
@pytest.mark.timeout(300)
def test_the_embedded_model_as_a_judge_in_the_real_runtime(tmp_path):
    """It is no good judge; but it is held to the form, so that what it says is a judgement."""
    folder = tmp_path / "run"
    shutil.copytree(paths.run_folder(paths.QUALITY), folder)
    (folder / "scores.jsonl").unlink()
    ran_before = service.status() is not None
    try:
        found = list(judging.judge_run(folder, "smollm2-135m-int4", replies=2, say=lambda _: None))
        found += judging.judge_run(folder, "smollm2-135m-int4", compare=True, replies=1, say=lambda _: None)
    finally:
        if not ran_before:
            service.stop()
    assert Counter(s.task for s in found) == {"score": 2, "pair": 2}
    assert {s.status for s in found} <= {scores.OK, scores.UNPARSABLE}
    assert all(s.latency_s > 0 and s.prompt_tokens > 100 and s.output_tokens > 5 for s in found)
    assert any(s.status == scores.OK for s in found)
    assert all("form_not_forced" not in s.flags for s in found)
    assert {s.flags[-1] for s in found} <= {"self_judged", "same_weights"}
