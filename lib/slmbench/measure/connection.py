"""Opening a connection without ever waiting for it: addresses in turn, then TLS where that is asked for.

A light import, as `flight` is.
"""

from __future__ import annotations

import errno
import os
import socket
from selectors import EVENT_READ, EVENT_WRITE

from slmbench.measure import stamps

TYPE_CHECKING = False  # as in `typing`, whose import would cost a quarter of the start
if TYPE_CHECKING:
    import ssl


def addresses(host: str, port: int) -> list[tuple[int, tuple]]:
    """Where to connect to, in order. "localhost" means IPv4 first, which is where local servers listen.

    raises: OSError if the name is unknown.
    """
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]
    name = host.encode("ascii") if host.isascii() else host  # as bytes, or Python loads its tables of all scripts
    return [(found[0], found[4]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


class Connection:
    """One connection, opened step by step: `step` goes on whenever the socket is ready for `wants`.

    where: from `addresses`, or the fault that was met there. tls: for https, with the server's name.
    What comes of it is one call of `ready` or of `failed`.
    """

    def __init__(self, where: list[tuple[int, tuple]] | OSError, tls: tuple[ssl.SSLContext, str] | None = None):
        self._where, self._tls = where, tls
        self._fault: OSError | None = None
        self.sock: socket.socket | None = None
        self.step = self._connected
        self.wants = 0
        self.listening: tuple[socket.socket, int] | None = None  # the loop's note of what it listens to
        self.tells_lag = False  # the kernel stamps what comes, so that every read tells how late it is

    @property
    def is_tls(self) -> bool:
        return self._tls is not None

    def ready(self) -> None:
        """The connection is open."""
        raise NotImplementedError

    def failed(self, end: str, error: str) -> None:
        """It can't be opened. end: refused | unreachable."""
        raise NotImplementedError

    def connect(self) -> None:
        if isinstance(self._where, OSError):
            self._fault, self._where = self._where, []
        else:
            self._where = list(self._where)
        self._connect_to_next()

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()

    def _connect_to_next(self) -> None:
        while self._where:
            family, address = self._where.pop(0)
            self.wants = EVENT_WRITE
            try:
                self.sock = socket.socket(family, socket.SOCK_STREAM)  # fails where this machine has no IPv6
                self.sock.setblocking(False)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.tells_lag = self._tls is None and stamps.wanted() and stamps.asked(self.sock)
                self.sock.connect(address)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as e:
                self._note(e)
            else:
                return
        if self._fault.errno == errno.ECONNREFUSED:
            self.failed("refused", f"[Errno {self._fault.errno}] Connection refused")
        else:
            self.failed("unreachable", str(self._fault))

    def _note(self, fault: OSError) -> None:
        """Keep the fault to be reported: that somebody refused, if anybody did."""
        if self._fault is None or self._fault.errno != errno.ECONNREFUSED:
            self._fault = fault
        self.close()

    def _connected(self, *_: int) -> bool:
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._note(OSError(code, _words_for(code)))
            self._connect_to_next()
            return True
        if self._tls is None:
            self.ready()
            return True
        context, name = self._tls
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname=name, do_handshake_on_connect=False)
        except OSError as e:
            self.failed("unreachable", str(e))
            return True
        self.step = self._shake
        return self._shake()

    def _shake(self, *_: int) -> bool:
        import ssl

        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            self.wants = EVENT_READ
        except ssl.SSLWantWriteError:
            self.wants = EVENT_WRITE
        except OSError as e:
            self.failed("unreachable", str(e))
        else:
            self.ready()
        return True


def _words_for(code: int) -> str:
    """What a socket's error code means: Windows has a table of its own for these."""
    return getattr(socket, "errorTab", {}).get(code) or os.strerror(code)
