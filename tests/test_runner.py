"""From settings to a finished run folder, against a scripted server, and once against the real service."""

import json
import re
from pathlib import Path

import pytest

from slmbench import calibrate, config, runner, store
from slmbench.endpoint import Target, connect, resolve
from slmbench.errors import NothingMeasured, UsageError
from slmbench.records import Row
from support.replies import behaved, plain
from support.server import Server
from support.tiny import free_port, service_with_tiny

PROMPTS = (config.Prompt("p1", "One?"),)
MODELS = config.ModelsFile(Path("models.json"), {"gemma-2-2b": config.ModelEntry("gemma-2-2b", nearest="gemma-4")}, {})


def settings(**given):
    return config.Settings(**{"prompts": PROMPTS, "prompts_from": "rag4", "rounds": 2, "deadline_s": 10.0} | given)


@pytest.fixture
def told():
    return []


@pytest.fixture
def go(tmp_path, told):
    """Run a plan against a scripted server; gives (the run, the chat requests that the server saw)."""

    def run(respond, out="run", watch=None, resume=False, **given):
        with Server(respond) as server:
            asked = settings(endpoint=server.root, **given)
            out = out and tmp_path / out
            done = runner.run(asked, MODELS, out=out, resume=resume, watch=watch, say=told.append)
        return done, server.posts

    return run


def test_a_run_from_end_to_end(go, told):
    done, requests = go(behaved("a:1", "b:1"), models=("a", "b"), warmup=1)
    assert len(requests) == len(done.rows) == 2 * (1 + 2)
    assert {(r.status, r.run) for r in done.rows} == {("ok", "run")}
    assert done.plan["models"] == ["a", "b"]
    assert [t["id"] for t in done.plan["targets"]] == ["a:1", "b:1"]
    assert done.plan["endpoint"]["source"] == "as asked for" and not done.plan["endpoint"]["own"]
    assert done.plan["prompts"][0]["text"] == "One?" and done.plan["run"] == "run"
    assert done.machine["service"]["url"].endswith("/v1") and done.machine["cores_logical"] >= 1
    assert done.resources == []  # neither load time nor memory of a server that is not ours
    assert told[0].startswith("Endpoint: http://127.0.0.1:")
    runner.finish(done.rows)


def test_one_model_of_two_is_enough(go, told):
    done, requests = go(behaved("a:1"), models=("gemma-2-2b", "a"))
    runner.finish(done.rows)
    [skipped] = [r for r in done.rows if r.model == "gemma-2-2b"]
    assert (skipped.status, len(requests)) == ("skipped", 3)
    assert "nearest there: gemma-4" in skipped.error
    assert any(line.startswith("gemma-2-2b: skipped: not in Foundry Local's catalogue") for line in told)


def test_an_endpoint_that_refuses_is_a_row(tmp_path, told):
    asked = settings(endpoint=f"http://127.0.0.1:{free_port()}", models=("a",))
    done = runner.run(asked, MODELS, out=tmp_path / "run", say=told.append)
    assert [(r.model, r.status, r.prompt_id) for r in done.rows] == [("a", "refused", None)]
    with pytest.raises(NothingMeasured, match="a: refused") as raised:
        runner.finish(done.rows)
    assert raised.value.exit_code == 1
    assert store.read(tmp_path / "run").rows == done.rows


def test_a_server_that_lists_nothing_is_nothing_measured(go):
    done, requests = go(behaved(), models=None)
    assert ([(r.model, r.status) for r in done.rows], requests) == ([("(none)", "skipped")], [])
    with pytest.raises(NothingMeasured, match="lists no model"):
        runner.finish(done.rows)
    with pytest.raises(NothingMeasured, match="no request was made"):
        runner.finish([])


def test_bad_usage_leaves_no_folder(go, tmp_path):
    with pytest.raises(UsageError, match="'nobody' is known neither"):
        go(behaved("a:1"), models=("a", "nobody"))
    assert list(tmp_path.iterdir()) == []


def test_a_taken_folder_is_refused_before_anything_is_asked(tmp_path, told):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with Server(behaved("a:1")) as server, pytest.raises(store.StoreError, match="is not empty"):
        runner.run(settings(endpoint=server.root), MODELS, out=tmp_path, say=told.append)
    assert server.requests == []


def test_a_run_goes_on_with_its_own_server_only(tmp_path, told):
    with Server(behaved("a:1")) as server, Server(behaved("a:1")) as other:

        def run(resume=True, at=server, **given):
            asked = settings(endpoint=at.root, models=("a",), warmup=0, **given)
            return runner.run(asked, MODELS, out=tmp_path / "run", resume=resume, say=told.append)

        run(resume=False, rounds=1)
        done = run(rounds=3)
        for different, said in (
            ({"rounds": 3, "max_tokens": 5}, "max_tokens: 96 -> 5"),
            ({"rounds": 2}, "rounds: 3 -> 2"),
            ({"rounds": 4, "at": other}, f'endpoint: "{server.root}" -> "{other.root}"'),
        ):
            with pytest.raises(store.StoreError, match=re.escape(said)):
                run(**different)
        assert (len(server.posts), other.posts) == (3, [])
    assert sorted(r.round for r in done.rows) == [0, 1, 2]


