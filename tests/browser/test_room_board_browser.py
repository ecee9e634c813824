"""A room on the instructor's board, in Voilà, while another process writes its folder."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import lab
import pytest
import watched
from annotating import CONTRASTS
from playwright.sync_api import expect
from test_board_browser import FITTED, SHIFTS, SIZES, page_of, shown

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]
# waits for a line of standard input before each of its steps
WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from support import made_boards as made

    path, stations = Path(sys.argv[1]), made.many(30)
    sys.stdin.readline()
    made.write(path, stations)
    sys.stdin.readline()
    stations[2] = made.station("lap03", "absent", reason="<img src=x onerror=alert(1)> no news for 40 s")
    for one, speed in (("lap01", 1.0), ("lap02", 1.6)):
        made.gather(path, one, speed)
    made.write(path, stations)
    sys.stdin.readline()
""")


def test_tiles_change_while_another_process_writes(tmp_path):
    folder = tmp_path / "monday"
    root = ".bench-board"
    writer = [sys.executable, "-c", WRITER, str(folder)]
    with (
        subprocess.Popen(writer, stdin=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as writing,
        shown(tmp_path, folder, "--scale", "projector") as address,
        page_of(address) as page,
    ):

        def step():
            writing.stdin.write("\n")
            writing.stdin.flush()

        board = page.locator(root)
        expect(board.locator(".line")).to_contain_text("monday: waiting for it")
        step()
        picture = board.locator("img[data-n]")
        picture.wait_for(timeout=30_000)
        expect(board.locator(".line")).to_contain_text("monday: 30 stations · ")
        assert board.locator("button").all_inner_texts() == [
            "Stations 1",
            "Speed 2",
            "Machines 3",
            "Problems 4",
            "Dark t",
        ]
        page.wait_for_function(FITTED)
        place = board.locator(".frame").bounding_box()
        assert place["height"] >= 480  # thirty stations find room for name and state
        before = picture.evaluate(lab.PIXELS)
        page.evaluate(SHIFTS)
        page.screenshot(path=watched.SHOTS / "room_tiles_light_projector.png")
        assert page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")
        step()
        expect(board.locator(".said")).to_contain_text("absent: lap03 (<img", timeout=60_000)
        expect(picture).to_have_attribute("alt", re.compile("lap03 \\(<img src=x"))
        page.wait_for_function(f"was => ({lab.PIXELS})(document.querySelector('{root} img')) !== was", arg=before)
        assert board.locator(".frame").bounding_box() == place
        assert page.evaluate("() => window.shifts") == 0
        page.keyboard.press("t")
        expect(board.locator(".slmbench-stage")).to_have_attribute("data-look", "dark")
        page.wait_for_timeout(300)
        page.screenshot(path=watched.SHOTS / "room_tiles_dark_projector.png")
        for key, label, words in (
            ("2", "Speed", "Records of 2 of 30 stations are here."),
            ("3", "Machines", "Apple M2 Pro"),
            ("4", "Problems", "<img src=x onerror=alert(1)> no news for 40 s"),
        ):
            page.keyboard.press(key)
            expect(board.locator("button[aria-pressed=true]")).to_contain_text(label)
            expect(board).to_contain_text(words)
            if label == "Speed":
                page.wait_for_function(FITTED)
            page.wait_for_timeout(300)
            page.screenshot(path=watched.SHOTS / f"room_{label.lower()}_dark_projector.png")
            assert [found for found in board.evaluate(CONTRASTS) if found[1] < 4.5] == []
            assert min(board.evaluate(SIZES)) >= 24  # CSS pixels: 18 points
        row = board.locator("tr", has_text="lap03")
        assert row.locator("th").get_attribute("scope") == "row"
        step()
