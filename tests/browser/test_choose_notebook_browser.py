"""The notebook that chooses, as an attendee runs it: Run All, a slider moved with the keyboard, the cells after it."""

import re
import shutil
from pathlib import Path

import lab
import nbformat
import pytest
import watched
from playwright.sync_api import expect

NAME = "session03_choose_a_model.ipynb"


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_weight_is_moved_and_another_model_wins(tmp_path):
    shutil.copy(Path(__file__).parents[2] / "notebooks" / NAME, tmp_path)
    watched.SHOTS.mkdir(exist_ok=True)
    with lab.lab(tmp_path, whole=True) as address, lab.browser_page() as page:
        lab.open_notebook(page, address, NAME)
        lab.start_all(page)
        lab.await_all(page, 120)
        words = page.locator(".jp-OutputArea-output .slmbench-choice")
        words.scroll_into_view_if_needed()
        expect(words).to_contain_text(re.compile("^smollm2-135m-int4 has the best score"))
        picture = page.locator(".jp-OutputArea-output img.widget-image, .jp-OutputArea-output .widget-image img").first
        expect(picture).to_have_attribute("src", re.compile("^blob:"))
        before = picture.get_attribute("src")
        handle = page.locator(".slmbench-weight-quality .noUi-handle")
        handle.focus()
        page.keyboard.press("Home")
        expect(words).to_contain_text(re.compile("^smollm2-135m-int4-rtn has the best score"))
        expect(picture).not_to_have_attribute("src", before)
        page.screenshot(path=watched.SHOTS / "choose_notebook.png")
        foreign, errors = page.foreign, page.errors
    assert (foreign, errors) == ([], [])
    cells = [c for c in nbformat.read(tmp_path / NAME, 4).cells if c.cell_type == "code"]
    assert [o for c in cells for o in c.outputs if o.output_type == "error"] == []
