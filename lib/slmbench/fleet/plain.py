"""What comes over the wire is data. Dask sends tasks, results and errors as pickles, and reading a pickle calls
whatever it names; here a pickle may name what is on a short list, and every other one is refused.

So the desk can have a station measure and tell its rows and nothing else, and a station can do nothing to the desk.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Iterator
from typing import Any

NAMES = frozenset(
    {
        ("dask._expr", "Expr._reconstruct"),  # what the desk asks, on its way to the scheduler
        ("dask._expr", "LLGExpr"),
        ("dask._task_spec", "Task"),
        ("slmbench.fleet.station", "measure"),
        ("slmbench.fleet.station", "tell"),
        ("distributed.scheduler", "KilledWorker"),  # what the scheduler says of a task that nobody could do
        ("distributed.scheduler", "NoValidWorkerError"),
        ("distributed.scheduler", "NoWorkerError"),
        ("slmbench.fleet.plain", "Refused"),
    }
)
# what reading a damaged pickle raises, besides UnpicklingError
DAMAGED = (
    *(pickle.UnpicklingError, EOFError, ImportError, LookupError, AttributeError, TypeError, ValueError),
    *(ArithmeticError, RecursionError, MemoryError),
)


class Refused(ValueError):
    """In place of what came and is no plain data. It is harmless itself, and can be sent."""


def in_words(text: str) -> bytes:
    """An error that Dask can hand on, and that is nothing but its words."""
    return pickle.dumps(Refused(text))


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"a pickle names {module}.{name}, and only plain data is taken")
        return super().find_class(module, name)


def loads(data: Any, /, *, buffers: Any = (), **_: Any) -> Any:
    """As `pickle.loads`, for plain data. raises: pickle.UnpicklingError for what names anything else."""
    return _Plain(io.BytesIO(data), buffers=buffers).load()


def loads_or_refused(data: Any, /, *, buffers: Any = (), **_: Any) -> Any:
    """As `loads`, but a `Refused` takes the place of what is refused: one bad answer does not end the others."""
    try:
        return loads(data, buffers=buffers)
    except DAMAGED as e:
        return Refused(str(e))


@contextlib.contextmanager
def guarded(*, strict: bool = True) -> Iterator[None]:
    """Everything in this process reads pickles in this way meanwhile. strict: `loads`, else `loads_or_refused`.

    All of Dask calls `pickle.loads` by that name, at several places; none of them is missed like this. Dask's own form
    of arrays and such can hold a pickle in turn; it is neither written nor read.
    """
    from distributed.protocol.serialize import families

    def refuse(_header: Any, _frames: Any) -> Refused:
        found = Refused("it came in a form of Dask's own, and only plain data is taken")
        if strict:
            raise found
        return found

    before, pickle.loads = pickle.loads, loads if strict else loads_or_refused
    kept = {name: families[name] for name in families.keys() - {"pickle", "msgpack", "error"}}
    families.update(dict.fromkeys(kept, (_not_written, refuse, False)))
    try:
        yield
    finally:
        pickle.loads = before
        families.update(kept)


def _not_written(_value: Any) -> None:
    raise NotImplementedError
