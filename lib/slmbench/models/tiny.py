"""A model of random weights for tests: built in a moment, answers in milliseconds, never stops by itself."""

from __future__ import annotations

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


def write_tiny(folder: Path, scheme: str = "int4", seed: int = 0) -> Path:
    """Write the tiny model: 2 layers, hidden size 64, a token for every byte, a context of 4,096.

    It answers with printable ASCII, one character a token, until its budget ends. The same seed gives the same model.
    returns: the folder, under 1 MB for int4.
    """
    source = {"file": f"tiny, seed {seed}", "sha256": ""}
    return folders.write(checkpoint(seed), folder, scheme, source=source, needed_bytes=8_000_000)


def checkpoint(seed: int = 0) -> Checkpoint:
    """The tiny model as if it had been read from a GGUF file."""
    import numpy as np

    from slmbench.models.gguf import Checkpoint, Llama, Tensor, Vocabulary

    tokens = SPECIAL + byte_names()
    shape = Llama(layers=2, hidden=64, ffn=128, heads=2, kv_heads=1, head_dim=32, vocab=len(tokens), context=4096)
    weights = random_weights(shape, seed)
    silent = [i for i, t in enumerate(tokens) if len(t) > 1 or not t.isascii()]
    weights["token_embd.weight"][silent] *= np.float32(0.01)  # small logits: only printable ASCII can win
    tensors = {name: Tensor(w.shape, "F32", w) for name, w in weights.items()}
    vocabulary = Vocabulary(
        tokens=tokens,
        merges=[],
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
