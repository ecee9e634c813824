"""The notebook that chooses a model: a papermill job without a server, its hints, and what its text claims."""

import json
from pathlib import Path

import pytest

from support import notebooks
from support.notebooks import outputs, printed

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_choose_a_model.ipynb"
pytestmark = pytest.mark.timeout(120)
HINTS = [code for code in notebooks.hints(NOTEBOOK) if not code.startswith(("slmbench ", "--"))]


@pytest.fixture
def papermill(tmp_path, monkeypatch):
    """Run papermill's command in an empty folder, out of reach of any network: (completed process, output)."""
    notebooks.offline(monkeypatch)
    return notebooks.papermill(NOTEBOOK, tmp_path)


def test_choice_report_and_routes_without_a_server(papermill, tmp_path):
    done, out = papermill("-p", "weights", "quality=6", "-p", "cost", "cloud_price_per_million_tokens=0.6")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = tmp_path / "runs" / "quality_example"
    kept = json.loads((folder / "choice.json").read_text(encoding="utf-8"))
    assert kept["winner"] == "smollm2-135m-int4" and kept["weights"]["quality"] == pytest.approx(6 / 11)
    assert kept["costs"][0]["cloud_per_request"] > 0
    assert "## Choice" in (folder / "benchmark_report.md").read_text(encoding="utf-8")
    assert (folder / "routing.json").exists()
    found = outputs(out)
    assert [o.text for o in found if o.output_type == "stream" and o.name == "stderr"] == []
    pictures = [o.metadata["image/png"]["alt"] for o in found if "image/png" in o.get("data", {})]
    assert len(pictures) == 2 and all(len(alt) > 60 for alt in pictures)
    assert "smollm2-135m-int4 answered; before it: {'smollm2-135m-int4-rtn'" in " ".join(printed(out).split())
    assert out.stat().st_size < 1_000_000


def test_limits_that_nobody_keeps_to_end_in_words_and_not_in_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebooks.played(NOTEBOOK, run="example", limits="memory_mb=1", scale="projector")
    said = capsys.readouterr().out
    assert "No model can be chosen." in said and "No model may be routed to" in said
    assert (
        json.loads((tmp_path / "runs" / "speed_example" / "choice.json").read_text(encoding="utf-8"))["winner"] is None
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"weights": "qualty=3"}, 'did you mean "quality"?'),
        ({"pair": "one"}, "two aliases or nothing"),
        ({"pair": "smollm2-135m-int8,foo"}, "pair (parameter): 'foo' was found"),
        ({"wieghts": "quality=3"}, "did you mean 'weights'?"),
    ],
)
def test_bad_parameters_stop_it(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    assert said in str(notebooks.stopped(NOTEBOOK, **given))


def test_then_papermill_ends_with_an_error(papermill):
    done, _ = papermill("-p", "weights", "qualty=3")
    assert done.returncode != 0 and 'did you mean "quality"?' in done.stderr


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Everything that the notebook's cells have named, run here on a copy of the run that ships."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("played"))
        yield notebooks.played(NOTEBOOK)


@pytest.mark.parametrize("code", HINTS)
def test_hints_run_when_pasted(played, code):
    exec(compile(code, "hint", "exec"), dict(played))


def test_what_the_text_claims(played):
    assert len(HINTS) >= 3
    router = played["router"]
    assert router.routes[0].model == "smollm2-135m-int4-rtn"  # "however bad its replies are"
    assert played["found"].candidates.table.set_index("model").quality.idxmin() == router.routes[0].model
    assert len(played["decision"].routes) == 9  # "with nine prompts"


def test_the_sliders_choose_again_and_refuse_nothing_at_all(played):
    sliders = played["sliders"]
    before = sliders._picture.picture
    sliders._sliders["quality"].value = 0
    assert sliders.choice.winner == "smollm2-135m-int4-rtn" and sliders.selection.weights["quality"] == 0
    assert "smollm2-135m-int4-rtn" in sliders.words and sliders._picture.picture != before
    for slider in sliders._sliders.values():
        slider.value = 0
    assert "All weights are 0" in sliders.words and sum(sliders.selection.weights.values()) > 0
