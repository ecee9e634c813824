"""Read a GGUF file of the llama architecture: shape, vocabulary, tensors. Refuses what the converter can't keep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.config.reading import clean
from slmbench.errors import UsageError
from slmbench.models.quantise import BLOCK

CHUNK = 1 << 22  # weights held as float32 at a time: 16 MiB
PRE_TOKENIZERS = ("smollm", "gpt-2", "llama-bpe")  # the ways of cutting a text into words that `genai` can write
CONTROL, USER_DEFINED = 3, 4  # token types
COUNT_MAX = 2**24  # of layers, columns, positions: what is above it is no model, and would only fill the memory
LLAMA = "take a GGUF of a llama-architecture model with a byte-level BPE tokenizer, e.g. SmolLM2 or Llama 3.2"
# torch and what comes with it are several times the size of the kit, and must not change what is pinned here
BUILDER = (
    "for other models, the runtime's own converter, in an environment of its own: "
    "pip install onnxruntime-genai onnx-ir torch transformers; "
    "python -m onnxruntime_genai.models.builder -m HUGGINGFACE_NAME -o FOLDER -p int4 -e cpu; "
    "then here: slmbench add FOLDER --name NAME"
)


@dataclass(frozen=True)
class Llama:
    """The numbers that fix the graph."""

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    rope_base: float = 10000.0
    eps: float = 1e-5

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and (rows, columns) of the tensors that a model of this shape must have."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        layer = {
            "attn_norm": (self.hidden,),
            "attn_q": (q, self.hidden),
            "attn_k": (kv, self.hidden),
            "attn_v": (kv, self.hidden),
            "attn_output": (self.hidden, q),
            "ffn_norm": (self.hidden,),
            "ffn_gate": (self.ffn, self.hidden),
            "ffn_up": (self.ffn, self.hidden),
            "ffn_down": (self.hidden, self.ffn),
        }
        shapes = {f"blk.{i}.{name}.weight": shape for i in range(self.layers) for name, shape in layer.items()}
        return {"token_embd.weight": (self.vocab, self.hidden), "output_norm.weight": (self.hidden,), **shapes}

    def optional_shapes(self) -> dict[str, tuple[int, ...]]:
        """Tensors that a model of this shape may have: an output layer of its own, scaled rotary frequencies."""
        return {"output.weight": (self.vocab, self.hidden), "rope_freqs.weight": (self.head_dim // 2,)}


@dataclass(frozen=True)
class Vocabulary:
    """A byte-level BPE vocabulary and the chat template that goes with it."""

    tokens: list[str]
    merges: list[str]
    control: list[int]  # ids of tokens that no text can spell by accident, such as <|im_end|>
    user_defined: list[int]  # ids of tokens that are matched whole, but are text
    bos: int | None
    eos: tuple[int, ...]  # the first one is also the padding token
    pre_tokenizer: str  # one of PRE_TOKENIZERS
    chat_template: str


@dataclass(frozen=True, eq=False)
class Tensor:
    """A matrix (rows, columns) or vector (n,), still in the form in which the file keeps it."""

    shape: tuple[int, ...]
    kind: str  # GGUF's name, e.g. F32 or Q4_1
    data: np.ndarray  # (rows, bytes of a row) for quantised kinds, else of `shape`

    def chunks(self) -> Iterator[np.ndarray]:
        """float32 arrays of some rows each, in order."""
        from gguf.constants import GGMLQuantizationType
        from gguf.quants import dequantize

        step = max(1, CHUNK // int(np.prod(self.shape[1:])))
        for start in range(0, len(self.data), step):
            yield dequantize(self.data[start : start + step], GGMLQuantizationType[self.kind])

    def values(self) -> np.ndarray:
        """The whole tensor as float32."""
        return np.concatenate(list(self.chunks())).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a GGUF file says about a model.

    about: the texts that it holds about itself, by GGUF's names: general.name, general.license, …
    """

    shape: Llama
    vocabulary: Vocabulary
    tensors: Mapping[str, Tensor]
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters_m(self) -> float:
        """Millions of parameters; a table that is both embedding and output layer counts once."""
        return sum(math.prod(t.shape) for name, t in self.tensors.items() if name != "rope_freqs.weight") / 1e6


