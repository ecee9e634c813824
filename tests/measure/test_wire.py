"""The seam to the network: addresses, stamps, and what is switched off meanwhile."""

import gc
import os
import signal
import socket
import threading

import pytest

from slmbench.measure.wire import Address, exchange, garbage_collection_off
from support.replies import delta, event, good, head
from support.server import HOLD, Drip, Server

ADDRESSES = {
    "http://localhost:5273/v1/chat/completions": ("http", "localhost", 5273, "/v1/chat/completions", "localhost:5273"),
    "http://[::1]:80/x": ("http", "::1", 80, "/x", "[::1]:80"),
    "http://127.0.0.1": ("http", "127.0.0.1", 80, "/", "127.0.0.1:80"),
    "https://example.test/a": ("https", "example.test", 443, "/a", "example.test:443"),
}


@pytest.mark.parametrize(("url", "expected"), ADDRESSES.items(), ids=list(ADDRESSES))
def test_an_address_is_taken_apart(url, expected):
    found = Address.of(url)
    assert (found.scheme, found.host, found.port, found.path, found.netloc) == expected


def test_every_piece_is_kept_with_its_arrival():
    whole = head() + good()
    with Server([Drip(whole, 0.001, size=60)]) as server:
        wire = exchange(Address.of(f"{server.root}/v1/chat/completions"), b"{}")
    assert b"".join(piece for _, piece in wire.pieces) == whole
    stamps = [at_ns for at_ns, _ in wire.pieces]
    assert wire.start_ns < stamps[0] and stamps == sorted(stamps) and stamps[-1] <= wire.end_ns
    assert wire.connect_ns > 0 and abs(wire.wall_drift_s) < 1


def test_localhost_is_ipv6_where_only_that_answers():
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    listener.settimeout(10)

    def answer():
        sock, _ = listener.accept()
        with sock:
            sock.recv(65536)
            sock.sendall(head() + good())

    with listener:
        thread = threading.Thread(target=answer)
        thread.start()
        wire = exchange(Address.of(f"http://localhost:{listener.getsockname()[1]}/v1"), b"{}", deadline_s=10)
        thread.join()
    assert wire.end == "done"


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a process there by other ways")
def test_ctrl_c_ends_an_exchange_at_once():
    with Server([head(), event(delta("Hel")), HOLD]) as server:
        address = Address.of(f"{server.root}/v1/chat/completions")
        exchange(address, b"{}", deadline_s=0.1)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            exchange(address, b"{}", deadline_s=30)
        assert gc.isenabled()
    assert len(server.requests) == 2  # its connection was closed, or the server would still hold it


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_off_and_comes_back_as_it_was(enabled):
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with garbage_collection_off():
            with garbage_collection_off():
                assert not gc.isenabled()
            assert not gc.isenabled()  # the outer one still measures
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
