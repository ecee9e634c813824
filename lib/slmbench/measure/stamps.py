"""When bytes came in, by the kernel's own word where it gives one (Linux). A light import, as `flight` is.

The kernel stamps a packet as it arrives, so its stamp holds nothing of the time until this process was woken and had
read it. Several packets read at once carry the stamp of the last.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Sequence

SWITCH = "SLMBENCH_KERNEL_STAMPS"  # 0 in the environment: stamps of this process alone
SO_TIMESTAMPNS = 35  # of Linux, which Python has no name for
STAMP = struct.Struct("@qq")
STAMP_BYTES = socket.CMSG_SPACE(STAMP.size) if hasattr(socket, "CMSG_SPACE") else 0

_keeper: int | None = None


def wanted() -> bool:
    """Whether the kernel is to be asked. One socket keeps its clock on, which would else start with each request."""
    global _keeper  # noqa: PLW0603
    if sys.platform != "linux" or os.environ.get(SWITCH) == "0":
        return False
    if _keeper is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            _keeper = sock.detach() if asked(sock) else -1
    return _keeper >= 0


def asked(sock: socket.socket) -> bool:
    """Ask for stamps on this socket; False where that is refused, and stamps of this process must do."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def arrival_ns(at_ns: int, told: Sequence[tuple[int, int, bytes]], wall_ns: int, after_ns: int) -> int | None:
    """The kernel's stamp as `perf_counter_ns`, or None where it gave none that can be.

    at_ns: when the bytes had been read; the result is never later. told: what `recvmsg` gave with them. wall_ns,
    after_ns: `time_ns` and `perf_counter_ns` right after that. The clocks are compared at each read, so that one that
    is set between two reads does no harm; where the thread was put aside between looking at one and the other, the
    result is later than the truth, never earlier.
    """
    if told[0][1] != SO_TIMESTAMPNS or len(told[0][2]) != STAMP.size:
        return None
    seconds, ns = STAMP.unpack(told[0][2])
    age_ns = wall_ns - (seconds * 1_000_000_000 + ns)
    return min(after_ns - age_ns, at_ns) if age_ns >= 0 else None
