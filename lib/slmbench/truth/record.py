"""What was really written for one request, and when: the truth that a client's figures are held against. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

CONTENT = frozenset({"reasoning", "answer"})
TAGGED = re.compile(r"#(\d{8})(?!\d)")


class Write(NamedTuple):
    """One event. ns: `perf_counter_ns` just before it was written; events of one write share it.

    kind: head | comment | role | reasoning | answer | finish | usage | done, or whole for a reply that is no stream.
    due_ns: when the schedule wanted it.
    """

    ns: int
    kind: str
    tokens: int
    due_ns: int


@dataclass(frozen=True, slots=True)
class Record:
    """One chat request. Times in seconds from `received_ns`, when its last byte had been read; None: there is none.

    number: of the request, from 1. model: its id. writes: in order; not all of them where the client went early.
    """

    number: int
    model: str
    received_ns: int
    writes: tuple[Write, ...]

    @property
    def chunk_s(self) -> list[float]:
        """When each chunk with content was written."""
        return [self._s(w) for w in self.writes if w.kind in CONTENT]

    @property
    def ttft_s(self) -> float | None:
        return next(iter(self.chunk_s), None)

    @property
    def ttfa_s(self) -> float | None:
        return next((self._s(w) for w in self.writes if w.kind == "answer"), None)

    @property
    def latency_s(self) -> float | None:
        """When the last chunk with content was written, or the whole reply."""
        return next((self._s(w) for w in reversed(self.writes) if w.kind in CONTENT | {"whole"}), None)

    @property
    def tokens(self) -> int:
        return sum(w.tokens for w in self.writes)

    @property
    def tpot_s(self) -> float | None:
        """(latency - ttft) / (tokens - 1), as MLPerf Inference defines it; None below 2 tokens."""
        ttft_s = self.ttft_s
        return None if ttft_s is None or self.tokens < 2 else (self.latency_s - ttft_s) / (self.tokens - 1)

    @property
    def ended(self) -> bool:
        return any(w.kind in ("done", "whole") for w in self.writes)

    @property
    def late_s(self) -> float:
        """How far behind its schedule the server was at worst."""
        return max((w.ns - w.due_ns for w in self.writes), default=0) / 1e9

    def _s(self, write: Write) -> float:
        return (write.ns - self.received_ns) / 1e9

    def to_json(self) -> dict[str, Any]:
        return {"number": self.number, "model": self.model, "received_ns": self.received_ns, "writes": self.writes}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Record:
        return cls(given["number"], given["model"], given["received_ns"], tuple(Write(*w) for w in given["writes"]))


def number_of(text: str | None) -> int | None:
    """The number of the request that a reply's text answers; None if the text is not one of the server's."""
    found = TAGGED.match(text or "")
    return int(found[1]) if found else None


def find(records: Iterable[Record], text: str | None) -> Record:
    """The record of the reply with this text, of the answer or of the reasoning.

    raises: LookupError if there is none.
    """
    number = number_of(text)
    for record in records:
        if record.number == number:
            return record
    raise LookupError(f"no record of the reply {(text or '')[:40]!r}")
