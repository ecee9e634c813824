"""A model of one's own, from a file to a row and away again, in the real runtime with tiny models."""

import hashlib
import json
import shutil
import time

import pytest

from slmbench import config, models, paths, store
from slmbench.endpoint import rest, service
from support.tiny import end_now, free_port

TAKEN_S = 20
ONE = ("--rounds", "1", "--max-tokens", "8", "--no-memory")


@pytest.fixture(scope="module")
def ggufs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ggufs")
    return [models.write_tiny_gguf(folder / f"tiny{seed}.gguf", seed=seed, licence="MIT") for seed in range(2)]


@pytest.fixture
def running():
    """The kit's service, which runs while models come and go."""
    started, _ = service.start(free_port(), say=lambda _: None)
    yield started
    assert service.status().pid == started.pid, "it has ended on the way"
    end_now()


def served():
    return {model["alias"] for model in service.status().models}


def until(true):
    end = time.monotonic() + TAKEN_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def answer(slmbench, name):
    [found] = json.loads(slmbench("probe", name, "--json").out)
    return found["answer"]


def test_two_commands_from_a_file_to_a_row(slmbench, ggufs, tmp_path):
    added = slmbench("add", ggufs[0], "--name", "Mine.1", "--capabilities", "chat, code", "--json")
    assert added.code == 0, added.err
    told = json.loads(added.out)
    folder = paths.home() / "models" / "Mine.1"
    assert told["entry"] | {"size_mb": 1} == {
        **dict.fromkeys(told["entry"]),
        "alias": "Mine.1",
        "source": "local",
        "capabilities": ["chat", "code"],
        "size_mb": 1,
        "licence": "MIT",
        "parameters_m": 0.09062,  # 259 * 64, and twice 2 * 64 + 64 * (64 + 32 + 32 + 64) + 3 * 64 * 128, and 64
        "weights": "int4",
        "file": "tiny0.gguf",
        "sha256": hashlib.sha256(ggufs[0].read_bytes()).hexdigest(),
    }
    assert told["entry"]["size_mb"] == pytest.approx(models.disk_mb(folder), rel=0.01)
    assert len(told["answer"]) == 24 and models.is_complete(folder, thorough=True)
    assert service.status() is None and not (paths.home() / "adding").exists()  # nothing is left of the try
    service.start(free_port(), say=lambda _: None)
    try:
        ended = slmbench("run", "--models", "Mine.1", *ONE, "--out", tmp_path / "run", "--json")
        assert ended.code == 0, ended.err
        slmbench("report", tmp_path / "run")
    finally:
        end_now()
    assert slmbench("remove", "Mine.1").code == 0  # while nothing runs: the runtime would go on to list it
    started, _ = service.start(free_port(), say=lambda _: None)
    listed = rest.model_ids(started.base_url)
    end_now()
    assert listed == []
    run = store.read(tmp_path / "run")
    assert [(r.model, r.status) for r in run.rows if r.phase == "timed"] == [("Mine.1", "ok")] * 4
    assert run.plan["entries"]["Mine.1"]["sha256"] == told["entry"]["sha256"]
    assert "MIT" in (tmp_path / "run" / "benchmark_report.md").read_text(encoding="utf-8")


def test_models_come_change_and_go_while_the_service_runs(slmbench, ggufs, tmp_path, running):
    first = json.loads(slmbench("add", ggufs[0], "--name", "mine", "--json").out)["answer"]
    assert served() == {"mine"} and answer(slmbench, "mine") == first  # loaded now
    assert slmbench("add", ggufs[1], "--name", "mine").code == 2
    ready = tmp_path / "ready"
    shutil.copytree(paths.home() / "models" / "mine", ready)
    second = json.loads(slmbench("add", ggufs[1], "--name", "mine", "--replace", "--json").out)["answer"]
    assert answer(slmbench, "mine") == second != first  # at once, though the first one was loaded
    copied = slmbench("add", ready, "--name", "other", "--licence", "CC0-1.0")
    assert copied.code == 0 and f'It answers: "{first}"' in copied.out
    assert "weights int4, licence CC0-1.0" in copied.out and "slmbench run --models other" in copied.out
    rows = {row["alias"]: row for row in json.loads(slmbench("models", "--offline", "--json").out)["models"]}
    assert [(rows[n]["source"], rows[n]["state"], rows[n]["device"]) for n in ("mine", "other")] == [
        ("added", "loaded", "cpu"),
        ("added", "cached", "cpu"),
    ]
    removed = slmbench("remove", "mine")
    assert removed.code == 0 and not (paths.home() / "models" / "mine").exists()
    assert served() == {"other"}
    assert slmbench("remove", "mine").code == 2
    assert running.models == ()


def cut_weights(folder):
    data = (folder / "model.onnx.data").read_bytes()
    (folder / "model.onnx.data").write_bytes(data[: len(data) // 2])


def other_graph(folder):
    (folder / "model.onnx").write_bytes(b"no graph")


@pytest.mark.parametrize("harm", [cut_weights, other_graph])
def test_what_the_runtime_cannot_load_is_told_and_leaves_nothing(slmbench, tmp_path, running, harm):
    folder = models.write_tiny(tmp_path / "broken")
    harm(folder)
    ended = slmbench("add", folder, "--name", "broken")
    assert ended.code == 1
    assert "broken: the runtime can't use it, so it was not added: " in ended.err and "model.onnx" in ended.err
    assert not config.own_file().exists()
    assert sorted(f.name for f in (paths.home() / "models").glob("[!.]*")) == []
    assert served() == set() and running.refused == {}


def test_an_entry_without_its_files_is_a_row_that_says_so(slmbench, ggufs, tmp_path, running):
    assert running.models == ()
    for name in ("gone", "here"):
        assert slmbench("add", ggufs[0], "--name", name).code == 0
    shutil.rmtree(paths.home() / "models" / "gone")
    until(lambda: served() == {"here"})
    ended = slmbench("run", "--models", "gone,here", *ONE, "--out", tmp_path / "run")
    assert ended.code == 0
    [row] = [r for r in store.read(tmp_path / "run").rows if r.status == "skipped"]
    assert row.model == "gone" and "slmbench add FILE --name gone --replace" in row.error
