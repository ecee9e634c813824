"""What fewer bits change: by hand on one block, and in order of the schemes on the tiny model."""

import math

import numpy as np
import pytest

from slmbench import models
from slmbench.models import gguf, lost
from slmbench.models.gguf import Checkpoint, Tensor


def checkpoint(rows):
    """A model of one linear layer; its embedding, full of large numbers, must not count."""
    weights = np.asarray(rows, np.float32)
    table = np.full((2, 32), 1e6, np.float32)
    tensors = {"blk.0.attn_q.weight": weights, "token_embd.weight": table, "blk.0.attn_norm.weight": table[0]}
    return Checkpoint(None, None, {name: Tensor(t.shape, "F32", t) for name, t in tensors.items()})


def test_one_block_by_hand():
    block = np.zeros(32)
    block[:3] = 8, -8, 0.4  # rounded about zero in steps of 1 (from -8 to 7): 7, -8, 0
    one = checkpoint([block])
    assert lost.relative_error(one, "int4-rtn") == pytest.approx(math.sqrt((1 + 0.16) / (64 + 64 + 0.16)), rel=1e-6)
    assert lost.relative_error(one, "fp32") == 0
    assert lost.relative_error(checkpoint(np.zeros((2, 32))), "int8") == 0


def test_schemes_keep_more_the_more_bits_they_have_and_what_the_file_has_exactly(tmp_path):
    stored = {kind: gguf.read(models.write_tiny_gguf(tmp_path / f"{kind}.gguf", kind)) for kind in ("F32", "Q4_1")}
    error = {(k, s): lost.relative_error(c, s) for k, c in stored.items() for s in models.SCHEMES}
    assert 0 == error["F32", "fp32"] < error["F32", "int8"] < error["F32", "int4"] < error["F32", "int4-rtn"] < 0.2
    assert error["Q4_1", "int4"] < 1e-6 < error["Q4_1", "int8"] < error["Q4_1", "int4-rtn"]
