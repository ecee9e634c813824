"""Notebook parameters: whatever papermill injected or somebody typed, they are right before anything starts.

papermill itself only warns of an unknown one, and knows no types. What a parameter may be is read off the notebook's
parameters cell: a line for each, `name: type = default`. Those that are settings of a run are `config.settings`' to
judge, which a notebook calls with them.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slmbench.config import nearest
from slmbench.config.checking import fits, misfit, schema
from slmbench.config.settings import NAMES
from slmbench.config.values import Origin, folder as folder_of, model_names, refuse_faults
from slmbench.errors import UsageError

INJECTED = "# Parameters"  # papermill begins the cell that it injects with this line
AUTO = "auto"
_KINDS: Mapping[str, str] = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def check(inputs: Sequence[str], values: Mapping[str, Any], **choices: Sequence[str] | range | None) -> None:
    """Hold a notebook's parameters to what its parameters cell says of them.

    inputs: the source of every cell run so far (IPython's `In`). values: the notebook's names (`globals()`).
    choices: of a parameter that is one of a few words, these; of a whole number, the range it lies in; None where
        whoever is called with it judges it.
    raises: UsageError that names the parameter, with what was found and what was expected; for an unknown one as
        `refuse_unknown`.
    """
    refuse_unknown(inputs)
    for name, (kind, default) in _declared(inputs).items():
        if name not in values or kind is None or (name in NAMES and kind == "string"):
            continue
        if name in choices and choices[name] is None:
            continue
        value, definition = values[name], {"type": kind}
        if isinstance(within := choices.get(name), range):
            definition |= {"minimum": within.start, "maximum": within.stop - 1}
        elif within:
            definition["enum"] = list(within)
        if kind == "integer" and not within:
            definition = schema("models.schema.json")["definitions"]["run"]["properties"].get(name, definition)
        origin = _origin(name, default, value, as_text=kind == "string" and name not in choices)
        refuse_faults(value, origin)
        if not fits(value, definition):
            raise UsageError(f"{origin.label}: {misfit(value, definition)}", origin.cure)


def refuse_unknown(inputs: Sequence[str]) -> None:
    """Compare what papermill injected with what the cell above it, the notebook's parameters cell, knows.

    inputs: the source of every cell run so far (IPython's `In`).
    raises: UsageError that names the unknown parameters, the nearest known ones and all known ones.
    """
    for above, cell in itertools.pairwise(inputs):
        if not cell.startswith(INJECTED):
            continue
        known = _assigned(above)
        unknown = [name for name in _assigned(cell) if name not in known]
        if unknown:
            close = {name: nearest(name, known, 1) for name in unknown}
            said = [f"{name!r}" + (f"; did you mean {close[name][0]!r}?" if close[name] else "") for name in unknown]
            cure = f"known parameters: {', '.join(known)}; see papermill --help-notebook NOTEBOOK"
            raise UsageError(f"unknown notebook parameter {', '.join(said)}", cure)


def folder(value: Any, name: str = "out") -> Path | None:
    """The folder that a parameter names; None for auto. raises: UsageError for what is no path of a folder."""
    return None if value == AUTO else folder_of(value, _origin(name, repr(AUTO), value))


def pair(value: Any, name: str = "acceleration") -> str:
    """Two aliases to compare, as "a,b" without spaces; "" for none.

    raises: UsageError for one alias, for more than two, and for what is none.
    """
    if isinstance(value, str) and not value.strip():
        return ""
    origin = _origin(name, repr("qwen2.5-0.5b,phi-4-mini"), value)
    aliases = model_names(value, origin)
    if len(aliases) != 2:
        found = "one alias" if len(aliases) == 1 else f"a list of {len(aliases)} aliases"
        raise origin.refuse(found, "two aliases or nothing")
    return ",".join(aliases)


def _origin(name: str, example: str, value: Any, *, as_text: bool = True) -> Origin:
    """example: as it may be written in Python. as_text: whether texts are expected."""
    more = f" (papermill: -r {name} VALUE takes it as text)" if as_text and not isinstance(value, str) else ""
    return Origin(name, "parameter", f"Change {name}, or leave it out; for example {name}={example}{more}")


def _declared(inputs: Sequence[str]) -> dict[str, tuple[str | None, str]]:
    """Name -> kind and default of each parameter, from the last cell that holds nothing but such lines.

    The kind is the schemas' word for it, None where there is none; the default stands as in the cell.
    """
    for source in reversed(inputs):
        try:
            lines = ast.parse(source).body
        except (SyntaxError, ValueError):  # a cell with a magic, or none at all
            continue
        typed = [line for line in lines if isinstance(line, ast.AnnAssign) and line.value]
        if typed and all(isinstance(line, ast.AnnAssign | ast.Assign) for line in lines):
            about = {ast.unparse(line.target): (ast.unparse(line.annotation), line.value) for line in typed}
            return {name: (_KINDS.get(kind), ast.unparse(default)) for name, (kind, default) in about.items()}
    return {}


def _assigned(source: str) -> list[str]:
    """Names that a cell of plain assignments sets, in their order."""
    names: list[str] = []
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        names += [t.id for t in targets if isinstance(t, ast.Name)]
    return names
