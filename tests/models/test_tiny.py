import json

import numpy as np
import pytest

from slmbench import models
from slmbench.models import tiny


def test_small_whole_and_the_same_every_time(tmp_path):
    first, second = models.write_tiny(tmp_path / "a"), models.write_tiny(tmp_path / "b")
    assert models.is_complete(first)
    assert models.disk_mb(first) < 1
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes()


def test_another_seed_is_another_model(tmp_path):
    first, second = models.write_tiny(tmp_path / "a"), models.write_tiny(tmp_path / "b", seed=1)
    assert (first / "model.onnx.data").read_bytes() != (second / "model.onnx.data").read_bytes()


@pytest.mark.parametrize("scheme", models.SCHEMES)
def test_says_one_printable_character_a_token_and_never_stops(tmp_path, run, scheme):
    folder = models.write_tiny(tmp_path / scheme, scheme)
    names = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names = {i: name for name, i in names.items()}
    ids = np.random.default_rng(0).integers(0, 256, 400)
    logits, _ = run(folder, ids)
    said = {names[i] for i in logits.argmax(-1).tolist()}
    assert all(len(name) == 1 and name.isascii() and name.isprintable() for name in said)
    assert len(said) > 10


def test_a_token_for_every_byte():
    names = tiny.byte_names()
    assert len(set(names)) == 256
    assert (names[ord("A")], names[ord(" ")], names[ord("\n")]) == ("A", "Ġ", "Ċ")  # as GPT-2 spells them
