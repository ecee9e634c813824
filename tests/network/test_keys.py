"""A key that was set goes to the endpoint that was named, and nowhere else: into no file, output, log or command line.

Whole commands, against a server that gives the key back in every way a server might.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from canary import ACCOUNT, KEY, environment, where
from echoing import GOOD, WAYS, echoing

from slmbench import store
from slmbench.endpoint import catalog, connect, rest, service
from support.plans import targets
from support.replies import behaved, plain
from support.server import Server
from support.tiny import end_now, free_port, home_with_tiny

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_benchmark_oss_models.ipynb"
SLMBENCH = (sys.executable, "-m", "slmbench.cli")
SHORTLY = """import functools
from slmbench import calibrate, cli
calibrate.calibrate = functools.partial(calibrate.calibrate, (1, 2), 1.0)  # streams, seconds
cli.main()"""
SMALL = ("--prompts", "one.txt", "--rounds", "1", "--warmup", "0", "--deadline-s", "1")


class Watched:
    """The command lines of a process and of its children, looked at until it ends."""

    def __init__(self, process):
        self.lines, self._process, self._over = set(), psutil.Process(process.pid), threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._over.wait(0.02):
            try:
                for process in (self._process, *self._process.children(recursive=True)):
                    self.lines.add(" ".join(process.cmdline()))
            except psutil.Error:
                continue

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


@pytest.fixture
def call(tmp_path):
    """Run a command with both keys set; it, what it wrote and how it was called are searched for them afterwards."""
    said = []

    def run(*command, **more):
        keys = {"FOUNDRY_LOCAL_API_KEY": KEY, "OPENAI_API_KEY": ACCOUNT, "OPENAI_LOG": "debug"}
        places = {"HOME": tmp_path / "user", "SLMBENCH_HOME": tmp_path / "home", "TMPDIR": tmp_path / "tmp"}
        for folder in places.values():
            folder.mkdir(exist_ok=True)
        env = environment({**keys, **{name: str(folder) for name, folder in places.items()}, **more})
        opened = {"cwd": tmp_path, "env": env, "encoding": "utf-8", "errors": "replace"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        with subprocess.Popen(command, **opened, **pipes) as process, Watched(process) as watched:
            out, err = process.communicate(timeout=240)
        assert watched.lines
        said.extend([out, err, *watched.lines])
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    (tmp_path / "one.txt").write_text("What is my key?\n", encoding="utf-8")
    yield run
    for key in KEY, ACCOUNT:
        assert where(key, tmp_path, *said) == []


def sent(server):
    """The keys that a server was given, by method."""
    return {(r.method, r.headers.get("authorization")) for r in server.requests}


@pytest.mark.timeout(180)
def test_a_run_and_its_report(call, tmp_path):
    options = (*SMALL, "--models", ",".join(WAYS), "--concurrency", "1,2", "--out", "run", "--json")
    with Server(echoing) as server:
        done = call(*SLMBENCH, "run", "--endpoint", server.root, *options)
        again = call(*SLMBENCH, "run", "--endpoint", server.root, *options, "--resume")
    assert (done.returncode, again.returncode) == (0, 0), done.stderr[-2000:]
    rows = [r for r in store.read(tmp_path / "run").rows if r.prompt_id and r.phase == "timed" and r.attempt == 1]
    expected = {(model, streams, status) for model, (status, _) in WAYS.items() for streams in (1, 2)}
    assert {(r.model, r.concurrency, r.status) for r in rows} == expected
    removed = {(r.model, r.concurrency) for r in rows if "key_removed" in r.flags}
    assert removed == {(m, n) for m in set(WAYS) - {"as-its-name"} for n in (1, 2)}  # what it calls itself is not kept
    assert sent(server) == {("GET", f"Bearer {KEY}"), ("POST", f"Bearer {KEY}")}
    texts = {(r.model, r.text) for r in rows if r.model in ("in-the-text", "cut-off")}
    assert texts == {("in-the-text", "Your key is [key removed], isn't it?"), ("cut-off", "Your key is [key removed]")}
    assert call(*SLMBENCH, "report", "run").returncode == 0
    assert "[key removed]" in (tmp_path / "run" / "benchmark_report.md").read_text(encoding="utf-8").replace("\\", "")


@pytest.mark.timeout(180)
def test_without_a_stream(call, tmp_path):
    with Server(echoing) as server:
        options = (*SMALL, "--models", "in-the-text,in-base64,denied", "--no-stream", "--out", "run")
        assert call(*SLMBENCH, "run", "--endpoint", server.root, *options).returncode == 0
    rows = {r.model: (r.status, r.flags.count("key_removed")) for r in store.read(tmp_path / "run").rows if r.prompt_id}
    assert rows == {"in-the-text": ("ok", 1), "in-base64": ("ok", 1), "denied": ("http_401", 1)}


@pytest.mark.timeout(180)
def test_probing(call):
    with Server(echoing) as server:
        asked = {"quick": ["in-the-text", "in-base64", "denied", "moved", "no-http"], "--shape": [*WAYS]}
        quick = call(*SLMBENCH, "probe", "--endpoint", server.root, *asked["quick"], "--json")
        plainly = call(*SLMBENCH, "probe", "--endpoint", server.root, *asked["quick"])
        told = [m for m in WAYS if m != "late"]  # it would take its two minutes
        shape = call(*SLMBENCH, "probe", "--endpoint", server.root, "--shape", "--json", *told)
        words = call(*SLMBENCH, "probe", "--endpoint", server.root, "--shape", *told)
    assert [done.returncode for done in (quick, plainly, shape, words)] == [0] * 4
    found = {p["alias"]: p["answer"] or p["problem"] for p in json.loads(quick.stdout)}
    assert found["in-the-text"] == "Your key is [key removed]"
    assert "Incorrect API key provided: [key removed]" in found["denied"]
    shapes = {s["alias"]: s["shape"] for s in json.loads(shape.stdout)}
    assert shapes["as-its-name"]["model"] == "model-of-[key removed]"
    assert shapes["as-the-end"]["finish_reason"] == "[key removed]"
    assert {m for m, s in shapes.items() if s["status"] == "ok"} == set(GOOD)
    assert ("POST", None) not in sent(server)


def test_looking_around(call):
    with Server(echoing) as server:
        doctor = call(*SLMBENCH, "doctor", "--json", "--endpoint", server.root)
        nowhere = call(*SLMBENCH, "doctor", "--json", "--endpoint", f"{server.root}/elsewhere")
        unknown = call(*SLMBENCH, "probe", "--endpoint", server.root, "nobody")
    assert (doctor.returncode, nowhere.returncode, unknown.returncode) == (0, 1, 2)
    assert "[key removed] is not allowed here" in nowhere.stdout
    assert f"{len(WAYS)} models" in doctor.stdout  # the one that holds the key is no name
    for verb in ("status", "stop"), ("models", "--offline", "--json"):
        call(*SLMBENCH, *verb)


def test_nobody_there(call, tmp_path):
    ran = call(
        *SLMBENCH, "run", "--endpoint", f"http://127.0.0.1:{free_port()}", *SMALL, "--models", "a", "--out", "run"
    )
    assert ran.returncode == 1 and "slmbench serve" in ran.stderr
    assert [r.status for r in store.read(tmp_path / "run").rows] == ["refused"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("model", "code"), [pytest.param("in-the-text", 0, marks=pytest.mark.soak), ("denied", 1)])
def test_the_notebook_also_where_it_stops_with_an_error(call, tmp_path, model, code):
    parameters = ("-p", "models", model, "-p", "prompts", "one.txt", "-p", "rounds", "1", "-p", "acceleration", "")
    command = (sys.executable, "-m", "papermill", str(NOTEBOOK), "out.ipynb", "-k", "python3", "--no-progress-bar")
    with Server(echoing) as server:
        done = call(*command, *parameters, "-p", "endpoint", server.root, "-p", "out", "run")
    assert done.returncode == code, done.stderr[-2000:]
    executed = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    assert "[key removed]" in executed and ("NothingMeasured" in executed) == bool(code)
    assert sent(server) == {("GET", f"Bearer {KEY}"), ("POST", f"Bearer {KEY}")}


@pytest.mark.timeout(300)
def test_the_kits_own_service_gets_no_key_and_holds_none(call, tmp_path):
    with home_with_tiny(tmp_path / "home", "tiny"):
        try:
            assert call(*SLMBENCH, "serve", "--offline", "--port", str(free_port())).returncode == 0
            held = psutil.Process(service.status().pid).environ()
            ran = call(*SLMBENCH, "run", "--models", "tiny", *SMALL[:-2], "--max-tokens", "8", "--out", "run")
            call(*SLMBENCH, "probe", "tiny")
        finally:
            end_now()
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert held["CI"] == "true" and held["SLMBENCH_HOME"] == str(tmp_path / "home")
    for key in KEY, ACCOUNT:
        assert where(key, json.dumps(dict(held))) == []


def test_the_catalogues_process_gets_no_key_and_keeps_the_way_out(monkeypatch):
    given = {}

    def popen(_, env, **__):
        given.update(env)
        raise OSError("not started, in a test")

    for name, value in {"HF_TOKEN": KEY, "FOUNDRY_LOCAL_API_KEY": KEY, "HTTPS_PROXY": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(catalog.subprocess, "Popen", popen)
    with pytest.raises(OSError, match="not started"):
        catalog.listing()
    assert (given["CI"], given["HTTPS_PROXY"]) == ("true", "http://127.0.0.1:9")
    assert where(KEY, json.dumps(given)) == []


REFUSED = {
    "a password": f"http://me:{KEY}@127.0.0.1:5273/v1",
    "a user's name": f"http://{KEY}@127.0.0.1:5273/v1",
    "a query": f"http://127.0.0.1:5273/v1?key={KEY}",
    "a fragment": f"http://127.0.0.1:5273/v1#{KEY}",
    "a port": f"http://127.0.0.1:{KEY}/v1",
    "after a space": f"http://127.0.0.1:5273/v1 {KEY}",
    "nothing else": KEY,
}


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED)
def test_a_key_in_an_address_is_refused_and_not_repeated(call, address):
    for verb in ("run", "--models", "a", "--out", "run"), ("probe", "a"), ("doctor", "--json"):
        done = call(*SLMBENCH, *verb, FOUNDRY_LOCAL_ENDPOINT=address)
        assert done.returncode == 2, done.stdout
        assert "FOUNDRY_LOCAL_ENDPOINT" in done.stderr


@pytest.mark.timeout(120)
def test_calibrating(call):
    done = call(sys.executable, "-c", SHORTLY, "calibrate", "--json")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Write the state file of a service that this very process seems to be."""
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", KEY)
    me = {"pid": os.getpid(), "create_time": psutil.Process().create_time(), "sdk_version": "2.2.1", "models": []}

    def write(**fields):
        service.state_file().write_text(json.dumps(me | {"prefix": rest.LOCAL_PREFIX} | fields), encoding="utf-8")

    return write


