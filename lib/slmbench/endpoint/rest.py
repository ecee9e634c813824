"""Plain requests to a local service: JSON in, JSON out, no proxies, no redirects, a deadline. Never the timed path."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from slmbench import secret
from slmbench.errors import KitError, UsageError

# Foundry Local serves registered local models under this prefix, and catalogue models under none. (SDK 2.2.1; its
# README does not say so: the version is pinned, and a contract test in tests/endpoint holds it.)
LOCAL_PREFIX = "/catalogs/local"
NAME_MAX = 500  # characters of a model's id
TOLD_MAX = 4000  # characters of what a server says of a request that it refuses


class RestError(KitError):
    """A request that brought no JSON. status: one of `records.STATUSES` or http_NNN. told: what the server said."""

    exit_code = 1

    def __init__(self, status: str, message: str, cure: str = "", told: str = ""):
        super().__init__(message, cure)
        self.status, self.told = status, told


def api_key() -> str | None:
    """The key for an endpoint that wants one, from FOUNDRY_LOCAL_API_KEY alone (never OPENAI_API_KEY).

    raises: UsageError, without repeating the key, for one that no HTTP header can carry.
    """
    key = os.environ.get("FOUNDRY_LOCAL_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError("FOUNDRY_LOCAL_API_KEY holds characters that no key has.", "set it again, or unset it")
    return key or None


def key_headers() -> dict[str, str]:
    """The header that carries `api_key`; {} without one. What sends it to whom is `Endpoint.headers`."""
    key = api_key()
    return {"Authorization": f"Bearer {key}"} if key else {}


def get(url: str, timeout_s: float = 10.0, headers: Mapping[str, str] | None = None) -> Any:
    """GET a JSON document. headers: more of them, as the key's. raises: RestError."""
    return _ask("GET", url, None, timeout_s, headers or {})


def post(url: str, value: Any, timeout_s: float = 60.0, headers: Mapping[str, str] | None = None) -> Any:
    """POST a JSON document, and get one back. headers: as for `get`. raises: RestError."""
    return _ask("POST", url, json.dumps(value).encode(), timeout_s, headers or {})


def segment(name: str) -> str:
    """A name from outside as one segment of a path, whatever it holds.

    >>> segment("a/../b?c#d e")
    'a%2F..%2Fb%3Fc%23d%20e'
    """
    return quote(name, safe="", errors="replace")


def _ask(method: str, url: str, body: bytes | None, timeout_s: float, more: Mapping[str, str]) -> Any:
    """One request. raises: RestError, in which no secret of `more` stands that the server has repeated."""
    try:
        return _answer(method, url, body, timeout_s, more)
    except RestError as e:
        clean, told = (secret.removed(text, secret.carried(more)) for text in (e.message, e.told))
        if (clean, told) == (e.message, e.told):
            raise
        raise RestError(e.status, clean, e.cure, told) from None  # its cause holds the reply as it came


def _answer(method: str, url: str, body: bytes | None, timeout_s: float, more: Mapping[str, str]) -> Any:
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~", errors="replace")  # what is quoted stays as it is
    late = RestError("timeout", f"no answer from {parts.netloc} within {timeout_s:g} s")
    passed = threading.Event()
    try:
        wire = _connected(parts, timeout_s)
    except ConnectionRefusedError as e:
        raise RestError("refused", f"nothing answers at {parts.netloc}") from e
    except TimeoutError as e:
        raise late from e
    except OSError as e:
        raise RestError("connection_error", f"{parts.netloc}: {e}") from e
    try:
        with _cut_off(wire.sock, timeout_s, passed):
            headers = {"Accept": "application/json", "Content-Type": "application/json", **more}
            wire.request(method, path, body=body, headers=headers)
            with wire.getresponse() as reply:
                text = reply.read(8 * 1024 * 1024)
    except TimeoutError as e:
        raise late from e
    except (OSError, http.client.HTTPException) as e:
        if passed.is_set():
            raise late from e
        raise RestError("connection_error", f"{parts.netloc}: {e or type(e).__name__}") from e
    finally:
        wire.close()
    if passed.is_set():
        raise late
    if reply.status != 200:
        message = f"{url} answered HTTP {reply.status}: {_start(text)}"
        raise RestError(f"http_{reply.status}", message, told=_start(text, TOLD_MAX))
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        kind = reply.headers.get("content-type", "no content type")
        raise RestError("protocol_error", f"{url} answered no JSON but {kind}: {_start(text)}") from e


def _connected(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    """An open connection. "localhost" is IPv4 first, where local servers listen, then IPv6. raises: OSError."""
    hosts = ["127.0.0.1", "::1"] if parts.hostname == "localhost" else [parts.hostname or ""]
    try:
        port = parts.port
    except ValueError as e:  # beyond 65535
        raise OSError(str(e)) from e
    for host in hosts:
        if parts.scheme == "https":
            secure = ssl.create_default_context()
            wire = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=secure)
        else:
            wire = http.client.HTTPConnection(host, port, timeout=timeout_s)
        try:
            wire.connect()
        except OSError as e:
            wire.close()
            if not isinstance(e, ConnectionRefusedError) and host != "::1":  # no IPv6 here is no fault
                raise
        else:
            return wire
    raise ConnectionRefusedError


@contextlib.contextmanager
def _cut_off(sock: socket.socket, timeout_s: float, passed: threading.Event) -> Iterator[None]:
    """End the connection at the deadline: a socket's own timeout begins anew with every byte that is dripped."""

    def cut() -> None:
        passed.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def model_ids(base_url: str, timeout_s: float = 15.0, headers: Mapping[str, str] | None = None) -> list[str]:
    """The ids that `base_url`/models lists. base_url ends before /models (…/v1). raises: RestError.

    What can't be a model's name is passed over: no text, none that can be printed, or one that repeats the key.
    """
    listed = get(f"{base_url}/models", timeout_s, headers)
    data = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(data, list):
        raise RestError("protocol_error", f"{base_url}/models answered JSON without a list of models")
    return _names((m.get("id") for m in data if isinstance(m, dict)), headers or {})


def loaded_ids(load_url: str, timeout_s: float = 10.0, headers: Mapping[str, str] | None = None) -> list[str]:
    """The ids that a Foundry Local service says are loaded. load_url: as in `Target`. raises: RestError."""
    listed = get(f"{load_url}/loaded", timeout_s, headers)
    if not isinstance(listed, list):
        raise RestError("protocol_error", f"{load_url}/loaded answered JSON that is no list")
    return _names(listed, headers or {})


def _names(values: Iterable[Any], headers: Mapping[str, str]) -> list[str]:
    secrets = secret.carried(headers)
    texts = (v for v in values if isinstance(v, str) and 0 < len(v) <= NAME_MAX and v.isprintable())
    return [text for text in texts if secret.removed(text, secrets) == text]


def _start(text: bytes, limit: int = 160) -> str:
    return " ".join(text[:limit].decode("utf-8", "replace").split())
