"""The notebook on models of one's own, as an attendee runs it: Run All, a model made on the spot, the real runtime."""

import lab
import pytest
import watched

from slmbench.endpoint import service

NAME = "session03_bring_your_own_model.ipynb"


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_run_all_ends_with_a_model_and_an_adapter_side_by_side(tmp_path):
    try:
        with lab.run_all(tmp_path, NAME) as page:
            page.screenshot(path=watched.SHOTS / "own_model_notebook.png")
    finally:
        service.stop()  # the notebook leaves it for the next one
    found = lab.outputs(tmp_path / NAME)
    [picture] = [o for o in found if "image/png" in o.get("data", {})]
    assert len(picture.metadata["image/png"]["alt"]) > 40
    tables = "".join(o.data["text/plain"] for o in found if "text/html" in o.get("data", {}))
    assert "echo" in tables and "my-model-int4" in tables
