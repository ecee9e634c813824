"""Notebooks as papermill's command runs them, and the hints in their text."""

from __future__ import annotations

import ast
import html
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from slmbench.errors import KitError


def papermill(notebook: Path, folder: Path) -> Callable[..., tuple[subprocess.CompletedProcess, Path]]:
    """What runs a notebook in a folder of its own: run(*arguments) -> (completed process, output notebook)."""

    def run(*arguments: str) -> tuple[subprocess.CompletedProcess, Path]:
        out = folder / "out.ipynb"
        command = [sys.executable, "-m", "papermill", str(notebook), str(out), "-k", "python3", "--no-progress-bar"]
        done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=False)
        return done, out

    return run


def offline(monkeypatch) -> None:
    """Have whatever goes through a proxy, as papermill's children would, go nowhere."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def outputs(notebook: Path) -> list:
    """All outputs of a notebook's cells."""
    return [o for cell in nbformat.read(notebook, 4).cells for o in cell.get("outputs", [])]


def printed(notebook: Path) -> str:
    """All that its cells have printed, as it stands."""
    return "".join(o.text for o in outputs(notebook) if o.output_type == "stream")


def hints(notebook: Path) -> list[str]:
    """The code in a notebook's hints."""
    text = "\n".join(cell.source for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "markdown")
    found = re.findall(r"<details>.*?</details>", text, re.DOTALL)
    return [html.unescape(code) for hint in found for code in re.findall(r"<code>(.*?)</code>", hint)]


def played(notebook: Path, **injected: object) -> dict[str, object]:
    """What a notebook's names are in the end: its cells, run here with parameters as papermill injects them.

    It prints as ever; what a cell shows is made, and shown to nobody. Cheaper than papermill's process, which each
    notebook has a test of its own for.
    """
    names: dict[str, object] = {"In": [""]}
    with matplotlib.rc_context(), pd.option_context("display.precision", 6, "display.max_colwidth", 50):
        for source in _code(notebook, injected):
            names["In"].append(source)
            _run(source, names)
    return names


def stopped(notebook: Path, **injected: object) -> KitError:
    """Why a notebook stops before it has shown anything; run as `played`. Fails if it does not, or for another reason.

    returns: the error of the cell that checks parameters, or of the next one.
    """
    names: dict[str, object] = {"In": [""]}
    code = _code(notebook, injected)
    last = next(i for i, source in enumerate(code) if "parameters.check(" in source) + 1
    with matplotlib.rc_context(), pytest.raises(KitError) as refused:
        for source in code[: last + 1]:
            names["In"].append(source)
            exec(compile(source, notebook.stem, "exec"), names)
    return refused.value


def _run(source: str, names: dict[str, object]) -> None:
    """Run a cell, and make of its last line what a front end would be given."""
    tree = ast.parse(source)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):  # as IPython does, under the same name
        tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], last.value), last)
    names["_"] = None
    exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), names)
    made = (getattr(names["_"], name, None) for name in ("_repr_png_", "_repr_html_", "__repr__"))
    next(filter(None, made))()


def _code(notebook: Path, injected: dict[str, object]) -> list[str]:
    made = load_notebook_node(str(notebook))
    made = parameterize_notebook(made, injected) if injected else made
    return [cell.source for cell in made.cells if cell.cell_type == "code"]
