"""Notebook parameters: papermill only warns of an unknown one, this refuses it before anything starts."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence

from slmbench.config import nearest
from slmbench.errors import UsageError

INJECTED = "# Parameters"  # papermill begins the cell that it injects with this line


def refuse_unknown(inputs: Sequence[str]) -> None:
    """Compare what papermill injected with what the cell above it, the notebook's parameters cell, knows.

    inputs: the source of every cell run so far (IPython's `In`).
    raises: UsageError that names the unknown parameter, the nearest known one and all known ones.
    """
    for above, cell in itertools.pairwise(inputs):
        if not cell.startswith(INJECTED):
            continue
        known = _assigned(above)
        unknown = [name for name in _assigned(cell) if name not in known]
        if unknown:
            close = nearest(unknown[0], known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            cure = f"known parameters: {', '.join(known)}; see papermill --help-notebook NOTEBOOK"
            raise UsageError(f"unknown notebook parameter {unknown[0]!r}{hint}", cure)


def _assigned(source: str) -> list[str]:
    """Names that a cell of plain assignments sets, in their order."""
    names: list[str] = []
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        names += [t.id for t in targets if isinstance(t, ast.Name)]
    return names
