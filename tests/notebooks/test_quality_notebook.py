"""The notebook on quality: a papermill job on the run that ships and on one's own, its hints, and what it claims."""

from pathlib import Path

import pytest

from slmbench.quality import scores
from support import notebooks
from support.judged import run_with
from support.notebooks import outputs, printed

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_score_quality.ipynb"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def papermill(tmp_path, monkeypatch):
    """Run papermill's command in an empty folder, out of reach of any network: (completed process, output)."""
    notebooks.offline(monkeypatch)
    return notebooks.papermill(NOTEBOOK, tmp_path)


def test_it_runs_without_a_server_and_nothing_waits_for_a_click(papermill, tmp_path):
    done, out = papermill("-p", "annotator", "Ana")
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.ipynb", "runs"]
    assert len(scores.read_scores(tmp_path / "runs" / "quality_example")) > 100
    said, found = " ".join(printed(out).split()), outputs(out)  # sentences are wrapped
    assert "Ana has judged 0 of 8 replies. Nobody can click here" in said
    assert [o for o in found if "application/vnd.jupyter.widget-view+json" in o.get("data", {})] == []
    assert [o.text for o in found if o.output_type == "stream" and o.name == "stderr"] == []
    [picture] = [o for o in found if "image/png" in o.get("data", {})]
    assert len(picture.metadata["image/png"]["alt"]) > 40
    for words in ("alpha", "Worse than chance", "favours the second place", "can be told apart"):
        assert words in said, words
    assert out.stat().st_size < 1_000_000


def test_a_run_of_ones_own_that_nobody_has_scored(tmp_path, monkeypatch, capsys):
    notebooks.offline(monkeypatch)
    monkeypatch.chdir(tmp_path)
    run_with(tmp_path / "mine", {(m, p): f"{m} on {p}" for m in "ab" for p in "pqr"})
    notebooks.played(NOTEBOOK, run="mine", theme="dark", scale="projector")
    assert "6 replies are there to be judged." in capsys.readouterr().out
    assert {s.kind for s in scores.read_scores(tmp_path / "mine")} == {"code"}
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Everything that the notebook's cells have named, run here on a copy of the run that ships."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("played"))
        yield notebooks.played(NOTEBOOK)


HINTS = [code for code in notebooks.hints(NOTEBOOK) if not code.startswith(("slmbench ", "--"))]


@pytest.mark.parametrize("code", HINTS)
def test_hints_run_when_pasted(played, code):
    exec(compile(code, "hint", "exec"), dict(played))


def test_there_are_hints():
    assert len(HINTS) >= 2


def test_the_example_shows_what_the_text_says(played):
    single = played["said"].query("task == 'score'")
    assert set(single.status) == {"ok"} and (single.score == 5).mean() > 0.5  # "gives most replies a 5"
    [line] = played["table"].to_dict("records")
    assert line["value"] < line["high"] < 0
    assert played["means"].needed(difference=0.5, sd=1.0, power=0.8) == 34
    assert "author" in set(played["given"].annotator)
