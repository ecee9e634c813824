"""Write a llama model as ONNX with the operators of ONNX Runtime that run it fast on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

from slmbench.models import quantise
from slmbench.models.gguf import Llama, Tensor
from slmbench.models.quantise import BLOCK, Blocks

MODEL, DATA = "model.onnx", "model.onnx.data"
MS = "com.microsoft"
FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
INLINE = 64  # constants smaller than this stay in the graph, where shape inference can read them
ALIGN = 64  # bytes; where a weight may begin in the data file


def build(
    shape: Llama,
    tensors: Mapping[str, Tensor],
    folder: Path,
    scheme: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write model.onnx and model.onnx.data into the folder.

    Inputs: input_ids and attention_mask, int64 (batch, n); past_key_values.<layer>.key / .value, float32
    (batch, kv_heads, past, head_dim). Outputs: logits, float32 (batch, n, vocab); present.<layer>.key / .value.
    scheme: one of quantise.SCHEMES. progress: called with (layers written, layers).
    """
    with Graph(folder / DATA) as g:
        lengths = _lengths(g)
        rotary = _rotary(g, shape, tensors.get("rope_freqs.weight"))
        table = "fp32" if scheme == "fp32" else "int8"  # few bits cost most in the embedding and the output layer
        x = g.embedding(tensors["token_embd.weight"], table)

        def norm(name: str) -> str:
            return g.const(name, tensors[name].values())

        h = g.op("SimplifiedLayerNormalization", x, norm("blk.0.attn_norm.weight"), axis=-1, epsilon=shape.eps)
        for i in range(shape.layers):

            def linear(x: str, *parts: str, layer: int = i) -> str:
                names = [f"blk.{layer}.{part}.weight" for part in parts]
                return g.linear(names[0], x, [tensors[n] for n in names], scheme)

            def add_and_norm(x: str, y: str, name: str) -> tuple[str, str]:
                out = [f"{name}/normed", "", "", f"{name}/sum"]
                kind = {"out": out, "domain": MS, "epsilon": shape.eps}
                g.op("SkipSimplifiedLayerNormalization", x, y, norm(name), **kind)
                return out[3], out[0]

            qkv = linear(h, "attn_q", "attn_k", "attn_v")
            past = [f"past_key_values.{i}.key", f"past_key_values.{i}.value"]
            # GGUF keeps llama's query and key rows in the interleaved order
            heads = {"num_heads": shape.heads, "kv_num_heads": shape.kv_heads, "do_rotary": 1, "rotary_interleaved": 1}
            out = [f"{i}/attention", f"present.{i}.key", f"present.{i}.value"]
            attention = g.op("GroupQueryAttention", qkv, "", "", *past, *lengths, *rotary, out=out, domain=MS, **heads)
            x, h = add_and_norm(x, linear(attention, "attn_output"), f"blk.{i}.ffn_norm.weight")
            gate, up = g.split(linear(h, "ffn_gate", "ffn_up"), shape.ffn)
            y = linear(g.op("Mul", g.op("Mul", gate, g.op("Sigmoid", gate)), up), "ffn_down")
            after = f"blk.{i + 1}.attn_norm.weight" if i + 1 < shape.layers else "output_norm.weight"
            x, h = add_and_norm(x, y, after)
            if progress:
                progress(i + 1, shape.layers)
        g.output(h, shape, tensors.get("output.weight"), table)
    save_model(_model(shape, g), str(folder / MODEL))


