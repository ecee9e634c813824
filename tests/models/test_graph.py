import dataclasses

import numpy as np
import pytest

from slmbench.models import gguf, graph, quantise, tiny

IDS = [0, 75, 103, 12, 200, 75, 33, 90, 1, 60]
PLAIN = gguf.Llama(layers=2, hidden=64, ffn=96, heads=2, kv_heads=2, head_dim=32, vocab=300, context=64)
SHAPES = {
    "tiny": tiny.checkpoint().shape,
    "as many key heads as heads": PLAIN,
    "wide heads": dataclasses.replace(PLAIN, heads=4, kv_heads=2, head_dim=64, rope_base=500.0, eps=1e-3),
}
EXTRA = {"": (), "own output": ("output.weight",), "scaled rope": ("rope_freqs.weight",)}


def weights_of(shape, extra=()):
    """Random weights by GGUF name, norms included."""
    rng = np.random.default_rng(5)
    weights = tiny.random_weights(shape, seed=3)
    for name in extra:
        weights[name] = rng.uniform(1, 3, shape.optional_shapes()[name]).astype(np.float32)
    for name, w in weights.items():
        if "norm" in name:
            w[:] = rng.uniform(0.5, 1.5, w.shape)
    return weights


def tensors_of(weights):
    return {name: gguf.Tensor(w.shape, "F32", w) for name, w in weights.items()}


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("shape", SHAPES)
def test_fp32_equals_numpy(tmp_path, forward, run, shape, extra):
    shape = SHAPES[shape]
    weights = weights_of(shape, EXTRA[extra])
    graph.build(shape, tensors_of(weights), tmp_path, "fp32")
    logits, _ = run(tmp_path, IDS)
    assert logits == pytest.approx(forward(shape, weights, IDS), abs=2e-3)


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("scheme", quantise.ROUNDED)
def test_quantised_equals_numpy_on_the_same_rounded_weights(tmp_path, forward, run, scheme, extra):
    shape = SHAPES["tiny"]
    weights = weights_of(shape, EXTRA[extra])
    graph.build(shape, tensors_of(weights), tmp_path, scheme)
    for name, w in weights.items():
        if w.ndim == 2:
            table = name in ("token_embd.weight", "output.weight")
            weights[name] = quantise.ROUNDED["int8" if table else scheme](w).values()
    logits, _ = run(tmp_path, IDS)
    wanted = forward(shape, weights, IDS)
    # the runtime rounds the inputs of each product to 8 bits as well, hence not equal to the last digit
    assert np.abs(logits - wanted).mean() < 0.05 * np.abs(wanted).mean()


def test_one_token_at_a_time_equals_all_at_once(tmp_path, run):
    shape = SHAPES["tiny"]
    graph.build(shape, tensors_of(weights_of(shape)), tmp_path, "fp32")
    wanted, _ = run(tmp_path, IDS)
    past, logits = None, []
    for token in IDS:
        step, past = run(tmp_path, [token], past)
        logits.append(step[0])
    assert np.array(logits) == pytest.approx(wanted, abs=1e-3)


def test_stored_4_bit_codes_are_taken_over():
    raw = np.random.default_rng(0).integers(0, 60, (4, 40), dtype=np.uint8)  # two Q4_1 blocks a row
    tensor = gguf.Tensor((4, 64), "Q4_1", raw)
    assert graph.quantised([tensor], "int4").values() == pytest.approx(tensor.values(), rel=1e-6)
    assert graph.quantised([tensor], "int4-rtn").offset is None


def test_many_chunks_give_the_same_graph(tmp_path, monkeypatch):
    shape, weights = SHAPES["tiny"], weights_of(SHAPES["tiny"])
    for name in "one", "many":
        (tmp_path / name).mkdir()
        graph.build(shape, tensors_of(weights), tmp_path / name, "int8")
        monkeypatch.setattr(gguf, "CHUNK", 640)
    for file in graph.MODEL, graph.DATA:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "many" / file).read_bytes()


@pytest.mark.parametrize("scheme", ["int4", "int4-rtn", "int8", "fp32"])
def test_needed_bytes_is_an_upper_bound_close_to_the_truth(tmp_path, scheme):
    shape = dataclasses.replace(PLAIN, hidden=512, ffn=2048, heads=8, head_dim=64, vocab=4096)
    tensors = tensors_of(tiny.random_weights(shape, seed=0))
    graph.build(shape, tensors, tmp_path, scheme)
    written = sum(f.stat().st_size for f in tmp_path.iterdir())
    needed = graph.needed_bytes(shape, tensors, scheme)
    assert written < needed < written + 1_500_000


def test_progress_counts_layers(tmp_path):
    seen = []
    graph.build(PLAIN, tensors_of(weights_of(PLAIN)), tmp_path, "int4", lambda *p: seen.append(p))
    assert seen == [(1, 2), (2, 2)]
