"""The token view in a browser whose clock is moved by hand: what is shown when, with the mouse and with keys."""

import itertools
import re

import playing
import pytest
import watched
from annotating import CONTRASTS
from playing import TEXTS

from slmbench.records import to_frame
from slmbench.show import tokens
from support import hostile
from support.made_rows import streamed

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
FAST, SLOW = ("".join(TEXTS[name]) for name in ("fast", "slow"))


@pytest.fixture(scope="module")
def seen():
    """A browser, and what is seen in it."""
    watched.SHOTS.mkdir(exist_ok=True)
    with watched.browser() as (page, seen):
        yield page, seen


@pytest.fixture
def page(seen):
    """An empty page whose clock stands still but for `page.clock.run_for`, in ms."""
    page = seen[0].context.new_page()
    page.clock.install(time=0)
    page.goto("about:blank")
    page.clock.pause_at(1000)
    yield page
    page.close()
    assert (seen[1].ran, seen[1].errors, seen[1].foreign()) == ([], [], [])


def test_after_a_second_exactly_the_chunks_of_that_second_are_shown(page):
    rows = playing.rows()
    player = playing.open_alone(page, rows)
    assert (player.texts, player.counts, player.status) == (
        ["", ""],
        ["0 of 7 tokens", "0 of 2 tokens"],
        "Press Play.",
    )
    page.clock.run_for(5000)
    assert player.texts == ["", ""]  # it waits to be played
    player.press("Play")
    player.run(1.0)
    said = ["".join(text for at, text in zip(row.chunk_s, TEXTS[row.model], strict=True) if at <= 1) for row in rows]
    assert player.texts == said == ["One\nनम", "Two"]
    assert player.counts == ["3 of 7 tokens", "1 of 2 tokens"]
    assert player.happened == [["first token after 0.50 s"], ["first token after 0.75 s"]]
    assert re.fullmatch(r"1\.0\d s as recorded", player.clock)
    assert player.status == "Playing as recorded."
    player.run(1.0)
    assert player.texts == [FAST, "Two"]  # its last one came at 2.0 s
    assert player.happened[0] == ["first token after 0.50 s", "done after 2.00 s"]
    page.clock.run_for(1000)
    assert (player.texts, player.clock) == ([FAST, SLOW], "2.50 s as recorded")
    assert player.status == "Done: fast after 2.00 s, slow after 2.50 s."
    page.clock.run_for(60_000)
    assert player.texts == [FAST, SLOW]  # all stays


@pytest.mark.parametrize(
    ("rate", "name", "words"),
    [
        (2, "twice as fast", "twice as fast"),
        (1, "true speed", "as recorded"),
        (0.5, "slowed to a half", "slowed to a half"),
        (0.25, "slowed to a quarter", "slowed to a quarter"),
    ],
)
def test_slowed_the_same_takes_longer_and_says_so(page, rate, name, words):
    player = playing.open_alone(page, playing.rows())
    player.pick(name)
    player.press("Play")
    player.run(1.0, rate)
    assert player.texts == ["One\nनम", "Two"]
    assert re.fullmatch(rf"1\.0\d s {words}", player.clock)
    assert player.root.locator("h2").inner_text() == "2 replies to rag, round 0, as recorded"


def test_another_speed_while_it_plays_goes_on_from_where_it_is(page):
    player = playing.open_alone(page, playing.rows())
    player.press("Play")
    page.clock.run_for(800)
    player.pick("slowed to a quarter")
    page.clock.run_for(640)  # 0.8 s + 0.16 s
    assert player.texts == ["One\n", "Two"] and player.clock.startswith("0.9")
    assert player.status == "Playing as recorded, slowed to a quarter."
    page.clock.run_for(320)
    assert player.texts == ["One\nनम", "Two"]


def test_pause_stops_and_restart_empties(page):
    player = playing.open_alone(page, playing.rows())
    player.press("Play")
    page.clock.run_for(800)
    player.press("Pause")
    assert player.status == "Paused at 0.80 s."
    page.clock.run_for(9000)
    assert (player.texts, player.clock) == (["One\n", "Two"], "0.80 s as recorded")
    player.press("Play")
    player.run(0.2)
    assert player.texts == ["One\nनम", "Two"]
    player.press("Restart")
    page.clock.run_for(9000)
    assert (player.texts, player.clock, player.happened) == (["", ""], "0.00 s as recorded", [[], []])
    player.press("Play")
    page.clock.run_for(3000)
    player.press("Play")  # from the start again
    player.run(0.5)
    assert (player.texts, player.counts) == (["On", ""], ["1 of 7 tokens", "0 of 2 tokens"])


def test_with_keys_only(page):
    player = playing.open_alone(page, playing.rows())
    page.evaluate("() => { window.heard = []; addEventListener('keydown', e => heard.push(e.key)) }")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.clock.run_for(800)
    page.keyboard.press("Space")
    page.clock.run_for(800)
    assert player.texts == ["One\n", "Two"]
    page.keyboard.press("R")
    assert (player.texts, player.status) == (["", ""], "Back at the start.")
    for key in ("Tab", "Tab", "ArrowRight", "Space"):  # to Restart, to the speeds, to half of it
        page.keyboard.press(key)
    player.run(1.0, 0.5)
    assert player.texts == ["One\nनम", "Two"] and "slowed to a half" in player.clock
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # from inside the words
    assert player.status.startswith("Paused at 1.0")
    page.keyboard.press("?")
    assert player.root.locator("details").get_attribute("open") == ""
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")  # on Restart, it restarts
    assert player.texts == ["", ""]
    assert set(page.evaluate("heard")) <= {"Tab", "Shift"}
    assert player.root.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_a_screen_reader_hears_of_start_and_end_only(page):
    player = playing.open_alone(page, playing.rows())
    live = player.root.locator("[aria-live]:not([aria-live=off])")
    assert live.count() == 1 and live.get_attribute("role") == "status"
    page.evaluate(
        """() => { const node = document.querySelector('[role=status]'); window.said = [];
        new MutationObserver(() => said.push(node.textContent)).observe(node, {childList: true}) }"""
    )
    player.press("Play")
    page.clock.run_for(3000)
    assert page.evaluate("said") == ["Playing as recorded.", "Done: fast after 2.00 s, slow after 2.50 s."]
    assert player.root.locator(".whole").first.get_attribute("aria-hidden") == "true"
    assert player.root.get_by_role("region", name="slow").count() == 2  # its lane, and the words in it
    assert player.root.get_by_role("radiogroup", name="Speed").count() == 1


