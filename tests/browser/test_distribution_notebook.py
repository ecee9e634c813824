"""The notebook on distributions as an attendee runs it: JupyterLab, Run All, no server and no network."""

import shutil
from pathlib import Path

import lab
import nbformat
import pytest

NAME = "session03_read_the_distribution.ipynb"
SHOTS = Path(__file__).parents[2] / "test-results"


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_run_all_ends_with_the_names_revealed(tmp_path):
    shutil.copy(Path(__file__).parents[2] / "notebooks" / NAME, tmp_path)
    SHOTS.mkdir(exist_ok=True)
    with lab.lab(tmp_path) as address, lab.browser_page() as page:
        lab.open_notebook(page, address, NAME)
        lab.start_all(page)
        lab.await_all(page, timeout_s=180)
        page.screenshot(path=SHOTS / "distribution_notebook_end.png")
        foreign, errors = page.foreign, page.errors
    assert foreign == []
    assert errors == []
    cells = [c for c in nbformat.read(tmp_path / NAME, 4).cells if c.cell_type == "code"]
    found = [o for c in cells for o in c.outputs]
    assert [o for o in found if o.output_type == "error"] == []
    assert all(c.execution_count for c in cells)
    assert sum("image/png" in o.get("data", {}) for o in found) == 13
    assert any("You said A" in o.get("text", "") for o in found)
