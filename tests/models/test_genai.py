import dataclasses
import json

import pytest

from slmbench.models import genai, tiny

MODEL = tiny.checkpoint()


def vocabulary(**changes):
    return dataclasses.replace(MODEL.vocabulary, **changes)


def test_config_says_the_shape():
    config = genai.genai_config(MODEL.shape, MODEL.vocabulary)
    model, decoder = config["model"], config["model"]["decoder"]
    assert (model["context_length"], model["vocab_size"]) == (4096, 259)
    assert (model["bos_token_id"], model["eos_token_id"], model["pad_token_id"]) == (0, 1, 1)
    assert (decoder["num_attention_heads"], decoder["num_key_value_heads"], decoder["head_size"]) == (2, 1, 32)
    assert decoder["outputs"]["present_value_names"] == "present.%d.value"
    assert "intra_op_num_threads" not in decoder["session_options"]


@pytest.mark.parametrize(
    ("platform", "threads", "affinities"),
    [("linux", 1, None), ("linux", 2, "1-8"), ("linux", 3, "1-8;1-8"), ("win32", 3, None), ("darwin", 2, None)],
)
def test_threads_are_bound_to_no_cpu(monkeypatch, platform, threads, affinities):
    monkeypatch.setattr(genai.sys, "platform", platform)
    monkeypatch.setattr(genai.os, "cpu_count", lambda: 8)
    options = genai.thread_options(threads)
    assert options["intra_op_num_threads"] == threads
    assert options.get("session.intra_op_thread_affinities") == affinities


def test_several_end_tokens_and_no_begin_token():
    given = vocabulary(eos=(1, 0), bos=None)
    model = genai.genai_config(MODEL.shape, given)["model"]
    assert (model["eos_token_id"], model["pad_token_id"], model["bos_token_id"]) == ([1, 0], 1, 1)
    assert "bos_token" not in genai.tokenizer_files(given)["tokenizer_config.json"]


def test_tokenizer_knows_its_special_tokens():
    files = genai.tokenizer_files(vocabulary(user_defined=[7]))
    added = {t["content"]: (t["id"], t["special"]) for t in files["tokenizer.json"]["added_tokens"]}
    assert added == {"<|im_start|>": (0, True), "<|im_end|>": (1, True), MODEL.vocabulary.tokens[7]: (7, False)}
    assert files["tokenizer.json"]["model"]["vocab"]["A"] == 2 + ord("A")
    assert files["tokenizer_config.json"]["eos_token"] == "<|im_end|>"
    assert files["tokenizer_config.json"]["bos_token"] == "<|im_start|>"
    json.dumps(files, allow_nan=False)


@pytest.mark.parametrize(
    "name, kinds, by_regex",
    [("smollm", ["Digits", "ByteLevel"], True), ("llama-bpe", ["Split", "ByteLevel"], False)],
)
def test_two_steps_of_cutting(name, kinds, by_regex):
    steps = genai.tokenizer_files(vocabulary(pre_tokenizer=name))["tokenizer.json"]["pre_tokenizer"]["pretokenizers"]
    assert [s["type"] for s in steps] == kinds
    assert steps[-1]["use_regex"] is by_regex


def test_one_step_of_cutting():
    assert genai.tokenizer_files(vocabulary(pre_tokenizer="gpt-2"))["tokenizer.json"]["pre_tokenizer"]["use_regex"]
