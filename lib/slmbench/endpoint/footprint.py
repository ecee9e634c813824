"""What one model costs to hold: load time, memory and disk, each model in a service process of its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from slmbench import machine
from slmbench.endpoint import rest, service
from slmbench.endpoint.target import Target
from slmbench.errors import KitError

PROMPT = "Say hello."
REPLY_TOKENS = 16


def footprint(target: Target) -> dict[str, Any]:
    """Load one model of the kit's service in a fresh process, have one short reply from it, and end the process.

    returns: a record for resources.jsonl: load_s (cold for the process; the disk cache may be warm), RSS and USS in
        MB before the load, after it and after the reply, reply_s, disk_mb; `error` where a step failed.
        The reply is not a measurement of the run and no row of it: its text is kept here.
    """
    record: dict[str, Any] = {"kind": "footprint", "model": target.alias, "at": datetime.now(UTC).isoformat()}
    if target.folder:
        files = [f for f in Path(target.folder).rglob("*") if f.is_file()]
        record["disk_mb"] = round(sum(f.stat().st_size for f in files) / machine.MB, 1)
    try:
        cache = None if target.registered else _model_cache(target)
        with service.alone(target.alias, cache) as alone:
            prefix = f"{alone.url}{alone.prefix}" if target.registered else alone.url
            record |= _memory(alone.pid, "before")
            started = time.perf_counter()
            rest.get(f"{prefix}/models/load/{rest.segment(target.load_name)}", timeout_s=600)
            record["load_s"] = round(time.perf_counter() - started, 4)
            record |= _memory(alone.pid, "loaded")
            started = time.perf_counter()
            asked = {"model": target.id, "messages": [{"role": "user", "content": PROMPT}]}
            asked |= {"max_tokens": REPLY_TOKENS, "temperature": 0}
            reply = rest.post(f"{prefix}/v1/chat/completions", asked, timeout_s=120)
            record["reply_s"] = round(time.perf_counter() - started, 4)
            record["reply"] = _text(reply)
            record |= _memory(alone.pid, "after")
    except KitError as e:
        record["error"] = e.message
    except psutil.Error as e:
        record["error"] = f"the process can't be looked at, or is gone: {e}"
    return record


def _model_cache(target: Target) -> str:
    """Where the service that has this catalogue model keeps its downloads. raises: RestError."""
    told = rest.get(f"{target.load_url.removesuffix('/models')}/status")
    if not (isinstance(told, dict) and isinstance(told.get("modelCachePath"), str)):
        raise rest.RestError("protocol_error", "the service does not say where it keeps its models")
    return told["modelCachePath"]


def _memory(pid: int, when: str) -> dict[str, float | None]:
    rss_mb, uss_mb = machine.tree_memory_mb(pid)
    return {f"rss_{when}_mb": rss_mb, f"uss_{when}_mb": uss_mb}


def _text(reply: Any) -> str | None:
    try:
        return reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