class Graph:
    """Collects nodes, and writes weights straight to the data file beside the model."""

    def __init__(self, data: Path):
        self.nodes: list[Any] = []
        self.weights: dict[str, TensorProto] = {}
        self.data = data.open("wb")

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.data.close()

    def op(self, op: str, *inputs: str, out: list[str] | None = None, domain: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its first output."""
        name = f"{len(self.nodes)}/{op}"
        self.nodes.append(helper.make_node(op, inputs, out or [name], name=name, domain=domain, **attributes))
        return (out or [name])[0]

    def split(self, x: str, size: int) -> tuple[str, str]:
        """Two halves of `size` each along the last axis."""
        out = [f"{x}/first", f"{x}/second"]
        self.op("Split", x, self.const("halves", np.array([size, size])), out=out, axis=-1)
        return out[0], out[1]

    def const(self, name: str, value: np.ndarray) -> str:
        """Add a weight; a name that is there already is taken to be the same weight."""
        if name in self.weights:
            return name
        if value.size < INLINE:
            self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
            return name
        return self.stream(name, value.shape, value.dtype, [value])

    def stream(self, name: str, shape: tuple[int, ...], dtype: Any, chunks: Iterable[np.ndarray]) -> str:
        """Add a weight that comes in chunks along its first axis, so that it is never in memory as a whole."""
        self.data.write(b"\0" * (-self.data.tell() % ALIGN))
        start = self.data.tell()
        for chunk in chunks:
            self.data.write(np.ascontiguousarray(chunk, dtype).data)
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        tensor = TensorProto(name=name, dims=shape, data_type=kind, data_location=TensorProto.EXTERNAL)
        for key, value in ("location", DATA), ("offset", start), ("length", self.data.tell() - start):
            tensor.external_data.add(key=key, value=str(value))
        self.weights[name] = tensor
        return name

    def blocks(self, name: str, blocks: Blocks) -> list[str]:
        """Add quantised weights, as the two inputs of MatMulNBits."""
        return [self.const(name, blocks.codes), self.const(f"{name}/scale", blocks.scale)]

    def linear(self, name: str, x: str, tensors: list[Tensor], scheme: str) -> str:
        """x @ w.T for w = the rows of all `tensors`, kept as `scheme` says."""
        rows, columns = sum(t.shape[0] for t in tensors), tensors[0].shape[1]
        if scheme == "fp32":
            chunks = (chunk for tensor in tensors for chunk in tensor.chunks())
            return self.op(
                "FusedMatMul", x, self.stream(name, (rows, columns), np.float32, chunks), domain=MS, transB=1
            )
        blocks = quantised(tensors, scheme)
        kind = _nbits(blocks.bits, rows, columns)
        y = self.op("MatMulNBits", x, *self.blocks(name, blocks), **kind)
        if blocks.offset is None:
            return y
        # An offset is the same for a whole block of weights, so it is worth (sum of the block's inputs) * offset.
        cut = self.const(f"blocks of {columns}", np.array([0, 0, columns // BLOCK, BLOCK]))
        sums = self.op("ReduceSum", self.op("Reshape", x, cut), self.const("last axis", np.array([-1])), keepdims=0)
        return self.op("Add", y, self.op("MatMul", sums, self.const(f"{name}/offset", blocks.offset.T)))

    def embedding(self, table: Tensor, scheme: str) -> str:
        """The rows of the table that input_ids asks for."""
        if scheme == "fp32":
            return self.op("Gather", self.stream("embedding", table.shape, np.float32, table.chunks()), "input_ids")
        blocks = quantised([table], scheme)
        codes, scale = blocks.codes.reshape(table.shape), blocks.scale
        inputs = [self.const("embedding", codes), "input_ids", self.const("embedding/scale", scale)]
        kind = {"bits": blocks.bits, "block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1}
        return self.op("GatherBlockQuantized", *inputs, domain=MS, **kind)

    def output(self, x: str, shape: Llama, table: Tensor | None, scheme: str) -> None:
        """The logits, from a table of their own or from that of the embedding."""
        if scheme == "fp32":
            w = self.stream("output", table.shape, np.float32, table.chunks()) if table else "embedding"
            self.op("FusedMatMul", x, w, out=["logits"], domain=MS, transB=1)
            return
        if table:
            inputs = self.blocks("output", quantised([table], scheme))
        else:
            cut = self.const("embedding/cut", np.array([shape.vocab, shape.hidden // BLOCK, BLOCK]))
            inputs = [self.op("Reshape", "embedding", cut), "embedding/scale"]
        self.op("MatMulNBits", x, *inputs, out=["logits"], **_nbits(8, shape.vocab, shape.hidden))


def needed_bytes(shape: Llama, tensors: Mapping[str, Tensor], scheme: str) -> int:
    """Room that the whole folder will take, a little more than less."""
    fp32, int8 = 4.0, 1 + 4 / BLOCK  # bytes a weight, with its share of a block's scale
    linear = {"fp32": fp32, "int8": int8, "int4": 0.5 + 8 / BLOCK, "int4-rtn": 0.5 + 4 / BLOCK}[scheme]
    table = fp32 if scheme == "fp32" else int8
    weights = sum(
        np.prod(t.shape) * (table if name in ("token_embd.weight", "output.weight") else linear)
        for name, t in tensors.items()
    )
    return int(weights + 4 * shape.context * shape.head_dim + 80 * shape.vocab + 1_000_000)


def quantised(tensors: list[Tensor], scheme: str) -> Blocks:
    """The rows of all tensors in the given scheme. "int4" takes over what the file keeps in 4 bits already."""
    parts = []
    for tensor in tensors:
        if scheme == "int4" and tensor.kind in quantise.STORED_INT4:
            parts.append(quantise.STORED_INT4[tensor.kind](tensor.data))
        else:
            parts += map(quantise.ROUNDED[scheme], tensor.chunks())
    return quantise.join(parts)


def _nbits(bits: int, rows: int, columns: int) -> dict[str, Any]:
    """What MatMulNBits must know. Without accuracy_level 4 it takes ten times as long on a CPU."""
    return {"domain": MS, "K": columns, "N": rows, "bits": bits, "block_size": BLOCK, "accuracy_level": 4}


def _lengths(g: Graph) -> list[str]:
    """What GroupQueryAttention asks for: the index of each row's last token, and the length with the past."""
    ones = g.op("ReduceSum", "attention_mask", g.const("1", np.array([1])), keepdims=0)
    last = g.op("Cast", g.op("Sub", ones, "1"), to=INT32)
    total = g.op("Gather", g.op("Shape", "attention_mask"), g.const("axis 1", np.array(1)))
    return [last, g.op("Cast", total, to=INT32)]


def _rotary(g: Graph, shape: Llama, factors: Tensor | None) -> list[str]:
    """Cosine and sine of every position's angles, (context, head_dim / 2)."""
    frequency = shape.rope_base ** (-np.arange(0, shape.head_dim, 2) / shape.head_dim)
    if factors:
        frequency = frequency / factors.values()
    angles = np.outer(np.arange(shape.context), frequency)
    return [g.const(name, f(angles).astype(np.float32)) for name, f in (("cos", np.cos), ("sin", np.sin))]


def _model(shape: Llama, g: Graph) -> Any:
    value = helper.make_tensor_value_info
    inputs = [value("input_ids", INT64, ["batch", "new"]), value("attention_mask", INT64, ["batch", "total"])]
    outputs = [value("logits", FLOAT, ["batch", "new", shape.vocab])]
    for i in range(shape.layers):
        for part in "key", "value":
            past, total = (["batch", shape.kv_heads, length, shape.head_dim] for length in ("past", "total"))
            inputs.append(value(f"past_key_values.{i}.{part}", FLOAT, past))
            outputs.append(value(f"present.{i}.{part}", FLOAT, total))
    graph = helper.make_graph(g.nodes, "llama", inputs, outputs, list(g.weights.values()))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="slmbench")
