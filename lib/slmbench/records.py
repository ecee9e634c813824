"""One request is one `Row`; many rows are a DataFrame. The names and units of every column live here."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

OK = "ok"
STATUSES = (
    "ok",  # a whole reply: content, a finish_reason, the end mark, valid UTF-8 and JSON
    "refused",  # nothing listens there
    "connection_error",  # the connection broke before a reply began, or the reply was not HTTP
    "timeout",  # the deadline for the whole request passed
    "truncated",  # the reply broke off, or ended without its end marks
    "protocol_error",  # not what an OpenAI-compatible server sends
    "server_error",  # the server reported an error inside a reply
    "empty_reply",  # a whole reply without any content
    "interrupted",  # stopped from here: Ctrl-C, kernel interrupt
    "skipped",  # not asked at all; `error` says why
)  # and http_NNN for any HTTP status but 200


@dataclass(frozen=True, slots=True)
class Row:
    """The record of one request, as it stands in `rows.jsonl`. Times in seconds, sizes in characters or tokens.

    None means "not measured" or "does not apply", never zero.
    """

    run: str
    cell: str  # resume key: hash of all that makes this request comparable with a repeat of itself
    model: str  # alias
    attempt: int = 1
    phase: str = "timed"  # warmup | timed
    order: int | None = None  # position in the run, from 0
    model_id: str | None = None  # what the endpoint calls it
    device: str | None = None  # cpu | gpu | npu
    execution_provider: str | None = None
    prompt_id: str | None = None
    round: int | None = None  # from 0
    load_index: int | None = None  # from 0: which load of the model
    concurrency: int = 1
    started_at: str | None = None  # ISO 8601, UTC
    intended_at: str | None = None  # open loop: when the request was due
    status: str = OK
    error: str | None = None
    connect_s: float | None = None
    ttft_s: float | None = None  # request written -> first chunk with content, any channel
    ttfa_s: float | None = None  # request written -> first chunk of the answer channel
    latency_s: float | None = None  # request written -> last chunk with content
    chunk_s: list[float] | None = None  # arrival of each chunk with content since the start
    chunk_chars: list[int] | None = None
    chunk_channel: list[str] | None = None  # answer | reasoning
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    token_source: str | None = None  # server | tokenizer | chunks
    cached_tokens: int | None = None
    finish_reason: str | None = None
    text: str | None = None
    reasoning_text: str | None = None
    text_sha256: str | None = None
    client_lag_s: float | None = None
    host_cpu_pct: float | None = None
    flags: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """One line of strict JSON (no NaN, ASCII only), without the newline.

        raises: ValueError if a float is NaN or infinite.
        """
        return json.dumps({name: getattr(self, name) for name in COLUMNS}, ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_json(cls, line: str | bytes) -> Row:
        """raises: ValueError if the line is not a row."""
        given = json.loads(line)
        if not isinstance(given, dict) or not {"run", "cell", "model"} <= given.keys():
            raise ValueError("not a row: an object with run, cell and model was expected")
        return cls(**{name: given[name] for name in COLUMNS if name in given})


COLUMNS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Row))
DERIVED = ("output_tps", "total_tps", "tpot_s", "decode_tps", "prefill_tps", "chunk_gap_max_s", "ok")
UNITS: Mapping[str, str] = {
    "connect_s": "s",
    "ttft_s": "s",
    "ttfa_s": "s",
    "latency_s": "s",
    "client_lag_s": "s",
    "tpot_s": "s/token",
    "chunk_gap_max_s": "s",
    "decode_tps": "tokens/s",
    "output_tps": "tokens/s",
    "total_tps": "tokens/s",
    "prefill_tps": "tokens/s",
    "load_s": "s",
    "rss_mb": "MB",
    "uss_mb": "MB",
    "disk_mb": "MB",
}


def tpot(latency_s: Any, ttft_s: Any, output_tokens: Any):
    """Time per output token after the first (TPOT).

    latency_s, ttft_s: seconds, shape (n,). output_tokens: counts, shape (n,).
    returns: seconds per token, shape (n,); NaN where output_tokens < 2 or a value is missing.
    raises: ValueError if a ttft exceeds its latency.
    source: MLPerf Inference rules, "TPOT".

    >>> tpot([1.1], [0.1], [11])
    array([0.1])
    """
    import numpy as np  # here: the timed path imports this module, and needs no numpy

    latency, ttft, tokens = (np.asarray(a, dtype=float) for a in (latency_s, ttft_s, output_tokens))
    if (ttft > latency).any():
        raise ValueError("a ttft_s exceeds its latency_s")
    return np.divide(latency - ttft, tokens - 1, out=np.full(latency.shape, np.nan), where=tokens >= 2)


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a DataFrame: the columns of `Row`, then the derived ones.

    returns: one line a row in the order given. Numbers are float64 with NaN where nothing was measured;
        `ok` is bool. Derived, in the units of `UNITS`:
        output_tps = output_tokens / latency_s; total_tps = (prompt + output tokens) / latency_s;
        tpot_s (see `tpot`); decode_tps = 1 / tpot_s; prefill_tps = prompt_tokens / ttft_s, a lower bound as
        TTFT includes queueing; chunk_gap_max_s = the longest silence between two chunks with content.
    """
    import pandas as pd

    frame = pd.DataFrame([[getattr(r, name) for name in COLUMNS] for r in rows], columns=list(COLUMNS))
    numbers = ["order", "round", "load_index", "connect_s", "ttft_s", "ttfa_s", "latency_s", "prompt_tokens"]
    numbers += ["output_tokens", "cached_tokens", "client_lag_s", "host_cpu_pct"]
    frame[numbers] = frame[numbers].astype("float64")
    frame["output_tps"] = _ratio(frame.output_tokens, frame.latency_s)
    frame["total_tps"] = _ratio(frame.prompt_tokens + frame.output_tokens, frame.latency_s)
    frame["tpot_s"] = tpot(frame.latency_s, frame.ttft_s, frame.output_tokens)
    frame["decode_tps"] = _ratio(1.0, frame.tpot_s)
    frame["prefill_tps"] = _ratio(frame.prompt_tokens, frame.ttft_s)
    gaps = [max((b - a for a, b in itertools.pairwise(c)), default=None) if c else None for c in frame.chunk_s]
    frame["chunk_gap_max_s"] = pd.Series(gaps, index=frame.index, dtype="float64")
    frame["ok"] = frame.status == OK
    return frame


def _ratio(over, under):
    """Elementwise over / under; NaN where `under` is missing or not positive."""
    return over / under.where(under > 0)
