"""The verb choose: words, JSON, files, and what it refuses."""

import json

import pytest

from slmbench import paths
from slmbench.quality.runs import working_copy
from support import blank
from support.judged import run_with

pytestmark = pytest.mark.timeout(120)  # each report draws a dozen pictures


@pytest.fixture
def quality(tmp_path):
    return working_copy(paths.QUALITY, tmp_path)


def test_words_and_files(slmbench, quality, monkeypatch):
    done = slmbench("choose", quality, "--weights", "quality=8", "--cost", "power_w=10")
    assert done.code == 0
    assert "smollm2-135m-int4 has the best score" in done.out and "estimated: 10 W × time" in done.out
    assert "release-date" in done.out and "Goes to" in done.out
    for name in ("selection.json", "choice.json", "routing.json", "benchmark_report.md", "choice_profile.png"):
        assert (quality / name).stat().st_size > 0
    report = (quality / "benchmark_report.md").read_text(encoding="utf-8")
    assert "## Choice" in report and "## Routing" in report and "(choice_sweep.png)" in report
    assert "which the choice puts behind smollm2-135m-int4" in " ".join(done.out.split())
    blank.pictures(monkeypatch)
    last = slmbench("choose", quality, "--json", "--selection", quality / "selection.json")
    assert json.loads(last.out)["weights"]["quality"] == pytest.approx(8 / 13)
    again = slmbench("choose", quality, "--json", "--limits", "none")  # what was asked last time does not stay
    assert json.loads(again.out)["weights"]["quality"] == pytest.approx(4 / 9) and not json.loads(again.out)["limits"]


def test_nobody_keeps_to_the_limits(slmbench, quality, monkeypatch):
    blank.pictures(monkeypatch)
    done = slmbench("choose", quality, "--limits", "quality=4")
    assert done.code == 1 and "No model can be chosen" in done.out and "--limits" in done.err
    assert not (quality / "choice_profile.png").exists()


def test_a_bad_weight_is_refused_before_anything_is_written(slmbench, quality):
    done = slmbench("choose", quality, "--weights", "qualty=3")
    assert done.code == 2 and 'did you mean "quality"?' in done.err
    assert not (quality / "selection.json").exists()


def test_a_hostile_run_is_shown_as_it_is(slmbench, tmp_path, monkeypatch):
    blank.pictures(monkeypatch)
    folder = run_with(tmp_path / "run", {("<img src=x onerror=alert(1)>", f"p{i}\x1b[31m"): "x" for i in range(2)})
    done = slmbench("choose", folder)
    assert done.code == 0 and "\x1b" not in done.out
    report = (folder / "benchmark_report.md").read_text(encoding="utf-8")
    assert "<img" not in report and "\x1b" not in report
