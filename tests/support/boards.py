"""The board as a process, or behind a plain client: its address, its processes, a page that no browser opens."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from slmbench.board import Look

LIGHT = Look("light", "normal", "#ffffff", "#1a1a1a")
SOON_S = 40


def until(condition: Callable[[], object], limit_s: float = SOON_S) -> bool:
    """Whether it came true in time; looked at ten times a second."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    one = psutil.Process(pid)
    return [one, *one.children(recursive=True)]


def kernels(pid: int) -> list[psutil.Process]:
    """The kernels among a process's descendants."""
    found = []
    for one in family(pid):
        with contextlib.suppress(psutil.Error):
            if "ipykernel_launcher" in " ".join(one.cmdline()):
                found.append(one)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    return psutil.wait_procs(processes, timeout=SOON_S)[1] == []


def ask(url: str, path: str = "", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer of the board at `url`. path: instead of the board's own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request(method, path or f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def opened(url: str) -> tuple[str, str]:
    """Open the page as a browser would that shows nothing. Gives its kernel's id and the cookie."""
    status, headers, page = ask(url)
    assert status == 200
    return re.search(r'"kernelId": "([\w-]+)"', page)[1], headers["Set-Cookie"].partition(";")[0]


@contextlib.contextmanager
def command(*words: str, folder: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """`slmbench board … --no-browser`, its temporary folders in `folder`. Gives the process and the address."""
    started = [sys.executable, "-m", "slmbench.cli", "board", *words, "--no-browser"]
    env = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(started, stdout=subprocess.PIPE, text=True, env=env, cwd=folder) as process:
        try:
            lines = iter(process.stdout.readline, "")
            yield process, next(match[0] for line in lines if (match := re.search(r"http://\S+", line)))
        finally:
            process.terminate()
            process.communicate()
