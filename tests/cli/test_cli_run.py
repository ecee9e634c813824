"""`slmbench run`, `probe` and `report` against scripted servers: output, exit codes, and what is left behind."""

import json
import os
import signal
import subprocess
import sys

import pytest

from slmbench import store
from support.replies import behaved, delta, event, head, message, plain
from support.server import HOLD, RESET, Server
from support.tiny import free_port

QUICK = ("--rounds", "1", "--warmup", "0", "--deadline-s", "10")


def test_a_result_as_json(slmbench, tmp_path):
    with Server(behaved("a:1", "b:1")) as server:
        ended = slmbench("run", "--endpoint", server.root, "--rounds", "2", "--out", tmp_path / "run", "--json")
    assert ended.code == 0
    result = json.loads(ended.out)  # nothing else is on standard output
    assert set(result) == {"run", "models"}
    assert result["run"] == str(tmp_path / "run")
    assert [one["model"] for one in result["models"]] == ["a", "b"]
    for one in result["models"]:
        owners = ["model", "rounds", "latency_avg", "latency_p95", "tokens_per_sec_avg", "sample"]
        assert list(one) == [*owners, "status", "n_ok", "n_failed", "error", "ttft_avg"]
        assert (one["rounds"], one["n_ok"], one["n_failed"], one["status"], one["sample"]) == (2, 8, 0, "ok", "Hello!")
        assert 0 < one["latency_avg"] <= one["latency_p95"] and one["tokens_per_sec_avg"] > 0
    assert f"Run folder: {tmp_path / 'run'}" in ended.err
    assert len(server.posts) == 2 * (1 + 4 * 2) == len(store.read(tmp_path / "run").rows)


def test_without_json_standard_output_is_empty(slmbench, tmp_path):
    with Server(behaved("a:1")) as server:
        ended = slmbench("run", "--endpoint", server.root, *QUICK, "--out", tmp_path / "run")
    assert (ended.code, ended.out) == (0, "")
    assert "100 %  4/4 requests, 0 failed" in ended.err


