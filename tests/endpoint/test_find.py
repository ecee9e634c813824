"""Which service is taken, and which of its models an alias means."""

from pathlib import Path

import pytest

from slmbench import config
from slmbench.endpoint import service, tool
from slmbench.endpoint.find import connect, resolve
from slmbench.endpoint.rest import LOCAL_PREFIX
from slmbench.errors import UsageError
from support.replies import behaved, model_list, plain
from support.server import Server
from support.tiny import free_port

STATUS = {"endpoints": ["x"], "modelCachePath": "/cache", "pid": 1}  # as the runtime tells it


def serving(**lists):
    """A server that lists ids under each base: v1=[…], local=[…]; foundry=True has it say that it is Foundry Local."""
    places = {"/v1/models": lists.get("v1"), f"{LOCAL_PREFIX}/v1/models": lists.get("local")}

    def respond(request):
        if request.path == "/status" and lists.get("foundry"):
            return [plain(STATUS)]
        ids = places.get(request.path)
        return [plain({"error": "no"}, "404 Not Found") if ids is None else model_list(ids)]

    return Server(respond)


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """No service of the kit, no foundry program, and none is started, unless a test says so."""
    monkeypatch.setattr(service, "status", lambda *_: None)
    monkeypatch.setattr(tool, "running_service", lambda *_: None)

    def start(*_, **__):
        raise AssertionError("a service was started")

    monkeypatch.setattr(service, "start", start)


def running(port=5273, tmp_path="/nowhere"):
    return service.Service(1, 0.0, f"http://127.0.0.1:{port}", LOCAL_PREFIX, "2.2.1", (), tmp_path)


def models_file(**entries):
    found = {alias: config.ModelEntry(alias, **fields) for alias, fields in entries.items()}
    return config.ModelsFile(Path("models.json"), found, {})


# which service


@pytest.mark.parametrize("given", ["{root}", "{root}/", "{root}/v1", "{root}/v1/"])
def test_an_address_with_or_without_v1(given, silent):
    with serving(v1=["a:1"]) as server:
        found = connect(given.format(root=server.root), say=silent)
    assert (found.root, found.base_url, found.ids, found.fault) == (server.root, f"{server.root}/v1", ["a:1"], None)
    assert silent.lines == [f"Endpoint: {server.root}/v1 (as asked for)"]
    assert server.posts == []  # looking asks no model


def test_v1_is_not_doubled_below_a_path(silent):
    with Server(lambda r: [model_list(["a"])] if r.path == "/openai/v1/models" else [plain({}, "404 No")]) as server:
        found = connect(f"{server.root}/openai/v1", say=silent)
    assert (found.base_url, found.ids) == (f"{server.root}/openai/v1", ["a"])


def test_the_local_prefix_is_tried_where_v1_has_no_list(silent):
    with serving(local=["tiny:1"]) as server:
        found = connect(f"{server.root}/v1", say=silent)
    assert (found.base_url, found.ids) == (f"{server.root}{LOCAL_PREFIX}/v1", ["tiny:1"])
    assert silent.lines == [f"Endpoint: {server.root}{LOCAL_PREFIX}/v1 (as asked for)"]


def test_the_local_prefix_can_be_given(silent):
    with serving(local=["tiny:1"], v1=["other"]) as server:
        found = connect(f"{server.root}{LOCAL_PREFIX}/v1", say=silent)
    assert (found.root, found.ids) == (server.root, ["tiny:1"])


def test_both_sides_of_a_foundry_service_are_listed(silent):
    with serving(local=["tiny:1"], v1=["qwen:4"], foundry=True) as server:
        found = connect(server.root, say=silent)
    assert found.listed == {f"{server.root}{LOCAL_PREFIX}/v1": ["tiny:1"], f"{server.root}/v1": ["qwen:4"]}


def test_an_empty_local_side_leaves_the_other(silent):
    with serving(local=[], v1=["qwen:4"], foundry=True) as server:
        assert connect(server.root, say=silent).base_url == f"{server.root}/v1"


