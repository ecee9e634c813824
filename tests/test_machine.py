"""Facts about the machine, as made-up tools tell them, and the memory of a process tree that is real."""

import json
import subprocess
import sys

import psutil
import pytest

from slmbench import machine

# Made up after nvidia-smi's documented CSV form; no such card is here.
TWO_CARDS = "NVIDIA GeForce RTX 4090, 24564, 555.42\nNVIDIA T4, 15360, 555.42"
SHARED_MEMORY = "NVIDIA GB10, [N/A], 580.95"


def test_facts_can_be_kept_and_name_nobody():
    facts = machine.facts()
    json.dumps(facts, allow_nan=False)
    assert facts["cores_logical"] >= 1
    assert 0 < facts["memory_available_mb"] <= facts["memory_mb"]
    assert facts["packages"]["slmbench"] is not None
    assert not {"host", "hostname", "user", "node"} & facts.keys()


def test_a_package_that_is_not_installed_is_none():
    assert machine.packages(("no-such-package-anywhere", "psutil")) == {
        "no-such-package-anywhere": None,
        "psutil": psutil.__version__,
    }


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("", []),
        (TWO_CARDS, [("NVIDIA GeForce RTX 4090", 25757), ("NVIDIA T4", 16106)]),  # 24,564 MiB are 25,757 MB
        (SHARED_MEMORY, [("NVIDIA GB10", None)]),
        ("NVIDIA-SMI has failed because it couldn't communicate with the driver", []),
    ],
    ids=["none", "two", "shared memory", "a failure"],
)
def test_gpus(monkeypatch, told, expected):
    monkeypatch.setattr(machine, "_output", lambda *_: told)
    assert [(g["name"], g["memory_mb"]) for g in machine.gpus()] == expected


def test_a_tool_that_is_not_there_fails_or_hangs_says_nothing(monkeypatch):
    assert machine._output("no-such-program-anywhere") == ""
    assert machine._output(sys.executable, "-c", "print('x'); raise SystemExit(1)") == ""
    assert machine._output(sys.executable, "-c", "print('x')") == "x"

    def hang(*_, **more):
        raise subprocess.TimeoutExpired("nvidia-smi", more["timeout"])

    monkeypatch.setattr(machine.subprocess, "run", hang)
    assert machine._output(sys.executable) == ""


def test_the_cpu_has_a_name_even_where_linux_does_not_tell(monkeypatch, tmp_path):
    assert machine.cpu_name()
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 100.00\n", encoding="utf-8")  # as on arm64
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "cpuinfo")
    assert machine.cpu_name() == machine.platform.machine()


PARENT = """
import subprocess, sys
held = bytearray(30_000_000)
held[::1000] = b"x" * len(held[::1000])
code = "import time; held = b'x' * 40_000_000; print(len(held), flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code])
input()
child.kill()
child.wait()
"""


def test_memory_is_that_of_the_whole_tree():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline().strip() == b"40000000"
        rss_mb, uss_mb = machine.tree_memory_mb(parent.pid)
        parent.communicate(b"\n")
    assert rss_mb > 70  # 30 MB here and 40 MB in the child
    assert 70 < uss_mb <= rss_mb


def test_memory_that_may_not_be_read_is_none(monkeypatch):
    def denied(_):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "memory_full_info", denied)
    rss_mb, uss_mb = machine.tree_memory_mb(psutil.Process().pid)
    assert rss_mb > 1 and uss_mb is None


@pytest.mark.parametrize(("plugged", "expected"), [(True, False), (False, True), (None, None)])
def test_battery(monkeypatch, plugged, expected):
    import types

    sensor = types.SimpleNamespace(power_plugged=plugged)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: sensor, raising=False)
    assert machine._on_battery() is expected
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    assert machine._on_battery() is None


def test_in_what_two_machines_differ():
    one = {"a": 1, "b": {"c": [1], "d": {"x": 1}}, "e": {"f": 1}, "pid": 1}
    other = {"a": 2, "b": {"c": [2], "d": {"x": 2}}, "e": 3, "pid": 2}
    assert list(machine.differences(one, other)) == [
        "a: 1 -> 2",
        "b c: [1] -> [2]",
        "b d x: 1 -> 2",
        'e: {"f": 1} -> 3',
    ]
    assert list(machine.differences(one, one)) == list(machine.differences({}, one)) == []
