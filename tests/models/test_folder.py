import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from slmbench import models
from slmbench.errors import UsageError
from slmbench.models import disk, folder

FILES = {"genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json"}

# Ends itself without any clean-up, as a kill does, at the Nth call of a step of the work.
DIE = """
import os, sys
from pathlib import Path
from slmbench import models
from slmbench.models import disk, folder, graph

where, nth, gguf, target = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
owner = {"linear": graph.Graph, "sync": disk, "_dump": folder, "replace": Path, "rmtree": disk.shutil}[where]
real, calls = getattr(owner, where), []

def step(*args, **kwargs):
    calls.append(args)
    if len(calls) == nth:
        os._exit(9)
    return real(*args, **kwargs)

setattr(owner, where, step)
models.convert(gguf, target, "int8")
"""


@pytest.fixture
def gguf(tmp_path):
    return models.write_tiny_gguf(tmp_path / "tiny.gguf")


def names(path):
    return {f.name for f in path.iterdir() if not f.name.endswith(".lock")}


@pytest.mark.parametrize("scheme", models.SCHEMES)
def test_from_gguf_to_logits(tmp_path, gguf, forward, run, scheme):
    from slmbench.models.gguf import read

    steps = []
    made = models.convert(gguf, tmp_path / "made", scheme, progress=lambda *p: steps.append(p))
    assert names(made) == FILES | {"slmbench.json"}
    assert steps == [(1, 2), (2, 2)]
    checkpoint = read(gguf)
    wanted = forward(checkpoint.shape, {n: t.values() for n, t in checkpoint.tensors.items()}, [5, 80, 81])
    logits, _ = run(made, [5, 80, 81])
    error = abs(logits - wanted).mean() / abs(wanted).mean()
    assert error < {"fp32": 1e-5, "int8": 0.05, "int4": 0.05, "int4-rtn": 0.4}[scheme]


def test_manifest(tmp_path, gguf):
    made = models.convert(gguf, tmp_path / "made", "int4")
    said = models.manifest(made)
    assert said["source"] == {"file": "tiny.gguf", "sha256": folder.sha256(gguf)}
    assert (said["converter"], said["scheme"], said["threads"]) == (models.CONVERTER, "int4", None)
    assert said["files"] == {name: (made / name).stat().st_size for name in FILES}
    assert models.is_complete(made, scheme="int4")
    assert not models.is_complete(made, scheme="int8")


def test_the_same_again_does_no_work(tmp_path, gguf):
    made = models.convert(gguf, tmp_path / "made", "int4")
    before = (made / "model.onnx.data").stat()
    models.convert(gguf, made, "int4", progress=lambda *_: pytest.fail("converted again"))
    assert (made / "model.onnx.data").stat() == before


def test_another_scheme_or_a_damaged_folder_is_made_anew(tmp_path, gguf):
    made = models.convert(gguf, tmp_path / "made", "int4")
    models.convert(gguf, made, "int8")
    assert models.is_complete(made, scheme="int8")
    (made / "model.onnx.data").write_bytes(b"short")
    assert not models.is_complete(made)
    assert models.is_complete(models.convert(gguf, made, "int8"))
    (made / "tokenizer.json").unlink()
    assert not models.is_complete(made)


def test_nothing_is_not_complete(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "slmbench.json").write_text('{"files": {', encoding="utf-8")
    assert not any(models.is_complete(tmp_path / name) for name in ("none", "empty", "torn"))
    assert models.manifest(tmp_path / "torn") == {}


def test_a_folder_of_someone_else_is_never_replaced(tmp_path, gguf):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match=r"thesis: is there already and has no legible slmbench\.json"):
        models.convert(gguf, tmp_path / "thesis", "int4")
    assert (tmp_path / "thesis" / "chapter.txt").read_text(encoding="utf-8") == "years of work"


def test_an_empty_folder_is_welcome(tmp_path, gguf):
    (tmp_path / "made").mkdir()
    assert models.is_complete(models.convert(gguf, tmp_path / "made", "int4"))


def test_unknown_scheme(tmp_path, gguf):
    with pytest.raises(UsageError, match="scheme 'int5': not known; expected one of int4, int4-rtn, int8, fp32"):
        models.convert(gguf, tmp_path / "made", "int5")


