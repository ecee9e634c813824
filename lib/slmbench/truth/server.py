"""The server as a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from slmbench.truth import record
from slmbench.truth.loop import Loop
from slmbench.truth.record import Record
from slmbench.truth.schedule import Schedule


class TruthServer:
    """The server as a thread of this process: a context manager.

    schedules: by model id. Made for tests and short schedules: what else this process does delays it, and its stamps
    say so. `process` has one that nothing delays.
    """

    def __init__(self, schedules: Mapping[str, Schedule], port: int = 0):
        self._loop = Loop(schedules, port)
        self._thread = threading.Thread(target=self._loop.run, name="truth", daemon=True)
        self.root = f"http://127.0.0.1:{self._loop.port}"
        self.base_url = f"{self.root}/v1"

    def records(self, since: int = 0) -> list[Record]:
        """The chat requests with numbers above `since`, in order, those being answered included."""
        return self._loop.records(since)

    def record_of(self, text: str | None) -> Record:
        """The record of the reply with this text. raises: LookupError."""
        return record.find(self.records(), text)

    def __enter__(self) -> TruthServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.stop()
        self._thread.join()
        self._loop.close()
