"""Functions that other threads have a loop call. A light import, as `flight` is."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable


class Calls:
    """Wakes a loop that listens to `sock`; `step` then calls, in the loop's thread, what was asked for, in order."""

    def __init__(self) -> None:
        self._waker, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        self._waiting: deque[tuple[Callable, tuple]] = deque()
        self._woken = False

    def call(self, function: Callable, *arguments: object) -> None:
        """Have it called; from any thread."""
        self._waiting.append((function, arguments))
        if not self._woken:
            self._woken = True
            self._waker.send(b".")

    def step(self, *_: int) -> bool:
        self.sock.recv(4096)
        self._woken = False  # before the calls are taken: one that is added from now on wakes the loop again
        while self._waiting:
            function, arguments = self._waiting.popleft()
            function(*arguments)
        return False

    def close(self) -> None:
        self._waker.close()
        self.sock.close()
