"""An independent forward pass in plain numpy, and what the tests need to run a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def forward():
    """llama in numpy: forward(shape, weights by GGUF name, token ids (n,)) -> logits (n, vocab)."""
    return _forward


@pytest.fixture
def opened():
    """Open model.onnx of a folder once, for many runs: opened(folder) -> what `run` takes as well."""
    return _opened


@pytest.fixture
def run():
    """Run a model: run(folder or opened, ids (n,), past=None) -> logits (n, vocab), new past."""
    return _run


def _forward(shape, weights, ids):
    def norm(x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + shape.eps) * weights[f"{name}.weight"]

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T

    def heads(x, n):  # (tokens, n * head_dim) -> (n, tokens, head_dim)
        return x.reshape(len(ids), n, shape.head_dim).swapaxes(0, 1)

    pair = np.arange(shape.head_dim // 2)
    factors = weights.get("rope_freqs.weight", np.ones(len(pair)))
    angle = np.arange(len(ids))[:, None] / (shape.rope_base ** (2 * pair / shape.head_dim) * factors)

    def turn(x):  # neighbours (0, 1), (2, 3), ... are the real and imaginary parts that rotate
        spun = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)
        return np.stack([spun.real, spun.imag], axis=-1).reshape(x.shape)

    x = weights["token_embd.weight"][ids].astype(np.float64)
    for i in range(shape.layers):
        h = norm(x, f"blk.{i}.attn_norm")
        q = turn(heads(linear(h, f"blk.{i}.attn_q"), shape.heads))
        k = turn(heads(linear(h, f"blk.{i}.attn_k"), shape.kv_heads))
        v = heads(linear(h, f"blk.{i}.attn_v"), shape.kv_heads)
        group = shape.heads // shape.kv_heads
        score = q @ np.repeat(k, group, 0).swapaxes(1, 2) / np.sqrt(shape.head_dim)
        score[:, np.triu(np.ones((len(ids), len(ids)), bool), 1)] = -np.inf
        share = np.exp(score - score.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        a = (share @ np.repeat(v, group, 0)).swapaxes(0, 1).reshape(len(ids), -1)
        x = x + linear(a, f"blk.{i}.attn_output")
        h = norm(x, f"blk.{i}.ffn_norm")
        gate = linear(h, f"blk.{i}.ffn_gate")
        x = x + linear(gate / (1 + np.exp(-gate)) * linear(h, f"blk.{i}.ffn_up"), f"blk.{i}.ffn_down")
    table = weights.get("output.weight", weights["token_embd.weight"])
    return norm(x, "output_norm") @ table.T


def _opened(folder):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])


def _run(model, ids, past=None):
    session = _opened(model) if isinstance(model, Path) else model
    caches = [i for i in session.get_inputs() if i.name.startswith("past")]
    past = past or {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in caches}
    seen = next(iter(past.values())).shape[2]
    mask = np.ones((1, seen + len(ids)), np.int64)
    names = [o.name for o in session.get_outputs()]
    out = session.run(names, {"input_ids": np.asarray(ids, np.int64)[None], "attention_mask": mask, **past})
    cache = {n.replace("present", "past_key_values"): v for n, v in zip(names[1:], out[1:], strict=True)}
    return out[0][0], cache
