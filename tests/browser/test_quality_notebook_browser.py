"""The notebook on quality as an attendee runs it: Run All, eight replies with keys only, the cells after it again."""

import lab
import pytest
import watched
from annotating import Annotator
from playwright.sync_api import expect

NAME = "session03_score_quality.ipynb"


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_eight_replies_are_scored_and_the_rest_tells_of_them(tmp_path):
    with lab.run_all(tmp_path, NAME) as page:
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
    mine = [line for line in ana.lines_now() if line["annotator"] == "Ana"]
    assert [line["score"] for line in mine] == [1 + n % 5 for n in range(1, 9)]
    assert all(line["aspects"][0] for line in mine)
    found = lab.outputs(tmp_path / NAME)
    said = "".join(o.get("text", "") for o in found)
    assert "human: Ana" in said and "humans together" in said
