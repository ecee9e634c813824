"""When a reply is over, told from cheap signs while it arrives, and by a look inside only where they say "perhaps".

A light import, as `flight` is.
"""

from __future__ import annotations

import threading
from importlib import import_module

from slmbench.measure.limits import HEADER_BYTES_MAX, LINE_BYTES_MAX, REPLY_BYTES_MAX

ERRORS = (b'"error"', b"event: error", b"event:error")  # the reply may end here, as it may at [DONE]
DONE = b"data: [DONE]"
LAST_CHUNK = b"0\r\n\r\n"
LINE_ENDS = (b"\n", b"\r\n\r\n")  # a lone CRLF may be that of HTTP's chunked coding
EVENT_ENDS = (b"\n\n", b"\r\n\r\n")
TAIL_BYTES = 48  # DONE with what must stand around it

_loading: threading.Thread | None = None
_loaded = False


def prepared() -> bool:
    """Whether a look can be taken at once. What it needs is imported beside the loop, which that would hold up."""
    global _loading  # noqa: PLW0603
    if not _loaded and (_loading is None or not _loading.is_alive()):
        _loading = threading.Thread(target=load, daemon=True)
        _loading.start()
    return _loaded


def load() -> None:
    """Import what a look needs."""
    global _loaded  # noqa: PLW0603
    try:
        import_module("slmbench.measure.framing")
    except OSError:  # too many files are open just now
        return
    _loaded = True


class Ending:
    """The pieces of one reply, and whether they are all.

    over: certainly ended, with the mark of a well-formed stream. too_large: no reply may be so long.
    doubtful: it may have ended, and `look` can tell.
    """

    __slots__ = (
        *("_chunked", "_fed", "_framing", "_lines", "_plain", "_seen", "_wary"),
        *("doubtful", "over", "pieces", "received"),
    )

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.received = 0
        self.over = self.doubtful = False
        self._plain: bool | None = None  # None: the head is not whole yet
        self._chunked = False
        self._wary = False  # every further piece may be the end
        self._lines = False  # the last piece ended with a line end
        self._framing = None
        self._fed = self._seen = 0

    @property
    def unseen(self) -> bool:
        """Whether anything came since the last look."""
        return self._seen != self.received

    @property
    def too_large(self) -> bool:
        return self.received > REPLY_BYTES_MAX + HEADER_BYTES_MAX

    def add(self, piece: bytes) -> bool:
        """Take the next piece. Returns whether that calls for attention: `over`, `doubtful` or `too_large`."""
        lines_before, self._lines = self._lines, piece.endswith(b"\n")
        self.pieces.append(piece)
        self.received += len(piece)
        if (
            lines_before  # so that no mark began in the piece before
            and self._plain
            and not self._wary
            and b"[DONE]" not in piece
            and b"error" not in piece
            and not piece.endswith(LAST_CHUNK)
            and self.received - self._seen <= LINE_BYTES_MAX
        ):
            return False
        self._judge(b"".join(self._last_pieces(TAIL_BYTES + len(piece))))
        return self.over or self.doubtful or self.too_large

    def _last_pieces(self, size: int) -> list[bytes]:
        """So many of them that they hold `size` bytes."""
        at = len(self.pieces)
        while at and size > 0:
            at -= 1
            size -= len(self.pieces[at])
        return self.pieces[at:]

    def _judge(self, recent: bytes) -> None:
        """recent: the last piece, and what came before it as far as it matters."""
        if self._plain is None and (b"\r\n\r\n" in recent or self.received > HEADER_BYTES_MAX):
            head = b"".join(self.pieces).lower()
            self._plain, self._chunked = is_plain_stream(head), b"transfer-encoding" in head
            self._wary = self._wary or not self._plain
        done = b"[DONE]" in recent
        if done and self._plain and says_done(recent, self._chunked):
            self.over = True
        elif self._wary or done or (b"error" in recent and any(mark in recent for mark in ERRORS)):
            self._wary = self.doubtful = True  # what completes the mark's event may come in a later piece
        elif recent.endswith(LAST_CHUNK) or self.received - self._seen > LINE_BYTES_MAX:
            self.doubtful = True

    def look(self) -> bool:
        """True if the reply has ended, or can't go on: whoever reads it meets the same fault, and reports it."""
        from slmbench.measure.framing import Framing, ProtocolError

        self._framing = self._framing or Framing()
        fresh = b"".join(self.pieces[self._fed :])
        self._fed, self._seen, self.doubtful = len(self.pieces), self.received, False
        try:
            if fresh:
                self._framing.feed(0, fresh)
        except ProtocolError:
            return True
        return self._framing.done


def is_plain_stream(head: bytes) -> bool:
    """A stream without Content-Length: it ends by [DONE], by the last chunk or with the connection.

    head: the reply so far, in lower case.
    """
    head, end, _ = head.partition(b"\r\n\r\n")
    return (
        bool(end)
        and head.startswith(b"http/1.1 200")
        and b"content-length" not in head
        and b"text/event-stream" in head
    )


def says_done(recent: bytes, chunked: bool) -> bool:
    """Whether a plain stream has said [DONE] in a line of its own that begins an event, as `Framing` would find it.

    recent: its last bytes, HTTP's chunked coding and all. False where that can't be told from these bytes alone. In
    a chunked coding that is broken it may be said too early, which makes no difference to what the reply is worth.
    """
    before, mark, after = recent.rpartition(DONE)
    if not mark or not after.startswith(LINE_ENDS):
        return False
    if not chunked:
        return before.endswith(EVENT_ENDS)
    if before.endswith(b"\n\n"):
        return True
    event_end, _, size = before.removesuffix(b"\r\n").rpartition(b"\r\n")  # of a chunk that begins here
    return before.endswith(b"\r\n") and event_end.endswith(EVENT_ENDS) and _is_hex(size)


def _is_hex(size: bytes) -> bool:
    return bool(size) and not size.strip(b"0123456789abcdefABCDEF")
