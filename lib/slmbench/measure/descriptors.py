"""How many files and sockets this process may have open at once. A light import, as `flight` is."""

from __future__ import annotations

import sys

LEAST = 1024  # enough for whatever is imported and looked up beside a few streams
MOST = 10_240  # more is refused by some systems whatever their own limit says


def wanted(streams: int | None) -> int:
    """Enough for so many requests at once (None: any number), each of which may leave a socket that is being closed."""
    return MOST if streams is None else max(2 * streams + 64, LEAST)


def allow(files: int) -> bool:
    """Raise this process's own limit (256 at first on macOS) to so many, as far as the system lets it.

    returns: whether so many may be open now.
    """
    if sys.platform == "win32":  # has no such limit
        return True
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    if soft == endless:
        return True
    asked = files if hard == endless else min(files, hard)
    while soft < asked:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked, hard))
            soft = asked
        except (OSError, ValueError):  # the system has a lower limit than it says
            asked //= 2
    return soft >= files
