"""What holding a model costs: in a service process of its own, for real, with the tiny model."""

import dataclasses
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from slmbench import machine, paths
from slmbench.endpoint import footprint, rest, service
from slmbench.endpoint.target import Target
from slmbench.models import disk_mb


@pytest.fixture
def target(tiny_service):
    folder = str(paths.home() / "models" / "tiny")
    return Target(
        "tiny",
        "tiny:1",
        tiny_service.base_url,
        f"{tiny_service.url}{tiny_service.prefix}/models",
        "tiny",
        "cpu",
        "CPU",
        folder,
    )


def test_a_footprint_has_all_its_numbers(target, tiny_service):
    record = footprint.footprint(target)
    assert (record["kind"], record["model"]) == ("footprint", "tiny")
    assert "error" not in record
    assert record["disk_mb"] == pytest.approx(disk_mb(Path(target.folder)), abs=0.05)
    assert 0 < record["load_s"] < 60 and 0 < record["reply_s"] < 60
    assert len(record["reply"]) == footprint.REPLY_TOKENS  # one character a token
    for kind in ("rss", "uss"):
        before, loaded, after = (record[f"{kind}_{when}_mb"] for when in ("before", "loaded", "after"))
        assert 20 < before < loaded <= after + 5
        assert record[f"{kind}_peak_mb"] >= max(loaded, after)
    assert record["work_tokens"] == footprint.WORK_TOKENS and record["work_s"] > 0
    assert record["cpu_s_per_1k_tokens"] >= 0  # a fast machine does so little within one tick of its clock, 10 ms
    assert (record["device"], record["execution_provider"]) == ("cpu", "CPU")
    assert rest.get(f"{tiny_service.url}{tiny_service.prefix}/models/loaded") == []  # the shared service held nothing
    assert service.status().pid == tiny_service.pid


def test_a_model_that_is_not_there_is_an_error_in_the_record(target):
    record = footprint.footprint(dataclasses.replace(target, alias="gone", load_name="gone", folder=None))
    assert "HTTP 404" in record["error"]
    assert "load_s" not in record and "disk_mb" not in record


def test_the_peak_is_seen_though_it_has_gone_when_one_looks():
    code = "import sys, time; input(); x = bytearray(10**8); time.sleep(0.3); del x; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        with footprint.Peak(child.pid) as peak:
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            left_mb, _ = machine.tree_memory_mb(child.pid)
        child.kill()
    assert peak.found()["rss_peak_mb"] > left_mb + 80 and peak.found()["uss_peak_mb"] > left_mb


def test_a_process_that_ends_meanwhile_is_an_error_in_the_record(target, monkeypatch):
    def gone(pid):
        raise psutil.NoSuchProcess(pid)

    alone = nullcontext(SimpleNamespace(pid=1, url="http://127.0.0.1:9", prefix="", base_url="http://127.0.0.1:9/v1"))
    monkeypatch.setattr(footprint.service, "alone", lambda *_: alone)
    monkeypatch.setattr(footprint.machine, "tree_memory_mb", gone)
    assert "gone" in footprint.footprint(target)["error"]
