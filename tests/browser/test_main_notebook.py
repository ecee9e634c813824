"""The main notebook as an attendee runs it: JupyterLab, Run All, on the real models."""

from pathlib import Path

import lab
import nbformat
import pytest

NAME = "session03_benchmark_oss_models.ipynb"
SHOTS = Path(__file__).parents[2] / "test-results"


@pytest.mark.browser
@pytest.mark.real
@pytest.mark.timeout(600)
def test_run_all_ends_without_an_error_and_the_chart_moves(tmp_path):
    from slmbench.endpoint import service

    notebook = nbformat.read(Path(__file__).parents[2] / "notebooks" / NAME, 4)
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    changes = {  # all of them take long: papermill runs the notebook as it is
        'models: str = "auto"': 'models: str = "smollm2-135m-int4,smollm2-135m-int8"',
        'prompts: str = "auto"': 'prompts: str = "two.json"',
        'rounds: str = "auto"': "rounds: str = 3",
        'max_tokens: str = "auto"': "max_tokens: str = 16",
        '"smollm2-135m-int4-1thread,smollm2-135m-int4-2threads"': '"smollm2-135m-int4,smollm2-135m-int8"',
    }
    for old, new in changes.items():
        assert old in parameters.source
        parameters.source = parameters.source.replace(old, new)
    nbformat.write(notebook, tmp_path / NAME)
    (tmp_path / "two.json").write_text('["What is a vector database?", "Why is the sky blue?"]', encoding="utf-8")
    ran_before = service.status() is not None
    SHOTS.mkdir(exist_ok=True)
    try:
        with lab.lab(tmp_path) as address, lab.browser_page() as page:
            lab.open_notebook(page, address, NAME)
            lab.start_all(page)
            picture, line = page.locator(".bench-live img[data-n]"), page.locator(".bench-live .line")
            picture.wait_for(timeout=120_000)
            first, before = picture.evaluate(lab.PIXELS), int(line.text_content().split(" of ")[0])
            page.wait_for_function(
                "n => parseInt(document.querySelector('.bench-live .line').textContent) > n",
                arg=before,
                timeout=120_000,
            )
            page.wait_for_function(
                f"first => ({lab.PIXELS})(document.querySelector('.bench-live img')) !== first", arg=first
            )
            page.screenshot(path=SHOTS / "main_notebook_live.png")
            lab.await_all(page, timeout_s=300)
            page.screenshot(path=SHOTS / "main_notebook_end.png")
            foreign, errors = page.foreign, page.errors
    finally:
        if not ran_before:
            service.stop()
    assert foreign == []
    assert errors == []
    cells = [c for c in nbformat.read(tmp_path / NAME, 4).cells if c.cell_type == "code"]
    outputs = [o for c in cells for o in c.outputs]
    assert [o for o in outputs if o.output_type == "error"] == []
    assert all(c.execution_count for c in cells)
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 7
    assert list(tmp_path.glob("runs/*/benchmark_report.md"))
