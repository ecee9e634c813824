"""What one model takes: load time, memory, disk, CPU and energy, each model in a service process of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from slmbench import machine, power
from slmbench.endpoint import rest, service
from slmbench.endpoint.target import Target
from slmbench.errors import KitError

PROMPT = "Say hello."
REPLY_TOKENS = 16
WORK = "Tell a long story about a small computer."  # a reply that most models do not end before WORK_TOKENS
WORK_TOKENS = 64
LOOK_S = 0.02  # how often memory is looked at while a model works
USS_LOOKS = 5  # USS only at each fifth look: it takes milliseconds, as the system counts pages


def footprint(target: Target) -> dict[str, Any]:
    """Load one model of the kit's service in a fresh process, have two short replies from it, and end the process.

    returns: a record for resources.jsonl: load_s (cold for the process; the disk cache may be warm), RSS and USS in
        MB before the load, after it, after the replies, and at most (rss_peak_mb, uss_peak_mb); reply_s, disk_mb;
        device and execution_provider as the service tells them. Of the second reply: work_s, work_tokens,
        cpu_s_per_1k_tokens (CPU seconds of the server's processes, prefill included), energy_j with energy_method
        and power_w, its mean power, where the machine counts energy, gpu_memory_mb where there is an NVIDIA driver.
        `error` where a step failed. The replies are no measurements of the run and no rows of it: the first one's text
        is kept here.
    """
    record: dict[str, Any] = {"kind": "footprint", "model": target.alias, "at": datetime.now(UTC).isoformat()}
    record |= {"device": target.device, "execution_provider": target.execution_provider}
    if target.folder:
        files = [f for f in Path(target.folder).rglob("*") if f.is_file()]
        record["disk_mb"] = round(sum(f.stat().st_size for f in files) / machine.MB, 1)
    nvml = power.nvml()
    try:
        cache = None if target.registered else _model_cache(target)
        with service.alone(target.alias, cache) as alone:
            prefix = f"{alone.url}{alone.prefix}" if target.registered else alone.url
            record |= _memory(alone.pid, "before")
            with Peak(alone.pid, nvml) as peak:
                started = time.perf_counter()
                rest.get(f"{prefix}/models/load/{rest.segment(target.load_name)}", timeout_s=600)
                record["load_s"] = round(time.perf_counter() - started, 4)
                record |= _memory(alone.pid, "loaded")
                started = time.perf_counter()
                reply = _ask(prefix, target, PROMPT, REPLY_TOKENS)
                record["reply_s"] = round(time.perf_counter() - started, 4)
                record["reply"] = _text(reply)
                record |= _work(prefix, target, alone.pid, nvml)
            record |= _memory(alone.pid, "after")
            record |= _most(peak.found(), record)
    except KitError as e:
        record["error"] = e.message
    except psutil.Error as e:
        record["error"] = f"the process can't be looked at, or is gone: {e}"
    finally:
        power.shut(nvml)
    return record


class Peak:
    """Looks at the memory of a process and its children, again and again, until it is left."""

    def __init__(self, pid: int, nvml: Any = None):
        self._pid, self._nvml = pid, nvml
        self._most: dict[str, float] = {}
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()
        with contextlib.suppress(psutil.Error, OSError):
            self._note(rss_peak_mb=machine.peak_rss_mb(self._pid))

    def found(self) -> dict[str, float]:
        """The most of each that was seen; rss_peak_mb also from what the system remembers of the process."""
        return dict(self._most)

    def _look(self) -> None:
        look = 0
        with contextlib.suppress(psutil.Error):  # it has ended; whoever asks it will tell
            while not self._left.wait(LOOK_S):
                if look % USS_LOOKS == 0:
                    rss_mb, uss_mb = machine.tree_memory_mb(self._pid)
                    gpu_mb = power.gpu_memory_mb({self._pid}, self._nvml)
                    self._note(rss_peak_mb=rss_mb, uss_peak_mb=uss_mb, gpu_memory_mb=gpu_mb)
                else:
                    self._note(rss_peak_mb=machine.tree_rss_mb(self._pid))
                look += 1

    def _note(self, **seen: float | None) -> None:
        for name, value in seen.items():
            if value is not None:
                self._most[name] = max(value, self._most.get(name, value))


def _work(prefix: str, target: Target, pid: int, nvml: Any) -> dict[str, Any]:
    """What a reply of some length takes, once the first one has warmed everything up."""
    meter, cpu_s = power.Meter(nvml=nvml), machine.tree_cpu_s(pid)
    reply = _ask(prefix, target, WORK, WORK_TOKENS)
    used, cpu_s = meter.used(), machine.tree_cpu_s(pid) - cpu_s
    record: dict[str, Any] = {"work_s": round(used.seconds, 4)}
    if used.energy_j is not None:
        power_w = round(used.energy_j / used.seconds, 2)
        record |= {"energy_j": used.energy_j, "energy_method": used.method, "power_w": power_w}
    tokens = _tokens(reply)
    if tokens:
        record |= {"work_tokens": tokens, "cpu_s_per_1k_tokens": round(1000 * cpu_s / tokens, 3)}
    return record


def _ask(prefix: str, target: Target, prompt: str, tokens: int) -> Any:
    asked = {"model": target.id, "messages": [{"role": "user", "content": prompt}]}
    return rest.post(f"{prefix}/v1/chat/completions", asked | {"max_tokens": tokens, "temperature": 0}, timeout_s=120)


def _model_cache(target: Target) -> str:
    """Where the service that has this catalogue model keeps its downloads. raises: RestError."""
    told = rest.get(f"{target.load_url.removesuffix('/models')}/status")
    if not (isinstance(told, dict) and isinstance(told.get("modelCachePath"), str)):
        raise rest.RestError("protocol_error", "the service does not say where it keeps its models")
    return told["modelCachePath"]


def _memory(pid: int, when: str) -> dict[str, float | None]:
    rss_mb, uss_mb = machine.tree_memory_mb(pid)
    return {f"rss_{when}_mb": rss_mb, f"uss_{when}_mb": uss_mb}


def _most(seen: dict[str, float], record: dict[str, Any]) -> dict[str, float]:
    """The peaks, which are no less than what was found before and after: a quick model may slip between two looks."""
    for kind in ("rss", "uss"):
        found = [seen.get(f"{kind}_peak_mb"), *(record[f"{kind}_{when}_mb"] for when in ("loaded", "after"))]
        if known := [value for value in found if value is not None]:
            seen[f"{kind}_peak_mb"] = max(known)
    return seen


def _text(reply: Any) -> str | None:
    try:
        return reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None


def _tokens(reply: Any) -> int | None:
    """Output tokens as the server counts them; None if it does not."""
    try:
        tokens = reply["usage"]["completion_tokens"]
    except (KeyError, TypeError):
        return None
    return tokens if isinstance(tokens, int) and tokens > 0 else None
