"""The notebook that chooses a model: a papermill job without a server, its hints, and what its text claims."""

import json
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
import pytest

from support import notebooks

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_choose_a_model.ipynb"
pytestmark = pytest.mark.timeout(120)
HINTS = [code for code in notebooks.hints(NOTEBOOK) if not code.startswith(("slmbench ", "--"))]


@pytest.fixture
def papermill(tmp_path, monkeypatch):
    """Run papermill's command in an empty folder, out of reach of any network: (completed process, output)."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    return notebooks.papermill(NOTEBOOK, tmp_path)


def outputs(notebook):
    return [o for cell in nbformat.read(notebook, 4).cells for o in cell.get("outputs", [])]


def printed(notebook):
    return "".join(o.text for o in outputs(notebook) if o.output_type == "stream")


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


def test_limits_that_nobody_keeps_to_end_in_words_and_not_in_an_error(papermill, tmp_path):
    done, out = papermill("-p", "run", "example", "-p", "limits", "memory_mb=1", "-p", "scale", "projector")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "No model can be chosen." in printed(out) and "No model may be routed to" in printed(out)
    assert (
        json.loads((tmp_path / "runs" / "speed_example" / "choice.json").read_text(encoding="utf-8"))["winner"] is None
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-p", "weights", "qualty=3"], 'did you mean "quality"?'),
        (["-p", "pair", "one"], "two aliases or nothing"),
        (["-p", "pair", "smollm2-135m-int8,foo"], "pair (parameter): 'foo' was found"),
        (["-p", "wieghts", "quality=3"], "did you mean 'weights'?"),
    ],
)
def test_bad_parameters_stop_it(papermill, given, said):
    done, _ = papermill(*given)
    assert done.returncode != 0 and said in done.stderr


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Everything that the notebook's cells have named, run here on a copy of the run that ships."""
    names: dict = {"In": []}
    with pytest.MonkeyPatch.context() as patch, matplotlib.rc_context(), pd.option_context("display.precision", 6):
        patch.chdir(tmp_path_factory.mktemp("played"))
        for cell in nbformat.read(NOTEBOOK, 4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, cell.id, "exec"), names)
        yield names


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
    before = sliders._picture.value
    sliders._sliders["quality"].value = 0
    assert sliders.choice.winner == "smollm2-135m-int4-rtn" and sliders.selection.weights["quality"] == 0
    assert "smollm2-135m-int4-rtn" in sliders.words and sliders._picture.value != before
    for slider in sliders._sliders.values():
        slider.value = 0
    assert "All weights are 0" in sliders.words and sum(sliders.selection.weights.values()) > 0
