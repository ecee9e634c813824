"""The `foundry` program's words. All outputs here are MADE UP after its documentation; the program is not at hand."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from slmbench.endpoint import tool

MADE_UP = {
    "old verb, running": (
        "🟢 Model management service is running on http://127.0.0.1:5273/openai/status\n",
        "http://127.0.0.1:5273",
    ),
    "old verb, not running": ("🔴 Model management service is not running!\nTo start: foundry service start\n", None),
    "new verb, running": (
        "Server status: running\n  Endpoint: http://localhost:61234\n  PID: 4711\n",
        "http://localhost:61234",
    ),
    "new verb, with /v1": ("Listening on http://127.0.0.1:5273/v1\n", "http://127.0.0.1:5273"),
    "IPv6": ("running on http://[::1]:5273/openai/status", "http://[::1]:5273"),
    "unknown verb": ("Unrecognized command or argument 'server'.\n", None),
    "another machine": ("see http://example.test:80/help and https://aka.ms/foundry-local", None),
    "no port": ("running on http://127.0.0.1/", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("output", "address"), MADE_UP.values(), ids=MADE_UP)
def test_the_address_in_what_the_tool_prints(output, address):
    assert tool.address_in(output) == address


@pytest.fixture
def foundry(monkeypatch):
    """A `foundry` that prints what it is given for each verb; a program not needed. Gives the verbs that were asked."""

    def install(**outputs):
        asked = []

        def run(command, **_):
            asked.append(command[1:])
            told = outputs.get(command[1], "")
            if isinstance(told, Exception):
                raise told
            return SimpleNamespace(stdout=told, stderr="")

        monkeypatch.setattr(tool.subprocess, "run", run)
        return asked

    return install


def test_the_old_verb_is_asked_first(foundry):
    asked = foundry(service=MADE_UP["old verb, running"][0])
    assert tool.running_service(which=lambda _: "foundry") == "http://127.0.0.1:5273"
    assert asked == [["service", "status"]]


def test_then_the_new_one(foundry):
    asked = foundry(server=MADE_UP["new verb, running"][0])
    assert tool.running_service(which=lambda _: "foundry") == "http://localhost:61234"
    assert asked == [["service", "status"], ["server", "status"]]


@pytest.mark.parametrize("trouble", [OSError("not executable"), subprocess.TimeoutExpired("foundry", 15)], ids=repr)
def test_a_tool_in_trouble_is_no_service(foundry, trouble):
    foundry(service=trouble, server=trouble)
    assert tool.running_service(which=lambda _: "foundry") is None


def test_without_the_tool_nothing_is_run(foundry):
    asked = foundry(service="http://127.0.0.1:5273")
    assert tool.running_service(which=lambda _: None) is None
    assert asked == []


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for the program")
def test_a_real_program_is_asked(tmp_path, monkeypatch):
    program = tmp_path / "foundry"
    program.write_text(
        f"#!{sys.executable}\nprint('running on http://127.0.0.1:5273/openai/status')\n", encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tool.running_service() == "http://127.0.0.1:5273"
