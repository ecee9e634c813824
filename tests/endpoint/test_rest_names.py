"""Names that a server made up, and addresses with strange paths: what becomes of them in a request line."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from slmbench import config
from slmbench.endpoint import connect, resolve, rest
from slmbench.endpoint.service import Service
from slmbench.endpoint.target import Endpoint, Target
from slmbench.errors import UsageError
from support.replies import model_list, plain
from support.server import Server
from support.tiny import free_port

LONE = "half\ud800"  # json.dumps writes it as \ud800
KEY = "fl-key-0123456789abcdef"

NAMES = {
    "spaces": "my model (4 bit)",
    "a query": "m?admin=1",
    "a fragment": "m#x",
    "a way up": "../../../shutdown",
    "a slash": "maker/model",
    "percent": "100%25",
    "Devanagari": "नेपाली",
    "another host": "@127.0.0.2/",
    "an address": "http://127.0.0.2/",
    "header lines": "m HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET /other",
    "a lone surrogate": LONE,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_one_segment_of_the_path_whatever_it_holds(name):
    def respond(request):
        return [plain([] if request.path.endswith("/loaded") else {"status": "done"})]

    with Server(respond) as server:
        endpoint = Endpoint(server.root, "test")
        target = Target("m", name, f"{server.root}/v1", f"{server.root}/models", name)
        assert endpoint.load(target) is not None
        endpoint.unload(target)
    asked, load, unload = (r.path for r in server.requests)
    assert asked == "/models/loaded"
    for path, verb in (load, "load"), (unload, "unload"):
        assert path.isascii() and path.startswith(f"/models/{verb}/")
        [given] = path.split("/")[3:]
        assert unquote(given) == name.replace("\ud800", "?")
    assert all("x-evil" not in r.headers for r in server.requests)


@pytest.mark.parametrize(
    ("path", "sent"),
    [("/ü/v1", "/%C3%BC/v1"), ("/a%20b/v1", "/a%20b/v1"), ("/a;b=1/v1", "/a;b=1/v1"), ("/नेपाल", "/%E0%A4%A8")],
)
def test_an_address_may_have_any_letters_in_its_path(path, sent):
    with Server([model_list(["a"])]) as server:
        assert rest.model_ids(f"{server.root}{path}") == ["a"]
    assert server.requests[0].path.startswith(sent)


@pytest.mark.parametrize("port", [0, 70000, 99999999])
def test_a_port_that_is_none_is_a_connection_that_failed(port):
    with pytest.raises(rest.RestError) as raised:
        rest.get(f"http://127.0.0.1:{port}/status", timeout_s=5)
    assert raised.value.status in ("connection_error", "refused")


def models_of(ids):
    with Server([model_list(ids)]) as server:
        return rest.model_ids(f"{server.root}/v1")


def loaded_of(ids):
    with Server([plain(ids)]) as server:
        return rest.loaded_ids(f"{server.root}/models")


STRANGE = ("", LONE, "a\r\nb", "a\x1b[31m", "a\x00", "\u202eabc", "x" * 501, None, 3, True, ["a"], {"id": "a"})


@pytest.mark.parametrize("listed", [models_of, loaded_of])
def test_what_can_be_no_name_is_passed_over(listed):
    assert listed(["first", *STRANGE, "a b", "maker/m:1", "नेपाली"]) == ["first", "a b", "maker/m:1", "नेपाली"]


def test_an_id_that_repeats_the_key_is_no_name(monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", KEY)
    with Server([model_list(["a", f"model-of-{KEY}", KEY.upper()])]) as server:
        assert rest.model_ids(f"{server.root}/v1", headers=rest.key_headers()) == ["a"]
        assert rest.model_ids(f"{server.root}/v1") == ["a", f"model-of-{KEY}", KEY.upper()]  # sent to nobody


def test_a_list_of_a_hundred_thousand_is_read_in_its_order(monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", KEY)
    ids = [f"model-{n}:1" for n in range(100_000)]
    with Server([model_list(ids)]) as server:
        assert rest.model_ids(f"{server.root}/v1", headers=rest.key_headers()) == ids


@pytest.mark.parametrize("value", [{}, None, "tiny:1", 3, {"tiny:1": 1}], ids=str)
def test_what_is_loaded_is_a_list(value):
    with Server([plain(value)]) as server, pytest.raises(rest.RestError, match="no list") as raised:
        rest.loaded_ids(f"{server.root}/models")
    assert raised.value.status == "protocol_error"


ECHOES = {
    "401": [plain({"error": {"message": f"Incorrect API key provided: {KEY}."}}, "401 Unauthorized")],
    "cut off": [plain(b"x" * 120 + KEY.encode() * 9, "500 Oops")],
    "in HTML": [plain(f"<p>{KEY}".encode(), kind=f"text/html; of={KEY}")],
    "in capitals": [plain(f"<p>{KEY.upper()}".encode(), kind="text/html")],
    "no HTTP": [f"{KEY} is no key\r\n\r\n".encode()],
}


@pytest.mark.parametrize("script", ECHOES.values(), ids=ECHOES)
def test_a_key_that_a_server_repeats_is_in_no_message(monkeypatch, script):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", KEY)
    with Server(script) as server, pytest.raises(rest.RestError) as raised:
        rest.get(f"{server.root}/v1/models", headers=rest.key_headers())
    assert KEY[:8] not in str(raised.value).lower()
    assert "[key removed]" in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_only_an_endpoint_that_somebody_named_gets_the_key(monkeypatch, tmp_path):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", KEY)
    root = f"http://127.0.0.1:{free_port()}"
    own = Service(1, 0.0, root, rest.LOCAL_PREFIX, "2.2.1", (), tmp_path)
    assert Endpoint(root, "as asked for").headers == {"Authorization": f"Bearer {KEY}"}
    assert Endpoint(root, "the kit's", own=own).headers == {}
    assert Endpoint(root, "the foundry tool's", by_tool=True).headers == {}


def endpoint_with(ids):
    with Server(lambda r: [model_list(ids) if r.path == "/v1/models" else plain({}, "404 No")]) as server:
        return connect(server.root, say=lambda _: None)


def test_a_hundred_thousand_models_are_searched_for_one_and_not_measured_by_default():
    endpoint = endpoint_with([f"model-{n}:1" for n in range(100_000)])
    nothing = config.ModelsFile(Path("models.json"), {}, {})
    [one] = resolve(endpoint, ["model-99999"], nothing)
    assert (one.id, one.available) == ("model-99999:1", True)
    with pytest.raises(UsageError, match="lists 100000 models") as raised:
        resolve(endpoint, None, nothing)
    assert "--models" in raised.value.cure


def test_all_that_a_server_lists_is_taken_by_its_name():
    found = resolve(endpoint_with(["a b", *STRANGE, "m:1", "m:2", "n:1"]), None, config.ModelsFile(Path("m"), {}, {}))
    assert [(t.alias, t.id) for t in found] == [("a b", "a b"), ("m:1", "m:1"), ("m:2", "m:2"), ("n", "n:1")]
