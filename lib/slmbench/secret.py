"""Keys stay out of what is kept and shown: out of texts in which a server repeats them, and out of children's
environments.

What is found is what a server repeats without meaning harm: the key as it stands, in any case, in the usual encodings,
and cut off by the end of a text. A server that wants to hide it in a reply can.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar
from urllib.parse import quote

REMOVED = "[key removed]"
FLAG = "key_removed"  # of a reply in which something was
SHORTEST = 8  # characters: less is no key, but a word ("ollama") that replies may well hold
# how the names of variables end that hold a secret, written without underscores
ENDS = ("APIKEY", "ACCESSKEY", "SECRETKEY", "PRIVATEKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS")
ACCOUNTS = ("OPENAI_", "AWS_", "AZURE_")  # all of these variables belong to an account elsewhere
_LOGIN = re.compile(r"[\w+.-]+://[^/@\s]*:[^/@\s]+@")  # an address with a password
Found = TypeVar("Found")


def carried(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that are sent along with `headers`.

    >>> carried({"Authorization": "Bearer 0123456789", "Accept": "*/*"})
    ('0123456789',)
    """
    values = (value for name, value in headers.items() if name.lower() == "authorization")
    return tuple(value.removeprefix("Bearer ") for value in values)


def removed(text: str, secrets: Collection[str]) -> str:
    """The text without them: each place where one stood says so.

    >>> removed("no such key: 0123456789", ["0123456789"])
    'no such key: [key removed]'
    """
    for secret in secrets:
        if len(secret) < SHORTEST:
            continue
        text = _pattern(secret).sub(REMOVED, text)
        if cut := _begun(text, secret):
            text = text[:-cut] + REMOVED
    return text


def without(found: Found, secrets: Collection[str]) -> Found:
    """A reply, or another record, without them in any of its texts; the same object where there was none.

    A reply says so with the flag `FLAG`, and the hash is of the text as it is kept. What was counted and timed stays
    as it came: the numbers of characters in each chunk are those of the reply.
    """
    texts = {f.name: value for f in fields(found) if isinstance(value := getattr(found, f.name), str)}
    changed: dict[str, Any] = {name: new for name, old in texts.items() if (new := removed(old, secrets)) != old}
    if not changed:
        return found
    if "text" in changed and "text_sha256" in texts:
        changed["text_sha256"] = hashlib.sha256(changed["text"].encode()).hexdigest()
    if hasattr(found, "flags"):
        changed["flags"] = [*found.flags, FLAG]
    return replace(found, **changed)


def stripped(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for a process that needs no secret: without keys, tokens, passwords and accounts.

    Settings of proxies stay, a password inside them too: behind a proxy the catalogue can't be reached in any other
    way. What is no secret stays as well, since drivers and the system look for variables of their own.

    >>> stripped({"PATH": "/bin", "HF_TOKEN": "x", "openai_api_key": "y", "HTTPS_PROXY": "http://proxy:3128"})
    {'PATH': '/bin', 'HTTPS_PROXY': 'http://proxy:3128'}
    """
    return {name: value for name, value in environ.items() if not _is_secret(name.upper(), value)}


def _is_secret(name: str, value: str) -> bool:
    if name.startswith(ACCOUNTS) or name.replace("_", "").endswith(ENDS):
        return True
    return _LOGIN.match(value) is not None and not name.endswith("_PROXY")


def _begun(text: str, secret: str) -> int:
    """How many characters of the secret the text ends with, cut off there; 0 for fewer than `SHORTEST`."""
    end, start = text[-len(secret) :].lower(), secret.lower()
    if start[:SHORTEST] not in end:
        return 0
    return next((n for n in range(len(start) - 1, SHORTEST - 1, -1) if end.endswith(start[:n])), 0)


@functools.lru_cache(maxsize=8)
def _pattern(secret: str) -> re.Pattern[str]:
    forms = sorted({form for form in _forms(secret) if len(form) >= SHORTEST}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, forms)), re.IGNORECASE)


def _forms(secret: str) -> Iterator[str]:
    """As it may stand in a URL, in HTML, in JSON, in a Python value, and in base64 (there, whatever comes after it)."""
    import html

    yield from (secret, quote(secret, safe=""), quote(secret), html.escape(secret))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/"), repr(secret)[1:-1])
    data = secret.encode()
    for part in data, data[: len(data) // 3 * 3]:
        yield from (encode(part).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode))
