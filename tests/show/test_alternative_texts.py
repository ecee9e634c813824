"""No picture without words: every kind of chart, the notebooks, the report."""

import ast
import json
from pathlib import Path

import pytest
from made_report import page_of, pictures_in

from slmbench.records import to_frame
from slmbench.show import alt, live, plots, theme
from support import gfm
from support.made_rows import request, sweep_rows

ROOT = Path(__file__).parents[2]
SHOW = sorted((ROOT / "lib" / "slmbench" / "show").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def options(kind):
    return {"base": "qwen2.5-0.5b", "other": "smollm2-135m-int4"} if kind == "acceleration" else {}


@pytest.mark.parametrize("kind", plots.KINDS)
def test_every_kind_has_words_that_stand_with_the_picture(kind, frame):
    words = {alt.describe(rows, kind, **options(kind)) for rows in (frame, to_frame([]), to_frame([request("a")]))}
    assert all(len(said) > 40 for said in words)
    with theme.use():
        _, metadata = plots.picture(frame, kind, **options(kind))._repr_mimebundle_()
    assert metadata["image/png"]["alt"] in words


def test_every_opening_is_of_a_kind():
    assert alt.OPENINGS.keys() == plots.KINDS.keys()


def images(source):
    """Calls that show a picture: those of IPython's Image."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Image"]


def cells(path):
    return [
        "".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"
    ]


def test_whatever_makes_a_picture_for_a_notebook_gives_it_words():
    found = [(path.name, call) for path in SHOW for call in images(path.read_text(encoding="utf-8"))]
    found += [(path.name, call) for path in NOTEBOOKS for cell in cells(path) for call in images(cell)]
    assert len(found) >= 4
    for name, call in found:
        words = [keyword.value for keyword in call.keywords if keyword.arg == "alt"]
        assert len(words) == 1, f"{name}, line {call.lineno}: a picture without alt"
        assert not isinstance(words[0], ast.Constant) or len(words[0].value) > 20


def test_no_notebook_shows_axes_or_figures_as_they_are():
    last = [ast.parse(cell).body[-1:] for path in NOTEBOOKS for cell in cells(path)]
    ends = [ast.unparse(body[0].value) for body in last if body and isinstance(body[0], ast.Expr)]
    assert [end for end in ends if end.endswith((".figure", "ax", "plt.show()")) or end.startswith("plots.draw")] == []


def test_every_picture_of_the_report_has_words(rows):
    for page in (page_of(rows), page_of(sweep_rows())):
        assert sorted(pictures_in(page)) == sorted(gfm.pictures(page)) != []


def test_the_pictures_of_widgets_have_words(monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    chart = live.LiveChart(total=1, live=True, kind="race")
    assert chart._stage.view["alt"] == live.WAITING
    chart.update(request("a"))
    assert chart._stage.view["alt"].startswith("Latency of every request")
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "lib" / "slmbench" / "show").glob("*.py")]
    assert not any("widgets.Image(" in text for text in code), "it takes no alternative text: use Stage"