def read(path: Path) -> Checkpoint:
    """The model in a GGUF file; the weights stay on the disk until they are asked for.

    raises: UsageError if the file is not GGUF, or holds another kind of model than the converter knows.
    """
    fields, tensors = _open(path)

    def get(key: str, default: Any = None) -> Any:
        value = fields.get(key, default)
        if value is None:
            raise _refusal(path, f"has no `{key}`", "a complete model file")
        return value

    def expect(key: str, *allowed: Any, default: Any = None) -> Any:
        value = get(key, default)
        if value not in allowed:
            raise _refusal(path, f"has `{key}` = {value!r}", " or ".join(map(repr, allowed)))
        return value

    def whole(key: str, default: Any = None) -> int:
        value = get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= COUNT_MAX:
            raise _refusal(path, f"has `{key}` = {value!r}", f"a whole number from 1 to {COUNT_MAX}", LLAMA)
        return value

    expect("general.architecture", "llama")
    expect("tokenizer.ggml.model", "gpt2")
    expect("llama.rope.scaling.type", "none", default="none")
    heads, hidden = whole("llama.attention.head_count"), whole("llama.embedding_length")
    tokens = get("tokenizer.ggml.tokens")
    shape = Llama(
        layers=whole("llama.block_count"),
        hidden=hidden,
        ffn=whole("llama.feed_forward_length"),
        heads=heads,
        kv_heads=whole("llama.attention.head_count_kv", heads),
        head_dim=whole("llama.attention.key_length", hidden // heads),
        vocab=len(tokens),
        context=whole("llama.context_length"),
        rope_base=get("llama.rope.freq_base", 10000.0),
        eps=get("llama.attention.layer_norm_rms_epsilon"),
    )
    expect("llama.attention.value_length", shape.head_dim, default=shape.head_dim)
    expect("llama.rope.dimension_count", shape.head_dim, default=shape.head_dim)
    _check_tensors(path, shape, tensors)
    kinds = get("tokenizer.ggml.token_type")
    eos = get("tokenizer.ggml.eos_token_id")
    vocabulary = Vocabulary(
        tokens=tokens,
        merges=get("tokenizer.ggml.merges"),
        control=[i for i, kind in enumerate(kinds) if kind == CONTROL],
        user_defined=[i for i, kind in enumerate(kinds) if kind == USER_DEFINED],
        bos=fields.get("tokenizer.ggml.bos_token_id"),
        eos=tuple(dict.fromkeys([eos, fields.get("tokenizer.ggml.eot_token_id", eos)])),
        pre_tokenizer=expect("tokenizer.ggml.pre", *PRE_TOKENIZERS),
        chat_template=get("tokenizer.chat_template"),
    )
    about = {key: value for key, value in fields.items() if key.startswith("general.") and isinstance(value, str)}
    return Checkpoint(shape, vocabulary, tensors, about)


def _open(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; a GGUF file was expected", "check the path")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise _refusal(path, f"begins with {magic!r}", "b'GGUF'", LLAMA)
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        fields = {key: field.contents() for key, field in reader.fields.items()}
    except (
        ValueError,
        IndexError,
        KeyError,
        OverflowError,
    ) as broken:  # what the reader raises for bytes cut or changed
        raise _refusal(
            path, f"cannot be read to its end ({broken})", "a whole GGUF file, not a broken download", LLAMA
        ) from broken
    shapes = [tuple(map(int, reversed(t.shape))) for t in reader.tensors]
    return fields, {
        t.name: Tensor(shape, t.tensor_type.name, t.data) for t, shape in zip(reader.tensors, shapes, strict=True)
    }


def _check_tensors(path: Path, shape: Llama, tensors: Mapping[str, Tensor]) -> None:
    if shape.layers > len(tensors):
        raise _refusal(path, f"has {len(tensors)} tensors", f"{shape.layers} layers of several each", LLAMA)
    needed, optional = shape.tensor_shapes(), shape.optional_shapes()
    if missing := sorted(needed.keys() - tensors.keys()):
        raise _refusal(path, f"lacks {len(missing)} tensors, e.g. {missing[0]!r}", "a complete dense llama model")
    if extra := sorted(tensors.keys() - needed.keys() - optional.keys()):
        raise _refusal(path, f"has tensors unknown here, e.g. {extra[0]!r}", "a plain dense llama model without biases")
    tried = set()
    for name, tensor in tensors.items():
        expected = {**needed, **optional}[name]
        if tensor.shape != expected:
            raise _refusal(path, f"has tensor {name!r} of shape {tensor.shape}", f"{expected}")
        if len(expected) == 2 and expected[1] % BLOCK:
            raise _refusal(path, f"has tensor {name!r} of {expected[1]} columns", f"a multiple of {BLOCK}")
        if tensor.kind not in tried and not _readable(tensor):
            raise _refusal(path, f"stores tensor {name!r} as {tensor.kind}", "a kind that the gguf package can read")
        tried.add(tensor.kind)


def _readable(tensor: Tensor) -> bool:
    """Whether the gguf package can turn this kind into floats; tried on one row."""
    try:
        next(Tensor(tensor.shape[-1:], tensor.kind, tensor.data[:1]).chunks())
    except NotImplementedError:
        return False
    return True


def _refusal(path: Path, found: str, expected: str, cure: str = f"{LLAMA}; {BUILDER}") -> UsageError:
    return UsageError(f"{clean(path)}: {clean(found)}; expected {expected}", cure)
