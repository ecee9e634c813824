"""What a station does when it is asked: measure, and tell what it has measured. Two functions, JSON texts in and out.

They are all that the desk can call here. News and records go over the connection that the station has opened, so that
no laptop needs an open port.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slmbench import machine, store
from slmbench.config.reading import clean, parse_json
from slmbench.errors import KitError, UsageError
from slmbench.fleet import private, tether
from slmbench.store import rooms

TOPIC = "slmbench"
TAKEN = "another machine in this room has the name"
PART_CHARS = 1_000_000  # of one message
ROWS_PART = 400_000  # characters of rows after which a new text begins


@dataclass
class Here:
    """One station. name: as its owner calls it. token: of this joining. base: the folder of its run folders.

    endpoint: of the local service; None: to be found. news: how far it is, for the heartbeat.
    """

    name: str
    token: str
    base: Path
    endpoint: str | None = None
    news: dict[str, Any] = field(default_factory=dict)
    _alone: threading.Lock = field(default_factory=threading.Lock)
    _process: subprocess.Popen | None = None

    def folder(self, run: str) -> Path:
        return self.base / rooms.check_name(run, "run")

    def about(self) -> dict[str, Any]:
        """What its heartbeat tells of it, besides the news."""
        facts = machine.facts()
        return {"cpu": facts["cpu"], "cores": facts["cores_logical"], "memory_mb": facts["memory_mb"]}

    def measure(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """In a process of its own. asked: run, asked, memory. returns: as `measuring.measure`."""
        order = {
            "asked": asked["asked"],
            "memory": asked.get("memory", True),
            "station": self.name,
            "out": str(self.folder(asked["run"]).absolute()),
            "endpoint": self.endpoint,
        }
        with self._alone:  # the desk may have lost sight of what it asked before
            return self._measured(asked["run"], order)

    def _measured(self, run: str, order: Mapping[str, Any]) -> dict[str, Any]:
        self.news = {"run": run}  # what came before is over
        process = self._process = tether.child("slmbench.fleet.measuring", stdout=subprocess.PIPE)
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            last: dict[str, Any] = {}
            for line in process.stdout:
                last = json.loads(line)
                self.hear(run, last)
            process.wait(tether.END_S)
        finally:
            tether.end(process)
            process.stdout.close()
            self.news = {**self.news, "ended": True}
        if "outcome" not in last:
            last = {"outcome": "failed", "reason": f"the process that measures ended, with code {process.returncode}"}
        if last["outcome"] == "failed":
            print(f"  Not finished: {clean(last['reason'], 2000)}", flush=True)
        elif last.get("new") == 0:
            print("  Nothing was left to do.", flush=True)
        return last

    @property
    def measures(self) -> bool:
        return self._alone.locked()

    def stop(self) -> None:
        """End what measures here, with what it has measured kept."""
        if self._process is not None:
            tether.end(self._process)

    def hear(self, run: str, one: Mapping[str, Any]) -> None:
        """News of what is measured; words are for this machine's owner alone."""
        if "said" in one:
            print(f"  {clean(one['said'], 2000)}", flush=True)
        elif "done" in one:
            self.news = {"run": run, **one}

    def tell(self, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A run folder in parts. asked: run. returns: objects with plan, machine and resources, or with rows."""
        run = store.read(self.folder(asked["run"]))
        first = {
            "plan": private.plan(run.plan),
            "machine": {**run.machine, "station": self.name},
            "resources": run.resources,
        }
        yield private.without_names(first, self.name)
        part, size = [], 0
        for row in run.rows:
            line = json.loads(row.to_json())
            part.append(private.without_names(line, self.name))
            size += len(row.text or "") + 20 * len(row.chunk_s or ()) + 1000
            if size >= ROWS_PART:
                yield {"rows": part}
                part, size = [], 0
        yield {"rows": part}


def measure(text: str) -> str:
    """Task. text: JSON with run, asked, memory and request. returns: JSON with what came of it; it is told as well."""
    return _answered(text, lambda here, asked: [here.measure(asked)])


def tell(text: str) -> str:
    """Task. text: JSON with run and request, or with stop and request: then what is measured here ends, and is kept.

    returns: "{}"; what is asked for goes out as events, in order.
    """
    return _answered(text, _told)


def _told(here: Here, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """As `Here.tell`; then its owner reads what was handed over, and what may be done now."""
    if asked.get("stop"):  # the instructor calls a plan off
        here.stop()
        return
    yield from here.tell(asked)
    run, news = clean(asked["run"]), here.news if here.news.get("run") == asked["run"] else {}
    done, total = news.get("done", 0), news.get("total", 0)
    what = f"{done} of {total} requests" if total else "what there is"
    then = "It measures on." if done < total and here.measures else "Stay for the next plan, or leave with Ctrl-C."
    print(f"  Handed over to the instructor: {what}, of {run}. {then}", flush=True)


def _answered(text: str, answer: Any) -> str:
    from distributed import get_worker

    worker = get_worker()
    here: Here = worker.here
    request = None
    try:
        if not isinstance(text, str):
            raise UsageError("what was asked is no text", "")
        asked = parse_json(text.encode())
        if not isinstance(asked, dict):
            raise UsageError("what was asked is no JSON object", "")
        request = asked.get("request")
        for part in answer(here, asked):
            _send(worker, request, part, last=False)
        _send(worker, request, {}, last=True)
    except (KitError, ValueError, KeyError, OSError) as e:
        reason = private.named(e.message if isinstance(e, KitError) else f"{type(e).__name__}: {e}", here.name)
        _send(worker, request, {"outcome": "failed", "reason": reason[:1000]}, last=True)
    return "{}"


def _send(worker: Any, request: Any, part: Mapping[str, Any], *, last: bool) -> None:
    """One object as JSON, in messages of at most `PART_CHARS`."""
    text = json.dumps(part, allow_nan=False)
    pieces = [text[at : at + PART_CHARS] for at in range(0, len(text), PART_CHARS)]
    for number, piece in enumerate(pieces, 1):
        whole = number == len(pieces)
        worker.log_event(TOPIC, {"request": request, "text": piece, "whole": whole, "last": last and whole})