def test_the_environment_names_one_and_the_argument_wins(silent, monkeypatch):
    with serving(v1=["a"]) as one, serving(v1=["b"]) as other:
        monkeypatch.setenv("FOUNDRY_LOCAL_ENDPOINT", f"{one.root}/v1")
        assert connect(say=silent).ids == ["a"]
        assert connect(other.root, say=silent).ids == ["b"]
    assert "from FOUNDRY_LOCAL_ENDPOINT" in silent.lines[0]
    assert "as asked for" in silent.lines[1]


def test_the_order_of_looking(silent, monkeypatch):
    """The kit's running service, then the tool's, then one of the kit's own."""
    with serving(v1=["of-the-tool"]) as server:
        started = running()
        monkeypatch.setattr(service, "start", lambda *_, **__: (started, True))
        found = connect(say=silent)
        assert (found.own, found.started) == (started, True)
        monkeypatch.setattr(tool, "running_service", lambda *_: server.root)
        found = connect(say=silent)
        assert (found.own, found.ids, found.source) == (None, ["of-the-tool"], "the foundry tool's service")
        here = running(port=free_port())
        monkeypatch.setattr(service, "status", lambda *_: here)
        found = connect(say=silent)
        assert (found.own, found.started, found.source) == (here, False, "the kit's running service")


def test_a_tool_without_models_is_told_and_passed_over(silent, monkeypatch):
    with serving(v1=[]) as server:
        monkeypatch.setattr(tool, "running_service", lambda *_: server.root)
        monkeypatch.setattr(service, "start", lambda *_, **__: (running(), True))
        assert connect(say=silent).own
    assert "lists no model" in silent.lines[0]


def test_nothing_is_started_where_that_is_not_wanted(silent):
    found = connect(start=False, port=5999, say=silent)
    assert (found.root, found.fault.status, found.ids) == ("http://127.0.0.1:5999", "refused", [])


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_the_kits_own_service_is_known_under_any_name(silent, monkeypatch, name):
    own = running(port=free_port())
    monkeypatch.setattr(service, "status", lambda *_: own)
    assert connect(f"http://{name}:{own.port}/v1", say=silent).own == own


@pytest.mark.parametrize("address", ["http://example.test:5273", "ftp://127.0.0.1", "http://u:p@127.0.0.1", "5273"])
def test_addresses_that_are_not_allowed(silent, address):
    with pytest.raises(UsageError):
        connect(address, say=silent)


# an endpoint at fault: its status is that of the rows


def faulty(script, aliases, **file):
    with Server(script) as server:
        endpoint = connect(server.root, say=lambda _: None)
        return endpoint, resolve(endpoint, aliases, models_file(**file), say=lambda _: None)


def test_html_in_place_of_a_list():
    endpoint, targets = faulty([plain(b"<html>", kind="text/html")], ["a", "b"])
    assert endpoint.fault.status == "protocol_error"
    assert [(t.alias, t.available, t.fault) for t in targets] == [(a, False, "protocol_error") for a in "ab"]
    assert "text/html" in targets[0].reason


@pytest.mark.parametrize(("status", "fault"), [("401 Unauthorized", "http_401"), ("503 Busy", "http_503")])
def test_a_list_that_is_refused(status, fault):
    endpoint, [target] = faulty([plain({}, status)], ["a"])
    assert (endpoint.fault.status, target.fault, target.available) == (fault, fault, False)


def test_a_server_without_a_list_may_know_the_model_all_the_same():
    endpoint, [target] = faulty([plain({}, "404 Not Found")], ["my-model"])
    assert (target.id, target.base_url, target.available) == ("my-model", endpoint.base_url, True)


def test_nobody_listens(silent):
    endpoint = connect(f"http://127.0.0.1:{free_port()}", say=silent)
    assert endpoint.fault.status == "refused"
    for aliases in (["a"], None):
        [target] = resolve(endpoint, aliases, models_file(), say=silent)
        assert (target.fault, target.available) == ("refused", False)


# which model


def resolved(ids, aliases, **file):
    with Server(behaved(*ids)) as server:
        endpoint = connect(server.root, say=lambda _: None)
        return resolve(endpoint, aliases, models_file(**file), say=lambda _: None)


