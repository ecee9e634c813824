"""`slmbench probe --shape`: one streamed request a target, in words and as JSON."""

import json

from support.replies import DONE, behaved, delta, event, events, good, head, plain, usage
from support.server import Pause, Server


def steady(_):
    """A token every few milliseconds, each in a packet of its own."""
    words = [step for i in range(8) for step in (Pause(0.004), event(delta(f"{i}")))]
    end = events(delta(finish="length"), usage({"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15}))
    return [head(), event(delta(None, role="assistant")), *words, Pause(0.004), end + DONE]


def test_in_words(slmbench):
    replies = {"a:1": steady, "b:1": lambda _: [plain({"error": {"message": "oom \x1b[2J"}}, "500 Oops")]}
    with Server(behaved("a:1", "b:1", reply=lambda asked: replies[asked["model"]](asked))) as server:
        ended = slmbench("probe", "--shape", "--endpoint", server.root, "a", "b")
    assert ended.code == 0  # one of them answers
    assert "One streamed request to each of 2 models" in ended.err
    assert len(server.posts) == 2 and all(json.loads(r.body)["stream"] for r in server.posts)
    lines = ended.out.splitlines()
    assert lines[0] == "a: ok"
    at = {line.split()[0]: line for line in lines[1:11]}
    assert "8 chunks, each in a read of its own" in at["content"] and "8 by the server's count, 1.00" in at["tokens"]
    assert "until close" in at["HTTP"] and "by itself, after" in at["role"] and "finish_reason length" in at["end"]
    assert "    yes     token gaps          one token a chunk" in ended.out
    assert "b: http_500: oom �[2J" in lines and "\x1b" not in ended.out
    assert ended.out.count("is recorded as http_500") == 7


def test_as_json(slmbench):
    with Server(behaved("a:1", reply=steady)) as server:
        ended = slmbench("probe", "--shape", "--endpoint", server.root, "--prompt", "Hi?", "--json")
    [found] = json.loads(ended.out)
    assert (ended.code, found["alias"], found["id"]) == (0, "a", "a:1")
    assert (found["shape"]["status"], found["shape"]["chunks"], found["shape"]["usage"]) == ("ok", 8, "own chunk")
    assert {m["metric"]: m["answer"] for m in found["metrics"]}["ttft_s"] == "yes"
    assert json.loads(server.posts[0].body)["messages"][0]["content"] == "Hi?"


def test_what_cannot_be_asked_is_told(slmbench):
    with Server(behaved("a:1", reply=lambda _: [head(), good(done=b"")])) as server:
        ended = slmbench("probe", "--shape", "--endpoint", server.root, "a", "gemma-2-2b")
    assert ended.code == 1  # no reply that would count
    assert ended.out.startswith("a: truncated: ")
    [last] = [line for line in ended.out.splitlines() if line.startswith("gemma-2-2b: ")]
    assert last.startswith("gemma-2-2b: skipped: not in Foundry Local's catalogue")
    assert len(server.posts) == 1