def test_what_stands_in_for_the_kits_service_is_given_no_key(state):
    def respond(request):
        if request.path == "/status":
            return [plain({"pid": os.getpid()})]
        if request.path.endswith("/loaded"):
            return [plain([])]
        return behaved("tiny:1")(request) if request.method == "POST" else [plain({"data": [{"id": "tiny:1"}]})]

    with Server(respond) as server:
        state(url=server.root)
        endpoint = connect(say=lambda _: None)
        endpoint.load(targets(endpoint.base_url, "tiny")[0])
        with endpoint.client() as client:
            client.chat.completions.create(model="tiny:1", messages=[{"role": "user", "content": "Hi"}])
        assert endpoint.own.url == server.root
    assert len(server.requests) >= 3
    assert where(KEY, *(str(r) for r in server.requests)) == []


ELSEWHERE = {
    "another machine": {"url": "http://192.0.2.1:5273"},
    "a name": {"url": "http://service.example.test:5273"},
    "behind a user's name": {"url": "http://127.0.0.1:5273@192.0.2.1:80"},
    "by the prefix": {"url": "http://127.0.0.1:5273", "prefix": "@192.0.2.1"},
    "by a longer port": {"url": "http://127.0.0.1:5273", "prefix": "1"},
    "a path": {"url": "http://127.0.0.1:5273/x"},
    "over TLS": {"url": "https://127.0.0.1:5273"},
    "a file": {"url": "file:///etc/passwd"},
    "a number": {"url": 5273},
    "a list": {"url": ["http://127.0.0.1:5273"]},
}


@pytest.mark.parametrize("fields", ELSEWHERE.values(), ids=ELSEWHERE)
def test_no_state_file_leads_to_another_machine(state, monkeypatch, fields):
    def get(url, **_):
        raise AssertionError(f"{url} was asked")

    state(**fields)
    monkeypatch.setattr(rest, "get", get)
    assert service.status() is None
