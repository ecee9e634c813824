"""The main job as a new user has it: what `bootstrap.py report` runs, with every default, on the embedded models.

Where strace is, every socket call of it is looked at as well, of all processes: it talks to 127.0.0.1 only. The service
is one of its own, which ends with it.
"""

import os
import subprocess

import pytest
from recorded import SLMBENCH, foreign, in_turn, ports, recorded, works

from slmbench import config, paths, store

MODELS = ("smollm2-135m-int4", "smollm2-135m-int4-rtn", "smollm2-135m-int8")


def run(command, folder):
    """(how it ended, its socket calls; None without strace, which all must have where nothing may be skipped)."""
    if works():
        return recorded(in_turn(command), folder)
    assert os.environ.get("SLMBENCH_REQUIRE_ALL") != "1", "strace is missing"
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False), None
    finally:
        subprocess.run([*SLMBENCH, "stop"], check=False)


@pytest.mark.real
@pytest.mark.timeout(600)
def test_three_models_and_four_prompts_become_a_report_and_nobody_else_is_called(tmp_path, monkeypatch):
    models, home, out = paths.home() / "models", tmp_path / "home", tmp_path / "run"
    home.mkdir()
    (home / "models").symlink_to(models, target_is_directory=True)
    monkeypatch.setenv("SLMBENCH_HOME", str(home))
    done, calls = run([*SLMBENCH, "session", "--rounds", "1", "--out", str(out)], tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rows = [r for r in store.read(out).rows if r.phase == "timed"]
    assert {r.model for r in rows} == {*MODELS}
    assert [r.status for r in rows] == ["ok"] * 12
    assert all(r.token_source == "server" and r.ttft_s < r.latency_s for r in rows)
    held = {r["model"]: r for r in store.read(out).resources if r["kind"] == "footprint"}
    listed = config.read_models().entries
    for model, record in held.items():
        assert record["disk_mb"] == pytest.approx(listed[model].size_mb, abs=1), model
        assert record["rss_before_mb"] < record["rss_loaded_mb"]
    assert len(held) == 3
    report = (out / "benchmark_report.md").read_text(encoding="utf-8")
    for word in ("Mean latency", "p95", "first token", "Apache-2.0", "Memory", "Disk"):
        assert word in report
    assert str(out / "benchmark_report.md") in done.stdout
    if calls is not None:
        assert foreign(calls) == []
        # a kernel's channels, the service, and one for each model's memory
        assert len(ports(calls, "bind")) >= 5 + 1 + len(MODELS)
