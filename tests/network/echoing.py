"""A server that gives the key back in every way a server might: its model is the name of the way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

from support.replies import DONE, delta, event, events, good, head, message, model_list, plain, usage
from support.server import HOLD, Request, Script

STOP = delta(finish="stop")


def halves(key: str) -> tuple[str, str]:
    return key[: len(key) // 2], key[len(key) // 2 :]


def denied(key: str) -> Script:
    return [plain({"error": {"message": f"Incorrect API key provided: {key}."}}, "401 Unauthorized", X_Key=key)]


def whole(key: str, name: str, *deltas: dict, finish: str = "stop") -> Script:
    chunks = [delta(None, role="assistant"), *deltas, delta(finish=finish), usage()]
    return [head(X_Key=key) + events(*({**chunk, "model": name} for chunk in chunks)) + DONE]


WAYS: dict[str, tuple[str, Callable[[str], Script]]] = {  # model -> the status of its row, what it answers
    "in-the-text": ("ok", lambda key: [head(), good("Your key is ", *halves(key), ", isn't it?")]),
    "in-capitals": ("ok", lambda key: [head(), good("Your key is ", *halves(key.upper()))]),
    "in-base64": ("ok", lambda key: [head(), good("Your key is ", *halves(base64.b64encode(key.encode()).decode()))]),
    "in-a-url": ("ok", lambda key: [head(), good("See https://example.test/?key=", *halves(quote(key)))]),
    "in-thought": ("ok", lambda key: whole(key, "m", *(delta(reasoning_content=h) for h in halves(key)), delta("Hi"))),
    "as-the-end": ("ok", lambda key: whole(key, "m", delta("Hi"), finish=key)),
    "as-its-name": ("ok", lambda key: whole(key, f"model-of-{key}", delta("Hi"))),
    "denied": ("http_401", denied),
    "as-a-page": ("protocol_error", lambda key: [plain(f"<p>{key}</p>".encode(), kind=f"text/html; of={key}")]),
    "as-a-coding": ("protocol_error", lambda key: [head(Content_Encoding=key), good()]),
    "moved": ("http_307", lambda key: [plain(key.encode(), "307 Moved", Location=f"http://127.0.0.1:9/?key={key}")]),
    "as-an-error": ("server_error", lambda key: [head(), event({"error": {"message": f"{'x' * 480} {key}"}})]),
    "cut-off": ("truncated", lambda key: [head(), events(delta("Your key is "), delta(key[:-4]))]),
    "late": ("timeout", lambda key: [head(), events(delta("It is "), delta(halves(key)[0])), HOLD]),
    "no-http": ("connection_error", lambda key: [f"{key} is no key\r\n\r\n".encode()]),
}
GOOD = [name for name, (status, _) in WAYS.items() if status == "ok"]
PLAIN = {  # what it answers where no stream was asked for; all else as above
    "in-the-text": lambda key: [plain(message(f"Your key is {key}"))],
    "in-base64": lambda key: [plain(message(base64.b64encode(key.encode()).decode()))],
}


def echoing(request: Request) -> Script:
    """Its list of models holds the key, too."""
    key = request.headers.get("authorization", "Bearer nobody's").removeprefix("Bearer ")
    if request.method == "GET":
        if request.path == "/v1/models":
            return [model_list([*WAYS, f"model-of-{key}"])]
        return [plain({"error": f"{key} is not allowed here"}, "404 Not Found", X_Key=key)]
    asked = json.loads(request.body)
    if not asked.get("stream") and asked["model"] in PLAIN:
        return PLAIN[asked["model"]](key)
    return WAYS[asked["model"]][1](key)
