"""Everything drawn stands out from its ground, and colours next to each other stay apart for every kind of eyes."""

import itertools
import re
import sys
from pathlib import Path

import pytest

from slmbench.show import annotate, theme
from support.seeing import EYES, contrast, difference, lab

TEXT, GRAPHIC = 4.5, 3.0  # WCAG 2.2: 1.4.3 for words, 1.4.11 for what else must be seen
NEIGHBOURS = 12.0  # CIEDE2000, of one model and the next: many times what can just be seen
ANY_TWO = 6.0  # of those further apart in the cycle, which differ by shape as well
ANNOTATOR = Path(annotate.__file__).with_name("annotate.css").read_text(encoding="utf-8")
LAB_THEMES = Path(sys.prefix, "share", "jupyter", "lab", "themes", "@jupyterlab")

themes = pytest.mark.parametrize("name", theme.THEMES)


def test_the_formulas_give_the_published_values():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the well-known grey that just fails
    data = [  # pairs 1, 7, 9, 13, 17, 20 and 33 of Sharma et al., table 1
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
        ((50, -0.0010, 2.4900), (50, 0.0009, -2.4900), 4.8045),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (50, 3.1736, 0.5854), 1.0000),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ]
    for one, two, expected in data:
        assert difference(one, two) == pytest.approx(expected, abs=1e-4)
    assert lab("#ffffff") == pytest.approx([100, 0, 0], abs=0.01)
    for eyes in EYES:  # what has no colour keeps having none
        assert lab("#808080", eyes) == pytest.approx(lab("#808080"), abs=0.01)


@themes
def test_words_and_ticks_can_be_read(name):
    settings, ground = theme.params(name), theme.INK[name][0]
    for part in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"):
        assert contrast(settings[part], ground) >= TEXT, part
    assert {settings[part] for part in ("figure.facecolor", "axes.facecolor", "legend.facecolor")} == {ground}


@themes
def test_every_colour_stands_out_from_its_ground(name):
    ground = theme.INK[name][0]
    assert [colour for colour in theme.CYCLES[name] if contrast(colour, ground) < GRAPHIC] == []


@themes
@pytest.mark.parametrize("eyes", EYES)
def test_colours_stay_apart_for_all_eyes(name, eyes):
    seen = [lab(colour, eyes) for colour in theme.CYCLES[name]]
    ring = [difference(one, two) for one, two in itertools.pairwise([*seen, seen[0]])]
    assert min(ring) >= NEIGHBOURS
    assert min(difference(one, two) for one, two in itertools.combinations(seen, 2)) >= ANY_TWO


@themes
def test_shapes_tell_models_apart_without_any_colour(name):
    with theme.use(name):
        looks = [theme.look(place) for place in range(8)]
    assert len({look.marker for look in looks}) == len({str(look.line) for look in looks}) == 8


@themes
def test_a_colour_means_one_thing_when_a_picture_is_darkened(name):
    colours = [colour.lower() for colour in (*theme.CYCLES[name], *theme.INK[name])]
    assert len(set(colours)) == 11


def lab_colours(name):
    """The annotator's colours where JupyterLab has this theme; those of a page without one for None."""
    css = "" if name is None else (LAB_THEMES / f"theme-{name}-extension" / "index.css").read_text(encoding="utf-8")
    given = dict(re.findall(r"(--[\w-]+) ?: ?([^;{}]+);", css))

    def value(text):
        match = re.fullmatch(r"var\((--[\w-]+), ?(.+)\)", text.strip())
        if not match:
            return {"rgba(0,0,0,.87)": "#212121"}.get(text.replace(" ", ""), text.strip())  # black on white, so much
        return value(given.get(match[1], match[2]))

    own = dict(re.findall(r"--(ink|ground|edge|mark): ([^;]+);", ANNOTATOR))
    [hover] = re.findall(r"option:hover \{ background: ([^;]+);", ANNOTATOR)
    return {part: value(text) for part, text in (own | {"hover": hover}).items()}


@pytest.mark.parametrize("name", [None, "light", "dark"])
def test_the_annotator_can_be_read_in_every_theme(name):
    found = lab_colours(name)
    assert contrast(found["ink"], found["ground"]) >= TEXT
    assert contrast(found["ink"], found["hover"]) >= TEXT
    assert contrast(found["edge"], found["ground"]) >= GRAPHIC
    assert contrast(found["mark"], found["ground"]) >= GRAPHIC
