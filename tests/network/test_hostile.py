"""Variables, redirects and headers that would lead a careless client elsewhere: nothing but the endpoint is called, and
it sees no header but these."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from canary import ACCOUNT, LOGIN, Canary, environment, hostile, where

from slmbench import config, store
from slmbench.endpoint import connect, resolve, rest
from slmbench.endpoint.probe import probe
from slmbench.measure import stream
from slmbench.measure.reader import Reader
from slmbench.measure.stream import read
from support.plans import targets
from support.replies import good, head, message, model_list, plain
from support.server import Server
from support.tiny import end_now, free_port, home_with_tiny

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_benchmark_oss_models.ipynb"
SLMBENCH = (sys.executable, "-m", "slmbench.cli")
LISTS = {"host", "accept-encoding", "accept", "content-type"}  # of a request that lists, loads or unloads
ASKS = {"host", "accept", "accept-encoding", "content-type", "content-length", "connection"}  # of one that is timed
OPENAIS = ASKS | {
    "authorization",
    "user-agent",
}  # of the openai package, and x-stainless-*: its own and Python's version


@pytest.fixture
def canary():
    with Canary() as found:
        yield found


@pytest.fixture
def call(canary, tmp_path):
    """Run a command in `tmp_path`, where all points at the canary."""

    def run(*command, **more):
        env = environment({**hostile(canary, tmp_path / "user"), "SLMBENCH_HOME": str(tmp_path / "home"), **more})
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False)

    return run


def luring(canary, whole=False):
    """Answers well, with headers that ask for more. whole: also to whoever asks for a stream."""
    more = {"Set_Cookie": f"session={LOGIN}; Path=/", "Alt_Svc": f'h2="{canary.url[7:]}", http/1.1="{canary.url[7:]}"'}
    more |= {"Refresh": f"0; url={canary.url}/", "Link": f"<{canary.url}/x>; rel=preconnect", "Connection": "close"}

    def respond(request):
        if request.method == "GET":
            found = request.path == "/v1/models"
            return [plain({"data": [{"id": "a"}]} if found else {}, "200 OK" if found else "404 No", **more)]
        if json.loads(request.body).get("stream") and not whole:
            return [head(**more), good()]
        return [plain(message("Hello!"), **more)]

    return respond


def names(request):
    return {n for n in request.headers if not n.startswith("x-stainless-")}


COMMANDS = {
    "run": (("run", "--models", "a", "--rounds", "1", "--out", "run"), ASKS),
    "run, several streams": (("run", "--models", "a", "--rounds", "2", "--concurrency", "3", "--out", "run"), ASKS),
    "run, an open loop": (("run", "--models", "a", "--rounds", "1", "--rate", "50", "--out", "run"), ASKS),
    "probe": (("probe", "a"), OPENAIS),
    "probe, the shape": (("probe", "--shape", "a"), ASKS),
    "doctor": (("doctor",), None),
}


@pytest.mark.parametrize(("words", "headers"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_calls_its_endpoint_alone_and_sends_no_more_than_it_needs(call, canary, tmp_path, words, headers):
    with Server(luring(canary)) as server:
        verb, *options = words
        done = call(*SLMBENCH, verb, "--endpoint", server.root, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert canary.calls == []
    assert {frozenset(names(r)) for r in server.requests if r.method == "GET"} == {frozenset(LISTS)}
    assert {frozenset(names(r)) for r in server.posts} == ({frozenset(headers)} if headers else set())
    assert {r.headers.get("authorization") for r in server.posts} <= {None, "Bearer not-needed"}
    for key in ACCOUNT, LOGIN:
        assert where(key, *(str(r) for r in server.requests), done.stdout, done.stderr) == []
    assert where(ACCOUNT, tmp_path) == []
    if verb == "run":
        assert {r.status for r in store.read(tmp_path / "run").rows} == {"ok"}


@pytest.mark.timeout(180)
def test_the_notebook_calls_its_endpoint_alone(call, canary, tmp_path):
    parameters = ("-p", "models", "a", "-p", "rounds", "1", "-p", "acceleration", "", "-p", "out", "run")
    papermill = (sys.executable, "-m", "papermill", str(NOTEBOOK), "out.ipynb", "-k", "python3", "--no-progress-bar")
    with Server(luring(canary)) as server:
        # IPython runs the user's own start-up script, in kernels too
        done = call(*papermill, *parameters, "-p", "endpoint", server.root, PYTHONSTARTUP="")
    assert done.returncode == 0, done.stderr[-2000:]
    assert canary.calls == []
    assert {r.status for r in store.read(tmp_path / "run").rows} == {"ok"}
    assert {frozenset(names(r)) for r in server.posts} == {frozenset(ASKS), frozenset(OPENAIS)}
    assert where(ACCOUNT, tmp_path, *(str(r) for r in server.requests), done.stdout, done.stderr) == []


@pytest.mark.timeout(240)
def test_the_kits_own_service_and_all_that_is_asked_of_it(call, canary, tmp_path):
    """With its own service, down to the runtime, whose catalogue side would use a proxy."""
    verbs = (
        ("serve", "--offline", "--port", str(free_port())),
        ("status",),
        ("models", "--offline"),
        ("run", "--models", "tiny", "--rounds", "1", "--max-tokens", "8", "--out", "run"),
        ("probe", "tiny"),
        ("doctor",),
    )
    with home_with_tiny(tmp_path / "home", "tiny"):
        try:
            ended = {verb[0]: call(*SLMBENCH, *verb) for verb in verbs}
        finally:
            end_now()
    assert {verb: done.returncode for verb, done in ended.items()} == dict.fromkeys(ended, 0)
    assert canary.calls == []
    assert {r.status for r in store.read(tmp_path / "run").rows} == {"ok"}
    assert where(ACCOUNT, tmp_path, *(text for done in ended.values() for text in (done.stdout, done.stderr))) == []


def test_the_catalogue_is_asked_through_the_users_proxy_and_gets_no_key(call, canary):
    """The one command here that is to leave the machine: behind a proxy there is no other way."""
    done = call(*SLMBENCH, "models", FOUNDRY_LOCAL_API_KEY=ACCOUNT)
    assert done.returncode == 0 and "can't be reached" in done.stdout
    assert {call.split()[0] for call in canary.calls} == {b"CONNECT"}
    assert where(ACCOUNT, *canary.calls) == []


CODES = ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")


def moved(canary, status):
    return [head(status, kind=None, Location=f"{canary.url}/v1/elsewhere", Content_Length="0")]


def asked_once(url):
    payload = stream.body("a:1", "Hi", max_tokens=8, temperature=0, seed=0, stream=True)
    yield stream.ask(url, payload, deadline_s=5).status
    with Reader(1) as reader:
        reader.send(0, url, payload, deadline_s=5)
        reader.start()
        yield read(reader.take()[1], model="a:1").status


@pytest.mark.parametrize("status", CODES)
def test_no_redirect_of_a_chat_request_is_followed(canary, status):
    with Server(lambda _: moved(canary, status)) as server:
        assert list(asked_once(f"{server.root}/v1/chat/completions")) == [f"http_{status[:3]}"] * 2
    assert len(server.posts) == 2
    assert canary.calls == []


@pytest.mark.parametrize("status", CODES)
@pytest.mark.parametrize("path", ["/status", "/v1/models", "/models/loaded", "/models/load/a", "/v1/chat/completions"])
def test_no_redirect_of_a_service_is_followed(canary, status, path):
    """A Foundry Local service that says of one of its paths that it is elsewhere."""
    lists = {"/status": {"modelCachePath": "/x"}, "/models/loaded": [], "/models/load/a": {}}

    def respond(request):
        if request.path == path:
            return moved(canary, status)
        if request.path in lists:
            return [plain(lists[request.path])]
        if request.method == "POST":
            return [plain(message("Hello!"))]
        return [model_list(["a:1"]) if request.path == "/v1/models" else plain({}, "404 No")]

    with Server(respond) as server:
        endpoint = connect(server.root, say=lambda _: None)
        [target] = (
            resolve(endpoint, ["a"], config.ModelsFile(Path("models.json"), {}, {}), say=lambda _: None)
            if (endpoint.ids)
            else [replace(targets(f"{server.root}/v1", "a")[0], load_url=f"{server.root}/models", load_name="a")]
        )
        found = probe(endpoint, target)
    assert canary.calls == []
    assert [r.path for r in server.requests].count(path) >= 1
    assert found.ok or status[:3] in found.problem


@pytest.mark.parametrize("status", CODES)
def test_a_run_whose_endpoint_has_moved_says_so_and_asks_nobody_else(call, canary, tmp_path, status):
    with Server(
        lambda request: moved(canary, status) if request.method == "POST" else luring(canary)(request)
    ) as server:
        done = call(*SLMBENCH, "run", "--endpoint", server.root, "--models", "a", "--rounds", "1", "--out", "run")
    assert done.returncode == 1
    assert canary.calls == []
    rows = [r for r in store.read(tmp_path / "run").rows if r.prompt_id]
    assert {r.status for r in rows} == {f"http_{status[:3]}"}
    assert len(server.posts) == len(rows)


@pytest.mark.parametrize("scheme", ["Basic realm=x", "Digest realm=x, nonce=y", "Negotiate", 'Bearer realm="x"'])
def test_a_401_is_not_answered_with_what_a_netrc_holds(call, canary, tmp_path, scheme):
    denied = plain({"error": {"message": "who are you?"}}, "401 Unauthorized", WWW_Authenticate=scheme)
    with Server(lambda request: [denied] if request.method == "POST" else luring(canary)(request)) as server:
        ran = call(*SLMBENCH, "run", "--endpoint", server.root, "--models", "a", "--rounds", "1", "--out", "run")
        asked = call(*SLMBENCH, "probe", "--endpoint", server.root, "a")
    assert (ran.returncode, asked.returncode) == (1, 1)
    assert canary.calls == []
    assert where(LOGIN, *(str(r) for r in server.requests)) == []
    assert {r.headers.get("authorization") for r in server.requests} == {None, "Bearer not-needed"}
    assert {r.status for r in store.read(tmp_path / "run").rows if r.prompt_id} == {"http_401"}


def test_a_cookie_is_not_given_back(canary, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", ACCOUNT)
    with Server(luring(canary, whole=True)) as server:
        endpoint = connect(server.root, say=lambda _: None)
        with endpoint.client() as client:
            for _ in range(2):
                client.chat.completions.create(model="a", messages=[{"role": "user", "content": "Hi"}])
        rest.get(f"{server.root}/v1/models")
    assert len(server.posts) == 2
    assert where(LOGIN, *(str(r.headers) for r in server.requests)) == []
    assert canary.calls == []
