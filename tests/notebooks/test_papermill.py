"""The main notebook as a papermill job: parameters, skipped models, what is refused, what is left behind."""

import pytest

from slmbench import store
from support import notebooks
from support.replies import plain
from support.server import Server

pytestmark = pytest.mark.timeout(180)
BASE = ("-p", "max_tokens", "8", "-p", "acceleration", "")


def run_folders(folder):
    return sorted(p.parent for p in folder.glob("runs/*/plan.json") if not p.parent.name.endswith("-acceleration"))


def test_models_given_as_a_list_and_one_that_can_not_be_had(papermill, tmp_path):
    done, out = papermill("-p", "rounds", "2", "-y", "{models: [tiny-a, gemma-2-2b]}", *BASE)
    assert done.returncode == 0, done.stderr[-2000:]
    [folder] = run_folders(tmp_path)
    rows = store.read(folder).rows
    skipped = [r for r in rows if r.status == "skipped"]
    assert [r.model for r in skipped] == ["gemma-2-2b"]
    assert "gemma-4-e2b-it" in skipped[0].error
    assert sum(r.status == "ok" and r.phase == "timed" for r in rows) == 2 * 4
    report = (folder / "benchmark_report.md").read_text(encoding="utf-8")
    assert "gemma-2-2b" in report
    assert skipped[0].error.split(";")[0][:20] in report
    assert out.stat().st_size < 1_000_000


def test_models_given_as_text_a_folder_to_write_to_and_two_models_compared(papermill, tmp_path):
    given = ("-p", "rounds", "1", "-p", "models", "tiny-a,tiny-b", "-p", "out", "mine")
    done, out = papermill(*given, *BASE[:3], "-p", "acceleration", "tiny-a,tiny-b")
    assert done.returncode == 0, done.stderr[-2000:]
    assert {r.model for r in store.read(tmp_path / "mine").rows} == {"tiny-a", "tiny-b"}
    pictures = [o for o in notebooks.outputs(out) if "image/png" in o.get("data", {})]
    assert any("tiny-b / tiny-a" in str(p.metadata) for p in pictures)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [  # many more, without papermill's process, in test_papermill_parameters.py
        (("-p", "round", "2"), "did you mean 'rounds'"),
        pytest.param(("-p", "models", "tiny-z"), "tiny-z", marks=pytest.mark.soak),
        pytest.param(
            ("-p", "models", "tiny-a", "-p", "acceleration", "tiny-a,tiny-z"), "tiny-z", marks=pytest.mark.soak
        ),
        pytest.param(("-y", "{models: [a, 1]}"), "models (parameter): 1 in place 2 was found", marks=pytest.mark.soak),
    ],
)
def test_bad_parameters_stop_it_before_any_request(papermill, tmp_path, arguments, said):
    base = BASE if "acceleration" not in arguments else BASE[:3]
    done, _ = papermill(*arguments, *base)
    assert done.returncode != 0
    assert said in done.stderr
    assert "UsageError" in done.stderr or "StoreError" in done.stderr
    assert run_folders(tmp_path) == []


@pytest.mark.parametrize("answers", ["refused", pytest.param("HTML", marks=pytest.mark.soak)])
def test_an_endpoint_that_does_not_answer_has_its_row_and_a_cure(papermill, tmp_path, answers):
    page = plain(b"<h1>Hello</h1>", kind="text/html")
    with Server([page]) as server:
        address = "http://127.0.0.1:9" if answers == "refused" else server.root
        done, _ = papermill("-p", "endpoint", address, *BASE)
    assert done.returncode != 0
    assert "NothingMeasured" in done.stderr and "->" in done.stderr
    [folder] = run_folders(tmp_path)
    [row] = store.read(folder).rows
    assert row.status == {"refused": "refused", "HTML": "protocol_error"}[answers]
