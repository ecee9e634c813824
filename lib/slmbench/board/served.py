"""Voilà as a child process: started, waited for, and ended with all of its kernels."""

from __future__ import annotations

import contextlib
import errno
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from slmbench import secret
from slmbench.board.page import ABANDONED_S, NOTEBOOK, SHARE, Door, Look, parameterised, settings
from slmbench.config.reading import clean
from slmbench.errors import KitError, UsageError

READY_S = 120.0  # a machine that is measured has little time for it
END_S = 15.0
LOG_LINES = 8
ON_WINDOWS = sys.platform == "win32"
# Ctrl-C is for this process, which decides
OWN = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW} if ON_WINDOWS else {}
CURE = 'pip install "voila>=0.5.13,<0.6"   (in a clone: python3 bootstrap.py report)'


class BoardError(KitError):
    """The board could not be shown, or ended by itself (exit code 1)."""

    exit_code = 1


class Served:
    """The board on 127.0.0.1, a context manager that ends it. url: its address, with what lets a browser in.

    runs, look: as for `parameterised`. port: None for a free one. abandoned_s: how long a kernel may be without a
    page. pid: of Voilà; its kernels are its children, started when a page is opened.
    raises: UsageError for a port that can't be had; BoardError where there is no Voilà, or it does not start.
    """

    def __init__(self, runs: list[Path], look: Look, port: int | None = None, abandoned_s: int = ABANDONED_S):
        if importlib.util.find_spec("voila") is None:
            raise BoardError(f"Voilà, which shows the board, is not installed in {clean(sys.prefix)}.", CURE)
        self._door = Door(free_port(port))
        self._child: subprocess.Popen | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="slmbench-board-", ignore_cleanup_errors=True)
        folder, ready = Path(self._folder.name), False
        try:
            parameterised(folder / NOTEBOOK, runs, look)
            told = settings(folder, self._door, look, abandoned_s)
            (folder / "voila.json").write_text(json.dumps(told), encoding="utf-8")
            self._child = _started(folder)
            self._await()
            ready = True
        finally:
            if not ready:  # it failed, or somebody did not want to wait
                self.close()

    @property
    def url(self) -> str:
        return self._door.url

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait(self) -> None:
        """Until it ends, which it should not. raises: BoardError; KeyboardInterrupt for Ctrl-C."""
        while self._child.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(1.0 if ON_WINDOWS else None)  # which there Ctrl-C does not reach
        raise BoardError(f"The board has ended by itself.{self._log()}", "start it again")

    def _await(self) -> None:
        """raises: BoardError if Voilà ends, or does not answer in time."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self._child.poll() is None:
            if _answers(self._door):
                return
            time.sleep(0.1)
        ended = "did not answer in time" if self._child.poll() is None else "ended as it was started"
        raise BoardError(f"Voilà {ended}.{self._log()}", "slmbench doctor; another --port, if this one was taken")

    def _log(self) -> str:
        """The last lines of Voilà's log, each on a line of its own."""
        text = Path(self._folder.name, "log").read_text(encoding="utf-8", errors="replace")
        lines = [clean(line) for line in text.splitlines() if line.strip()]
        return "".join(f"\n  {line}" for line in lines[-LOG_LINES:])

    def close(self) -> None:
        """End Voilà and its kernels, and take the folder away; not to be interrupted, and done in END_S or so."""
        with _uninterrupted():
            if self._child is not None:
                _end(self._child)
            self._folder.cleanup()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port(wanted: int | None = None) -> int:
    """A port of 127.0.0.1 that nobody has. raises: UsageError if it is not the one that is wanted."""
    with socket.socket() as probe:
        if not ON_WINDOWS:  # a port that was closed a moment ago is free; there, a port in use would seem so, too
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
            return probe.getsockname()[1]
        except OSError as e:
            why = "which is taken" if e.errno == errno.EADDRINUSE else f"which can't be had ({e.strerror})"
            found = f"--port: {wanted} was found, {why}; a free port was expected"
            raise UsageError(found, "leave --port out: a free one is taken") from e


def _started(folder: Path) -> subprocess.Popen:
    """It works where this process does, but does not take modules from there."""
    data = [str(SHARE), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-Pu", "-m", "slmbench.board", str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**secret.stripped(os.environ), "JUPYTER_PATH": os.pathsep.join(data), "PYTHONUTF8": "1"},
            start_new_session=not ON_WINDOWS,
            **OWN,
        )


def _answers(door: Door) -> bool:
    """Whether it is there, and the one that was started: it tells the nonce. The page that is asked for has no kernel.

    Whoever took the port meanwhile would get the token from the browser.
    """
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=5)
    try:
        connection.request("GET", "/login")
        return door.nonce in (connection.getresponse().getheader("Content-Security-Policy") or "")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(child: subprocess.Popen) -> None:
    family = _family(child.pid)
    with contextlib.suppress(OSError):
        child.stdin.close()  # it ends by that
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(END_S)
    family += [one for one in _family(child.pid) if one not in family]
    for one in family:  # what is left of it: nothing, unless it hangs
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(END_S)
    psutil.wait_procs(family, timeout=END_S)


def _family(pid: int) -> list[psutil.Process]:
    """Voilà and its kernels, if it lives. It is a child that nobody has waited for, so the number is its own."""
    try:
        voila = psutil.Process(pid)
        return [voila, *voila.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C does not leave anything behind. (Only the main thread may say so, and only it gets one.)"""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
