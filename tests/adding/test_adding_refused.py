"""What is refused before anything is written: names, files, folders; and the user's own models.json."""

import json

import pytest
from gguf import GGUFWriter

from slmbench import adding, config, models, paths
from slmbench.adding import shelf
from slmbench.config import ModelEntry
from slmbench.errors import UsageError

ENTRY = {"source": "local", "size_mb": 1}


@pytest.fixture
def gguf(tmp_path):
    return models.write_tiny_gguf(tmp_path / "tiny.gguf", licence="MIT")


def own(entries):
    paths.home().mkdir(parents=True, exist_ok=True)
    config.own_file().write_text(json.dumps({"models": entries}), encoding="utf-8")


def refused(*given, **more):
    """The UsageError of an `add` that must leave no trace."""
    before = sorted(paths.home().rglob("*")) if paths.home().exists() else None
    with pytest.raises(UsageError) as error:
        adding.add(*given, **more)
    assert (sorted(paths.home().rglob("*")) if paths.home().exists() else None) == before
    assert error.value.cure and error.value.message.isprintable()
    return error.value


NAMES = [
    "",
    "a b",
    "a/b",
    "..",
    ".a",
    "a.",
    "a:1",
    "-a",
    "a\n",
    "é",
    "x" * 65,
    "con",
    "NUL",
    "com1.int4",
    "auto",
    5,
    "LPT9",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_not_every_system_can_have(gguf, name):
    assert "--name: " in refused(gguf, name).message


@pytest.mark.parametrize("name", ["a", "A.b-c_d", "x" * 64, "console", "9", "a_", "a..b"])
def test_a_name_that_all_can_have(name):
    shelf.refuse_name(name)


@pytest.mark.parametrize("name", ["smollm2-135m-int4", "SmolLM2-135m-INT4", "phi-4-mini"])
def test_a_name_of_the_kits(gguf, name):
    assert "is a model of the kit's" in refused(gguf, name, replace=True).message


def test_a_name_that_was_added_before(gguf):
    own({"mine": ENTRY})
    assert "--replace" in refused(gguf, "mine").cure
    assert '"mine" was added before' in refused(gguf, "MINE", replace=True).message  # one folder on Windows
    (paths.home() / "models" / "other").mkdir(parents=True)
    assert "slmbench has not made it" in refused(gguf, "other", replace=True).message
    shelf.refuse_taken("mine", replace=True)


def gguf_of(path, architecture):
    file = GGUFWriter(path, architecture)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def test_another_architecture_is_told_the_official_builder(tmp_path):
    error = refused(gguf_of(tmp_path / "q.gguf", "qwen2"), "mine")
    assert "general.architecture` = 'qwen2'; expected 'llama'" in error.message
    assert "python -m onnxruntime_genai.models.builder -m" in error.cure and "slmbench add FOLDER" in error.cure


def test_files_that_are_none(tmp_path, gguf):
    assert "there is no" in refused(tmp_path / "nothing", "mine").message
    (tmp_path / "x.gguf").write_bytes(b"PK\3\4" + bytes(99))
    assert "begins with b'PK" in refused(tmp_path / "x.gguf", "mine").message
    (tmp_path / "cut.gguf").write_bytes(gguf.read_bytes()[:-2000])
    assert "cannot be read to its end" in refused(tmp_path / "cut.gguf", "mine").message
    assert "PATH" in refused("", "mine").message
    assert "without genai_config.json" in refused(tmp_path, "mine").message


@pytest.mark.parametrize("key", ["llama.block_count", "llama.attention.head_count", "llama.embedding_length"])
@pytest.mark.parametrize("value", [0, 2**31 - 1])
def test_numbers_that_no_model_has_are_refused_at_once(gguf, key, value):
    data = bytearray(gguf.read_bytes())
    at = data.index(key.encode()) + len(key) + 4  # behind the type of the value
    data[at : at + 4] = value.to_bytes(4, "little")
    gguf.write_bytes(data)
    assert f"has `{key}` = {value}" in refused(gguf, "mine").message


def test_options_that_do_not_fit(gguf, tmp_path):
    assert 'did you mean "int4"' in refused(gguf, "mine", scheme="int-4").message
    assert 'did you mean "chat"' in refused(gguf, "mine", capabilities=["caht"]).message
    ready = models.write_tiny(tmp_path / "ready")
    assert "stays as it is" in refused(ready, "mine", scheme="int8").message


BROKEN = {
    "no JSON": ("{", "not valid JSON"),
    "an alias of the kit's": ({"models": {"Phi-4-mini": ENTRY}}, '"Phi-4-mini" was found, which the kit ships'),
    "settings": ({"models": {}, "run": {"rounds": 5}}, '"run" was found, only models'),
    "a strange key": ({"models": {"a": {"licens": "MIT"}}}, 'did you mean "licence"'),
    "no checksum": ({"models": {"a": {"sha256": "abc"}}}, "64 hex digits"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_of_the_users_own_is_named(content, said, gguf):
    paths.home().mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    config.own_file().write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        config.read_models()
    assert str(config.own_file()) in error.value.message and said in error.value.message and error.value.cure
    assert refused(gguf, "mine").message == error.value.message
    assert config.read_models(paths.data_file("models.json")).entries  # without it all is well


def test_the_users_own_models_stand_beside_the_kits():
    kits = config.read_models()
    own({"mine": ENTRY, "other": {}})
    both = config.read_models()
    assert list(both.entries) == [*kits.entries, "mine", "other"]
    assert (both.path, both.run, both.entries["mine"]) == (kits.path, kits.run, ModelEntry("mine", "local", size_mb=1))
    assert list(adding.added_entries()) == ["mine", "other"]


def test_what_is_written_is_read_back():
    whole = ModelEntry(
        *("mine", "local", ("chat", "code"), 1.5, None, "Lizenz ä", None, None, None, 0.1234),
        weights="int4",
        threads=2,
        file="tiny.gguf",
        sha256="0" * 64,
    )
    paths.home().mkdir(parents=True)
    shelf.write({"mine": whole, "bare": ModelEntry("bare", "local")})
    assert adding.added_entries() == {"mine": whole, "bare": ModelEntry("bare", "local")}
    shelf.write({})
    assert adding.added_entries() == {}


def test_only_what_was_added_can_be_removed():
    own({"mine": ENTRY, "up/../../../x": ENTRY})
    kits = models.write_tiny(paths.home() / "models" / "smollm2-135m-int4")
    (paths.home() / "models" / "up").mkdir()
    for name, said in (
        ("smollm2-135m-int4", "is a model of the kit's"),
        ("mien", 'is none of the added models; added: mine, up/../../../x; did you mean "mine"'),
        ("../models", "is none of the added models"),
    ):
        with pytest.raises(UsageError) as error:
            adding.remove(name)
        assert said in error.value.message
    victim = models.write_tiny(paths.home().parent / "x")  # where a path like that leads to
    assert adding.remove("up/../../../x") is None
    assert models.is_complete(victim) and models.is_complete(kits)
    assert adding.remove("mine") is None
    assert adding.added_entries() == {}
    left = models.write_tiny(paths.home() / "models" / "left-over")  # as a kill leaves it
    assert adding.remove("left-over") == left and not left.exists()
    with pytest.raises(UsageError, match="none was added"):
        adding.remove("left-over")
