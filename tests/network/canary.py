"""What must not be touched: a server that nobody may call, an environment that points everything at it, and made-up
keys that may be written nowhere."""

from __future__ import annotations

import base64
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

KEY = "fl-canary-5f3a91c27be04d68"  # for the endpoint that is named, and for nobody else
ACCOUNT = "sk-canary-c0ffee8d21b94e73"  # of an account elsewhere: for nobody at all
LOGIN = "netrc-canary-77d1e0a2"


class Canary:
    """Listens on 127.0.0.1, answers nothing, and keeps the first bytes of whoever calls."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.calls: list[bytes] = []
        self._ending = False
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            with sock:
                if self._ending:
                    return
                sock.settimeout(1)
                try:
                    self.calls.append(sock.recv(400))
                except OSError:
                    self.calls.append(b"")

    def __enter__(self) -> Canary:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        socket.create_connection(self._listener.getsockname(), 10).close()
        self._thread.join(10)
        self._listener.close()


def hostile(canary: Canary, home: Path) -> dict[str, str]:
    """Variables that would send a careless client to the canary, or have it borrow what is not for it.

    home: gets a .netrc, and a start-up script for interactive Pythons that calls the canary.
    """
    home.mkdir(parents=True, exist_ok=True)
    hosts = "".join(f"machine {host} login me password {LOGIN}\n" for host in ("127.0.0.1", "localhost"))
    (home / ".netrc").write_text(f"{hosts}default login me password {LOGIN}\n", encoding="utf-8")
    (home / ".netrc").chmod(0o600)
    called = f"import urllib.request\nurllib.request.urlopen({canary.url!r})\n"
    (home / "startup.py").write_text(called, encoding="utf-8")
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    return {
        **dict.fromkeys(proxies, canary.url),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
        **dict.fromkeys(("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET"), ACCOUNT),
        **dict.fromkeys(("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"), ACCOUNT),
        "OPENAI_BASE_URL": f"{canary.url}/v1",
        "OPENAI_CUSTOM_HEADERS": f"x-leak: {ACCOUNT}\nauthorization: Bearer {ACCOUNT}",
        "OPENAI_LOG": "debug",
        "AZURE_OPENAI_API_KEY": ACCOUNT,
        "AZURE_OPENAI_ENDPOINT": canary.url,
        "HF_TOKEN": ACCOUNT,
        **dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), "/nowhere/ca.pem"),
        "NETRC": str(home / ".netrc"),
        "PYTHONSTARTUP": str(home / "startup.py"),
        "HOME": str(home),
    }


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """For a child: this process's variables, and `more`."""
    return {**os.environ, "MPLBACKEND": "Agg", **more}


def forms(key: str) -> dict[str, bytes]:
    """What a search looks for: the key, encodings of it, and either half."""
    data, half = key.encode(), len(key) // 2
    encoded = base64.b64encode(data[: len(data) // 3 * 3])
    return {
        "the key": data,
        "in a URL": quote(key, safe="").encode(),
        "in base64": encoded,
        "in base64 for URLs": encoded.translate(bytes.maketrans(b"+/", b"-_")),
        "its first half": data[:half],
        "its second half": data[half:],
    }


def where(key: str, *places: Path | bytes | str) -> list[str]:
    """Where a key stands, in any of its forms and any case: in files (their names as well), or in texts."""
    wanted = {name: form.lower() for name, form in forms(key).items()}
    found = []
    for place, content in _contents(places):
        found += [f"{name} in {place}" for name, form in wanted.items() if form in content.lower()]
    return found


def _contents(places: tuple[Path | bytes | str, ...]) -> Iterator[tuple[str, bytes]]:
    for place in places:
        if isinstance(place, Path):
            for path in sorted(place.rglob("*")):
                yield f"the name {path.name}", path.name.encode("utf-8", "surrogateescape")
                if path.is_file() and not path.is_symlink():
                    yield str(path), path.read_bytes()
        else:
            content = place if isinstance(place, bytes) else place.encode("utf-8", "surrogateescape")
            yield f"what was said: {content[:60]!r}", content
