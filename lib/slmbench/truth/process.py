"""The server in a process of its own, so that neither it nor the client is in the other's way."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import BinaryIO, TextIO

from slmbench.truth import record
from slmbench.truth.loop import Loop
from slmbench.truth.record import Record
from slmbench.truth.schedule import Schedule

END_S = 10.0
ON_WINDOWS = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
HIGH_PRIORITY_CLASS = 0x80  # of Windows
FILES = 4096  # of which each client needs one
ASK_S = 60.0


class TruthProcess:
    """A running server: a context manager, which ends it. root: without /v1; base_url: with it.

    pid: of the process that serves. On Windows, in a virtual environment, that is a child of the one started here.
    """

    def __init__(self, schedules: Mapping[str, Schedule]):
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "slmbench.truth"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **ON_WINDOWS,
        )
        asked = json.dumps({model: asdict(schedule) for model, schedule in schedules.items()})
        told = b""
        with contextlib.suppress(OSError):  # it has ended already
            self._child.stdin.write(asked.encode() + b"\n")
            self._child.stdin.flush()
            told = self._child.stdout.readline()
        if not told:
            self.close()
            raise RuntimeError(f"the truth server did not start; its process ended with {self._child.returncode}")
        told = json.loads(told)
        self.port: int = told["port"]
        self.pid: int = told["pid"]
        self.root = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.root}/v1"

    def records(self, since: int = 0) -> list[Record]:
        """The chat requests with numbers above `since`, in order, those being answered included."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ASK_S)
        try:
            line.request("GET", f"/truth?since={since}", headers={"Connection": "close"})
            return [Record.from_json(one) for one in json.loads(line.getresponse().read())]
        finally:
            line.close()

    def record_of(self, text: str | None) -> Record:
        """The record of the reply with this text. raises: LookupError."""
        return record.find(self.records(), text)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what was not taken can't be flushed
            self._child.stdin.close()  # it ends by that
        try:
            self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()

    def __enter__(self) -> TruthProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def process(schedules: Mapping[str, Schedule]) -> TruthProcess:
    """Start the server of these models in a process of its own, and wait until it listens.

    raises: RuntimeError if it does not start.
    """
    return TruthProcess(schedules)


def serve(given: BinaryIO, told: TextIO) -> None:
    """The other end: schedules from the first line of `given`, its port and pid to `told`; until `given` ends."""
    _come_first()
    _open_many()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started it, and who ends it
    schedules = {model: Schedule(**fields) for model, fields in json.loads(given.readline()).items()}
    loop = Loop(schedules)

    def until_the_end() -> None:
        while os.read(given.fileno(), 4096):  # past the buffer, whose lock would be in the way of an early end
            pass
        loop.stop()

    threading.Thread(target=until_the_end, daemon=True).start()
    print(json.dumps({"port": loop.port, "pid": os.getpid()}), file=told, flush=True)
    loop.run()
    loop.close()


def _come_first() -> None:
    """Have the system run this process as soon as it has something to do, where this user may ask for that.

    Linux likes to put the one who was woken behind the one who woke it. A server that waits there reads requests late,
    and each of its clients is charged with that: 1 ms of TTFT at 64 streams on 2 cores, against 0.1 ms in front.
    """
    if sys.platform == "win32":  # everybody may; not inherited, and Python may have been started by a launcher
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        kernel.SetPriorityClass(ctypes.c_void_p(kernel.GetCurrentProcess()), HIGH_PRIORITY_CLASS)
    elif hasattr(os, "setpriority"):
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, -10)


def _open_many() -> None:
    """Have room for many clients: macOS lets a process open 256 files until it asks for more."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    asked = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < asked:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked, hard))
