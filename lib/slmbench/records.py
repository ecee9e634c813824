"""One request is one `Row`; many rows are a DataFrame. The names and units of every column live here."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OK = "ok"
RESTARTED = "service_restarted"  # a flag: the service had been started again, with nothing loaded; to be asked again
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
    phase: str = "timed"  # warmup | timed | cooldown: keeps several streams busy while the last timed requests run
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
    station: str | None = None  # the chosen name of the machine, where a room of them was measured

    def to_json(self) -> str:
        """One line of strict JSON (no NaN, ASCII only), without the newline.

        raises: ValueError if a float is NaN or infinite.
        """
        return json.dumps({name: getattr(self, name) for name in COLUMNS}, ensure_ascii=True, allow_nan=False)

    def light(self) -> Row:
        """This row without what grows with the reply, for whoever keeps many."""
        return dataclasses.replace(self, **dict.fromkeys((*LONG, "text_sha256")))

    @classmethod
    def from_json(cls, line: str | bytes) -> Row:
        """Keys that a row has not are passed over, missing ones have the default.

        raises: ValueError if the line is not a row, or a value is not of its column's kind.
        """
        try:
            given = _STRICT.decode(line if isinstance(line, str) else line.decode("utf-8"))
        except RecursionError as e:
            raise ValueError("nested too deeply for a row") from e
        if not isinstance(given, dict) or not {"run", "cell", "model"} <= given.keys():
            raise ValueError("not a row: an object with run, cell and model was expected")
        row = {name: given[name] for name in COLUMNS if name in given}
        if row.get("flags", ()) is None:
            del row["flags"]
        for name, value in row.items():
            if not _fits(value, *_ALLOWED[KINDS[name]]):
                raise ValueError(f"{name}: {json.dumps(value)[:40]} was found, {KINDS[name]} was expected")
        ttft_s, latency_s = row.get("ttft_s"), row.get("latency_s")
        if ttft_s is not None and latency_s is not None and ttft_s > latency_s:
            raise ValueError("its ttft_s exceeds its latency_s")
        return cls(**row)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_no_number)  # NaN and Infinity
COLUMNS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Row))
KINDS: Mapping[str, str] = {f.name: str(f.type) for f in dataclasses.fields(Row)}  # as annotated
LONG = ("chunk_s", "chunk_chars", "chunk_channel", "text", "reasoning_text")  # what grows with the reply
DERIVED = ("output_tps", "total_tps", "tpot_s", "decode_tps", "prefill_tps", "chunk_gap_max_s", "ok", "first_of_prompt")
UNITS: Mapping[str, str] = {
    **dict.fromkeys(("connect_s", "ttft_s", "ttfa_s", "latency_s", "client_lag_s", "chunk_gap_max_s", "load_s"), "s"),
    "tpot_s": "s/token",
    **dict.fromkeys(("decode_tps", "output_tps", "total_tps", "prefill_tps"), "tokens/s"),
    **dict.fromkeys(("rss_mb", "uss_mb", "disk_mb"), "MB"),
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

    returns: one line a row in the order given. Numbers are float64 with NaN where nothing was measured (attempt and
        concurrency int64), texts pandas' `str`, lists objects, the last two bool. Derived, in the units of `UNITS`:
        output_tps = output_tokens / latency_s; total_tps = (prompt + output tokens) / latency_s;
        tpot_s (see `tpot`); decode_tps = 1 / tpot_s; prefill_tps = prompt_tokens / ttft_s, a lower bound as
        TTFT includes queueing; chunk_gap_max_s = the longest silence between two chunks with content;
        first_of_prompt: nobody had sent this prompt to this load of the model before, so that no prefix cache had it.
    """
    columns, rows = Columns(COLUMNS), list(rows)
    columns.add({name: list(map(attrgetter(name), rows)) for name in COLUMNS})
    return columns.frame()


class Columns:
    """Collects rows as columns, a part at a time, and makes of them what `to_frame` gives, without keeping the rows.

    names: of `COLUMNS`, those to keep. The derived ones come with them; all they are made of has to be among the
    names, but for chunk_s, which need not be kept.
    """

    def __init__(self, names: Collection[str]):
        self._names = [name for name in COLUMNS if name in names]
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in (*self._names, "chunk_gap_max_s")}
        self._known: dict[str | None, str | None] = {}  # one copy of each text that many rows have

    def add(self, values: Mapping[str, Sequence[Any]]) -> None:
        """values: of some rows, in their order, for each of the names and chunk_s."""
        for name in self._names:
            self._parts[name].append(self._column(name, values[name]))
        self._parts["chunk_gap_max_s"].append(longest_gaps(values["chunk_s"]))

    def _column(self, name: str, values: Sequence[Any]) -> np.ndarray:
        import numpy as np

        dtype = _DTYPES.get(KINDS[name], "object")
        if dtype != "object":
            return np.array(values, dtype=dtype)  # None becomes NaN
        if KINDS[name] in _TEXTS and name not in _EACH_ITS_OWN:
            return np.fromiter(map(self._known.setdefault, values, values), dtype=object, count=len(values))
        return np.fromiter(values, dtype=object, count=len(values))

    def frame(self) -> pd.DataFrame:
        """All that was added, with the derived columns. Empties this collector, as a frame may be large."""
        import numpy as np
        import pandas as pd

        self._known.clear()
        # whatever else is installed: with pyarrow pandas would store texts elsewhere, and refuse lone surrogates
        text = pd.StringDtype("python", na_value=np.nan)
        data: dict[str, Any] = {}
        for name, parts in self._parts.items():
            kind = KINDS.get(name, "float | None")
            data[name] = np.concatenate(parts) if parts else np.empty(0, dtype=_DTYPES.get(kind, "object"))
            parts.clear()
            if kind in _TEXTS:
                data[name] = pd.array(data[name], dtype=text)
        gaps = data.pop("chunk_gap_max_s")
        return pd.DataFrame(data | _derived(data, gaps), copy=False)