PHI = "Phi-4-mini-instruct-generic-cpu:5"
MATCHES = {
    "the id": (["a:1", "a:2"], "a:2", "a:2"),
    "without its version": (["a:1", "b:1"], "a", "a:1"),
    "in other capitals": (["A:1"], "a", "A:1"),
    "the alias of a variant": ([PHI], "phi-4-mini", PHI),
    "an alias that is another's beginning": (
        ["qwen2.5-0.5b-instruct-cuda-gpu:3", "qwen2.5-0.5b"],
        "qwen2.5-0.5b",
        "qwen2.5-0.5b",
    ),
    "a version that is none": (["gemma3:4b"], "gemma3:4b", "gemma3:4b"),
    "a name of parts": (["org/model"], "org/model", "org/model"),
}


@pytest.mark.parametrize(("ids", "alias", "expected"), MATCHES.values(), ids=MATCHES)
def test_an_alias_means_an_id(ids, alias, expected):
    [target] = resolved(ids, [alias])
    assert (target.alias, target.id, target.reason) == (alias, expected, None)


def test_phi_4_is_not_phi_4_mini():
    with pytest.raises(UsageError, match="'phi-4' is known neither"):
        resolved([PHI], ["phi-4"])
    [target] = resolved([PHI], ["phi-4"], **{"phi-4": {}})
    assert target.reason.startswith("not served at") and "Phi-4-mini-instruct-generic-cpu" in target.reason


def test_two_variants_want_a_choice():
    [target] = resolved(["m-generic-cpu:1", "m-cuda-gpu:1"], ["m"])
    assert target.reason == "m could be m-generic-cpu:1, m-cuda-gpu:1: name one of them"
    targets = resolved(["m-generic-cpu:1", "m-cuda-gpu:1"], ["m-generic-cpu", "m-cuda-gpu"])
    assert [(t.id, t.device) for t in targets] == [("m-generic-cpu:1", "cpu"), ("m-cuda-gpu:1", "gpu")]


def test_the_catalogue_name_of_an_entry_counts_too():
    [target] = resolved(["mistral-7b-v0.2:1"], ["mistral-7b"], **{"mistral-7b": {"catalog_alias": "mistral-7b-v0.2"}})
    assert target.id == "mistral-7b-v0.2:1"


def test_no_aliases_mean_all_that_is_listed():
    assert [t.alias for t in resolved(["a:1", "b:2", "b:2"], None)] == ["a", "b"]
    assert [(t.alias, t.id) for t in resolved(["a:1", "a:2"], None)] == [("a:1", "a:1"), ("a:2", "a:2")]
    [none] = resolved([], None)
    assert none.alias == "(none)" and "lists no model" in none.reason
    assert resolved(["a:1"], []) == []


def test_a_target_on_a_foreign_server_is_not_ours_to_load():
    [target] = resolved(["a"], ["a"])
    assert (target.load_url, target.folder, target.device) == (None, None, None)
    assert target.base_url.endswith("/v1")


def test_an_alias_that_nobody_knows_is_bad_usage():
    with pytest.raises(UsageError) as raised:
        resolved(["smollm2-135m-int4:1"], ["smollm2-135-int4"], **{"qwen2.5-0.5b": {}})
    assert "nearest: smollm2-135m-int4" in raised.value.message
    assert raised.value.exit_code == 2


REASONS = {
    "an embedded one elsewhere": ("smollm2-135m-int4", {}, "slmbench serve starts the service that has it"),
    "one of the file": ("qwen2.5-7b", {}, "can be had here now: a"),
    "one that the catalogue never had": ("gemma-2-2b", {"nearest": "gemma-4-e2b-it"}, "nearest there: gemma-4-e2b-it"),
}


@pytest.mark.parametrize(("alias", "fields", "reason"), REASONS.values(), ids=REASONS)
def test_a_known_alias_that_is_not_here_has_a_reason(alias, fields, reason):
    here, gone = resolved(["a:1"], ["a", alias], **{alias: fields})
    assert here.available and not gone.available
    assert reason in gone.reason
    assert gone.fault is None  # the endpoint is well: its row is a skipped one
