"""The process of a station that measures: `python -m slmbench.fleet.measuring`. Nothing of Dask is near it.

It reads one line of JSON, the order, from standard input, and writes its news to standard output, a line of JSON each;
it stops, with all that it has measured kept, when standard input ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from slmbench import config, runner, store
from slmbench.errors import KitError, UsageError
from slmbench.fleet import tether
from slmbench.records import OK, Row

ASKED = (
    *("models", "rounds", "loads", "warmup", "max_tokens", "temperature", "seed", "stream", "deadline_s"),
    *("concurrency", "rate", "arrivals", "precision_pct", "budget_s", "slo", "retries", "nonce"),
)
BEFORE_S = 60.0  # for an earlier process to close the folder: it ends after its present request
NEWS_S = 0.5
News = Callable[[Mapping[str, Any]], None]


def settings_of(asked: Mapping[str, Any], endpoint: str | None = None) -> config.Settings:
    """What the desk asks, checked here once more. asked: in the form of `Settings.to_dict`, or a plan.json.

    Where the models are is this machine's own business: an endpoint in there is passed over.
    raises: UsageError.
    """
    prompts = asked.get("prompts")
    if not isinstance(prompts, list) or not prompts or not all(isinstance(p, dict) for p in prompts):
        raise UsageError("prompts: no prompts were found, a list of them was expected", "slmbench fleet run PLAN")
    try:
        texts = [config.prompt_from(prompt) for prompt in prompts]
    except (TypeError, KeyError, AttributeError) as e:
        raise UsageError(f"prompts: {e} in one of them", "slmbench fleet run PLAN") from None
    given = {name: asked[name] for name in ASKED if asked.get(name) not in (None, {}, [])}
    environ = {name: os.environ[name] for name in ("FOUNDRY_LOCAL_ENDPOINT",) if name in os.environ}
    return config.settings(environ=environ, prompts=texts, endpoint=endpoint, **given)


class _Watch:
    """Tells of every row, at most twice a second."""

    def __init__(self, total: int, already: int, tell: News):
        self._news = {"done": already, "total": already + total, "failed": 0}
        self._tell, self._next = tell, 0.0

    def __enter__(self) -> _Watch:
        self._tell(dict(self._news))
        return self

    def __exit__(self, *_: object) -> None:
        self._tell(dict(self._news))

    def update(self, row: Row) -> None:
        if row.status == "skipped":  # a model that is not here: none of its requests was counted
            return
        self._news["model"] = row.model
        self._news["failed"] += row.status != OK
        self._news["done"] += 1
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + NEWS_S
            self._tell(dict(self._news))


def measure(order: Mapping[str, Any], tell: News) -> dict[str, Any]:
    """Run, or go on with, what an order asks. order: asked, station, out, endpoint, memory. tell: hears how far it is.

    returns: {"outcome": "measured", "rows": n, "new": of these, now}, or "failed" with a reason in a sentence.
    """
    out = Path(order["out"])
    try:
        settings = settings_of(order["asked"], order.get("endpoint"))
        _wait_for(out)
        there = (out / "plan.json").is_file()
        rows = store.read(out).rows if there else []
        before, already = len(rows), len({row.cell for row in rows if row.status == OK})
        done = runner.run(
            settings,
            config.read_models(),
            out=out,
            resume=there,
            memory=bool(order.get("memory", True)),
            station=order.get("station"),
            watch=lambda total: _Watch(total, already, tell),
            say=lambda text: tell({"said": text.partition(" To go on")[0]}),  # which is the desk's business
        )
        runner.finish(done.rows)
    except KitError as e:
        return {"outcome": "failed", "reason": e.message}
    return {"outcome": "measured", "rows": len(done.rows), "new": len(done.rows) - before}


def _wait_for(out: Path) -> None:
    """Until whoever wrote the folder before has closed it; `runner.run` refuses it if that takes too long."""
    if out.is_dir():
        try:
            with FileLock(out / ".lock", timeout=BEFORE_S):
                pass
        except (Timeout, OSError, NotImplementedError):
            return


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a child in the background may have been told not to
    order = json.loads(sys.stdin.buffer.readline())
    news, sys.stdout = sys.stdout, sys.stderr  # what else prints does not come between the lines
    lock = threading.Lock()

    def tell(one: Mapping[str, Any]) -> None:
        with lock, contextlib.suppress(BrokenPipeError):  # the worker is gone; what was measured is in the folder
            print(json.dumps(one), file=news, flush=True)

    tether.tied()
    try:
        tell(measure(order, tell))
    except KeyboardInterrupt:
        tell({"outcome": "failed", "reason": "it was stopped; what was measured is kept"})


if __name__ == "__main__":
    main()
