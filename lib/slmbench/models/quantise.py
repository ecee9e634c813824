"""Weights in few bits: pure numpy, in and out, laid out as ONNX Runtime's MatMulNBits reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 32  # neighbouring weights of a row that share one scale


@dataclass(frozen=True, eq=False)
class Blocks:
    """A float matrix of shape (rows, columns), kept as whole numbers with a scale for each block of 32 columns.

    weight = (code - 2**(bits - 1)) * scale + offset; no offset means zero.
    codes: uint8, (rows, columns / 32, 4 * bits): one code a byte for 8 bits, else two, the earlier one in the low half.
    scale, offset: float32, (rows, columns / 32).
    """

    bits: int
    codes: np.ndarray
    scale: np.ndarray
    offset: np.ndarray | None = None

    def values(self) -> np.ndarray:
        """The matrix that these blocks stand for: float32, (rows, columns)."""
        codes = self.codes if self.bits == 8 else unpack(self.codes)
        weights = (codes.astype(np.float32) - 2 ** (self.bits - 1)) * self.scale[..., None]
        if self.offset is not None:
            weights += self.offset[..., None]
        return weights.reshape(len(weights), -1)


def join(parts: list[Blocks]) -> Blocks:
    """The rows of all parts, in order; all must be of one kind."""
    offset = None if parts[0].offset is None else np.concatenate([p.offset for p in parts])
    codes, scale = (np.concatenate([getattr(p, name) for p in parts]) for name in ("codes", "scale"))
    return Blocks(parts[0].bits, codes, scale, offset)


def pack(codes: np.ndarray) -> np.ndarray:
    """Codes 0-15, two to a byte along the last axis.

    >>> pack(np.array([1, 2, 15, 0], dtype=np.uint8))
    array([33, 15], dtype=uint8)
    """
    return codes[..., 0::2] | codes[..., 1::2] << 4


def unpack(packed: np.ndarray) -> np.ndarray:
    """The inverse of `pack`."""
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)


def to_int8(weights: np.ndarray) -> Blocks:
    """Round to nearest among 255 steps, symmetric about zero. A dequantised Q8_0 tensor comes back unchanged.

    weights: float32, (rows, columns), columns a multiple of 32.
    """
    blocks = _blocks(weights)
    scale = np.abs(blocks).max(-1) / 127
    return Blocks(8, (_divide(blocks, scale) + 128).astype(np.uint8), scale)


def to_int4(weights: np.ndarray) -> Blocks:
    """Round to nearest among 16 steps from a block's lowest value to its highest (4.0 + 2 * 32 / 32 bits a weight).

    A dequantised Q4_1 block comes back unchanged where it uses its lowest and its highest code, as llama.cpp's plain
    quantiser makes sure of.
    weights: float32, (rows, columns), columns a multiple of 32.
    """
    blocks = _blocks(weights)
    low = blocks.min(-1)
    scale = (blocks.max(-1) - low) / 15
    codes = _divide(blocks - low[..., None], scale).astype(np.uint8)
    return Blocks(4, pack(codes), scale, low + 8 * scale)


def to_int4_rtn(weights: np.ndarray) -> Blocks:
    """Round to nearest among 16 steps about zero, without an offset: code 0 is the value furthest from zero.

    This is what the usual converters do. It loses much where a block's values lie on one side of zero.
    weights: float32, (rows, columns), columns a multiple of 32.
    """
    blocks = _blocks(weights)
    furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    scale = furthest / -8
    codes = np.clip(_divide(blocks, scale) + 8, 0, 15).astype(np.uint8)
    return Blocks(4, pack(codes), scale)


ROUNDED = {"int8": to_int8, "int4": to_int4, "int4-rtn": to_int4_rtn}


def _blocks(weights: np.ndarray) -> np.ndarray:
    return weights.reshape(len(weights), -1, BLOCK)


def _divide(blocks: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Nearest whole numbers of blocks / scale; 0 where a block's scale is 0."""
    steps = blocks / np.where(scale != 0, scale, 1)[..., None]
    return np.rint(steps, out=steps)


# What GGUF stores in 4 bits already is taken over code by code: exact, and quicker than rounding again.
# source of the layouts: llama.cpp, ggml-common.h (block_q4_0, block_q4_1, block_q4_K)
def from_q4_0(raw: np.ndarray) -> Blocks:
    """raw: uint8, (rows, bytes of a row). 18 bytes a block: scale, then 32 codes; weight = (code - 8) * scale."""
    raw = raw.reshape(len(raw), -1, 18)
    scale = _half(raw[..., :2])
    return Blocks(4, pack(_halves(raw[..., 2:])), scale, np.zeros_like(scale))


def from_q4_1(raw: np.ndarray) -> Blocks:
    """raw: uint8, (rows, bytes of a row). 20 bytes a block: scale, lowest, 32 codes; weight = code * scale + lowest."""
    raw = raw.reshape(len(raw), -1, 20)
    scale, low = _half(raw[..., :2]), _half(raw[..., 2:4])
    return Blocks(4, pack(_halves(raw[..., 4:])), scale, low + 8 * scale)


def from_q4_k(raw: np.ndarray) -> Blocks:
    """raw: uint8, (rows, bytes of a row). 144 bytes for 8 blocks of 32: scales and minima of 6 bits, 256 codes.

    weight = code * (d * scale) - dmin * minimum
    """
    raw = raw.reshape(len(raw), -1, 144)
    d, dmin, packed, codes = _half(raw[..., :2]), _half(raw[..., 2:4]), raw[..., 4:16], raw[..., 16:]
    first, second, third = packed[..., :4], packed[..., 4:8], packed[..., 8:]
    scales = np.concatenate([first & 63, third & 15 | (first >> 6) << 4], axis=-1)
    minima = np.concatenate([second & 63, third >> 4 | (second >> 6) << 4], axis=-1)
    scale = (d[..., None] * scales).reshape(len(raw), -1)
    low = (-dmin[..., None] * minima).reshape(len(raw), -1)
    codes = _halves(codes.reshape(len(raw), -1, BLOCK)).reshape(len(raw), -1, BLOCK)
    return Blocks(4, pack(codes), scale, low + 8 * scale)


STORED_INT4 = {"Q4_0": from_q4_0, "Q4_1": from_q4_1, "Q4_K": from_q4_k}


def _half(raw: np.ndarray) -> np.ndarray:
    """Two bytes on the last axis as one float32."""
    return np.ascontiguousarray(raw).view("<f2")[..., 0].astype(np.float32)


def _halves(raw: np.ndarray) -> np.ndarray:
    """GGUF keeps the first half of a run of codes in the low four bits, and the second in the high ones."""
    return np.concatenate([raw & 15, raw >> 4], axis=-1)
