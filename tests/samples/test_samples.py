"""The samples as a reader runs them: as scripts, from another folder, on the tiny models in the real runtime."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

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


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_help(script, tmp_path):
    done = run(script, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "usage:" in done.stdout


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
    grid = ("--models", "tiny-a", "--max-tokens", "4,8", "--out", "grid")
    done = run("session03/rerun_grid.py", *grid, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    merged = pd.read_csv(tmp_path / "grid" / "merged.csv")
    assert list(merged.max_tokens) == [4, 8]
    assert list(merged.n_ok) == [4, 4]
    again = run("session03/rerun_grid.py", *grid, cwd=tmp_path)
    assert again.stdout.count("finished before") == 2


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
