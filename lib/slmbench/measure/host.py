"""How busy the whole machine is while requests run: what else was on it shows as an outlier's probable cause."""

from __future__ import annotations

import time
from collections import deque

import psutil

MARK_EVERY_S = 0.1


class HostCpu:
    """Busy share of all CPUs over a window that began in the past, from marks set now and then."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float, float]] = deque(maxlen=1200)  # (wall clock s, busy s, all s)
        self._marks.append(_now())

    def mark(self) -> None:
        """Remember the present; call it before a request."""
        self._marks.append(_now())

    def pct_since(self, at_s: float) -> float | None:
        """Busy share since a wall-clock time, percent; from the last mark at or before it (or the oldest there is).

        returns: None where the system's counters have not moved, as they do in steps of about 10 ms.
        """
        now = _now()
        start = next((mark for mark in reversed(self._marks) if mark[0] <= at_s), self._marks[0])
        if now[0] - self._marks[-1][0] >= MARK_EVERY_S:
            self._marks.append(now)
        busy_s, all_s = now[1] - start[1], now[2] - start[2]
        return round(min(max(100 * busy_s / all_s, 0.0), 100.0), 1) if all_s > 0 else None


def _now() -> tuple[float, float, float]:
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    guest_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice already
    all_s = sum(times) - guest_s
    return time.time(), all_s - idle_s, all_s
