"""A service that is shared or somebody else's, and one that has too little memory, for real."""

import os
import sys
from collections import Counter

import psutil
import pytest

from slmbench import paths
from slmbench.endpoint import find, rest, revive, service, tool
from slmbench.records import OK
from support.killing import kept
from support.reviving import ENDED, KILL, TINY, at, kill, restarts
from support.tiny import free_port

pytestmark = pytest.mark.timeout(120)


@pytest.mark.fault
def test_somebody_elses_service_is_loaded_again_after_its_restart(tiny, measure, monkeypatch, tmp_path, fault):
    """A Foundry Local service that is not the kit's own: here the kit's, without the file that tells so."""
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "other"))

    def restart():
        with monkeypatch.context() as patched:
            patched.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
            kill()
            service.start(tiny.port, say=lambda _: None)

    run, _ = measure(at(5, restart), endpoint=tiny.base_url, rounds=3, max_tokens=8)
    assert "had lost its models: it was started again, or they were unloaded" in restarts(run)[0]["error"]
    assert Counter(r.status for r in run.rows if r.phase == "timed") == {OK: 11, "http_400": 1}
    [lost] = [r for r in run.rows if r.status == "http_400"]
    assert lost.flags == ["service_restarted"]  # so that it is asked again, as other 4xx are not
    run, _ = measure(endpoint=tiny.base_url, rounds=3, max_tokens=8, resume=True)
    assert [r.status for r in run.rows if r.cell == lost.cell] == ["http_400", OK]
    fault("a service of somebody else is started again", 1, measure.acknowledged, kept(run.path))


def test_somebody_elses_service_that_stays_away_is_not_waited_for_twice(tiny, measure, monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(revive, "WAIT_S", 0.3)
    looks = []
    loaded = revive._loaded
    monkeypatch.setattr(revive, "_loaded", lambda *asked: looks.append(1) or loaded(*asked))
    run, said = measure(at(5, lambda: os.kill(tiny.pid, KILL)), endpoint=tiny.base_url, rounds=4, max_tokens=8)
    assert Counter(r.status for r in run.rows if r.phase == "timed")["skipped"] == 2
    assert {r.status for r in run.rows[6:]} <= {*ENDED, "skipped"}
    assert len(looks) <= 12 and restarts(run) == []
    assert "To go on with them" in said[-1]


def test_the_tools_service_is_found_at_its_new_address(tiny, measure, monkeypatch, tmp_path):
    """The `foundry` program is made up; the service is real."""
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(revive, "WAIT_S", 0.3)
    where = [tiny.url]
    monkeypatch.setattr(tool, "running_service", lambda: where[0])

    def move():
        with monkeypatch.context() as patched:
            patched.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
            kill()
            where[0] = service.start(free_port(), say=lambda _: None)[0].url

    run, _ = measure(at(5, move), rounds=3, max_tokens=8)
    assert restarts(run)[0]["error"] == f"the service had moved from {tiny.url} to {where[0]}"
    assert Counter(r.status for r in run.rows if r.phase == "timed")[OK] == 11


@pytest.mark.fault
@pytest.mark.real
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits the memory of a running process")
def test_out_of_memory_is_one_models_affair(tmp_path, monkeypatch, measure, fault):
    """The real models in the real runtime, which is allowed too little memory for the second one."""
    models, home = paths.home() / "models", tmp_path / "home" / "models"
    home.mkdir(parents=True)
    names = ("smollm2-135m-int4", "smollm2-135m-int8")
    for name in names:
        (home / name).symlink_to(models / name)
    monkeypatch.setenv("SLMBENCH_HOME", str(home.parent))
    running, _ = service.start(free_port(), say=lambda _: None)
    process = psutil.Process(running.pid)

    def limit():
        """Once the first model has answered, as much more as it may need, and less than the second one does."""
        most = process.memory_info().vms + 100_000_000
        process.rlimit(psutil.RLIMIT_AS, (most, most))

    try:
        run, _ = measure(at(0, limit), rounds=2, max_tokens=8, models=names)
    finally:
        service.stop()
    assert [r.status for r in run.rows if r.model == names[1]] == ["skipped"]
    assert [r.status for r in run.rows if r.model == names[0]] == [OK] * 5
    assert "it can't be loaded" in next(r.error for r in run.rows if r.status == "skipped")
    fault("the memory does not suffice for the second model", 1, measure.acknowledged, kept(run.path))


@pytest.mark.usefixtures("tiny")
def test_models_that_somebody_else_has_unloaded_are_loaded_again(measure):
    """Another notebook that shares the service: it is the same process as before."""

    def unload():
        running = service.status()
        for name in TINY:
            rest.get(f"{running.url}{running.prefix}/models/unload/{name}")

    run, _ = measure(at(5, unload), rounds=3, max_tokens=8)
    assert "had lost its models" in restarts(run)[0]["error"]
    assert Counter(r.status for r in run.rows if r.phase == "timed") == {OK: 11, "http_400": 1}
    assert [r.flags for r in run.rows if r.status == "http_400"] == [["service_restarted"]]


@pytest.mark.usefixtures("tiny")
def test_models_that_are_unloaded_between_warm_ups_are_loaded_again(measure):
    def unload():
        running = service.status()
        for name in TINY:
            rest.get(f"{running.url}{running.prefix}/models/unload/{name}")

    run, _ = measure(at(0, unload), rounds=2, warmup=2, max_tokens=8)
    assert {r.status for r in run.rows if r.phase == "timed"} == {OK}
    assert len(restarts(run)) == 1


def test_a_model_that_cannot_be_loaded_is_no_end_of_somebody_elses_service(tiny, measure, monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "other"))
    load = find.Endpoint.load

    def loading(endpoint, target):
        if target.alias == "tiny-b":
            raise rest.RestError("http_500", "not enough memory")
        return load(endpoint, target)

    monkeypatch.setattr(find.Endpoint, "load", loading)
    run, _ = measure(endpoint=tiny.base_url, rounds=2, warmup=1, max_tokens=8)
    [skipped] = [r for r in run.rows if r.model == "tiny-b"]
    assert skipped.status == "skipped" and "it can't be loaded: not enough memory" in skipped.error
    assert [r.phase for r in run.rows if r.model == "tiny"] == ["warmup"] + ["timed"] * 4
    assert restarts(run) == []
