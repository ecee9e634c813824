"""The notebook that chooses, as an attendee runs it: Run All, a slider moved with the keyboard, the cells after it."""

import re

import lab
import pytest
import watched
from playwright.sync_api import expect

NAME = "session03_choose_a_model.ipynb"


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_weight_is_moved_and_another_model_wins(tmp_path):
    with lab.run_all(tmp_path, NAME) as page:
        words = page.locator(".jp-OutputArea-output .slmbench-choice")
        words.scroll_into_view_if_needed()
        expect(words).to_contain_text(re.compile("^smollm2-135m-int4 has the best score"))
        picture = page.locator(".slmbench-stage img[data-n]")
        expect(picture).to_have_attribute("src", re.compile("^blob:"))
        before = picture.get_attribute("src")
        handle = page.locator(".slmbench-weight-quality .noUi-handle")
        handle.focus()
        page.keyboard.press("Home")
        expect(words).to_contain_text(re.compile("^smollm2-135m-int4-rtn has the best score"))
        expect(picture).not_to_have_attribute("src", before)
        page.screenshot(path=watched.SHOTS / "choose_notebook.png")
    lab.outputs(tmp_path / NAME)
