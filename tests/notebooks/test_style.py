"""Notebooks keep to the rules that make them readable: short cells, one parameters cell, nothing stored."""

import ast
import re
import statistics
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FORBIDDEN = re.compile(r"os\.environ|getenv|sys\.path|%pip|!pip|^\s*(try|except)\b|print\(\"=+", re.MULTILINE)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, 4)


def sources(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def test_there_are_notebooks():
    assert FOLDER / "session03_benchmark_oss_models.ipynb" in NOTEBOOKS


def test_valid_and_stored_without_outputs(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [c for c in code if c.outputs or c.execution_count] == []


def test_cells_are_short(notebook):
    lengths = [len(source.splitlines()) for source in sources(notebook, "code")]
    assert max(lengths) <= 12
    assert statistics.median(lengths) <= 3


def test_no_plumbing_in_cells(notebook):
    assert [FORBIDDEN.search(source).group() for source in sources(notebook, "code") if FORBIDDEN.search(source)] == []


def test_functions_in_cells_are_short(notebook):
    trees = [ast.parse(source) for source in sources(notebook, "code")]
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno > 7] == []


def test_one_title_that_asks(notebook):
    titles = [line for text in sources(notebook, "markdown") for line in text.splitlines() if re.match(r"# ", line)]
    assert len(titles) == 1
    assert titles[0].endswith("?")


def test_one_parameters_cell_of_typed_literals_with_help(notebook):
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) == 1
    for line in cells[0].source.splitlines():
        assert re.fullmatch(r"\w+: (str|int|float|bool) = [^#=]+  # [^=]+", line), line
        ast.literal_eval(line.split(" = ")[1].split("  # ")[0])


def test_frame(notebook):
    text = "\n".join(sources(notebook, "markdown"))
    for part in ("You will do", "You will learn", "You need", "It takes", "## Check", "## On your own", "<details>"):
        assert part in text, part
    assert "What this does not tell you" in text
    assert "Where to go next" in text
