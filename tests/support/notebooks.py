"""Notebooks as papermill's command runs them, and the hints in their text."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat


def papermill(notebook: Path, folder: Path) -> Callable[..., tuple[subprocess.CompletedProcess, Path]]:
    """What runs a notebook in a folder of its own: run(*arguments) -> (completed process, output notebook)."""

    def run(*arguments: str) -> tuple[subprocess.CompletedProcess, Path]:
        out = folder / "out.ipynb"
        command = [sys.executable, "-m", "papermill", str(notebook), str(out), "-k", "python3", "--no-progress-bar"]
        done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=False)
        return done, out

    return run


def hints(notebook: Path) -> list[str]:
    """The code in a notebook's hints."""
    text = "\n".join(cell.source for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "markdown")
    found = re.findall(r"<details>.*?</details>", text, re.DOTALL)
    return [html.unescape(code) for hint in found for code in re.findall(r"<code>(.*?)</code>", hint)]
