"""The notebook on quality as an attendee runs it: Run All, eight replies with keys only, the cells after it again."""

import shutil
from pathlib import Path

import lab
import nbformat
import pytest
import watched
from annotating import Annotator
from playwright.sync_api import expect

NAME = "session03_score_quality.ipynb"


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_eight_replies_are_scored_and_the_rest_tells_of_them(tmp_path):
    shutil.copy(Path(__file__).parents[2] / "notebooks" / NAME, tmp_path)
    watched.SHOTS.mkdir(exist_ok=True)
    with lab.lab(tmp_path, whole=True) as address, lab.browser_page() as page:
        lab.open_notebook(page, address, NAME)
        lab.start_all(page)
        lab.await_all(page, 120)
        ana = Annotator(page, tmp_path / "runs" / "quality_example")
        ana.root.scroll_into_view_if_needed()
        page.screenshot(path=watched.SHOTS / "quality_notebook_name.png")
        ana.root.get_by_role("textbox").fill("Ana")
        page.keyboard.press("Enter")
        for n in range(1, 9):
            ana.is_at(f"Reply {n} of 8")
            for key in (str(1 + n % 5), "a", "Enter"):
                page.keyboard.press(key)
        ana.is_at("All 8 replies are judged")
        expect(ana.root.locator("img")).to_have_js_property("complete", True)
        page.screenshot(path=watched.SHOTS / "quality_notebook_scored.png")
        lab.start_all(page)
        lab.await_all(page, 120)
        page.screenshot(path=watched.SHOTS / "quality_notebook_end.png")
        foreign, errors = page.foreign, page.errors
    assert (foreign, errors) == ([], [])
    mine = [line for line in ana.lines_now() if line["annotator"] == "Ana"]
    assert [line["score"] for line in mine] == [1 + n % 5 for n in range(1, 9)]
    assert all(line["aspects"][0] for line in mine)
    cells = [c for c in nbformat.read(tmp_path / NAME, 4).cells if c.cell_type == "code"]
    found = [o for c in cells for o in c.outputs]
    assert [o for o in found if o.output_type == "error"] == []
    said = "".join(o.get("text", "") for o in found)
    assert "human: Ana" in said and "humans together" in said
