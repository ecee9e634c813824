"""By how much a loop woke too late, and when. A light import, as `flight` is."""

from __future__ import annotations

import sys
from collections import deque

MS = 1_000_000  # ns
TIMER_NS = {"win32": 16 * MS, "darwin": 2 * MS}.get(sys.platform, MS // 5)  # as late as the system's timer may be
KEPT = 10_000


class Lateness:
    """Wake-ups that came later than the system's timer explains."""

    def __init__(self) -> None:
        self._found: deque[tuple[int, int]] = deque(maxlen=KEPT)  # (when, by how much), in ns

    def note(self, woken_ns: int, late_ns: int) -> None:
        if late_ns > TIMER_NS:
            self._found.append((woken_ns, late_ns))

    def worst_ns(self, from_ns: int, until_ns: int) -> int:
        """The longest delay that fell between these two times at least in part; 0 if none did."""
        worst = 0
        for woken_ns, late_ns in reversed(self._found):
            if woken_ns < from_ns:
                break
            if woken_ns - late_ns <= until_ns:
                worst = max(worst, late_ns)
        return worst
