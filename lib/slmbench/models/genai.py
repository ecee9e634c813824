"""The JSON files that ONNX Runtime GenAI reads beside the graph: its configuration and the tokenizer."""

from __future__ import annotations

import os
import sys
from typing import Any

from slmbench.models.gguf import Llama, Vocabulary
from slmbench.models.graph import MODEL

# Llama 3 cuts a text by this expression; source: tokenizer.json of its release
LLAMA_BPE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def thread_options(threads: int) -> dict[str, Any]:
    """Session options for so many CPU threads inside one operator.

    On Linux the runtime binds every thread but the first to one CPU. Where the first happens to run on that CPU, too,
    two threads were seen at half the speed of one, so they are left free to run on any.
    """
    options: dict[str, Any] = {"intra_op_num_threads": threads}
    if threads > 1 and sys.platform == "linux":
        options["session.intra_op_thread_affinities"] = ";".join([f"1-{os.cpu_count()}"] * (threads - 1))
    return options


def genai_config(shape: Llama, vocabulary: Vocabulary) -> dict[str, Any]:
    """genai_config.json; the number of threads is left to the runtime (see `thread_options`)."""
    options: dict[str, Any] = {"log_id": "onnxruntime-genai", "provider_options": []}
    names = ["key", "value"]
    inputs = {"input_ids": "input_ids", "attention_mask": "attention_mask"}
    decoder = {
        "session_options": options,
        "filename": MODEL,
        "head_size": shape.head_dim,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "inputs": inputs | {f"past_{n}_names": f"past_key_values.%d.{n}" for n in names},
        "outputs": {"logits": "logits"} | {f"present_{n}_names": f"present.%d.{n}" for n in names},
    }
    eos = list(vocabulary.eos)
    model = {
        "type": "llama",
        "bos_token_id": eos[0] if vocabulary.bos is None else vocabulary.bos,
        "eos_token_id": eos if len(eos) > 1 else eos[0],
        "pad_token_id": eos[0],
        "context_length": shape.context,
        "vocab_size": shape.vocab,
        "decoder": decoder,
    }
    search = {
        "max_length": shape.context,
        "do_sample": False,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
        "num_beams": 1,
        "repetition_penalty": 1.0,
        "past_present_share_buffer": True,
    }
    return {"model": model, "search": search}


def tokenizer_files(vocabulary: Vocabulary) -> dict[str, dict[str, Any]]:
    """tokenizer.json and tokenizer_config.json in Hugging Face's form, by file name."""
    tokens = vocabulary.tokens
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = dict.fromkeys(vocabulary.control, True) | dict.fromkeys(vocabulary.user_defined, False)
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": tokens[i], **flags, "special": added[i]} for i in sorted(added)],
        "pre_tokenizer": _pre_tokenizer(vocabulary.pre_tokenizer),
        "decoder": _byte_level(use_regex=True),
        "model": {
            "type": "BPE",
            "ignore_merges": vocabulary.pre_tokenizer == "llama-bpe",
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": vocabulary.merges,
        },
    }
    config = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "eos_token": tokens[vocabulary.eos[0]],
        "pad_token": tokens[vocabulary.eos[0]],
        "chat_template": vocabulary.chat_template,
    }
    if vocabulary.bos is not None:
        config["bos_token"] = tokens[vocabulary.bos]
    return {"tokenizer.json": tokenizer, "tokenizer_config.json": config}


def _pre_tokenizer(name: str) -> dict[str, Any]:
    """How a text is cut before its bytes are merged, by GGUF's name for the way."""
    if name == "gpt-2":
        return _byte_level(use_regex=True)
    first: dict[str, Any] = {"type": "Digits", "individual_digits": True}
    if name == "llama-bpe":
        first = {"type": "Split", "pattern": {"Regex": LLAMA_BPE}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [first, _byte_level(use_regex=name != "llama-bpe")]}


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}
