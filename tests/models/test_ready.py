"""Ready GenAI folders: which files are taken, and what is refused with the name of what is missing."""

import json
import shutil
import sys

import pytest

from slmbench import models
from slmbench.errors import UsageError
from slmbench.models import folder as folders, ready


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return models.write_tiny(tmp_path_factory.mktemp("made") / "tiny")


@pytest.fixture
def given(made, tmp_path):
    """A copy as somebody else may have it: without the kit's manifest, with things that are none of the model's."""
    folder = tmp_path / "given"
    shutil.copytree(made, folder)
    (folder / models.MANIFEST).unlink()
    (folder / "README.md").write_text("read me", encoding="utf-8")
    (folder / ".gitattributes").write_text("", encoding="utf-8")
    (folder / ".cache").mkdir()
    return folder


def test_files_side_by_side_are_taken_and_nothing_hidden(given):
    names = [file.name for file in ready.files_of(given)]
    assert names == [
        *("README.md", "genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json"),
    ]


def changed(folder, change):
    config = json.loads((folder / models.CONFIG).read_text(encoding="utf-8"))
    change(config)
    (folder / models.CONFIG).write_text(json.dumps(config), encoding="utf-8")


def cut_in_two(config):
    config["model"]["decoder"]["pipeline"] = [{"first": {"filename": "a.onnx"}}, {"second": {"filename": "b.onnx"}}]


REFUSED = {  # what is done to a good folder, and words of the message
    "no configuration": (lambda f: (f / models.CONFIG).unlink(), ["without genai_config.json", "expected a GenAI"]),
    "broken JSON": (lambda f: (f / models.CONFIG).write_text("{"), ["genai_config.json: not valid JSON"]),
    "a list": (lambda f: (f / models.CONFIG).write_text("[]"), ['no object "model"']),
    "no decoder": (lambda f: changed(f, lambda c: c["model"].pop("decoder")), ['no "model.decoder"']),
    "no weights": (lambda f: (f / "model.onnx").unlink(), ["model.onnx not found"]),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), ["tokenizer.json not found"]),
    "no template": (lambda f: (f / "tokenizer_config.json").unlink(), ["tokenizer_config.json not found"]),
    "parts that are missing": (lambda f: changed(f, cut_in_two), ["a.onnx, b.onnx not found"]),
    "a file elsewhere": (
        lambda f: changed(f, lambda c: c["model"]["decoder"].update(filename="../model.onnx")),
        ["it names '../model.onnx'; a file beside it"],
    ),
    "a file elsewhere on Windows": (
        lambda f: changed(f, lambda c: c["model"]["decoder"].update(filename="..\\model.onnx")),
        ["a file beside it was expected"],
    ),
}


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(given, change, said):
    change(given)
    with pytest.raises(UsageError) as refused:
        ready.files_of(given)
    for words in said:
        assert words in refused.value.message
    assert refused.value.cure


def test_what_helps_goes_by_what_is_there(given, tmp_path):
    inside = tmp_path / "repository"
    given.rename(inside.mkdir() or inside / "cpu-int4")
    with pytest.raises(UsageError) as refused:
        ready.files_of(inside)
    assert str(inside / "cpu-int4") in refused.value.cure
    for name, words in (("x.safetensors", "onnxruntime_genai.models.builder"), ("x.gguf", "slmbench add")):
        folder = tmp_path / name.partition(".")[2]
        folder.mkdir()
        (folder / name).write_bytes(b"")
        with pytest.raises(UsageError) as refused:
            ready.files_of(folder)
        assert words in refused.value.cure


def test_taken_over_whole_weights_linked_and_settings_copied(given, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LINKED_BYTES", (given / "model.onnx.data").stat().st_size)
    files = ready.files_of(given)
    taken = models.take(files, tmp_path / "taken", {"scheme": None, "source": {"file": "given", "sha256": ""}})
    assert models.is_complete(taken, thorough=True, scheme=None)
    assert {f.name for f in taken.iterdir()} == {models.MANIFEST, *(f.name for f in files)}
    assert (taken / "model.onnx.data").samefile(given / "model.onnx.data")
    changed(given, lambda c: c.update(x=1))  # somebody goes on working on it
    assert models.is_complete(taken, thorough=True)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_are_followed_as_the_cache_of_hugging_face_has_them(given, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LINKED_BYTES", 0)
    store, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    given.rename(store)
    snapshot.mkdir()
    for file in store.iterdir():
        (snapshot / file.name).symlink_to(file)
    taken = models.take(ready.files_of(snapshot), tmp_path / "taken", {})
    assert not any(f.is_symlink() for f in taken.iterdir())
    shutil.rmtree(store)
    assert models.is_complete(taken, thorough=True)
