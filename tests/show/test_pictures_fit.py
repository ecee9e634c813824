"""Every picture in every size and theme: nothing cut off, no words on words, large enough, told apart by shape."""

import io
import itertools
import warnings

import pytest
from matplotlib.text import Text
from PIL import Image

from slmbench.records import to_frame
from slmbench.show import plots, theme
from support.made_rows import request, streamed, sweep_rows

KINDS = [*plots.KINDS]
LOOKS = (("light", "normal"), ("dark", "projector"))  # the ground changes no place
MADE = ("sample", "sweep", "two", "eight long names")
CASES = [  # on a projector is least room
    pytest.param(n, *look, marks=[pytest.mark.soak] * (look[1] == "normal" and n in ("sweep", "two")))
    for n in MADE
    for look in LOOKS
]
LONG = "deepseek-r1-distill-qwen-7b-generic-gpu-int4-rtn-block-32:3"
NEPALI = "सारांश-नमुना"


def options(kind, names):
    return {"base": names[0], "other": names[1]} if kind == "acceleration" else {}


def drawn_texts(figure):
    """Texts as they were drawn, with their boxes: no empty ones, no labels of ticks beyond the ends of an axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    beyond = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            reach = 1e-9 * (high - low)
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            beyond |= {t.label1 for t in ticks if not low - reach <= t.get_loc() <= high + reach}
            beyond |= {t.label2 for t in ticks}
    found = {}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in beyond:
            found[text] = Text.get_window_extent(text, renderer)
    return found


def check(ax):
    """Draws the picture; then nothing may be cut off and no word may lie on another."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph warns
        picture = Image.open(io.BytesIO(theme.png(ax.figure)))
    boxes = drawn_texts(ax.figure)
    assert boxes
    for text, box in boxes.items():
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= picture.width + 1 and box.y1 <= picture.height + 1
        assert inside, f"cut off: {text.get_text()!r}"
    for (one, a), (two, b) in itertools.combinations(boxes.items(), 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width <= 1 or height <= 1, f"{one.get_text()!r} on {two.get_text()!r}"
    return picture


def made(name):
    if name == "sweep":
        return sweep_rows((1, 2, 4, 8), ("qwen2.5-0.5b", NEPALI), bound={(NEPALI, 8)})
    if name == "two":
        return [
            streamed(m, NEPALI, i, gaps=(0.1 + k / 10 + i / 100,) * 9) for i in range(9) for k, m in enumerate("ab")
        ]
    names = [f"{LONG}-{k}" for k in range(7)] + [NEPALI]
    prompts = ("rag", "a_very-long-prompt-name" * 3, NEPALI)
    return [
        streamed(
            m, p, i, ttft=0.1 + k / 5, gaps=[0.01 * (1 + k)] * 20, chunk_channel=["reasoning"] * 5 + ["answer"] * 16
        )
        for k, m in enumerate(names)
        for p in prompts
        for i in range(2)
    ]


@pytest.mark.parametrize(("name", "ground", "scale"), CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_off_and_no_word_lies_on_another(kind, name, ground, scale, frame):
    rows = frame if name == "sample" else to_frame(made(name))
    with theme.use(ground, scale):
        ax = plots.draw(rows, kind, **options(kind, rows["model"].unique()))
        picture = check(ax)
    if scale == "projector":
        assert picture.size == (1200, 675)
        assert min(text.get_fontsize() for text in drawn_texts(ax.figure)) >= 18


@pytest.mark.parametrize("kind", ["token_timeline", "concurrency_curve", "ratios", "run_order", "per_prompt"])
def test_a_picture_of_one_model_and_one_request_fits_as_well(kind):
    rows = to_frame([streamed("a", started_at="2026-01-01T00:00:00+00:00")])
    with theme.use("dark", "projector"):
        check(plots.draw(rows, kind))


def test_many_levels_keep_their_numbers_apart():
    rows = to_frame(sweep_rows((1, 2, 4, 8, 16, 32), ("a", "b", "c", "d"), number=64))
    with theme.use("light", "projector"):
        ax = plots.concurrency_curve(rows, (("ttft_s", 0.2),))
        check(ax)
    assert len([t for t in ax.texts if t.get_gid() == "levels"]) == 24


def test_causes_stay_off_each_other_and_neighbours_of_one_cause_share_its_name():
    rows = [request("a", number=i, latency=1 + i % 3 / 100) for i in range(60)]
    rows[20:25] = [request("a", number=20 + i, latency=3 + i / 100) for i in range(5)]
    rows[22] = request("a", number=22, latency=3.0, flags=["client_bound"])
    with theme.use("dark", "projector"):
        ax = plots.run_order(to_frame(rows))
        check(ax)
    said = [t.get_text() for t in ax.texts if t.get_gid() == "causes"]
    assert sorted(said) == ["4 × unknown", "client lag"]


@pytest.mark.parametrize("kind", ["latency_by_model", "ecdf", "run_order", "concurrency_curve"])
def test_two_models_differ_in_shape_and_not_in_colour_alone(kind):
    ax = plots.draw(to_frame(sweep_rows()), kind)
    shapes = {str(line.get_marker()) + str(line.get_linestyle()) for line in ax.lines if line.get_gid() == "curve"}
    shapes |= {c.get_paths()[0].vertices.tobytes() for c in ax.collections if c.get_gid() in ("requests", None)}
    shapes |= {str(line.get_linestyle()) for line in ax.lines} if kind == "ecdf" else set()
    assert len(shapes) >= 2
