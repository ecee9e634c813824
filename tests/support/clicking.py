"""A kernel whose annotator is clicked while a benchmark runs in it, without a browser: the messages that one sends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.manager import start_new_kernel

OLDEST, NEWEST = "6.31.0", None  # of ipykernel; None: the one that is installed, as the lock has it
START = """
from concurrent.futures import ThreadPoolExecutor
from slmbench import config, runner
asked = {{"models": ["steady"], "prompts": ["One?", "Two?"], "rounds": {rounds}, "max_tokens": 16}}
settings = config.settings(endpoint={url!r}, **asked)
benchmark = ThreadPoolExecutor().submit(runner.run, settings, config.read_models(), out={out!r}, memory=False, say=str)
"""
SHOW = """
import ipykernel
from slmbench.show.annotate import Panel
panel = Panel("Ana", path={judged!r})
print(ipykernel.__version__, panel.model_id, panel.view["turn"])
"""
FINISH = "print(len(benchmark.result().rows))"


def installed(version: str | None, folder: Path) -> dict[str, str]:
    """The environment of a kernel with that version of ipykernel, put into `folder`."""
    if version is None:
        return {}
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(folder), "--no-deps"]
    subprocess.run([*command, f"ipykernel=={version}"], check=True)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}


class Clicker:
    """One kernel. said: the words that each cell has printed."""

    def __init__(self, client):
        self.client = client

    def ran(self, code: str) -> str:
        said = []

        def keep(message: dict) -> None:
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=60, output_hook=keep)["content"]
        assert reply["status"] == "ok", reply
        return "".join(said)

    def show(self, judged: Path) -> str:
        """Show an annotator. returns: the version of ipykernel."""
        version, self.model, turn = self.ran(SHOW.format(judged=str(judged))).split()
        self.turn = int(turn)
        return version

    def click(self, score: int) -> None:
        """Save and next, as the page says it; the next click is of the reply that is shown then."""
        draft = {"score": score, "choice": None, "aspects": [False, False], "note": ""}
        message = {"do": "save", "turn": self.turn, "draft": draft, "spent_s": 1.0}
        data = {"method": "custom", "content": message}
        self.client.shell_channel.send(
            self.client.session.msg("comm_msg", {"comm_id": self.model, "data": data}),
        )
        self.turn += 1


def environment(version: str | None, folder: Path) -> dict[str, str]:
    """All of the environment of a kernel with that version."""
    return {**os.environ, **installed(version, folder)}


@contextmanager
def clicker(version: str | None, folder: Path) -> Iterator[Clicker]:
    """version: of ipykernel. folder: for it."""
    env = environment(version, folder)
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60, env=env)
    try:
        yield Clicker(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def clicked(clicker: Clicker, judged: Path, clicks: int, gap_s: float) -> list[float]:
    """Click, wait until the score is on disk, and wait a little. returns: seconds from click to disk, one a click."""
    path, found = judged / "scores.jsonl", []
    for number in range(1, clicks + 1):
        began = time.perf_counter()
        clicker.click(1 + number % 5)
        while not (path.exists() and path.read_bytes().count(b"\n") >= number):
            assert time.perf_counter() - began < 60, "the click was not answered"
            time.sleep(0.002)
        found.append(time.perf_counter() - began)
        time.sleep(gap_s)
    return found
