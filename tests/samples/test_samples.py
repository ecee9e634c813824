"""The samples as a reader runs them: as scripts, from another folder, on the tiny models in the real runtime."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from slmbench.errors import UsageError
from support.replies import behaved, good, head, plain
from support.server import Server

SAMPLES = Path(__file__).parents[2] / "samples"
SCRIPTS = sorted(p.relative_to(SAMPLES) for p in SAMPLES.rglob("*.py"))


@pytest.fixture(scope="module")
def tiny_home(tmp_path_factory):
    """A cache folder that holds two tiny models, and whose service is stopped in the end."""
    from slmbench import models
    from slmbench.endpoint import service

    home = tmp_path_factory.mktemp("home")
    for seed, name in enumerate(("tiny-a", "tiny-b")):
        models.write_tiny(home / "models" / name, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMBENCH_HOME", str(home))
        yield home
        service.stop()


def run(script, *arguments, cwd, **env):
    command = [sys.executable, str(SAMPLES / script), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, encoding="utf-8", check=False, timeout=170
    )


@pytest.fixture(scope="module")
def grid_script():
    spec = importlib.util.spec_from_file_location("rerun_grid", SAMPLES / "session03" / "rerun_grid.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(out, **more):
    """The options of the grid script, as its parser gives them."""
    values = {"models": ["auto"], "max_tokens": "32", "temperature": "0", "rounds": "1", "prompts": "auto"}
    return argparse.Namespace(**(values | {"endpoint": None, "allow_remote": False, "out": out} | more))


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_help(script, tmp_path):
    done = run(script, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "usage:" in done.stdout
    assert "--endpoint URL" in done.stdout and "--allow-remote" in done.stdout


@pytest.mark.parametrize("script", [s for s in SCRIPTS if s.name != "solution.py"], ids=str)
def test_another_machine_is_refused_unless_it_is_allowed(script, tmp_path):
    more = ("--out", "new") if script.name == "rerun_grid.py" else ()
    far = ("--endpoint", "http://192.0.2.1:1/v1")
    done = run(script, *far, *more, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--allow-remote" in done.stderr and "Traceback" not in done.stderr
    wrong = ("--endpoint", "http://192.0.2.1:1/v1?", "--allow-remote")  # allowed, and refused for something else
    assert "an address with ? or #" in run(script, *wrong, *more, cwd=tmp_path).stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "variables", "rounds", "prompt"),
    [
        ((), {}, 3, "Explain the principle of retrieval augmented generation in 2 sentences."),
        ((), {"BENCH_ROUNDS": "2", "BENCH_PROMPT": "Why?"}, 2, "Why?"),
        (("--rounds", "1", "--prompt", "How?"), {"BENCH_ROUNDS": "2", "BENCH_PROMPT": "Why?"}, 1, "How?"),
    ],
)
def test_the_light_script_takes_an_option_before_its_variable(options, variables, rounds, prompt, tmp_path):
    with Server(behaved("m")) as server:
        where = ("--endpoint", server.root, "--out", "run")
        done = run("03-oss-models/benchmark_models.py", *options, *where, cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "run" / "plan.json").read_text("utf-8"))
    assert (plan["rounds"], [p["text"] for p in plan["prompts"]]) == (rounds, [prompt])
    assert json.loads(done.stdout)[0]["n_ok"] == rounds


@pytest.mark.parametrize("script", ["03-oss-models/benchmark_models.py", "session03/benchmark_oss_models.py"])
def test_what_a_server_says_does_not_command_the_terminal(script, tmp_path):
    error = plain({"error": {"message": "wipe \x1b[2J it"}}, "500 Internal Server Error")
    seen = []

    def reply(_):
        seen.append(1)
        return [error] if len(seen) == 2 else [head(), good("fine \x9b2J")]

    with Server(behaved("m", reply=reply)) as server:
        where = ("--endpoint", server.root, "--out", "run", "--rounds", "2")
        done = run(script, *where, cwd=tmp_path, BENCH_PROMPT="hi")
    assert done.returncode == 0, done.stderr
    assert "wipe �[2J it" in done.stderr
    assert not {"\x1b", "\x9b"} & set(done.stdout + done.stderr)


def test_the_light_script_prints_the_list(tiny_home, tmp_path):  # noqa: ARG001
    done = run("03-oss-models/benchmark_models.py", "--models", "tiny-a,gemma-2-2b", "--rounds", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tiny, gemma = sorted(json.loads(done.stdout), key=lambda m: m["model"], reverse=True)
    assert {"model", "rounds", "latency_avg", "latency_p95", "tokens_per_sec_avg", "sample"} <= tiny.keys()
    assert (tiny["model"], tiny["rounds"], tiny["n_ok"], tiny["status"]) == ("tiny-a", 2, 2, "ok")
    assert len(tiny["sample"]) == 96  # the tiny model ends by length, one character a token
    assert (gemma["status"], gemma["latency_avg"]) == ("skipped", None)


@pytest.mark.timeout(180)
def test_the_plan_from_the_environment(tiny_home, tmp_path):  # noqa: ARG001
    env = {"BENCH_MODELS": "tiny-a,tiny-b", "BENCH_ROUNDS": "2", "BENCH_PROMPT": "hi", "BENCH_STREAM": "0"}
    env |= {"BENCH_MAX_TOKENS": "8", "BENCH_TEMPERATURE": "0"}
    done = run("session03/benchmark_oss_models.py", "--out", "run", cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "rows.jsonl").read_text("utf-8").splitlines()]
    timed = [r for r in rows if r["phase"] == "timed"]
    assert sorted(r["model"] for r in timed) == ["tiny-a", "tiny-a", "tiny-b", "tiny-b"]
    assert {(r["ttft_s"], r["output_tokens"]) for r in timed} == {(None, 8)}
    assert (tmp_path / "run" / "benchmark_report.md").exists()


def test_a_bad_variable_is_named(tmp_path):
    done = run("session03/benchmark_oss_models.py", cwd=tmp_path, BENCH_ROUNDS="0")
    assert done.returncode == 2
    assert "BENCH_ROUNDS" in done.stderr


@pytest.mark.timeout(180)
def test_the_grid_merges_its_runs_and_takes_up_where_it_was(tiny_home, tmp_path):  # noqa: ARG001
    (tmp_path / "one.txt").write_text("Hi\n", encoding="utf-8")
    same = ("--models", "tiny-a", "--prompts", "one.txt", "--out", "grid")
    grid = (*same, "--max-tokens", "4,8")
    done = run("session03/rerun_grid.py", *grid, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    merged = pd.read_csv(tmp_path / "grid" / "merged.csv")
    assert list(merged.max_tokens) == [4, 8]
    assert list(merged.n_ok) == [1, 1]
    again = run("session03/rerun_grid.py", *grid, cwd=tmp_path)
    assert again.stdout.count("finished before") == 2
    fewer = run("session03/rerun_grid.py", *same, "--max-tokens", "8", cwd=tmp_path)
    assert fewer.stdout.count("finished before") == 1, fewer.stderr
    merged = pd.read_csv(tmp_path / "grid" / "merged.csv")
    assert list(zip(merged.model, merged.max_tokens, strict=True)) == [("tiny-a", 8)]  # only what was asked for


def test_each_combination_has_a_folder_of_its_own_wherever_it_stands_in_the_grid(grid_script, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("one", encoding="utf-8")
    first = {"models": ["a"], "max_tokens": "8,16"}
    found = grid_script.combinations(asked(tmp_path, **first))
    others = [{"models": ["b"]}, {"rounds": "2"}, {"prompts": "nepali"}, {"prompts": str(own)}, {"temperature": "0.5"}]
    others += [{"endpoint": "http://127.0.0.1:9/v1"}]
    names = [*found, *(f for more in others for f in grid_script.combinations(asked(tmp_path, **(first | more))))]
    assert len(set(names)) == len(names) == 14
    wider = grid_script.combinations(asked(tmp_path, models=["b", "a"], max_tokens="4,8,8,16"))
    assert set(found) < set(wider) and len(wider) == 6
    own.write_text("two", encoding="utf-8")
    assert not set(grid_script.combinations(asked(tmp_path, models=["a"], prompts=str(own)))) & set(names)


def test_the_grid_checks_all_it_was_told_before_the_first_run(grid_script, tmp_path):
    for wrong in ({"prompts": "nowhere.json"}, {"max_tokens": "8,x"}, {"temperature": "hot"}, {"rounds": "0"}):
        (name,) = wrong
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}"):
            grid_script.combinations(asked(tmp_path, **wrong))


def test_a_grid_that_can_not_be_written_is_refused(grid_script, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"--out: .* can't be made"):
        grid_script.make(tmp_path / "file" / "grid")


def test_the_starter_runs_with_its_gaps_and_the_solution_fills_them(tiny_home, tmp_path):  # noqa: ARG001
    from slmbench import config, runner

    settings = config.settings(models="tiny-a,tiny-b", prompts=["one", "two"], rounds=2, max_tokens=8)
    made = runner.run(settings, config.read_models(), out=tmp_path / "run", memory=False)
    started = run("03-huggingface-models/starter.py", "--run", made.path, cwd=tmp_path)
    assert started.returncode == 0, started.stderr
    assert "| tiny-a | 4 |" in (made.path / "comparison.md").read_text("utf-8")
    solved = run("03-huggingface-models/solution.py", "--run", made.path, cwd=tmp_path)
    assert solved.returncode == 0, solved.stderr
    summary = pd.read_csv(made.path / "comparison.csv").set_index("model")
    ok = made.frame().query("phase == 'timed' and model == 'tiny-b'")
    assert summary.loc["tiny-b", "latency_s_mean"] == pytest.approx(ok.latency_s.mean())
    sheet = pd.read_csv(made.path / "scores_to_fill.csv")
    assert "model" not in sheet  # blind
    assert len(sheet) == 4


def test_the_solution_reports_on_a_run_without_a_reply(tmp_path):
    from slmbench import config, runner

    with Server(
        behaved("m", reply=lambda _: [plain({"error": {"message": "no"}}, "500 Internal Server Error")])
    ) as far:
        settings = config.settings(prompts=["one"], rounds=1, endpoint=far.root)
        made = runner.run(settings, config.read_models(), out=tmp_path / "run", say=lambda _: None)
    for script in ("starter.py", "solution.py"):
        done = run(f"03-huggingface-models/{script}", "--run", made.path, cwd=tmp_path)
        assert done.returncode == 1
        assert "Nothing could be measured" in done.stderr and "Traceback" not in done.stderr
    assert "No reply was received." in (made.path / "comparison.md").read_text("utf-8")
