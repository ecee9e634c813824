"""What tests/conftest.py promises, seen from a run of pytest on tests made for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

MADE = """
import os, subprocess, sys
import pytest

@pytest.mark.browser
def test_browser(): pass

@pytest.mark.root
def test_root(): pass

@pytest.mark.real
def test_real(): pytest.skip("no model")

def test_plain_skip(): pytest.skip("no graphics card")

def test_settings():
    assert not {"BENCH_ROUNDS", "FOUNDRY_LOCAL_ENDPOINT"} & os.environ.keys()

@pytest.fixture(scope="module")
def home():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMBENCH_HOME", "of-the-module")
        yield

HOMES = []

def test_home_1(): HOMES.append(os.environ["SLMBENCH_HOME"])

@pytest.mark.real
def test_home_2(): assert os.environ["SLMBENCH_HOME"] == "the-users"

def test_home_3(): assert os.environ["SLMBENCH_HOME"] not in [*HOMES, "the-users"]

def test_home_4(home): assert os.environ["SLMBENCH_HOME"] == "of-the-module"

def test_home_5(): assert os.environ["SLMBENCH_HOME"] == "of-the-module"
"""
LEAVES = """
import subprocess, sys

def test_leaves_a_process():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(50)"], start_new_session=True)
"""

TOGETHER = """
import os
import pytest

@pytest.mark.parametrize("n", [*range(7), pytest.param(7, marks=pytest.mark.real)])
def test_where(n, tmp_path_factory):
    with (tmp_path_factory.getbasetemp().parent / "workers").open("a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


@pytest.fixture
def run(tmp_path):
    """Run pytest on one made file, with this conftest.py: run(text, *arguments, **environment) -> outcomes, output."""
    conftest = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    (tmp_path / "conftest.py").write_text(conftest.replace("GRACE_S = 5", "GRACE_S = 0.2"), encoding="utf-8")
    markers = "".join(f"    {name}: x\n" for name in ("real", "browser", "root"))
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers =\n{markers}", encoding="utf-8")

    def run(text: str, *arguments: str, **environment: str) -> tuple[dict[str, str], str]:
        (tmp_path / "test_made.py").write_text(text, encoding="utf-8")
        env = {n: v for n, v in os.environ.items() if n != "SLMBENCH_REQUIRE_ALL"} | environment
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--color=no", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False)
        return dict(re.findall(r"::test_(\w+) (\w+)", done.stdout.partition("short test summary")[0])), done.stdout

    return run


def test_skips_and_homes(run):
    settings = {"PATH": "", "BENCH_ROUNDS": "9", "FOUNDRY_LOCAL_ENDPOINT": "http://127.0.0.1:9"}
    outcomes, _ = run(MADE, SLMBENCH_HOME="the-users", **settings)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    skipped = {"browser", "real", "plain_skip"} | (set() if root else {"root"})
    assert {name for name, outcome in outcomes.items() if outcome == "SKIPPED"} == skipped
    assert {outcomes[name] for name in outcomes.keys() - skipped} == {"PASSED"}
    assert len(outcomes) == 10


def test_what_is_required_fails_instead_of_being_skipped(run):
    outcomes, output = run(MADE, SLMBENCH_HOME="the-users", SLMBENCH_REQUIRE_ALL="1", PATH="")
    assert (outcomes["browser"], outcomes["real"], outcomes["plain_skip"]) == ("ERROR", "FAILED", "SKIPPED")
    assert "SLMBENCH_REQUIRE_ALL=1 forbids this: Skipped: no model" in output


def test_a_process_left_behind_is_an_error(run):
    _, output = run(LEAVES)
    assert "AssertionError: processes that tests left behind" in output
    assert "1 passed, 1 error" in output


def test_the_tests_of_a_file_run_in_one_process(run, tmp_path):
    base = tmp_path / "base"
    _, output = run(TOGETHER, "-n", "2", "--dist", "loadscope", f"--basetemp={base}")
    assert "8 passed" in output
    workers = [line for file in base.rglob("workers") for line in file.read_text(encoding="utf-8").split()]
    assert len(workers) == 8 and len(set(workers)) == 1
