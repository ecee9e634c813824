"""The board's notebook without anybody who looks: stills of recorded runs, parameters refused, its hints."""

from pathlib import Path

import nbclient
import nbformat
import pytest

from support import notebooks
from support.notebooks import outputs, printed

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "session03_live_board.ipynb"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def papermill(tmp_path, monkeypatch):
    notebooks.offline(monkeypatch)
    return notebooks.papermill(NOTEBOOK, tmp_path)


def test_without_a_run_the_recorded_one_is_shown(papermill, tmp_path):
    done, out = papermill()
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
    assert "example_run: 720 of 720 timed requests · all done · 0 failed" in printed(out)
    assert "is ahead of 2 others" in printed(out)
    [still] = [o for o in outputs(out) if "image/png" in o.get("data", {})]
    assert "whoever is ahead on top" in still.metadata["image/png"]["alt"]
    assert [o for o in outputs(out) if "application/vnd.jupyter.widget-view+json" in o.get("data", {})] == []
    assert out.stat().st_size < 500_000


@pytest.mark.parametrize("view", ["quality", "tokens", "prompts"])
def test_a_view_of_two_runs_can_be_asked_for(view):
    names = notebooks.played(NOTEBOOK, runs="quality,example", view=view, theme="dark", scale="projector")
    still = names["live"].picture()
    assert still is None if view == "prompts" else still.data.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runs": "a,b,c,d"}, "runs: 4 were found, at most 3 are shown side by side"),
        ({"view": "pie"}, "view"),
        ({"theme": "pink"}, "theme"),
        ({"speed": "2"}, "unknown notebook parameter 'speed'"),
        ({"runs": 3}, "runs: 3 was found, run folders were expected"),
    ],
)
def test_wrong_parameters_are_refused(given, said):
    assert said in notebooks.stopped(NOTEBOOK, **given).message


def test_then_papermill_ends_with_an_error(papermill):
    done, _ = papermill("-p", "runs", "a,b,c,d")
    assert done.returncode == 1
    assert "runs: 4 were found, at most 3 are shown side by side" in done.stderr


def test_the_hints_run(tmp_path):
    made = nbformat.read(NOTEBOOK, 4)
    codes = notebooks.hints(NOTEBOOK)
    assert len(codes) == 5
    for code in ("n = 200", *codes):
        made.cells.append(nbformat.v4.new_code_cell(code))
    made.cells.append(nbformat.v4.new_code_cell("print(*race.calls(rows.tail(400))['verdict'], sep=', ')"))
    ran = nbclient.NotebookClient(
        made, kernel_name="python3", timeout=100, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert ran.cells[-1].outputs[0].text == "behind, behind, behind\n"
