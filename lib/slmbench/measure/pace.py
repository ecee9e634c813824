"""Whether the client could keep up with a reply, or its times may be the client's own."""

from __future__ import annotations

from collections.abc import Sequence

from slmbench.measure.wire import Wire

LAG_S = 0.001  # less is what any client has
LAG_SHARE = 0.05  # of the time to the first content: less moves no figure noticeably
IDLE_SHARE = 0.05  # a reader that waited less than that had its hands full
CHUNKS_MIN, READS_MIN = 10, 4  # of fewer nobody can say how fast they came


def client_bound(wire: Wire, chunk_ns: Sequence[int]) -> bool:
    """The rule behind the flag "client_bound": some time of this request may be noticeably late through the client.

    chunk_ns: the arrival of each chunk with content, in order, on the wire's clock. True in any of these cases:

    - Written late: an open loop's request went out more than `limit` after it was due. (limit: 1 ms, or 5 % of the
      time to the first content if that is more.)
    - Read late: the reader is known to have been late by more than `limit`, and the arrivals are its own stamps.
    - Read late, but stamped by the kernel: an arrival is right however late it was read, unless several packets were
      read at once, which then have the stamp of the last. So only where the first content was read together with
      more content, which may have come later.
    - Saturated: while 10 chunks or more came in 4 reads or more, the reader waited for less than 5 % of the time, so
      that it may have set the pace rather than the server.
    """
    if not chunk_ns:
        return False
    limit_ns = max(LAG_S * 1e9, LAG_SHARE * (chunk_ns[0] - wire.start_ns))
    if wire.due_ns is not None and wire.written_ns - wire.due_ns > limit_ns:
        return True
    together = len(chunk_ns) > 1 and chunk_ns[0] == chunk_ns[1]
    if wire.lag_ns > limit_ns and (together or not wire.kernel):
        return True
    if wire.idle_ns is None or len(chunk_ns) < CHUNKS_MIN or len(wire.pieces) < READS_MIN:
        return False
    return wire.idle_ns < IDLE_SHARE * (wire.pieces[-1][0] - wire.pieces[0][0])