@pytest.mark.parametrize("out", [None, "nothing", "empty"])
def test_resume_without_a_run_is_refused_before_anything_is_asked(tmp_path, told, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with Server(behaved("a:1")) as server, pytest.raises(store.StoreError, match="--resume: "):
        runner.run(settings(endpoint=server.root), MODELS, out=out, resume=True, say=told.append)
    assert server.requests == []
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_loads_that_are_not_ours_to_do_leave_no_folder(go, tmp_path):
    with pytest.raises(UsageError, match="loads: 3 was found, 1 was expected"):
        go(behaved("a:1"), models=("a",), loads=3)
    assert list(tmp_path.iterdir()) == []


def test_the_watcher_sees_every_row(go):
    seen = []

    class Watcher:
        def __init__(self, total):
            seen.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen.append("end")

        def update(self, row):
            seen.append(row)

    done, _ = go(behaved("a:1"), models=("a",), watch=Watcher)
    assert seen == [3, *done.rows, "end"]


def test_the_key_goes_to_the_endpoint_and_nowhere_else(go, tmp_path, monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", "very-secret")
    _, requests = go(behaved("a:1"), models=("a",))
    assert {r.headers["authorization"] for r in requests} == {"Bearer very-secret"}
    kept = b"".join(p.read_bytes() for p in (tmp_path / "run").iterdir())
    assert b"very-secret" not in kept


def test_a_folder_under_runs_is_made_and_never_shared(go, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "default_path", lambda *_: store.Path("runs") / "20260101T120000-abcdef")
    places = [go(behaved("a:1"), out=None, models=("a",), rounds=1, warmup=0)[0].path for _ in range(3)]
    assert [p.name for p in places] == [f"20260101T120000-abcdef{end}" for end in ("", "-2", "-3")]
    assert {p.parent for p in places} == {tmp_path / "runs"}


def test_a_place_that_cannot_be_written_is_told(go, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("a file", encoding="utf-8")
    with pytest.raises(store.StoreError, match="runs can't be written: ") as raised:
        go(behaved("a:1"), out=None, models=("a",))
    assert "--out" in raised.value.cure


def test_finish_names_the_first_reason():
    late = Row(run="r", cell="c", model="a", status="timeout", error="the deadline of 5 s passed")
    warm = Row(run="r", cell="w", model="a", phase="warmup")
    with pytest.raises(NothingMeasured, match=r"a: timeout \(the deadline of 5 s passed\)") as raised:
        runner.finish([warm, late])
    assert "--deadline-s" in raised.value.cure
    runner.finish([warm, late, Row(run="r", cell="d", model="a")])


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        ("refused", "slmbench serve"),
        ("protocol_error", "http://host:port/v1"),
        ("http_404", "http://host:port/v1"),
        ("http_401", "FOUNDRY_LOCAL_API_KEY"),
        ("timeout", "--deadline-s"),
        ("skipped", "slmbench doctor"),
        ("http_500", "slmbench doctor"),
    ],
)
def test_the_cure_is_that_of_the_status(status, cure):
    with pytest.raises(NothingMeasured) as raised:
        runner.finish([Row(run="r", cell="c", model="a", status=status, error="why")])
    assert cure in raised.value.cure


def test_a_500_everywhere_is_nothing_measured(go):
    done, _ = go(behaved("a:1", reply=lambda _: [plain({"error": {"message": "oom"}}, "500 Oops")]), models=("a",))
    with pytest.raises(NothingMeasured, match=r"http_500 \(oom\)"):
        runner.finish(done.rows)


def test_memory_is_measured_once_on_the_kits_own_service(tmp_path, told):
    with service_with_tiny(tmp_path / "home", "tiny"):
        endpoint = connect(say=told.append)
        targets = resolve(endpoint, ["tiny"], MODELS, say=told.append)
        for resume in (False, True):
            with runner.open_run(settings(), endpoint, targets, out=tmp_path / "run", resume=resume) as folder:
                list(runner.measure(settings(), endpoint, targets, folder, say=told.append))
    done = store.read(tmp_path / "run")
    assert [r["kind"] for r in done.resources] == ["footprint", "load"]
    assert done.resources[0]["rss_loaded_mb"] > 20
    assert [r.status for r in done.rows] == ["ok"] * 3  # the reply that the memory was measured with is no row
    assert done.machine["service"]["foundry_local_sdk"] == endpoint.own.sdk_version
    assert any("MB loaded" in line for line in told)


def test_what_is_told_of_a_footprint():
    record = {"model": "a", "load_s": 1.24, "uss_loaded_mb": None, "rss_loaded_mb": 300.4, "disk_mb": 1234.0}
    assert runner._told(record) == "a: loads in 1.2 s, 300 MB loaded, 1,234 MB on disk"
    assert runner._told({"model": "a", "error": "gone"}) == "a: memory not measured: gone"


def test_targets_are_kept_with_their_reasons():
    gone = Target("x", reason="why")
    plan = runner.plan_of(settings(), connect(f"http://127.0.0.1:{free_port()}", say=lambda _: None), [gone])
    assert plan["targets"] == [{"alias": "x", "id": None, "device": None, "execution_provider": None, "reason": "why"}]
    assert plan["hash"] == runner.plan_of(settings(), connect("http://127.0.0.1:9", say=lambda _: None), [gone])["hash"]


@pytest.mark.parametrize(
    ("change", "quoted"),
    [({}, True), ({"cpu": "another"}, False), ({"python": "3.0"}, False), ({"more": 1}, False), (None, False)],
)
def test_the_calibration_of_this_machine_is_kept_with_the_run(go, change, quoted):
    found = {"at": "2026-01-01", "where": calibrate.here() | (change or {}), "accuracy": [], "limits": []}
    calibrate.path().parent.mkdir(parents=True, exist_ok=True)
    calibrate.path().write_text("{" if change is None else json.dumps(found), encoding="utf-8")
    done, _ = go(behaved("a:1"), models="a")
    assert done.machine["calibration"] == (found if quoted else None)
    assert (calibrate.latest() is not None) == quoted  # the same rule


def test_without_a_calibration_none_is_claimed(go):
    assert go(behaved("a:1"), models="a")[0].machine["calibration"] is None
