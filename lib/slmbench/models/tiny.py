"""A model of random weights for tests: built in a moment, answers in milliseconds, never stops by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.models import folder as folders

if TYPE_CHECKING:
    from slmbench.models.gguf import Checkpoint, Llama

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}"
)
SPECIAL = ["<|im_start|>", "<|im_end|>"]
NEVER = "ÿ"  # the byte 0xFF, which no UTF-8 text has: two of them make the one merge that a vocabulary must have


def write_tiny(folder: Path, scheme: str = "int4", seed: int = 0) -> Path:
    """Write the tiny model: 2 layers, hidden size 64, a token for every byte, a context of 4,096.

    It answers with printable ASCII, one character a token, until its budget ends. The same seed gives the same model.
    returns: the folder, under 1 MB for int4.
    """
    source = {"file": f"tiny, seed {seed}", "sha256": ""}
    return folders.write(checkpoint(seed), folder, scheme, source=source, needed_bytes=8_000_000)


def write_tiny_gguf(path: Path, kind: str = "Q4_1", seed: int = 0, licence: str | None = None) -> Path:
    """Write the tiny model as a GGUF file, its linear layers in `kind`, the embedding in Q8_0; for tests of `convert`.

    kind: F32, F16, Q4_0, Q4_1 or Q8_0. licence: what the file says of itself. returns: the path.
    """
    about = {"general.license": licence} if licence else {}
    return write_gguf(replace(checkpoint(seed), about=about), path, kind)


def write_gguf(model: Checkpoint, path: Path, kind: str) -> Path:
    """Write a model of float32 tensors as a GGUF file. See `write_tiny_gguf`."""
    from gguf import GGMLQuantizationType as Kind, GGUFWriter
    from gguf.quants import quantize

    shape, vocabulary = model.shape, model.vocabulary
    file = GGUFWriter(path, "llama")
    for key, text in model.about.items():
        file.add_string(key, text)
    file.add_block_count(shape.layers)
    file.add_context_length(shape.context)
    file.add_embedding_length(shape.hidden)
    file.add_feed_forward_length(shape.ffn)
    file.add_head_count(shape.heads)
    file.add_head_count_kv(shape.kv_heads)
    file.add_key_length(shape.head_dim)
    file.add_value_length(shape.head_dim)
    file.add_rope_freq_base(shape.rope_base)
    file.add_layer_norm_rms_eps(shape.eps)
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre(vocabulary.pre_tokenizer)
    file.add_token_list(vocabulary.tokens)
    types = dict.fromkeys(vocabulary.control, 3) | dict.fromkeys(vocabulary.user_defined, 4)
    file.add_token_types([types.get(i, 1) for i in range(shape.vocab)])
    file.add_token_merges(vocabulary.merges)
    if vocabulary.bos is not None:
        file.add_bos_token_id(vocabulary.bos)
    file.add_eos_token_id(vocabulary.eos[0])
    file.add_eot_token_id(vocabulary.eos[-1])
    file.add_chat_template(vocabulary.chat_template)
    for name, tensor in model.tensors.items():
        table = name in ("token_embd.weight", "output.weight")
        stored = Kind.F32 if len(tensor.shape) == 1 else Kind.Q8_0 if table else Kind[kind]
        file.add_tensor(name, quantize(tensor.values(), stored), raw_dtype=stored)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def checkpoint(seed: int = 0) -> Checkpoint:
    """The tiny model as if it had been read from a GGUF file."""
    import numpy as np

    from slmbench.models.gguf import Checkpoint, Llama, Tensor, Vocabulary

    tokens = [*SPECIAL, *byte_names(), NEVER + NEVER]
    shape = Llama(layers=2, hidden=64, ffn=128, heads=2, kv_heads=1, head_dim=32, vocab=len(tokens), context=4096)
    weights = random_weights(shape, seed)
    silent = [i for i, t in enumerate(tokens) if len(t) > 1 or not t.isascii()]
    weights["token_embd.weight"][silent] *= np.float32(0.01)  # small logits: only printable ASCII can win
    tensors = {name: Tensor(w.shape, "F32", w) for name, w in weights.items()}
    vocabulary = Vocabulary(
        tokens=tokens,
        merges=[f"{NEVER} {NEVER}"],
        control=[0, 1],
        user_defined=[],
        bos=0,
        eos=(1,),
        pre_tokenizer="smollm",
        chat_template=CHATML,
    )
    return Checkpoint(shape, vocabulary, tensors)


def random_weights(shape: Llama, seed: int) -> dict:
    """float32 arrays by GGUF name: norms are ones, the rest is normal, of a size that keeps layers from exploding."""
    import numpy as np

    rng = np.random.default_rng(seed)
    weights = {}
    for name, size in shape.tensor_shapes().items():
        if len(size) == 1:
            weights[name] = np.ones(size, np.float32)
        else:
            weights[name] = rng.normal(0, 1 if name == "token_embd.weight" else 0.2, size).astype(np.float32)
    return weights


def byte_names() -> list[str]:
    """How byte-level BPE spells the bytes 0-255: printable ones as themselves, others from U+0100 on.

    source: GPT-2's bytes_to_unicode
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]
