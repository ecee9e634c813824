"""The adapter of the runtime's own engine: what is missing is told; and it says what Foundry Local says."""

import json
import sys

import pytest

from slmbench import models
from slmbench.adapters import Ended
from slmbench.adapters.genai import PACKAGE, REQUIREMENT, GenAI
from slmbench.endpoint import rest
from slmbench.errors import UsageError
from support.tiny import service_with_tiny


def test_a_package_that_is_missing_is_told_with_its_cure(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(UsageError, match="onnxruntime-genai is not installed") as refused:
        GenAI().load(tmp_path)
    assert refused.value.cure == f'"{sys.executable}" -m pip install "{REQUIREMENT}"'


def drained(generator):
    """All that it yields, and what it returns."""
    pieces = []
    while True:
        try:
            pieces.append(next(generator))
        except StopIteration as end:
            return "".join(pieces), end.value


@pytest.fixture(scope="module")
def engine():
    return pytest.importorskip(PACKAGE)  # an extra: not everybody has it


@pytest.mark.usefixtures("engine")
def test_it_says_what_the_service_says(tmp_path):
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    asked = {"model": "tiny:1", "messages": said, "max_tokens": 40, "temperature": 0}
    with service_with_tiny(tmp_path / "home", "tiny") as running:
        rest.get(f"{running.url}{running.prefix}/models/load/tiny")
        reply = rest.post(f"{running.base_url}/chat/completions", asked)
        adapter = GenAI()
        adapter.load(tmp_path / "home" / "models" / "tiny")
    text, ended = drained(adapter.generate("unused", messages=said, max_tokens=40, temperature=0))
    assert text == reply["choices"][0]["message"]["content"] and len(text) == 40
    usage = reply["usage"]
    assert ended == Ended("length", usage["prompt_tokens"], usage["completion_tokens"])
    drawn = {seed: drained(adapter.generate("Hello", max_tokens=20, seed=seed))[0] for seed in (1, 2)}
    assert drawn[1] == drained(adapter.generate("Hello", max_tokens=20, seed=1))[0] != drawn[2]


@pytest.mark.usefixtures("engine")
def test_its_context_ends_a_reply(tmp_path):
    folder = models.write_tiny(tmp_path / "tiny")
    adapter = GenAI()
    adapter.load(folder)
    config = json.loads((folder / models.CONFIG).read_text(encoding="utf-8"))
    assert adapter.context == config["model"]["context_length"] == 4096
    adapter.context = adapter.count_tokens("x") + 60
    _, ended = drained(adapter.generate("Hello", max_tokens=4000, temperature=0))
    assert ended.prompt_tokens + ended.completion_tokens <= adapter.context
    with pytest.raises(UsageError, match=r"has no genai_config\.json"):
        adapter.load(tmp_path)
