"""A room with its scheduler and its stations, each as the processes that people would start."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from support.boards import until

SLMBENCH = (sys.executable, "-m", "slmbench.cli")
SOON_S = 180  # of a slow machine that does other things besides


class Command:
    """A command that runs on, with what it prints in a file. pid: of the command."""

    def __init__(self, words: list[str], log: Path, cwd: Path, env: dict[str, str] | None = None, before: tuple = ()):
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*before, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )
        self.pid = self._process.pid

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def says(self, text: str, limit_s: float = SOON_S) -> bool:
        return until(lambda: text in self.said() or self._process.poll() is not None, limit_s) and text in self.said()

    def part(self, module: str) -> psutil.Process:
        """The process under it that runs a module of the kit. raises: LookupError."""
        for one in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if module in one.cmdline():
                    return one
        raise LookupError(module)

    def end(self) -> None:
        family = []
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(self.pid).children(recursive=True)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, left = psutil.wait_procs(family, timeout=30)
        for one in left:
            one.kill()
        assert left == [], "what it had started did not end with it"


class Rooms:
    """An open room. folder: of all that belongs to it; join_file: what the laptops get."""

    def __init__(self, folder: Path, wait_s: int = 5, host: str = "127.0.0.1", before: tuple = ()):
        self.folder, name = folder, "monday"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.env = {"SLMBENCH_HOME": str(folder / "desk-home"), "TMPDIR": str(self.temporary)}
        self.join_file = folder / "room.join.json"
        self.parts: list[Command] = []
        words = [*SLMBENCH, "fleet", "invite", "--host", host, "--room", name, "--wait-s", str(wait_s)]
        self.desk = Command([*words, "--out", str(self.join_file)], folder / "invite.log", folder, self.env, before)
        if not self.desk.says("is open at"):
            self.desk.end()
            raise AssertionError(self.desk.said())

    def join(self, name: str, endpoint: str, before: tuple = (), wait: bool = True) -> Command:
        words = [*SLMBENCH, "fleet", "join", str(self.join_file), "--name", name, "--yes", "--endpoint", endpoint]
        env = {**self.env, "SLMBENCH_HOME": str(self.folder / f"home-{name}")}
        log = self.folder / f"{name}-{len(self.parts)}.log"
        one = Command([*words, "--out", str(self.runs(name))], log, self.folder, env, before)
        self.parts.append(one)
        assert not wait or one.says("In the room as"), one.said()
        return one

    def script(self, path: Path, *words: str) -> Command:
        """A process of a test's own, such as a hostile one."""
        one = Command([sys.executable, str(path), *words], path.with_suffix(".log"), self.folder, self.env)
        self.parts.append(one)
        return one

    def runs(self, name: str) -> Path:
        """Where a station has its run folders."""
        return self.folder / f"runs-{name}"

    def run(self, *words: str, before: tuple = ()) -> subprocess.CompletedProcess:
        """`slmbench fleet run …` to its end."""
        return self.say("fleet", "run", *words, before=before)

    def say(self, *words: str, before: tuple = ()) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [*before, *SLMBENCH, *words],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *words: str, before: tuple = ()) -> Command:
        """`slmbench fleet run …`, gone on with."""
        words = (*SLMBENCH, "fleet", "run", *words)
        one = Command(list(words), self.folder / f"run-{len(self.parts)}.log", self.folder, self.env, before)
        self.parts.append(one)
        return one

    def close(self) -> None:
        with contextlib.ExitStack() as stack:
            for one in (self.desk, *self.parts):
                stack.callback(one.end)


@contextlib.contextmanager
def room(folder: Path, **how) -> Iterator[Rooms]:
    opened = Rooms(folder, **how)
    try:
        yield opened
    finally:
        opened.close()


def states(out: Path) -> dict[str, tuple[str, str]]:
    """station -> (state, reason), as room.json has them."""
    about = json.loads((out / "room.json").read_text(encoding="utf-8"))
    return {name: (one["state"], one.get("reason", "")) for name, one in about["stations"].items()}