BELOW = """all => all.map(node => {
    const [live, box] = [node.querySelector('.live'), node].map(one => one.getBoundingClientRect().bottom);
    return live > box;
})"""
LONG = ("Reasoning goes on and on. " * 8, "Then the\n\nanswer, नमस्ते. " * 30)


def long_rows():
    """Replies that don't find room at once: one after reasoning, cut off; one whose record does not add up."""
    pieces = [text[i : i + 7] for text in LONG for i in range(0, len(text), 7)]
    channels = ["reasoning"] * -(-len(LONG[0]) // 7)
    channels += ["answer"] * (len(pieces) - len(channels))
    one = {"reasoning_text": LONG[0], "text": LONG[1], "chunk_channel": channels, "chunk_chars": [*map(len, pieces)]}
    one |= {"gaps": [0.01] * (len(pieces) - 1), "finish_reason": "length", "ttfa_s": 0.9}
    return [streamed("a-model", **one), streamed("model/" + "long-name-" * 9, text=LONG[1])]


def test_nothing_moves_and_all_can_be_read_in_every_size(page):
    sizes = ((1100, 800, "normal"), (400, 800, "normal"), (1200, 675, "projector"), (700, 500, "projector"))
    for (width, height, scale), theme in itertools.product(sizes, ("light", "dark")):
        page.set_viewport_size({"width": width, "height": height})
        player = playing.open_alone(page, long_rows(), theme, scale)
        before = player.boxes
        player.press("Play")
        page.clock.run_for(1000)
        during = player.boxes
        page.screenshot(path=watched.SHOTS / f"tokens_{width}_{theme}.png")
        page.clock.run_for(9000)
        assert player.boxes == during == before
        assert player.texts == ["reasoning" + LONG[0] + "answer" + LONG[1], LONG[1]]
        assert player.root.get_by_text(tokens.SPREAD).is_visible()
        found = player.root.evaluate(CONTRASTS)
        assert len(found) > 20 and [one for one in found if one[1] < 4.5] == []
        overflows = "r => [r, ...r.querySelectorAll('.words')].filter(n => n.scrollWidth > n.clientWidth + 1).length"
        assert player.root.evaluate(overflows) == 0
        assert player.root.bounding_box()["width"] <= width
        points = "r => Math.min(...[...r.querySelectorAll('*')].map(n => parseFloat(getComputedStyle(n).fontSize)))"
        assert player.root.evaluate(points) >= (24 if scale == "projector" else 13)
        assert player.root.locator(".words").evaluate_all(BELOW) == [False, False]  # the last line is in sight
        page.evaluate("leave()")


def test_the_focus_is_seen(page):
    player = playing.open_alone(page, playing.rows(), "dark")
    for what in ("button", "button", "input", "div", "div", "summary"):
        page.keyboard.press("Tab")
        focused = "() => { const n = document.activeElement; return [n.localName, getComputedStyle(n).outlineWidth] }"
        assert page.evaluate(focused) == [what, "3px"]
    assert player.root.locator(".words").count() == 2


def test_other_replies_wait_until_nothing_plays(page):
    player = playing.open_alone(page, playing.rows())
    others = [streamed(name, "q", gaps=[0.1] * 4, text="a different tex") for name in "cd"]
    hand = ["view => kernel.hand({...view, turn: kernel.view.turn + 1})", tokens.Replay(to_frame(others)).view]
    player.press("Play")
    player.run(1.0)
    page.evaluate(*hand)
    assert player.status == "Other replies are here: they are shown from the next start on."
    page.clock.run_for(3000)
    assert player.texts == [FAST, SLOW]  # what has just ended is still there to be read
    assert player.status.endswith("Other replies are here: they are shown from the next start on.")
    player.press("Play")
    page.clock.run_for(2000)
    assert player.texts == ["a different tex"] * 2
    page.evaluate("view => kernel.hand({...view, turn: 9})", tokens.Replay(to_frame(playing.rows())).view)
    assert player.texts == ["", ""] and player.root.locator("h3").all_inner_texts() == ["fast", "slow"]
    page.evaluate("() => kernel.hand({...kernel.view, theme: 'dark'})")
    assert "dark" in player.root.get_attribute("class")


def test_without_replies_there_is_nothing_to_press(page):
    player = playing.open_alone(page, [])
    assert player.root.get_by_role("button", name="Play", exact=True).is_disabled()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert player.root.locator(".about").inner_text() == tokens.NOTHING


def test_hostile_texts_as_reply_model_and_prompt_do_nothing(page):
    with watched.canary() as canary:
        for one in hostile.corpus(canary.port):
            rows = [
                streamed(name, one.text[:200] or "p", text=one.text, chunk_chars=None) for name in (one.text[:200], "b")
            ]
            player = playing.open_alone(page, rows)
            player.press("Play")
            page.clock.run_for(2000)
            assert hostile.is_readable(one.text, player.root.locator(".live").last.inner_text()), one.name
            page.evaluate("leave()")
        assert canary.requests == []