def test_no_room_is_said_before_any_work(tmp_path, gguf, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(models.DiskError, match=r"made: 1 MB free, \d+ MB needed"):
        models.convert(gguf, tmp_path / "made", "int4")
    assert names(tmp_path) == {"tiny.gguf"}


def test_an_error_half_way_leaves_the_old_folder_and_nothing_else(tmp_path, gguf):
    made = models.convert(gguf, tmp_path / "made", "int4")

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.convert(gguf, made, "int8", progress=stop)
    assert names(tmp_path) == {"tiny.gguf", "made"}
    assert models.is_complete(made, scheme="int4")


@pytest.mark.parametrize("earlier", [True, False], ids=["over another", "new"])
@pytest.mark.parametrize(
    "where, nth", [("linear", 5), ("_dump", 2), ("sync", 3), ("replace", 1), ("replace", 2), ("rmtree", 1)]
)
def test_killed_at_any_step(tmp_path, gguf, where, nth, earlier):
    target = tmp_path / "made"
    if earlier:
        models.convert(gguf, target, "int4")
    command = [sys.executable, "-c", DIE, where, str(nth), str(gguf), str(target)]
    code = subprocess.run(command, check=False).returncode
    not_reached = not earlier and (where, nth) in [("replace", 2), ("rmtree", 1)]  # there is no older folder to move
    assert code == (0 if not_reached else 9)
    assert not target.exists() or models.is_complete(target)
    models.convert(gguf, target, "int8")
    assert models.is_complete(target, scheme="int8")
    assert names(tmp_path) == {"tiny.gguf", "made"}
    assert names(target) == FILES | {"slmbench.json"}


def test_an_older_folder_comes_back_after_a_kill_between_two_renames(tmp_path, gguf):
    target = tmp_path / "made"
    models.convert(gguf, target, "int4")
    command = [sys.executable, "-c", DIE, "replace", "2", str(gguf), str(target)]
    assert subprocess.run(command, check=False).returncode == 9
    assert not target.exists()
    with disk.locked(target):
        disk.clear(target)
    assert models.is_complete(target, scheme="int4")


def test_killed_at_random(tmp_path, gguf):
    import random

    code = "import sys; from pathlib import Path; from slmbench import models; print(1, flush=True)\n"
    code += "for scheme in ['int4', 'int8'] * 1000: models.convert(Path(sys.argv[1]), Path(sys.argv[2]), scheme)"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, gguf, tmp_path / "made"], stdout=subprocess.PIPE)
        process.stdout.read(1)
        threading.Event().wait(0.5 + random.random() * 0.3)
        process.kill()
        process.communicate()
        assert models.is_complete(models.convert(gguf, tmp_path / "made", "fp32"), scheme="fp32")
    assert names(tmp_path) == {"tiny.gguf", "made"}


def test_threads_share_the_weights(tmp_path, gguf):
    base = models.convert(gguf, tmp_path / "base", "int4")
    two = models.with_threads(base, tmp_path / "two", 2)
    assert models.is_complete(two, threads=2, scheme="int4", source=models.manifest(base)["source"])
    assert (two / "model.onnx.data").samefile(base / "model.onnx.data")
    assert models.disk_mb(two) == pytest.approx(models.disk_mb(base), rel=1e-3)
    config = json.loads((two / "genai_config.json").read_text(encoding="utf-8"))
    options = config["model"]["decoder"]["session_options"]
    assert options.pop("intra_op_num_threads") == 2
    options.pop("session.intra_op_thread_affinities", None)  # Linux only
    assert config == json.loads((base / "genai_config.json").read_text(encoding="utf-8"))


def test_threads_copy_where_there_are_no_hard_links(tmp_path, gguf, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    base = models.convert(gguf, tmp_path / "base", "int4")
    monkeypatch.setattr(folder.Path, "hardlink_to", no_links)
    one = models.with_threads(base, tmp_path / "one", 1)
    assert models.is_complete(one, threads=1)
    assert (one / "model.onnx.data").read_bytes() == (base / "model.onnx.data").read_bytes()


def test_importing_models_imports_nothing_heavy():
    code = "import sys, slmbench.models; print([m for m in ('numpy', 'onnx', 'gguf') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
