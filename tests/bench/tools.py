"""Other benchmark tools, where they are installed: how each is started on the same load, and where it says what.

Each was tried in the version named. They want a tokenizer, which none of the figures here needs: they get one of a few
words, so that nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clients import Load, Ran, Reported, timed

FOLDERS = "SLMBENCH_BENCH_TOOLS"
TAG = re.compile(r"#\d{8}")
PROMPT = "Say something."
OFFLINE = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


def present(say: Callable[[str], None] = print) -> dict[str, Callable[[Load], Ran]]:
    """The tools whose commands are found on PATH or in the folders of SLMBENCH_BENCH_TOOLS, by name."""
    where = os.pathsep.join(filter(None, (os.environ.get(FOLDERS), os.environ.get("PATH"))))
    found = {}
    for name, rows in TOOLS.items():
        command = shutil.which(name, path=where)
        if command:
            found[name] = _client(command, rows)
        else:
            say(f"{name}: not installed, left out")
    return found


def _client(command: str, tool: Callable[[Load, Path], tuple[list[str], Callable[[], Iterator[Reported]]]]):
    def run(load: Load) -> Ran:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            arguments, rows = tool(load, folder)
            _, cpu_s, wall_s = timed([command, *arguments], cwd=folder, env=os.environ | OFFLINE)
            return Ran(list(rows()), cpu_s, wall_s)

    return run


def guidellm(load: Load, folder: Path):
    """0.8.1. Its "time per output token" contains the TTFT; its "inter-token latency" is what others call TPOT."""
    out = folder / "out.json"
    prompts = folder / "prompts.csv"
    prompts.write_text("\n".join(["prompt", *[PROMPT] * load.requests, ""]), encoding="utf-8")
    root = load.url.removesuffix("/v1")
    arguments = [
        "run",
        "--disable-console",
        "--output",
        f"kind=json,path={out}",
        "--data",
        f"kind=csv_file,path={prompts}",
    ]
    arguments += ["--backend", f"kind=openai_http,target={root},model={load.models[0]},max_tokens={load.tokens}"]
    arguments += ["--profile", f"kind=concurrent,streams={load.streams}"]
    arguments += ["--constraint", f"kind=max_requests,count={load.requests}"]

    def rows() -> Iterator[Reported]:
        for one in _json(out)["benchmarks"][0]["requests"]["successful"]:
            ttft_s, tpot_s = one["time_to_first_token_ms"] / 1e3, one["inter_token_latency_ms"] / 1e3
            yield Reported(one["output"], ttft_s, tpot_s, one["output_tokens"])

    return arguments, rows


def aiperf(load: Load, folder: Path):
    """0.13.0."""
    prompts = folder / "prompts.jsonl"
    prompts.write_text(json.dumps({"text": PROMPT}) + "\n", encoding="utf-8")
    arguments = ["profile", "--model", load.models[0], "--url", load.url.removesuffix("/v1"), "--endpoint-type", "chat"]
    arguments += ["--streaming", "--concurrency", str(load.streams), "--request-count", str(load.requests)]
    arguments += ["--input-file", str(prompts), "--custom-dataset-type", "single_turn", "--ui", "none"]
    arguments += ["--tokenizer", _tokenizer(folder), "--use-server-token-count"]
    arguments += ["--output-tokens-mean", str(load.tokens)]
    arguments += ["--export-level", "records", "--export-outputs-json", "--output-artifact-dir", str(folder / "out")]

    def rows() -> Iterator[Reported]:
        for one in _json(folder / "out" / "outputs.json")["data"]:
            said = one["metrics"]
            ttft_s, tpot_s = said["time_to_first_token"] / 1e3, said["inter_token_latency"] / 1e3
            yield Reported(one["response_text"], ttft_s, tpot_s, said["output_sequence_length"])

    return arguments, rows


def inference_perf(load: Load, folder: Path):
    """0.7.0. Its mock data always ask for 30 tokens."""
    shown = {"request": False, "response": True, "info": True, "response_chunks": False, "computed_metrics": True}
    config = {
        "api": {"type": "chat", "streaming": True},
        "data": {"type": "mock"},
        "load": {
            "type": "concurrent",
            "num_workers": 1,
            "worker_max_concurrency": load.streams,
            "stages": [{"num_requests": load.requests, "concurrency_level": load.streams}],
        },
        "server": {"type": "vllm", "model_name": load.models[0], "base_url": load.url.removesuffix("/v1")},
        "tokenizer": {"pretrained_model_name_or_path": _tokenizer(folder)},
        "report": {
            "request_lifecycle": {"per_request": True, "per_request_fields": shown, "use_server_output_tokens": True}
        },
        "storage": {"local_storage": {"path": str(folder / "out")}},
    }
    (folder / "config.yml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML as well

    def rows() -> Iterator[Reported]:
        for one in _json(folder / "out" / "per_request_lifecycle_metrics.json"):
            tag, said = TAG.search(one["response"]), one["computed_metrics"]
            counted = one["info"]["response_metrics"]["server_usage"]["completion_tokens"]
            text = tag[0] if tag else None
            yield Reported(text, said["time_to_first_token"], said["time_per_output_token"], counted, not one["error"])

    return ["--config_file", str(folder / "config.yml")], rows


TOOLS = {"guidellm": guidellm, "aiperf": aiperf, "inference-perf": inference_perf}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _tokenizer(folder: Path) -> str:
    """The folder of a tokenizer that knows a few words."""
    place = folder / "tokenizer"
    place.mkdir()
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *PROMPT.removesuffix(".").split(), "."])}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    parts = ("truncation", "padding", "normalizer", "post_processor", "decoder")
    whole = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model}
    (place / "tokenizer.json").write_text(json.dumps(whole | dict.fromkeys(parts)), encoding="utf-8")
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    (place / "tokenizer_config.json").write_text(json.dumps(kind), encoding="utf-8")
    return str(place)
