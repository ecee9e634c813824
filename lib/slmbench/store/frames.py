"""From rows.jsonl straight to columns: what a run of many rows needs, as a `Row` for each would fill the memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import islice
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

from slmbench.records import COLUMNS, INT_MAX, LONG, Columns, Row
from slmbench.store.files import no_garbage_collection
from slmbench.store.reading import ROWS, record, row_of, run_folder

if TYPE_CHECKING:
    import pandas as pd

Decode = Callable[[list[bytes]], list[tuple] | None]
BATCH_ROWS = 256  # decoded, turned into columns and forgotten while they are in the processor's cache


def frame(path: Path | str, *, light: bool = True) -> pd.DataFrame:
    """All rows of a run folder as `read(path).frame()` gives them, in a fraction of its time and memory.

    light: without what grows with the replies (`records.LONG`: texts and lists of chunks); chunk_gap_max_s, which is
        made of such a list, is there nevertheless. Of what is left out only that it is JSON is looked at.
    raises: StoreError if it is no run folder, or a record in the middle is damaged.
    """
    path = run_folder(path) / ROWS
    names = [name for name in COLUMNS if not light or name not in LONG]
    columns = Columns(names)
    wanted = [name for name in COLUMNS if name in {*names, "chunk_s"}]
    decode = _decoder(wanted)
    left, first = record(path), 1
    with no_garbage_collection():
        while batch := list(islice(left, BATCH_ROWS)):
            rows = decode(batch) or [_row(line, decode, wanted, path, n) for n, line in enumerate(batch, first)]
            columns.add(dict(zip(wanted, zip(*rows, strict=True), strict=True)))
            first += len(batch)
    return columns.frame()


def _row(line: bytes, decode: Decode, names: list[str], path: Path, number: int) -> tuple:
    """A line that is odd, or stands beside an odd one. What the quick decoder refuses, `Row` judges."""
    [row] = decode([line]) or [row_of(line, path, number)]
    return row if isinstance(row, tuple) else attrgetter(*names)(row)


def _decoder(names: list[str]) -> Decode:
    """Turns lines into tuples of these attributes of `Row`, ttft_s and latency_s among them; None if it refuses one.

    It is stricter than JSON in Python, with lone surrogates for one: what it refuses need not be damaged. What is not
    ASCII it refuses as well, as it would pass over the texts that are not wanted without a look at their encoding.
    """
    import msgspec  # here: a run imports this module, and has no use for it

    whole = Annotated[int, msgspec.Meta(ge=-INT_MAX, le=INT_MAX)]
    kinds = get_type_hints(Row, localns={"int": whole}, include_extras=True)
    fields: list[tuple] = []
    for f in dataclasses.fields(Row):
        if f.name not in names:
            continue
        if f.default_factory is not dataclasses.MISSING:
            fields.append((f.name, kinds[f.name], msgspec.field(default_factory=f.default_factory)))
        elif f.default is not dataclasses.MISSING:
            fields.append((f.name, kinds[f.name], f.default))
        else:
            fields.append((f.name, kinds[f.name]))
    times = itemgetter(names.index("ttft_s"), names.index("latency_s"))
    one = msgspec.json.Decoder(msgspec.defstruct("Part", fields, gc=False)).decode

    def decode(batch: list[bytes]) -> list[tuple] | None:
        if not all(map(bytes.isascii, batch)):
            return None
        try:
            rows = list(map(msgspec.structs.astuple, map(one, batch)))
        except (msgspec.DecodeError, RecursionError):
            return None
        if any(None not in (ttft_s, latency_s) and ttft_s > latency_s for ttft_s, latency_s in map(times, rows)):
            return None
        return rows

    return decode
