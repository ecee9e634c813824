"""Verbs about this machine: help, doctor, models, fetch, and the real service with the tiny model."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import psutil
import pytest

import slmbench as package
from slmbench import __version__, doctor
from slmbench.cli import here
from slmbench.endpoint import catalog, service
from slmbench.models import DEFAULT_SET, EMBEDDED
from support.tiny import free_port, home_with_tiny

VERBS = (
    *("doctor", "models", "fetch", "serve", "stop", "status", "calibrate", "probe", "run", "plan", "report"),
    *("compare", "session", "add", "remove", "adapter"),
)


@pytest.mark.parametrize("arguments", [["--help"], *[[verb, "--help"] for verb in VERBS]], ids=" ".join)
def test_help(slmbench, arguments):
    ended = slmbench(*arguments)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("usage: slmbench")
    if arguments == ["--help"]:
        assert all(re.search(rf"\n    {verb}\s", ended.out) for verb in VERBS)
        assert "exit codes: 0 " in ended.out and "FOUNDRY_LOCAL_ENDPOINT" in ended.out


def test_version_and_module_form():
    done = subprocess.run(
        [sys.executable, "-m", "slmbench.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"slmbench {__version__}"


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["run", "--nothing"]], ids=str)
def test_what_is_no_verb(slmbench, arguments):
    assert slmbench(*arguments).code == 2


@pytest.mark.parametrize(("address", "state"), [("http://127.0.0.1:9", "missing"), (None, "note")])
def test_doctor_looks_at_the_endpoint(slmbench, monkeypatch, address, state):
    if address:
        monkeypatch.setenv("FOUNDRY_LOCAL_ENDPOINT", address)
    ended = slmbench("doctor", "--json")
    [service] = [c for c in json.loads(ended.out) if c["name"] == "Service"]
    assert service["state"] == state and service["cure"]
    assert (ended.code == 1) == (state == "missing")
    assert ("127.0.0.1:9" in service["found"]) == bool(address)


def test_doctor(slmbench):
    ended = slmbench("doctor", "--json")
    checks = {c["name"]: c for c in json.loads(ended.out)}
    assert set(checks) == {c.name for c in doctor.examine()}
    assert checks["Python"]["state"] == checks["Packages"]["state"] == "ok"
    assert "not prepared yet" in checks["Embedded models"]["found"]
    assert checks["Embedded models"]["cure"].startswith("slmbench fetch smollm2-135m-int4")
    assert ended.code == (1 if any(c["state"] == "missing" for c in checks.values()) else 0)
    assert all(c["state"] in ("ok", "note", "missing") for c in checks.values())
    assert all(c["cure"] for c in checks.values() if c["state"] == "missing")
    assert slmbench("doctor").out.count("\n") >= len(checks)


TROUBLE = {
    "an old Python": (lambda m: m.setattr(doctor.sys, "version_info", (3, 10, 1)), "Python", "use Python 3.11 to 3.14"),
    "a missing package": (
        lambda m: m.setattr(doctor.machine, "packages", lambda names=("openai",): dict.fromkeys(names)),
        "Packages",
        "bootstrap.py setup",
    ),
    "a full disk": (
        lambda m: m.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 9)),
        "Cache folder",
        "free space",
    ),
    "a cache that can't be written": (
        lambda m: m.setattr(doctor.os, "access", lambda *_: False),
        "Cache folder",
        "SLMBENCH_HOME",
    ),
}


@pytest.mark.parametrize(("make", "name", "cure"), TROUBLE.values(), ids=TROUBLE)
def test_doctor_finds_trouble_and_a_cure(slmbench, monkeypatch, make, name, cure):
    make(monkeypatch)
    ended = slmbench("doctor", "--json")
    [check] = [c for c in json.loads(ended.out) if c["name"] == name]
    assert (ended.code, check["state"]) == (1, "missing")
    assert cure in check["cure"]


def test_models_without_the_catalogue(slmbench, monkeypatch):
    monkeypatch.setattr(catalog, "listing", lambda: pytest.fail("the catalogue was asked"))
    ended = slmbench("models", "--offline", "--json")
    assert ended.code == 0
    rows = {row["alias"]: row for row in json.loads(ended.out)["models"]}
    assert set(rows) == set(EMBEDDED)
    int4 = rows["smollm2-135m-int4"]
    assert (int4["state"], int4["licence"], int4["device"]) == ("not fetched", "Apache-2.0", "cpu")
    assert 50 < int4["size_mb"] < 200
    table = slmbench("models", "--offline").out
    assert table.splitlines()[0].split() == ["alias", "source", "state", "size_mb", "licence", "device"]
    assert len(table.splitlines()) == 1 + len(EMBEDDED)


LISTED = [
    catalog.CatalogModel("far-away", "far-away-cpu:1", size_mb=4100.0, licence="MIT", device="cpu"),
    catalog.CatalogModel("far-away", "far-away-gpu:1", default=False, size_mb=4000.0, licence="MIT", device="gpu"),
    catalog.CatalogModel("near", "near-cpu:1", cached=True, size_mb=None, licence=None, device=None),
]


def test_models_with_the_catalogue(slmbench, monkeypatch):
    monkeypatch.setattr(catalog, "listing", lambda: LISTED)
    result = json.loads(slmbench("models", "--json").out)
    found = [(m["id"], m["state"], m["size_mb"]) for m in result["models"] if m["source"] == "catalogue"]
    assert found == [
        ("far-away-cpu:1", "not fetched", 4100),
        ("far-away-gpu:1", "not fetched", 4000),
        ("near-cpu:1", "cached", None),
    ]
    assert result["catalogue_reached"]
    [line] = [line.split() for line in slmbench("models").out.splitlines() if "4,100" in line]
    assert line == ["far-away", "catalogue", "not", "fetched", "4,100", "MIT", "cpu"]


def test_models_out_of_reach_of_the_catalogue(slmbench, monkeypatch):
    monkeypatch.setattr(catalog, "listing", list)
    ended = slmbench("models")
    assert (ended.code, "can't be reached (offline?)" in ended.out) == (0, True)
    assert json.loads(slmbench("models", "--json").out)["catalogue_reached"] is False


def test_fetch_says_size_and_licence_before_it_begins(slmbench, monkeypatch):
    monkeypatch.setattr(catalog, "listing", lambda: LISTED)
    monkeypatch.setattr(catalog, "download", lambda alias, tell: tell(50.0) or tell(100.0) or f"/cache/{alias}")
    ended = slmbench("fetch", "far-away")
    assert (ended.code, ended.out.splitlines()) == (
        0,
        ["far-away: 4,100 MB, licence MIT, cpu (far-away-cpu:1)", "far-away: /cache/far-away"],
    )
    assert "download: 50 %" in ended.err and "download: 100 %" in ended.err


def test_fetch_of_what_is_not_there(slmbench, monkeypatch):
    monkeypatch.setattr(here.fetching, "ensure", lambda *_, **__: pytest.fail("something was fetched"))
    monkeypatch.setattr(catalog, "listing", lambda: LISTED)
    ended = slmbench("fetch", *DEFAULT_SET, "far-awayy")
    assert ended.code == 2
    assert "nearest: far-away" in ended.err
    monkeypatch.setattr(catalog, "listing", list)
    for typo, near in (("smolm2-135m-int8", "smollm2-135m-int8"), ("gemma-2-2b", "gemma-4-e2b-it")):
        ended = slmbench("fetch", typo)
        assert ended.code == 2 and f"nearest: {near}" in ended.err
    ended = slmbench("fetch", "far-away")
    assert ended.code == 1
    assert "can't be reached" in ended.err and "slmbench fetch" in ended.err


def test_stopped(slmbench):
    assert slmbench("stop").out == "No service of the kit was running.\n"
    ended = slmbench("status")
    assert (ended.code, ended.out) == (1, "Not running. Start it: slmbench serve\n")
    assert json.loads(slmbench("status", "--json").out) == {"running": False}


def test_the_life_of_a_service(slmbench, tmp_path):
    """serve, status, models, probe, run, stop: the demo's steps with the tiny model."""
    with home_with_tiny(tmp_path / "home", "tiny"):
        try:
            ended = slmbench("serve", "--offline", "--port", free_port())
            running = service.status()
            assert ended.code == 0
            assert f"Started: {running.base_url} (pid {running.pid})" in ended.out
            assert "Models: tiny" in ended.out and f"curl {running.base_url}/models" in ended.out
            assert slmbench("serve", "--offline").out.startswith("Already running: ")
            told = json.loads(slmbench("status", "--json").out)
            assert (told["running"], told["pid"], told["loaded"]) == (True, running.pid, [])
            ended = slmbench("probe", "tiny")
            assert (ended.code, ended.out.startswith("ok     tiny: ")) == (0, True)
            assert "Loaded: tiny:1" in slmbench("status").out
            ended = slmbench(
                "run", "--models", "tiny", "--rounds", "1", "--max-tokens", "8", "--out", tmp_path / "run", "--json"
            )
            [one] = json.loads(ended.out)["models"]
            assert (ended.code, one["status"], one["n_ok"]) == (0, "ok", 4)
            assert "loads in" in ended.err and "MB on disk" in ended.err
            assert service.status().pid == running.pid  # it was there before: it stays
        finally:
            ended = slmbench("stop")
    assert ended.out == "Stopped.\n"
    assert not psutil.pid_exists(running.pid)


@dataclass(frozen=True)
class Calibration:
    """What a calibration found, as the verb sees it."""

    limit_tps: int = 900

    def to_json(self):
        return json.dumps({"limit_tps": self.limit_tps})


def test_calibrate(slmbench, monkeypatch):
    """Thin: what it finds out is `slmbench.calibrate`'s to test."""

    def calibrate(streams=(1, 8), say=print):
        say(f"{streams[-1]} streams: up to 900 tokens/s")
        return Calibration()

    made = SimpleNamespace(calibrate=calibrate, path=lambda: "the kit's folder")
    monkeypatch.setattr(package, "calibrate", made, raising=False)
    ended = slmbench("calibrate")
    assert (ended.code, ended.out) == (
        0,
        "8 streams: up to 900 tokens/s\nReports will quote it, from the kit's folder\n",
    )
    ended = slmbench("calibrate", "--json")
    assert json.loads(ended.out) == {"limit_tps": 900} and "8 streams: up to 900" in ended.err
