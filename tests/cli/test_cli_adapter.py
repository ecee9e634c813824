"""The verb adapter, and a run on what it serves."""

import signal
import subprocess
import sys

import pytest

from slmbench import paths, store
from support.tiny import free_port

NGRAM = "slmbench.adapters.ngram:Ngram"


def test_an_adapter_is_benchmarked_like_any_model(slmbench, tmp_path):
    port, weights = free_port(), str(paths.data_file("ngram.txt"))
    command = [sys.executable, "-m", "slmbench.cli", "adapter", NGRAM, "--weights", weights, "--port", str(port)]
    new = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", **new) as serving:
        try:
            said = [serving.stdout.readline() for _ in range(3)]
            address = f"http://127.0.0.1:{port}/v1"
            assert f"model ngram at {address} " in said[1] and f"slmbench run --endpoint {address}" in said[2]
            options = ("--endpoint", address, "--models", "ngram", "--rounds", "2", "--out", tmp_path / "run")
            ended = slmbench("run", *options, "--max-tokens", "16")
            assert ended.code == 0, ended.err
        finally:
            serving.send_signal(signal.SIGINT if sys.platform != "win32" else signal.CTRL_BREAK_EVENT)
            last = serving.stdout.read()
    rows = [r for r in store.read(tmp_path / "run").rows if r.phase == "timed"]
    assert [(r.model, r.status, r.token_source) for r in rows] == [("ngram", "ok", "server")] * 8
    assert all(0 < r.output_tokens <= 16 and r.ttft_s <= r.latency_s for r in rows)
    if sys.platform != "win32":
        assert (serving.returncode, last) == (0, "Ended.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no-such", "--weights", "."), 'adapter: "no-such" is not registered'),
        ((NGRAM, "--weights", "nothing"), "weights: there is no"),
        ((NGRAM,), "--weights: nothing was found"),
        ((NGRAM, "--weights", ".", "--port", "0"), "--port (option): 0 was found"),
    ],
)
def test_what_is_refused(slmbench, arguments, said):
    ended = slmbench("adapter", *arguments)
    assert ended.code == 2 and said in ended.err
