"""From a name to an adapter: what packages register, classes of modules and files, and what is refused."""

import importlib
import tomllib
from pathlib import Path

import pytest

from slmbench import adapters
from slmbench.adapters import ModelAdapter, finding, genai
from slmbench.adapters.ngram import Ngram
from slmbench.errors import UsageError

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GOOD = "class Good:\n    def load(self, weights_path): ...\n    def generate(self, prompt): return 'hi'\n"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that registers adapters, as pip leaves it: installed(**{name: module:Class})."""

    def install(**points):
        info = tmp_path / "site" / "others-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n", encoding="utf-8")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[{adapters.GROUP}]\n{lines}", encoding="utf-8")
        (tmp_path / "site" / "their_adapter.py").write_text(GOOD, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / "site")

    return install


def test_what_a_package_registers_is_found(installed):
    installed(theirs="their_adapter:Good")
    name, adapter = adapters.found("theirs")
    assert (name, adapter.generate("x")) == ("theirs", "hi")
    assert "theirs" in adapters.registered()


def test_an_unknown_name_is_told_the_nearest_and_all(installed):
    installed(theirs="their_adapter:Good", more="their_adapter:Good")
    with pytest.raises(UsageError, match='"thiers" is not registered; did you mean "theirs"') as refused:
        adapters.found("thiers")
    assert "more" in refused.value.message.partition("registered: ")[2]
    assert "module:Class" in refused.value.cure


def test_the_kit_registers_its_examples():
    points = PROJECT["entry-points"][finding.GROUP]
    assert list(points) == ["genai", "ngram"]
    for value in points.values():
        module, _, name = value.partition(":")
        assert isinstance(getattr(importlib.import_module(module), name)(), ModelAdapter)
    [extra] = PROJECT["optional-dependencies"]["adapters"]
    assert extra == genai.REQUIREMENT and not any("genai" in d for d in PROJECT["dependencies"])


def test_a_class_of_a_module_and_of_a_file(tmp_path):
    name, adapter = adapters.found("slmbench.adapters.ngram:Ngram")
    assert (name, type(adapter)) == ("ngram", Ngram)
    (tmp_path / "mine.py").write_text(GOOD, encoding="utf-8")
    name, adapter = adapters.found(f"{tmp_path / 'mine.py'}:Good")
    assert (name, adapter.generate("x")) == ("good", "hi")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("no_such_module:Good", 'there is no module "no_such_module"'),
        ("slmbench.adapters.nothing:Good", 'there is no module "slmbench.adapters.nothing"'),
        ("no_such_file.py:Good", "there is no file"),
        ("slmbench.adapters.ngram:Ngrm", 'has no class "Ngrm"; did you mean "Ngram"'),
        ("slmbench.adapters.ngram:WORD", 'has no class "WORD"'),
        ("slmbench.adapters.ngram:Counter", "has no load and no generate"),
        ("", '"" is not registered'),
        (":", '"" is no name of a module'),
        (".relative:Good", '".relative" is no name of a module'),
    ],
)
def test_what_is_none(spec, said):
    with pytest.raises(UsageError) as refused:
        adapters.found(spec)
    assert said in refused.value.message and refused.value.cure


def test_what_is_wrong_inside_is_its_authors_to_see(tmp_path):
    (tmp_path / "mine.py").write_text("import no_such_thing\n", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        adapters.found(f"{tmp_path / 'mine.py'}:Good")
