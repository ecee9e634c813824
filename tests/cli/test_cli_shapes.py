"""`slmbench run` with load shapes, precision and limits: what reaches the plan, and what is refused before it."""

import json
import shlex

import pytest

from slmbench import store
from support.replies import behaved
from support.server import Server

QUICK = ("--rounds", "1", "--warmup", "0", "--deadline-s", "10")
GIVEN = {
    "several at once": (["--concurrency", "2"], {"concurrency": 2}),
    "a sweep": (["--concurrency", "1,2"], {"concurrency": [1, 2]}),
    "an open loop": (["--rate", "200", "--arrivals", "constant"], {"rate": 200.0, "arrivals": "constant"}),
    "limits": (["--slo", "ttft=500ms,tpot=100ms"], {"slo": {"ttft_s": 0.5, "tpot_s": 0.1}}),
    "a nonce and retries": (["--nonce", "--retries", "2"], {"nonce": True, "retries": 2}),
    "a precision": (["--precision", "50", "--budget-s", "0.05"], {"precision_pct": 50.0, "budget_s": 0.05}),
}


@pytest.mark.parametrize(("options", "planned"), GIVEN.values(), ids=GIVEN)
def test_what_is_asked_for_stands_in_the_plan_and_in_its_command(slmbench, tmp_path, options, planned):
    with Server(behaved("a:1")) as server:
        first = slmbench("run", "--endpoint", server.root, *QUICK, *options, "--out", tmp_path / "run")
        assert first.code == 0, first.err
        plan = store.read(tmp_path / "run").plan
        assert {name: plan[name] for name in planned} == planned
        again = slmbench(*shlex.split(plan["command"])[1:], "--out", tmp_path / "again")
    assert again.code == 0, again.err
    repeated = store.read(tmp_path / "again").plan
    assert {n: repeated[n] for n in plan if n not in ("run", "started_at", "hash")} == {
        n: plan[n] for n in plan if n not in ("run", "started_at", "hash")
    }
    assert repeated["hash"] == plan["hash"]


CLASHES = {
    "a rate of several": (["--rate", "5", "--concurrency", "2"], "--rate (option): 5 was found beside 2"),
    "arrivals without a rate": (["--arrivals", "constant"], "--arrivals (option): constant was found without a rate"),
    "a budget without precision": (["--budget-s", "60"], "--budget-s ends what --precision asks for"),
    "first tokens unseen": (["--slo", "ttft=1s", "--no-stream"], "a limit on ttft_s was found"),
    "precision of several": (
        ["--precision", "5", "--concurrency", "1,2"],
        "--precision (option): 5 was found beside 1,2",
    ),
    "a limit without unit": (["--slo", "ttft=500"], "a time with its unit"),
    "too many": (["--concurrency", "513"], "513 was found"),
}


@pytest.mark.parametrize(("options", "said"), CLASHES.values(), ids=CLASHES)
def test_what_does_not_go_together_is_2_before_any_request(slmbench, tmp_path, options, said):
    with Server(behaved("a:1")) as server:
        ended = slmbench("run", "--endpoint", server.root, *QUICK, *options, "--out", tmp_path / "run")
    assert (ended.code, ended.out, server.requests) == (2, "", [])
    assert said in ended.err and "\n  -> " in ended.err
    assert not (tmp_path / "run").exists()


def test_a_file_that_asks_for_too_much_is_named(slmbench, tmp_path):
    (tmp_path / "models.json").write_text(json.dumps({"run": {"rate": 5, "concurrency": 8}}), encoding="utf-8")
    ended = slmbench("run", "--models-file", tmp_path / "models.json", "--out", tmp_path / "run")
    assert ended.code == 2
    assert "run.rate (" in ended.err and "models.json): 5 was found beside 8 for run.concurrency (" in ended.err
