"""The notebook on models of one's own: a papermill job in the real runtime with tiny models, its hints, its claims."""

import re
from pathlib import Path

import nbformat
import pytest

from slmbench import adding, paths, store
from slmbench.endpoint import service
from support import notebooks
from support.tiny import end_now, free_port

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_bring_your_own_model.ipynb"
pytestmark = pytest.mark.timeout(180)


def with_hints(folder):
    """The notebook with the Python of its hints as cells of their own, before the cell that ends the adapter."""
    notebook = nbformat.read(NOTEBOOK, 4)
    codes = [c for c in notebooks.hints(NOTEBOOK) if not c.startswith(("slmbench ", "pip "))]
    assert len(codes) == 2
    end = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("served.close()"))
    notebook.cells[end:end] = [nbformat.v4.new_code_cell(code) for code in codes]
    nbformat.write(notebook, folder / "hints.ipynb")
    return folder / "hints.ipynb"


def test_a_tiny_model_and_an_adapter_from_file_to_picture(tmp_path):
    service.start(free_port(), say=lambda _: None)
    try:
        done, out = notebooks.papermill(with_hints(tmp_path), tmp_path)("-p", "rounds", "1", "-p", "name", "mine")
        assert done.returncode == 0, done.stderr[-2000:]
        assert adding.added_entries() == {}
        assert [f.name for f in (paths.home() / "models").glob("[!.]*")] == []
    finally:
        end_now()
    cells = nbformat.read(out, 4).cells
    found = [o for cell in cells for o in cell.get("outputs", [])]
    text = "".join(o.text for o in found if o.output_type == "stream")
    shown = "\n".join(o.data["text/plain"] for o in found if "text/plain" in o.get("data", {}))
    assert [o.text for o in found if o.output_type == "stream" and o.name == "stderr"] == []
    [picture] = [o for o in found if "image/png" in o.get("data", {})]
    assert "echo" in picture.metadata["image/png"]["alt"]
    [table] = [o.data["text/plain"] for o in found if "off, %" in o.get("data", {}).get("text/plain", "")]
    off = {line.split()[0]: float(line.split()[2]) for line in table.splitlines() if re.match(r"(int|fp)\d", line)}
    assert off["int4"] == off["fp32"] == 0 < off["int8"] < off["int4-rtn"]  # the file has Q4_1, and the text says so
    assert "taken away: " in text and re.search(r"licence +MIT", shown) and "Say hello in one short sentence." in shown
    runs = [store.read(p.parent).rows for p in sorted(tmp_path.glob("runs/*/plan.json"))]
    timed = [{(r.model, r.status) for r in rows if r.phase == "timed"} for rows in runs]
    assert sorted(timed, key=len) == [{("echo", "ok")}, {("mine-int4", "ok"), ("mine-fp32", "ok")}]
    assert out.stat().st_size < 1_000_000
