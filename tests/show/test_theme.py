import io
import warnings

import matplotlib
import pytest
from PIL import Image

from slmbench.errors import UsageError
from slmbench.show import plots, theme


def test_use_changes_nothing_outside_its_block():
    before = dict(matplotlib.rcParams)
    context = theme.use("dark", "projector")
    assert dict(matplotlib.rcParams) == before
    with context:
        assert theme.is_projector()
        assert matplotlib.rcParams["axes.facecolor"] == theme.INK["dark"][0]
    assert dict(matplotlib.rcParams) == before


def test_apply_lasts():
    with matplotlib.rc_context():
        theme.apply("dark")
        assert matplotlib.rcParams["text.color"] == theme.INK["dark"][1]


@pytest.mark.parametrize("kind", ["latency_by_model", "ecdf", "run_order", "per_prompt", "speed"])
def test_a_projector_picture_has_its_size_and_no_small_text(frame, kind):
    with theme.use("light", "projector"):
        ax = plots.draw(frame, kind)
        data = theme.png(ax.figure)
    assert Image.open(io.BytesIO(data)).size == (1200, 675)
    texts = [t for t in ax.figure.findobj(matplotlib.text.Text) if t.get_text()]
    assert min(t.get_fontsize() for t in texts) >= 18


def test_sixteen_series_have_sixteen_looks():
    with theme.use():
        assert len({(look.color, look.marker) for look in map(theme.look, range(16))}) == 16


def test_devanagari_is_drawn_and_shaped():
    from matplotlib.figure import Figure

    with theme.use(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = Figure()
        joined = figure.text(0, 0, "क्ष")  # one glyph when shaped, three when not
        apart = figure.text(0, 0.5, "कष")
        theme.png(figure)
    assert joined.get_window_extent().width < apart.get_window_extent().width


@pytest.mark.parametrize(
    ("text", "width", "lines", "expected"),
    [
        ("short", 10, 2, "short"),
        ("two words", 5, 2, "two\nwords"),
        ("phi-4-mini-instruct", 11, 2, "phi-4-mini-\ninstruct"),
        ("abcdefghijklmnopqrstuvwxyz", 10, 1, "abcdef…xyz"),
        ("tab\there\x1b", 20, 1, "tab here�"),
        ("र्‍याल", 20, 1, "र्‍याल"),
    ],
)
def test_wrap(text, width, lines, expected):
    assert theme.wrap(text, width, lines) == expected


def test_wrap_keeps_to_its_room_and_marks_what_it_left_out():
    wrapped = theme.wrap("x" * 100, 10, 2)
    assert [len(line) for line in wrapped.split("\n")] == [10, 10]
    assert wrapped.count("…") == 1


@pytest.mark.parametrize("given", [{"theme": "drak"}, {"scale": "big"}])
def test_unknown_names_are_refused(given):
    with pytest.raises(UsageError, match="expected one of"):
        theme.params(**given)
