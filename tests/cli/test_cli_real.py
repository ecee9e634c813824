"""The README's promise, once: a real model in the real runtime through the command line, with the user's own cache."""

import json

import pytest

from slmbench import store
from slmbench.endpoint import service
from slmbench.models import disk_mb

MODEL = "smollm2-135m-int4"


@pytest.fixture
def service_as_it_was():
    """Leaves the user's service running if it ran, and ended if it did not."""
    before = service.status()
    yield
    if before is None:
        service.stop()


@pytest.mark.real
@pytest.mark.timeout(900)  # fetches 93 MB and converts them if that has not been done
@pytest.mark.usefixtures("service_as_it_was")
def test_a_real_run(slmbench, tmp_path):
    wanted = ("--models", f"{MODEL},gemma-2-2b", "--rounds", "1", "--max-tokens", "16")
    ended = slmbench("run", *wanted, "--out", tmp_path / "run", "--json")
    assert ended.code == 0, ended.err
    measured, skipped = sorted(json.loads(ended.out)["models"], key=lambda one: one["status"])
    assert (measured["model"], measured["status"], measured["n_ok"]) == (MODEL, "ok", 4)
    assert (skipped["model"], skipped["status"]) == ("gemma-2-2b", "skipped")
    assert "nearest there: gemma-4" in skipped["error"]

    run = store.read(tmp_path / "run")
    asked = [r for r in run.rows if r.prompt_id]
    assert [r.phase for r in asked] == ["warmup", *["timed"] * 4]
    for row in asked:
        assert (row.status, row.error) == ("ok", None)
        assert {*row.flags} <= {"client_bound"}  # rightly there, if the machine is busy with other tests
        assert (row.device, row.execution_provider, row.token_source) == ("cpu", "CPUExecutionProvider", "server")
        assert 0 < row.output_tokens <= 16 and row.prompt_tokens > 10
        assert 0 < row.ttft_s <= row.latency_s and row.finish_reason in ("length", "stop")
    assert len({r.text for r in asked}) == 4  # four prompts; the warm-up asks the first of them as well
    assert all(r.text.isprintable() or "\n" in r.text for r in asked)

    [footprint] = [r for r in run.resources if r["kind"] == "footprint"]
    assert "error" not in footprint
    held_mb = footprint["rss_loaded_mb"] - footprint["rss_before_mb"]
    assert 80 < footprint["disk_mb"] < 200 and footprint["load_s"] > 0
    assert held_mb > 0.5 * footprint["disk_mb"]  # its weights are in memory
    folder = store.Path(next(m["folder"] for m in service.status().models if m["alias"] == MODEL))
    assert footprint["disk_mb"] == pytest.approx(disk_mb(folder), abs=0.1)
    assert run.plan["endpoint"]["own"] and run.machine["service"]["foundry_local_sdk"]
    assert run.frame().decode_tps.max() > 1
