"""What holds for every test: its own cache folder, a fixed seed, no figure and no process left behind.

Markers (see pyproject.toml): a test marked `browser`, `root` or `strace` is skipped where that is missing. With
SLMBENCH_REQUIRE_ALL=1, as in .ci/run, a skip of a test with one of the marks in `NEEDS` is a failure.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

NEEDS = ("browser", "root", "real", "strace")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOME = "SLMBENCH_HOME"
SESSION = "SLMBENCH_TEST_SESSION"
SEED = 20260301
GRACE_S = 5  # for processes to end after the last test


def pytest_configure(config: pytest.Config) -> None:
    """Take the user's settings away; remember where the user's cache is, for tests of the real model."""
    for name in [name for name in os.environ if name.startswith(("BENCH_", "FOUNDRY_", "OPENAI_"))]:
        del os.environ[name]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
    os.environ["MPLBACKEND"] = "Agg"  # no window, in children neither
    os.environ[SESSION] = uuid.uuid4().hex  # children inherit it, also those that leave the process tree
    config.stash[HOMES] = Homes(os.environ.get(HOME))


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOMES].folder, ignore_errors=True)


class Homes:
    """SLMBENCH_HOME for each test: a new folder, the user's for tests of the real model, or what a fixture has set."""

    def __init__(self, users: str | None):
        self.users, self.folder = users, tempfile.mkdtemp(prefix="slmbench-tests-")
        self.given = {users}

    def enter(self, real: bool) -> None:
        if os.environ.get(HOME) not in self.given:
            return  # a fixture of the module or the session has set one
        if not real:
            os.environ[HOME] = str(Path(self.folder, str(len(self.given))))
            self.given.add(os.environ[HOME])
        elif self.users is None:
            os.environ.pop(HOME, None)
        else:
            os.environ[HOME] = self.users


HOMES = pytest.StashKey[Homes]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Before any fixture of the test, of whatever scope."""
    item.config.stash[HOMES].enter(real=item.get_closest_marker("real") is not None)
    return (yield)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return Together(config, log)


class Together(LoadScopeScheduling):
    """Which tests go to one worker, one after the other: those of a file, for they share what is started for them; and
    all of the files with tests marked `real`, as these use the user's cache and the one service found through it.

    Not with xdist's own groups: version 3.8 does not see them under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "real" if uses_real(self.config.rootpath / file) else file


@functools.cache
def uses_real(file: Path) -> bool:
    return "mark.real" in file.read_text(encoding="utf-8")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and not any(shutil.which(name) for name in BROWSERS):
        pytest.skip(f"needs one of {', '.join(BROWSERS)} on PATH")
    if item.get_closest_marker("root") and not (hasattr(os, "geteuid") and os.geteuid() == 0):
        pytest.skip("needs root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    required = os.environ.get("SLMBENCH_REQUIRE_ALL") == "1" and any(item.get_closest_marker(m) for m in NEEDS)
    if required and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"SLMBENCH_REQUIRE_ALL=1 forbids this: {reason}"
    return report


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    random.seed(SEED)
    np.random.seed(SEED)  # for libraries that draw from the global generator


@pytest.fixture
def fault(record_property):
    """Notes what a test marked `fault` has tried: fault(what happened, times, acknowledged, kept).

    acknowledged: keys of the records that the run had said to be kept. kept: keys of those found in the end. A record
    that was lost fails the test.
    """

    def note(name: str, tried: int, acknowledged: Iterable, kept: Iterable) -> None:
        acknowledged = set(acknowledged)
        lost = acknowledged - set(kept)
        found = {"fault": name, "tried": tried, "records": len(acknowledged), "lost": len(lost)}
        record_property("fault", json.dumps(found))
        assert lost == set()

    return note


@pytest.fixture(autouse=True)
def no_open_figure():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session", autouse=True)
def no_process_left():
    """Started before any other fixture of the session, so torn down after all of them."""
    yield
    left = still_running(os.environ[SESSION])
    _, left = psutil.wait_procs(left, timeout=GRACE_S)
    names = [f"{process.pid} {' '.join(command_line(process))}" for process in left]
    for process in left:
        process.kill()
    assert names == [], "processes that tests left behind (now ended)"


def still_running(session: str) -> list[psutil.Process]:
    """Children of this process and whatever else was started under it, but for multiprocessing's own helper."""
    found = {process.pid: process for process in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        if process.pid != os.getpid() and environment(process).get(SESSION) == session:
            found[process.pid] = process
    return [process for process in found.values() if "resource_tracker" not in " ".join(command_line(process))]


def environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):  # of another user, or gone
        return {}


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
