"""The real model against PyTorch's numbers, kept in tests/data. Fetches it once (93 MB) into the user's own cache."""

import ctypes
import dataclasses
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from slmbench import models
from slmbench.endpoint import fetch

pytestmark = pytest.mark.real
REFERENCE = Path(__file__).parents[1] / "data" / "smollm2_reference.json"


@dataclasses.dataclass(frozen=True)
class Closeness:
    """How near logits are to the reference: means over all positions of all prompts."""

    cosine: float
    top1: float  # share of positions with the same most likely token
    kl: float  # nats, over the reference's likeliest tokens and one bin for all others


@pytest.fixture(scope="module")
def reference():
    return json.loads(REFERENCE.read_text(encoding="utf-8"))


@pytest.fixture
def closeness(reference, opened, run):
    def measure(folder):
        model = opened(folder)
        cosine, top1, kl = [], [], []
        for prompt in reference["prompts"]:
            logits = run(model, prompt["ids"])[0].astype(float)
            wanted = np.array(prompt["sampled_logits"])
            got = logits[:, reference["sampled_ids"]]
            cosine += [(got * wanted).sum(-1) / np.linalg.norm(got, axis=-1) / np.linalg.norm(wanted, axis=-1)]
            top = np.array(prompt["top_ids"])
            top1 += [logits.argmax(-1) == top[:, 0]]
            p = with_rest(np.array(prompt["top_logits"]) - np.array(prompt["logsumexp"])[:, None])
            q = with_rest(np.take_along_axis(logits, top, -1) - np.logaddexp.reduce(logits, axis=-1)[:, None])
            kl += [(p * np.log(p / q)).sum(-1)]
        return Closeness(*(float(np.concatenate(values).mean()) for values in (cosine, top1, kl)))

    return measure


def with_rest(log_p):
    """Probabilities, and in a last column what is missing to 1."""
    p = np.exp(log_p)
    return np.concatenate([p, np.maximum(1 - p.sum(-1, keepdims=True), 1e-6)], axis=-1)


def test_fp32_is_the_same_model(tmp_path, closeness):
    gguf = fetch.fetch_gguf()
    near = closeness(models.convert(gguf, tmp_path / "fp32", "fp32"))
    assert near.cosine > 0.9999
    assert near.top1 > 0.99
    assert near.kl < 1e-4


def test_quality_of_the_default_set(closeness):
    near = {alias: closeness(fetch.ensure(alias)) for alias in models.DEFAULT_SET}
    int4, rtn, int8 = (near[f"smollm2-135m-{scheme}"] for scheme in ("int4", "int4-rtn", "int8"))
    assert min(int4.cosine, int8.cosine) > 0.99
    assert min(int4.top1, int8.top1) > 0.9
    assert max(int4.kl, int8.kl) < 0.02
    assert rtn.kl > 20 * int4.kl
    assert rtn.top1 < int4.top1 - 0.1
    assert rtn.cosine < 0.95


def test_sizes_and_threads():
    sizes = {alias: models.disk_mb(fetch.ensure(alias)) for alias in models.DEFAULT_SET}
    assert sizes == pytest.approx(
        {"smollm2-135m-int4": 115.7, "smollm2-135m-int4-rtn": 102.4, "smollm2-135m-int8": 155.4}, abs=0.5
    )
    assert models.manifest(fetch.ensure("smollm2-135m-int4-2threads"))["threads"] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="names the runtime's libraries as Linux does")
def test_the_runtime_cuts_texts_into_the_same_tokens(reference):
    encode = runtime_tokenizer(fetch.ensure("smollm2-135m-int4"))
    for item in reference["tokenizer"] + reference["prompts"]:
        assert encode(item["text"]) == item["ids"], item["text"]


def runtime_tokenizer(folder):
    """The tokenizer of ONNX Runtime GenAI itself, through its C functions, as the service uses it."""

    def package(name):
        return Path(find_spec(name).submodule_search_locations[0])

    ctypes.CDLL(str(next(package("onnxruntime").glob("capi/libonnxruntime.so*"))), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(package("onnxruntime_genai_core") / "bin" / "libonnxruntime-genai.so"))
    pointer = ctypes.c_void_p
    for name, result in {
        "OgaCreateTokenizerFromPath": pointer,
        "OgaCreateSequences": pointer,
        "OgaTokenizerEncode": pointer,
        "OgaResultGetError": ctypes.c_char_p,
        "OgaSequencesGetSequenceCount": ctypes.c_size_t,
        "OgaSequencesGetSequenceData": ctypes.POINTER(ctypes.c_int32),
    }.items():
        getattr(library, name).restype = result

    def checked(error):
        assert not error, library.OgaResultGetError(pointer(error))

    tokenizer = pointer()
    checked(library.OgaCreateTokenizerFromPath(str(folder).encode(), ctypes.byref(tokenizer)))

    def encode(text):
        sequences, first = pointer(), ctypes.c_size_t(0)
        checked(library.OgaCreateSequences(ctypes.byref(sequences)))
        checked(library.OgaTokenizerEncode(tokenizer, text.encode(), sequences))
        count = library.OgaSequencesGetSequenceCount(sequences, first)
        ids = library.OgaSequencesGetSequenceData(sequences, first)[:count]
        library.OgaDestroySequences(sequences)
        return ids

    return encode
