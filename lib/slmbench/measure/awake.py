"""How long this machine was awake: the wall clock runs on under a closed lid, and a request that slept is no time.

A light import, as `flight` is.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False  # see `connection`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TICK_NS = 100  # what Windows counts in


def clock(platform: str = sys.platform, kernel32: Any = None) -> Callable[[], int]:
    """A clock in ns, from any start, that stands still while the machine sleeps.

    On Linux and macOS `perf_counter` is one. On Windows it goes on through sleep, and so could not tell a request
    that slept; the interrupt time without bias does not. (It moves in steps of up to 16 ms.)
    kernel32: Windows' library of that name; looked up where it is not given.
    """
    if platform != "win32":
        return time.perf_counter_ns
    import ctypes

    ask = (kernel32 or ctypes.windll.kernel32).QueryUnbiasedInterruptTime
    ticks = ctypes.c_ulonglong()

    def awake_ns() -> int:
        ask(ctypes.byref(ticks))
        return ticks.value * TICK_NS

    return awake_ns


awake_ns = clock()
