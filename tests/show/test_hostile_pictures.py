"""Every picture with hostile names: drawn without an error, as text and not as mathematics, and with words for it."""

import pytest
from matplotlib.text import Text

from slmbench.records import to_frame
from slmbench.show import alt, live, plots, theme
from slmbench.show.text import plain
from support import hostile
from support.made_hostile import CORPUS, NAME_MAX, batches, rows_of
from support.made_rows import sweep_rows

PAGES = ("script", "out-of-attribute", "more-attributes", "md-table", "md-nested", "formula-dde", "formula-tab")
CHOSEN = [h for h in CORPUS if h.name in PAGES or h.name in hostile.TERMINAL | hostile.CODE]
BATCHES = batches(CHOSEN, 5)  # so many find room in each picture
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")  # no font of ours has all that is written on earth
PARAMS = [pytest.param(texts, marks=[] if n % 2 == 0 else pytest.mark.soak) for n, texts in enumerate(BATCHES)]
named = pytest.mark.parametrize("texts", PARAMS, ids=lambda texts: hostile.words(texts[0])[0])


def packed(text: str) -> str:
    """Without spaces and line ends, which labels are broken at."""
    return "".join(text.split())


def labels(ax) -> list[Text]:
    ax.figure.draw_without_rendering()
    return [text for text in ax.figure.findobj(Text) if text.get_text()]


def frame_of(kind, texts):
    if kind == "concurrency_curve":
        return to_frame(sweep_rows(levels=(1, 2), models=[text[:NAME_MAX] for text in texts], number=4))
    return to_frame(rows_of(texts))


def options(kind, texts):
    return {"base": texts[0][:NAME_MAX], "other": texts[1][:NAME_MAX]} if kind == "acceleration" else {}


@pytest.mark.parametrize("kind", plots.KINDS)
@named
def test_names_are_drawn_as_text(texts, kind):
    with theme.use():
        drawn = labels(plots.draw(frame_of(kind, texts), kind, **options(kind, texts)))
    assert [text.get_text() for text in drawn if hostile.commands(text.get_text())] == []
    assert [text.get_text() for text in drawn if text.get_parse_math() and "$" in text.get_text()] == []
    words = " ".join(packed(text.get_text()) for text in drawn)
    for name in options(kind, texts).values() or texts:
        assert packed(plain(name))[:6] in words


@pytest.mark.parametrize("kind", plots.KINDS)
@named
def test_pictures_have_words_without_commands(texts, kind):
    words = alt.describe(frame_of(kind, texts), kind, **options(kind, texts))
    assert hostile.commands(words, keep="") == []
    assert words.encode("utf-8")
    for name in options(kind, texts).values() or texts[:1]:
        assert hostile.is_readable(name[:NAME_MAX], words)


def test_very_long_names_leave_room_for_the_picture():
    rows = [row for text in ("x" * 5000, "many words " * 500) for row in rows_of([text])]
    with theme.use():
        ax = plots.run_order(to_frame(rows))
        drawn = labels(ax)
    assert ax.get_window_extent().width > 200  # of 800 pixels
    assert max(len(text.get_text()) for text in drawn) < 600


@named
def test_the_live_chart_shows_names_as_text(texts, monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    chart = live.LiveChart(total=99, live=True)
    for row in rows_of(texts)[: len(texts)]:
        chart.update(row)
        assert hostile.commands(chart.line(), keep="") == []
        assert hostile.is_readable(f"{row.model} {row.prompt_id}", chart.line())
    assert bytes(chart._stage.picture).startswith(b"\x89PNG")


def test_a_picture_for_a_notebook_has_words_that_a_kernel_can_send():
    texts = [h.text for h in CORPUS if h.name in ("surrogates", "ansi-c1", "out-of-attribute")]
    _, facts = plots.picture(to_frame(rows_of(texts)), "latency_by_model")._repr_png_()
    assert "half � of one � end" in facts["alt"]
    assert hostile.commands(facts["alt"], keep="") == []