def test_options_reach_the_request_and_win_over_the_environment(slmbench, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_ROUNDS", "7")
    monkeypatch.setenv("BENCH_MAX_TOKENS", "5")
    monkeypatch.setenv("BENCH_PROMPT", "Only this?")
    monkeypatch.setenv("BENCH_STREAM", "0")
    with Server(behaved("a:1")) as server:
        monkeypatch.setenv("FOUNDRY_LOCAL_ENDPOINT", f"{server.root}/v1")
        ended = slmbench("run", *QUICK, "--temperature", "0.5", "--seed", "3", "--out", tmp_path / "run")
    assert ended.code == 0
    [post] = server.posts
    asked = json.loads(post.body)
    assert asked["messages"][0]["content"] == "Only this?"
    assert [asked[n] for n in ("model", "max_tokens", "temperature", "seed", "stream")] == ["a:1", 5, 0.5, 3, False]


def test_an_endpoint_that_refuses_keeps_its_row(slmbench, tmp_path):
    address = f"http://127.0.0.1:{free_port()}"
    ended = slmbench("run", "--endpoint", address, "--models", "a", "--out", tmp_path / "run", "--json")
    assert ended.code == 1
    assert [(r.status, r.prompt_id) for r in store.read(tmp_path / "run").rows] == [("refused", None)]
    assert json.loads(ended.out)["models"][0]["status"] == "refused"
    assert "a: refused" in ended.err and "-> slmbench serve" in ended.err  # a cure, and no traceback
    assert "Traceback" not in ended.err


FAULTY = {
    "HTML everywhere": ([plain(b"<html>hi</html>", kind="text/html")], "protocol_error"),
    "a 500 everywhere": ([plain({"error": {"message": "no"}}, "500 Oops")], "http_500"),
    "a reset": ([RESET], "connection_error"),
}


@pytest.mark.parametrize(("script", "status"), FAULTY.values(), ids=FAULTY)
def test_an_endpoint_at_fault_keeps_its_row(slmbench, tmp_path, script, status):
    with Server(script) as server:
        ended = slmbench("run", "--endpoint", server.root, "--models", "a", "--out", tmp_path / "run")
    assert ended.code == 1
    assert [r.status for r in store.read(tmp_path / "run").rows] == [status]
    assert status in ended.err and "Traceback" not in ended.err
    assert server.posts == []


def test_a_model_that_always_fails_is_given_up(slmbench, tmp_path):
    def respond(request):
        if request.method == "POST" and json.loads(request.body)["model"] == "b:1":
            return [head(), event(delta("He")), RESET]
        return behaved("a:1", "b:1")(request)

    with Server(respond) as server:
        ended = slmbench("run", "--endpoint", server.root, *QUICK, "--out", tmp_path / "run", "--json")
    assert ended.code == 0  # the other was measured
    one, other = json.loads(ended.out)["models"]
    assert {one["model"]: one["n_ok"], other["model"]: other["n_ok"]} == {"a": 4, "b": 0}
    statuses = [r.status for r in store.read(tmp_path / "run").rows if r.model == "b"]
    assert statuses == ["truncated"] * 3 + ["skipped"]


USAGE = {
    "an unknown alias": (["--models", "nobody"], "'nobody' is known neither"),
    "no rounds": (["--rounds", "0"], "--rounds"),
    "rounds in words": (["--rounds", "many"], "--rounds"),
    "a negative number": (["--warmup=-1"], "--warmup"),
    "a file that is not there": (["--prompts", "nothing.json"], "nothing.json"),
    "a set that is not there": (["--prompts", "rag44"], "rag4"),
    "a models file that is not there": (["--models-file", "nothing.json"], "nothing.json"),
    "another machine": (["--endpoint", "http://example.test:5273"], "--allow-remote"),
    "a misspelt option": (["--round", "1", "--modles", "a"], "--modles"),
}


@pytest.mark.parametrize(("arguments", "said"), USAGE.values(), ids=USAGE)
def test_bad_usage_is_2_before_any_request(slmbench, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    with Server(behaved("a:1")) as server:
        ended = slmbench("run", "--endpoint", server.root, "--out", tmp_path / "run", *arguments)
    assert ended.code == 2
    assert said in ended.err and "Traceback" not in ended.err
    assert ended.out == ""
    assert server.posts == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["{", '{"sets": {}}', '["a", 3]', ""], ids=repr)
def test_a_prompts_file_that_will_not_do(slmbench, tmp_path, text):
    (tmp_path / "prompts.json").write_text(text, encoding="utf-8")
    with Server(behaved("a:1")) as server:
        ended = slmbench("run", "--endpoint", server.root, "--prompts", tmp_path / "prompts.json")
    assert (ended.code, server.requests) == (2, [])
    assert "prompts.json" in ended.err


def test_prompts_of_ones_own(slmbench, tmp_path):
    (tmp_path / "mine.txt").write_text("One?\n\nनमस्ते?\n", encoding="utf-8")
    with Server(behaved("a:1")) as server:
        ended = slmbench(
            "run", "--endpoint", server.root, *QUICK, "--prompts", tmp_path / "mine.txt", "--out", tmp_path / "run"
        )
    assert ended.code == 0
    assert sorted(json.loads(r.body)["messages"][0]["content"] for r in server.posts) == ["One?", "नमस्ते?"]


def test_a_taken_folder_and_resume(slmbench, tmp_path, scripted):
    server = scripted(behaved("a:1"))

    def run(*more):
        before = len(server.posts)
        ended = slmbench("run", "--endpoint", server.root, *QUICK, "--out", tmp_path / "run", *more)
        return ended, len(server.posts) - before

    assert run()[1] == 4
    ended, asked = run()
    assert (ended.code, asked) == (2, 0)
    assert "is not empty" in ended.err and "--resume" in ended.err
    ended, asked = run("--resume")
    assert (ended.code, asked) == (0, 0)
    ended, asked = run("--resume", "--rounds", "2")
    assert (ended.code, asked) == (0, 4)
    ended, asked = run("--resume", "--max-tokens", "5")
    assert (ended.code, asked) == (2, 0)
    assert "max_tokens: 96 -> 5" in ended.err


def test_resume_needs_a_run_to_go_on_with(slmbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Server(behaved("a:1")) as server:
        slmbench("run", "--endpoint", server.root, *QUICK, "--out", "monday")
        asked = len(server.requests)
        without = slmbench("run", "--endpoint", server.root, *QUICK, "--resume")
        misspelt = slmbench("run", "--endpoint", server.root, *QUICK, "--resume", "--out", "mondai")
        assert len(server.requests) == asked
    assert (without.code, misspelt.code) == (2, 2)
    assert "--out DIR" in without.err and str(tmp_path / "monday") in misspelt.err
    assert [p.name for p in tmp_path.iterdir()] == ["monday"]


def test_loads_where_nothing_can_be_loaded(slmbench, tmp_path):
    with Server(behaved("a:1")) as server:
        ended = slmbench("run", "--endpoint", server.root, *QUICK, "--loads", "3", "--out", tmp_path / "run")
    assert (ended.code, server.posts) == (2, [])
    assert "loads: 3 was found" in ended.err and not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to whole consoles, this one too")
def test_ctrl_c_keeps_what_was_measured(tmp_path):
    """The second reply never ends; the signal comes while it is waited for."""
    replies = iter([behaved("a:1")])

    def respond(request):
        if request.method == "GET":
            return behaved("a:1")(request)
        good = next(replies, None)
        return good(request) if good else [head(), event(delta("He")), HOLD]

    with Server(respond) as server:
        command = [sys.executable, "-m", "slmbench.cli", "run", "--endpoint", server.root, *QUICK]
        command += ["--out", str(tmp_path / "run")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            while len(server.posts) < 2:
                assert run.poll() is None
            run.send_signal(signal.SIGINT)
            _, said = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "stopped" in said and "--resume" in said and "Traceback" not in said
    assert [r.status for r in store.read(tmp_path / "run").rows] == ["ok", "interrupted"]


@pytest.mark.parametrize("shape", [[], ["--concurrency", "2"], ["--rate", "100"]], ids=" ".join)
def test_run_imports_only_what_it_needs(tmp_path, shape):
    """What the timed path would have to share its time and memory with; and it writes only what was measured."""
    code = """
import sys
from slmbench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as e:
    heavy = {"openai", "pandas", "matplotlib", "scipy", "jsonschema", "onnx", "gguf", "IPython", "foundry_local_sdk"}
    heavy |= {"fastjsonschema"}  # the kit's own files need no check
    print(sorted(heavy & set(sys.modules)), e.code)
"""
    with Server(behaved("a:1")) as server:
        command = [sys.executable, "-c", code, "run", "--endpoint", server.root, *QUICK, *shape]
        command += ["--out", str(tmp_path / "run")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[] 0"
    written = {p.name for p in (tmp_path / "run").iterdir()} - {".lock"}
    assert written == {"plan.json", "machine.json", "rows.jsonl", "resources.jsonl"}


def test_probe(slmbench):
    with Server(behaved("a:1", "b:1")) as server:
        ended = slmbench("probe", "--endpoint", server.root, "a", "b", "--prompt", "Hi?", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)[0] == {"alias": "a", "id": "a:1", "listed": True, "answer": "Hello!", "problem": None}
    assert [json.loads(r.body)["messages"][0]["content"] for r in server.posts] == ["Hi?"] * 2


def test_probe_of_what_does_not_answer(slmbench):
    reply = lambda _: [plain({"error": {"message": "oom"}}, "500 Oops")]  # noqa: E731
    with Server(behaved("a:1", reply=reply)) as server:
        ended = slmbench("probe", "--endpoint", server.root)
    assert (ended.code, ended.out.startswith("FAILED a: ")) == (1, True)
    assert "oom" in ended.out


def test_a_report_of_a_run_folder(slmbench, tmp_path):
    with Server(behaved("a:1", "b:1")) as server:
        slmbench("run", "--endpoint", server.root, *QUICK, "--out", tmp_path / "run")
    ended = slmbench("report", tmp_path / "run")
    assert ended.code == 0
    written = {line.rpartition("/")[2].rpartition("\\")[2] for line in ended.out.splitlines()}
    assert {"benchmark_report.md", "summary.csv", "rows.csv"} <= written
    assert "| a" in (tmp_path / "run" / "benchmark_report.md").read_text(encoding="utf-8")


def test_a_report_knows_what_the_models_file_of_its_run_said(slmbench, tmp_path):
    entries = {"a": {"licence": "Licence of My Own 1.0"}, "unused": {"licence": "Other 2.0"}}
    (tmp_path / "m.json").write_text(json.dumps({"models": entries}), encoding="utf-8")
    with Server(behaved("a:1")) as server:
        more = ("--models-file", tmp_path / "m.json", "--models", "a", "--out", tmp_path / "run")
        slmbench("run", "--endpoint", server.root, *QUICK, *more)
    (tmp_path / "m.json").unlink()
    assert slmbench("report", tmp_path / "run").code == 0
    assert "Licence of My Own 1.0" in (tmp_path / "run" / "benchmark_report.md").read_text(encoding="utf-8")
    assert list(store.read(tmp_path / "run").plan["entries"]) == ["a"]


def test_a_report_of_something_else(slmbench, tmp_path):
    ended = slmbench("report", tmp_path)
    assert ended.code == 2
    assert "no run folder" in ended.err


def test_what_a_server_says_does_not_command_the_terminal(slmbench, tmp_path):
    """An error with escape sequences: one that sets the window's title, and one that clears the screen."""
    words = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202egood"
    replies = {"a": [plain(message(words))], "b": [plain({"error": {"message": words}}, "500 Oops")]}
    with Server(behaved("a", "b", reply=lambda asked: replies[asked["model"]])) as server:
        at = ("--endpoint", server.root)
        said = [
            slmbench("run", *at, *QUICK, "--no-stream", "--out", tmp_path / "run"),
            slmbench("probe", *at, "a", "b"),
        ]
    for ended in said:
        assert ended.code == 0 and "good" in ended.out + ended.err
        assert not set("\x1b\x07\x9b\u202e") & set(ended.out + ended.err)
    assert words in {r.text for r in store.read(tmp_path / "run").rows}  # the record keeps it as it came
