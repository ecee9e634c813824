"""Streams over TLS: read to their end, and begun early enough."""

import ssl
from pathlib import Path

from slmbench.measure import reader_process, stream, streams
from slmbench.measure.connection import addresses
from slmbench.measure.flight import Flight
from slmbench.measure.reader_process import Commands
from slmbench.measure.streams import Streams
from slmbench.measure.wire import Address, Wire, exchange, request
from support.cases import ASKED
from support.replies import chunked, delta, event, good, head
from support.server import Drip, Server

CERTIFICATE = Path(__file__).parents[1] / "data" / "tls.pem"
PART = head() + event(delta("Hel"))


def fly(server, paths, tls):
    """One flight to each path, its place there as its key; in the order in which they ended."""
    ended = []
    with Streams(None, ended.append) as loop:
        for key, path in enumerate(paths):
            asked = request(Address("https", "127.0.0.1", server.port, path), ASKED)
            loop.add(Flight(key, addresses("127.0.0.1", server.port), asked, deadline_s=10, tls=tls))
        loop.run()
    return ended


class TlsServer(Server):
    def _serve(self, sock):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        try:
            secure = context.wrap_socket(sock, server_side=True)
        except OSError:  # the one that wakes the thread that accepts, or a client that trusts nobody
            sock.close()
            return
        super()._serve(secure)


def test_tls_streams_are_read_to_their_end(monkeypatch):
    """Records of 16 KiB, of which a socket may hold several that no selector sees."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    long = head(Transfer_Encoding="chunked") + chunked(*(event(delta("x" * 3000)) for _ in range(100)), last=False)
    scripts = {"/long": [long + chunked(good())], "/slow": [Drip(head() + good(), 0.002, 100)], "/cut": [PART]}
    with TlsServer(lambda asked: scripts[asked.path]) as server:
        ended = fly(server, scripts, (ssl.create_default_context(), "127.0.0.1"))
        alone = exchange(Address("https", "127.0.0.1", server.port, "/slow"), ASKED)
    replies = {one.key: stream.read(Wire.of(one), model="m") for one in ended}
    assert [replies[n].status for n in range(3)] == ["ok", "ok", "truncated"]
    assert (len(replies[0].text), replies[1].text, replies[2].text) == (300_006, "Hello!", "Hel")
    assert not any(one.kernel for one in ended)
    assert stream.read(alone).status == "ok"


def test_a_certificate_that_nobody_trusts_is_no_connection():
    with TlsServer([head(), good()]) as server:
        wire = exchange(Address("https", "127.0.0.1", server.port, "/"), ASKED, deadline_s=5)
    assert (wire.end, wire.connect_ns) == ("unreachable", None)
    assert "certificate" in wire.error.lower()


def test_the_first_request_that_is_due_has_time_for_its_connection(monkeypatch):
    """Second 0 is so long after the start that the loop can begin with the connection as early as it wants to."""
    monkeypatch.setattr(reader_process, "now_ns", lambda: 5_000)
    secure = ssl.create_default_context(), "127.0.0.1"
    for tls, ahead_ns in ((None, streams.AHEAD_NS), (secure, streams.AHEAD_TLS_NS)):
        with Streams(None, lambda _: None) as loop:
            commands, one = Commands(loop, None), Flight(0, [], b"", deadline_s=1, tls=tls)
            commands._waiting = [(one, 0.0)]
            commands._start()
        assert one.due_ns == 5_000 + reader_process.LEAD_NS + ahead_ns
