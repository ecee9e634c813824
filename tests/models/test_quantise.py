import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from slmbench.models import quantise

UNHURRIED = settings(deadline=None, max_examples=50)
WEIGHTS = arrays(np.int32, (3, 64), elements=st.integers(-99_999, 99_999)).map(lambda a: (a / 1000).astype(np.float32))


def row(*values):
    """One row of one block: the values, then zeros."""
    return np.array([[*values, *[0] * (32 - len(values))]], np.float32)


def test_pack_keeps_the_earlier_code_in_the_low_half():
    assert quantise.pack(np.array([1, 2, 15, 0], np.uint8)).tolist() == [0x21, 0x0F]


@UNHURRIED
@given(arrays(np.uint8, (2, 32), elements=st.integers(0, 15)))
def test_unpack_inverts_pack(codes):
    assert (quantise.unpack(quantise.pack(codes)) == codes).all()


def test_int8_by_hand():
    blocks = quantise.to_int8(row(127, -127, 1.4, -0.6))
    assert blocks.scale.tolist() == [[1.0]]
    assert blocks.codes[0, 0, :5].tolist() == [255, 1, 129, 127, 128]
    assert blocks.values()[0, :5].tolist() == [127, -127, 1, -1, 0]


def test_int4_by_hand():
    blocks = quantise.to_int4(row(*range(10, 26), *[10] * 16))  # 16 steps of 1 from 10 on
    assert blocks.scale.tolist() == [[1.0]]
    assert blocks.offset.tolist() == [[18.0]]  # MatMulNBits gives (code - 8): the rest of 10 + code is 18
    assert blocks.codes[0, 0, :8].tolist() == [0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE]
    assert blocks.values()[0, :16].tolist() == list(range(10, 26))


def test_int4_rtn_by_hand():
    blocks = quantise.to_int4_rtn(row(-8, 7, 1.4, -0.6))
    assert blocks.offset is None
    assert blocks.scale.tolist() == [[1.0]]
    assert blocks.values()[0, :4].tolist() == [-8, 7, 1, -1]
    assert quantise.to_int4_rtn(row(8, -7)).scale.tolist() == [[-1.0]]  # the far end is always exact


def test_rtn_wastes_its_steps_on_a_block_to_one_side_of_zero():
    weights = row(*range(10, 26), *[10] * 16)
    assert np.abs(quantise.to_int4(weights).values() - weights).max() == 0
    assert np.abs(quantise.to_int4_rtn(weights).values() - weights).max() == pytest.approx(25 / 8 / 2, rel=0.1)


@pytest.mark.parametrize("scheme", quantise.ROUNDED)
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_a_block_of_one_value_is_exact(scheme, value):
    weights = np.full((2, 32), value, np.float32)
    assert quantise.ROUNDED[scheme](weights).values() == pytest.approx(weights)


@pytest.mark.parametrize("scheme, steps", [("int8", 127 * 2), ("int4", 15)])
@UNHURRIED
@given(weights=WEIGHTS)
def test_error_is_at_most_half_a_step(scheme, steps, weights):
    blocks = weights.reshape(3, 2, 32)
    top = np.abs(blocks).max(-1) * 2 if scheme == "int8" else blocks.max(-1) - blocks.min(-1)
    error = np.abs(quantise.ROUNDED[scheme](weights).values().reshape(blocks.shape) - blocks).max(-1)
    assert (error <= top / steps / 2 + 1e-5 * np.abs(blocks).max(-1)).all()


@UNHURRIED
@given(weights=WEIGHTS)
def test_rtn_error_is_at_most_one_step(weights):
    blocks = weights.reshape(3, 2, 32)
    error = np.abs(quantise.to_int4_rtn(weights).values().reshape(blocks.shape) - blocks).max(-1)
    assert (error <= np.abs(blocks).max(-1) / 8 * 1.0001).all()  # the end opposite to the furthest is cut


@UNHURRIED
@given(
    codes=arrays(np.uint8, (4, 30), elements=st.integers(0, 15)),
    scale=st.floats(2**-10, 2, width=16),
    low=st.floats(-8, 8, width=16),
)
def test_int4_gives_back_a_dequantised_q4_1_block(codes, scale, low):
    codes = np.concatenate([codes, np.full((4, 1), 0, np.uint8), np.full((4, 1), 15, np.uint8)], axis=-1)
    stored = codes * np.float32(scale) + np.float32(low)
    blocks = quantise.to_int4(stored)
    assert (quantise.unpack(blocks.codes)[:, 0] == codes).all()
    assert blocks.values() == pytest.approx(stored, abs=1e-5)


@UNHURRIED
@given(weights=WEIGHTS)
def test_int8_gives_back_a_dequantised_q8_0_tensor(weights):
    stored = dequantize(quantize(weights, GGMLQuantizationType.Q8_0), GGMLQuantizationType.Q8_0)
    assert quantise.to_int8(stored).values() == pytest.approx(stored, rel=1e-6)


@pytest.mark.parametrize("kind, block_bytes", [("Q4_0", 18), ("Q4_1", 20), ("Q4_K", 144)])
@UNHURRIED
@given(data=st.data())
def test_stored_codes_mean_what_gguf_says(kind, block_bytes, data):
    raw = np.frombuffer(data.draw(st.binary(min_size=6 * block_bytes, max_size=6 * block_bytes)), np.uint8)
    raw = raw.reshape(6, block_bytes).copy()
    raw[:, 1] &= 0b10111011  # the half-precision numbers stay finite, and below 4
    raw[:, 3] &= 0b10111011
    raw = raw.reshape(2, -1)
    wanted = dequantize(raw, GGMLQuantizationType[kind])
    assert quantise.STORED_INT4[kind](raw).values() == pytest.approx(wanted, abs=1e-3, rel=1e-6)


def test_join_stacks_rows():
    parts = [quantise.to_int4(row(1, 2)), quantise.to_int4(row(3, 4))]
    assert quantise.join(parts).values() == pytest.approx(np.concatenate([p.values() for p in parts]))
    assert quantise.join([quantise.to_int8(row(1))]).offset is None