def _derived(data: Mapping[str, Any], gaps: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of `DERIVED`. data: columns of `Row`, each an array. gaps: as `longest_gaps` gives them."""
    import numpy as np

    tokens, latency = data["output_tokens"], data["latency_s"]
    per_token = tpot(latency, data["ttft_s"], tokens)
    return {
        "output_tps": _ratio(tokens, latency),
        "total_tps": _ratio(data["prompt_tokens"] + tokens, latency),
        "tpot_s": per_token,
        "decode_tps": _ratio(1.0, per_token),
        "prefill_tps": _ratio(data["prompt_tokens"], data["ttft_s"]),
        "chunk_gap_max_s": gaps,
        "ok": np.asarray(data["status"] == OK, dtype=bool),
        "first_of_prompt": _first_of_prompt(data),
    }


def _first_of_prompt(data: Mapping[str, Any]) -> np.ndarray:
    """Which rows are the first, in the order of the run, that sent their prompt to their load of the model."""
    import numpy as np
    import pandas as pd

    first = np.zeros(len(data["order"]), dtype=bool)
    order = np.argsort(data["order"], kind="stable")
    order = order[~pd.isna(data["prompt_id"][order]) & np.asarray(data["status"] != "skipped", dtype=bool)[order]]
    sent = pd.DataFrame({name: data[name][order] for name in ("model", "load_index", "prompt_id")})
    first[order] = ~sent.duplicated().to_numpy()
    return first


def longest_gaps(chunk_s: Sequence[Sequence[float] | None]) -> np.ndarray:
    """The longest time between two neighbours of each list. chunk_s: seconds, n lists or None.

    returns: seconds, shape (n,); NaN where a list has fewer than two.

    >>> longest_gaps([[0.5, 0.75, 2.0], [1.0], None])
    array([1.25,  nan,  nan])
    """
    import numpy as np

    lists = [times or () for times in chunk_s]
    counts = np.fromiter(map(len, lists), dtype=np.intp, count=len(lists))
    gaps = np.full(len(lists), np.nan)
    several = counts >= 2
    if several.any():
        times = np.fromiter(itertools.chain.from_iterable(lists), dtype=float, count=counts.sum())
        ends = counts.cumsum()
        # from each list's first gap to before the one that leads over to the next list, and from there (not used)
        bounds = np.stack([(ends - counts)[several], ends[several] - 1], axis=1)
        gaps[several] = np.maximum.reduceat(np.append(np.diff(times), np.nan), bounds.ravel())[::2]
    return gaps


def _ratio(over, under):
    """Elementwise over / under; NaN where `under` is missing or not positive."""
    import numpy as np

    with np.errstate(over="ignore"):
        return np.divide(over, under, out=np.full(under.shape, np.nan), where=under > 0)


_TEXTS = ("str", "str | None")
_DTYPES = {"int": "int64", "int | None": "float64", "float | None": "float64"}  # of all others: object
_EACH_ITS_OWN = ("cell", "started_at", "intended_at", "text", "reasoning_text")  # hardly two rows have the same
INT_MAX = 2**63 - 1
_NUMBER_MAX = sys.float_info.max
_NONE, _TEXT, _COUNT, _NUMBER = {type(None)}, {str}, {int}, {int, float}
_ALLOWED: Mapping[str, tuple[set, set, float]] = {  # kind: types of a value, of those in a list, limit of numbers
    "str": (_TEXT, set(), 0),
    "str | None": (_TEXT | _NONE, set(), 0),
    "int": (_COUNT, set(), INT_MAX),
    "int | None": (_COUNT | _NONE, set(), INT_MAX),
    "float | None": (_NUMBER | _NONE, set(), _NUMBER_MAX),
    "list[str]": ({list}, _TEXT, 0),
    "list[str] | None": ({list} | _NONE, _TEXT, 0),
    "list[int] | None": ({list} | _NONE, _COUNT, 0),
    "list[float] | None": ({list} | _NONE, _NUMBER, _NUMBER_MAX),
}


def _fits(value: Any, types: set[type], inside: set[type], limit: float) -> bool:
    """Whether a value out of JSON is of a kind. true and false are no numbers, nor is 1e999."""
    if type(value) not in types:
        return False
    if not limit or not value:
        return type(value) is not list or set(map(type, value)) <= inside
    if type(value) is list:
        return set(map(type, value)) <= inside and max(value) <= limit and min(value) >= -limit
    return -limit <= value <= limit
