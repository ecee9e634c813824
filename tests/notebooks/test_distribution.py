"""The notebook on distributions: a papermill job on the example run and on others, its hints, and what it claims."""

import re
import shutil
from pathlib import Path

import pytest

from slmbench import paths
from support import notebooks
from support.notebooks import outputs, printed

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_read_the_distribution.ipynb"
PICTURES = 13
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def papermill(tmp_path):
    """Run papermill's command in an empty folder: papermill(*arguments) -> (completed process, output notebook)."""

    return notebooks.papermill(NOTEBOOK, tmp_path)


@pytest.fixture
def run_folder(tmp_path):
    """A run folder with the example's rows that hold words: run_folder(*words, rounds=n)."""

    def make(*models: str, rounds: int = 99) -> Path:
        folder = tmp_path / "mine"
        shutil.copytree(paths.run_folder("example"), folder)
        kept = [
            line
            for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
            if any(f'"model": "{model}"' in line for model in models)
            and int(re.search(r'"round": (\d+)', line)[1]) < rounds
        ]
        (folder / "rows.jsonl").write_text("".join(kept), encoding="utf-8", newline="\n")
        return folder

    return make


def test_it_runs_anywhere_without_a_server_and_leaves_nothing(papermill, tmp_path, monkeypatch):
    notebooks.offline(monkeypatch)
    done, out = papermill()
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
    found = outputs(out)
    pictures = [o for o in found if "image/png" in o.get("data", {})]
    assert len(pictures) == PICTURES
    assert all(len(o.metadata["image/png"]["alt"]) > 40 for o in pictures)
    assert [o.text for o in found if o.output_type == "stream" and o.name == "stderr"] == []
    assert "You said A" in printed(out)
    assert "Can't tell" in printed(out)
    assert out.stat().st_size < 1_500_000


def test_a_run_of_ones_own_and_other_parameters(run_folder, capsys):
    folder = run_folder("smollm2-135m-int4", "smollm2-135m-int4-rtn", rounds=4)
    notebooks.played(NOTEBOOK, run=str(folder), guess="b", seed=7, theme="dark")
    said = capsys.readouterr().out
    assert "You said B" in said
    assert "int8" not in said


@pytest.mark.parametrize(
    ("models", "rounds"),
    [
        pytest.param(["smollm2-135m-int8"], 99, marks=pytest.mark.soak),
        (["smollm2-135m-int8", "smollm2-135m-int4"], 2),
    ],
)
def test_a_run_too_small_for_the_game_shows_all_the_rest(papermill, run_folder, models, rounds):
    done, out = papermill("-p", "run", str(run_folder(*models, rounds=rounds)))
    assert done.returncode != 0
    assert "the game needs two models with 3 rounds" in done.stderr
    assert sum("image/png" in o.get("data", {}) for o in outputs(out)) == PICTURES - 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runs": "x"}, "did you mean 'run'"),
        ({"run": "nowhere"}, "nowhere does not exist"),
        ({"guess": "C"}, "A or B was expected"),
    ],
)
def test_bad_parameters_stop_it(given, said):
    assert said in str(notebooks.stopped(NOTEBOOK, **given))


def test_then_papermill_ends_with_an_error_before_anything_is_shown(papermill):
    done, out = papermill("-p", "run", "nowhere")
    assert done.returncode != 0
    assert "nowhere does not exist" in done.stderr
    assert [o for o in outputs(out) if o.output_type in ("display_data", "execute_result")] == []


@pytest.fixture(scope="module")
def played():
    """Everything that the notebook's cells have named, run here on the example."""
    return notebooks.played(NOTEBOOK)


HINTS = notebooks.hints(NOTEBOOK)


@pytest.mark.parametrize("code", HINTS)
def test_hints_run_when_pasted(played, code):
    exec(compile(code, "hint", "exec"), dict(played))


def test_there_are_hints():
    assert len(HINTS) >= 5


def test_the_example_shows_what_the_text_says(played):
    """Where a new example run fails here, change the text, or record it on a quieter machine."""
    game, redrawn, summary = played["game"], played["redrawn"], played["summary"]
    assert set(game.names.values()) == {"smollm2-135m-int4", "smollm2-135m-int8"}  # "faster at what?"
    wrong = ((redrawn > 1) != (played["whole"] > 1)).mean()
    assert wrong[3] > 0  # three rounds can crown the other one
    assert wrong[1] > wrong[12] < 0.1
    assert played["line"]["verdict"] in ("faster", "slower")  # and all rounds decide it
    assert played["odd"].sum() > 0
    medians = 100 * (summary.latency_s_p50 / played["tidy"].latency_s_p50 - 1)
    means = 100 * (summary.latency_s_mean / played["tidy"].latency_s_mean - 1)
    assert (medians < 2).all() and means.max() > medians.max()  # the median hardly moves
    by_n = played["by_n"]
    assert by_n.latency_s_p95_upper.notna().tolist() == [n >= 59 for n in by_n.latency_s_n]
    assert (by_n.latency_s_n >= 59).sum() >= 2
