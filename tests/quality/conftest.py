"""A run of three models and three prompts, where two models gave the same reply once."""

import pytest

from support.judged import run_with

REPLIES = {(model, prompt): f"{model} on {prompt}" for model in "abc" for prompt in ("p", "q", "r")}
SAME = {("b", "q"): "the same", ("c", "q"): "the same"}


@pytest.fixture
def folder(tmp_path):
    return run_with(tmp_path / "run", REPLIES | SAME)
