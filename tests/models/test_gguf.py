import dataclasses

import numpy as np
import pytest

from slmbench.errors import UsageError
from slmbench.models import gguf, tiny


@pytest.fixture
def model():
    return tiny.checkpoint(seed=1)


def test_reads_back_what_was_written(tmp_path, model):
    read = gguf.read(tiny.write_gguf(model, tmp_path / "m.gguf", "F32"))
    assert dataclasses.replace(read.shape, eps=model.shape.eps) == model.shape
    assert read.shape.eps == pytest.approx(1e-5)
    assert read.vocabulary == model.vocabulary
    assert read.tensors.keys() == model.tensors.keys()
    for name, tensor in read.tensors.items():
        allowed = 0.02 if name == "token_embd.weight" else 0  # Q8_0 there
        assert tensor.values() == pytest.approx(model.tensors[name].values(), abs=allowed)


def test_all_end_tokens_are_kept(tmp_path, model):
    model = dataclasses.replace(model, vocabulary=dataclasses.replace(model.vocabulary, eos=(1, 0)))
    assert gguf.read(tiny.write_gguf(model, tmp_path / "m.gguf", "F16")).vocabulary.eos == (1, 0)


def test_chunks_are_whole_rows_in_order(monkeypatch):
    monkeypatch.setattr(gguf, "CHUNK", 7)  # two rows of three columns
    values = np.arange(15, dtype=np.float32).reshape(5, 3)
    tensor = gguf.Tensor((5, 3), "F32", values)
    assert [len(c) for c in tensor.chunks()] == [2, 2, 1]
    assert (tensor.values() == values).all()


def test_missing_file(tmp_path):
    with pytest.raises(UsageError, match=r"none\.gguf: no such file"):
        gguf.read(tmp_path / "none.gguf")


def test_not_gguf(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"PK\3\4 a zip file")
    with pytest.raises(UsageError, match=r"m\.gguf: begins with b'PK.*; expected b'GGUF'"):
        gguf.read(tmp_path / "m.gguf")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.999])
def test_cut_short(tmp_path, model, share):
    file = tiny.write_gguf(model, tmp_path / "m.gguf", "Q4_1")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UsageError, match=r"m\.gguf: cannot be read to its end"):
        gguf.read(file)


@pytest.mark.parametrize(
    "old, new, message",
    [
        (b"llama", b"gemma", r"has `general.architecture` = 'gemma'; expected 'llama'"),
        (b"gpt2", b"bert", r"has `tokenizer.ggml.model` = 'bert'; expected 'gpt2'"),
        (b"smollm", b"tekken", r"has `tokenizer.ggml.pre` = 'tekken'; expected 'smollm' or 'gpt-2' or 'llama-bpe'"),
        (b"chat_template", b"chat_templats", r"has no `tokenizer.chat_template`"),
    ],
)
def test_another_kind_of_model(tmp_path, model, old, new, message):
    file = tiny.write_gguf(model, tmp_path / "m.gguf", "F32")
    file.write_bytes(file.read_bytes().replace(old, new))
    with pytest.raises(UsageError, match=message) as refused:
        gguf.read(file)
    assert refused.value.cure


def test_scaled_rotary_positions_are_refused(tmp_path, model, monkeypatch):
    file = tiny.write_gguf(model, tmp_path / "m.gguf", "F32")
    fields, tensors = gguf._open(file)
    fields["llama.rope.scaling.type"] = "yarn"
    monkeypatch.setattr(gguf, "_open", lambda _: (fields, tensors))
    with pytest.raises(UsageError, match="'yarn'; expected 'none'"):
        gguf.read(file)


@pytest.mark.parametrize(
    "name, shape, message",
    [
        ("blk.1.ffn_up.weight", None, r"lacks 1 tensors, e.g. 'blk.1.ffn_up.weight'"),
        ("blk.0.attn_q.bias", (64,), r"has tensors unknown here, e.g. 'blk.0.attn_q.bias'"),
        ("blk.0.attn_k.weight", (64, 64), r"'blk.0.attn_k.weight' of shape \(64, 64\); expected \(32, 64\)"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, model, name, shape, message):
    tensors = {n: t for n, t in model.tensors.items() if n != name}
    if shape:
        tensors[name] = gguf.Tensor(shape, "F32", np.zeros(shape, np.float32))
    file = tiny.write_gguf(dataclasses.replace(model, tensors=tensors), tmp_path / "m.gguf", "F32")
    with pytest.raises(UsageError, match=message):
        gguf.read(file)


def test_a_width_that_blocks_do_not_fill(tmp_path, model):
    shape = dataclasses.replace(model.shape, hidden=48, head_dim=32)
    weights = tiny.random_weights(shape, seed=0)
    tensors = {n: gguf.Tensor(w.shape, "F32", w) for n, w in weights.items()}
    for name in [n for n in tensors if tensors[n].shape[-1] == 48]:
        assert tensors[name].shape[-1] % 32
    with pytest.raises(UsageError, match="of 48 columns; expected a multiple of 32"):
        gguf._check_tensors(tmp_path / "m.gguf", shape, tensors)


def test_a_kind_that_cannot_be_read(tmp_path, model):
    tensors = dict(model.tensors)
    tensors["blk.0.ffn_up.weight"] = gguf.Tensor((128, 64), "Q8_1", np.zeros((128, 72), np.uint8))
    with pytest.raises(UsageError, match=r"'blk.0.ffn_up.weight' as Q8_1"):
        gguf._check_tensors(tmp_path / "m.gguf", model.shape, tensors)
