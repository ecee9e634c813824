"""An adapter in a process of its own: it answers, ends with its user, and says why it does not start."""

import subprocess
import sys
import time

import psutil
import pytest

from slmbench import adapters, paths
from slmbench.adapters import AdapterError
from slmbench.errors import UsageError
from slmbench.measure import stream
from support.adapting import Broken, Words

NGRAM = "slmbench.adapters.ngram:Ngram"
GONE_S = 20


def ask(base_url, model):
    payload = stream.body(model, "The model", max_tokens=8, temperature=0.0, seed=1, stream=True)
    return stream.ask(f"{base_url}/chat/completions", payload, deadline_s=20)


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "weights.txt").write_text("anything", encoding="utf-8")
    return tmp_path / "weights.txt"


def test_it_answers_from_another_process_and_is_gone_afterwards():
    with adapters.serve(NGRAM, paths.data_file("ngram.txt")) as served:
        reply = ask(served.base_url, "ngram")
        process = psutil.Process(served.pid)
        assert process.pid != psutil.Process().pid
    assert (reply.status, reply.output_tokens, reply.finish_reason) == ("ok", 8, "length")
    assert not process.is_running()


def test_a_class_under_another_name(weights):
    with adapters.serve(Words, weights, name="mine") as served:
        assert ask(served.base_url, "mine").text == "one two three "


def test_why_it_did_not_start_is_told(weights):
    with pytest.raises(AdapterError, match=r"did not start: ValueError: no weights in weights\.txt"):
        adapters.serve(Broken, weights)
    with pytest.raises(AdapterError, match="is not registered"):
        adapters.serve("no-such-adapter", weights)


def test_what_is_wrong_is_refused_before_a_process_is_started(weights, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)

    class Inside(Words): ...

    for adapter, said in ((Words(), "an object of the class Words"), (Inside, "defined inside a function")):
        with pytest.raises(UsageError, match=said):
            adapters.serve(adapter, weights)
    with pytest.raises(UsageError, match=r"there is no .*nothing; a file or folder was expected"):
        adapters.serve(Words, weights.with_name("nothing"))


USER = f"""
import os
from slmbench import adapters
served = adapters.serve({NGRAM!r}, {str(paths.data_file("ngram.txt"))!r})
print(served.pid, flush=True)
os._exit(9)
"""


def test_it_ends_with_a_user_who_is_killed():
    done = subprocess.run([sys.executable, "-c", USER], capture_output=True, text=True, check=False)
    pid, end = int(done.stdout), time.monotonic() + GONE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "it outlives who started it"
        time.sleep(0.05)
