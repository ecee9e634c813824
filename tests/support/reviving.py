"""What tests of a service that ends, hangs or moves have in common."""

from __future__ import annotations

import os
import signal
import time

from slmbench.endpoint import service

TINY = ("tiny", "tiny-b")
ENDED = ("refused", "connection_error", "truncated")
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has one way to end a process


def kill(how=KILL):
    running = service.status()
    os.kill(running.pid, how)
    while how == KILL and running.process():
        time.sleep(0.01)


def at(number, call):
    return lambda n, _: call() if n == number else None


def restarts(run):
    return [r for r in run.resources if r["kind"] == "restart"]
