"""What a report says of quality, on the run that ships and on made-up scores."""

import shutil

import pandas as pd
import pytest

from slmbench import paths, runner, store
from slmbench.analyse import stats
from slmbench.quality import means
from slmbench.quality.scores import Score, frame, read_scores
from slmbench.show import quality_sections as quality, report

SHIPPED = paths.run_folder(paths.QUALITY)


@pytest.fixture(scope="module")
def run():
    return store.read(SHIPPED)


@pytest.fixture(scope="module")
def scores():
    return read_scores(SHIPPED)


def score(n, score=3, annotator="Ana", models=("a",), **more):
    about = {"task": "score", "kind": "human", "annotator": annotator, "item": f"i{n}", "prompt_id": f"p{n}"}
    return Score(**{"id": f"{annotator}{n}{models}", "models": list(models), "score": score, **about, **more})


def test_the_section_tells_means_differences_agreement_and_checks(run, scores):
    said = "\n".join(quality.section(scores, run.plan))
    for words in ("human: author", "can't be told apart", "can be told apart", "alpha", "code decides", "| Model |"):
        assert words in said, words
    asked = sum(one.kind == "model" for one in scores)
    assert f"of its own weights {asked} times" in said
    assert quality.section([], run.plan) == []


def test_the_rater_who_counts_is_all_humans_then_one_then_the_judge():
    ana = [score(n) for n in range(6)]
    bo = [score(n, 4, "Bo") for n in range(6)]
    model = [score(n, 5, "j", kind="model") for n in range(6)]
    for given, rater in ((ana + bo + model, "humans together"), (model + ana, "human: Ana"), (model, "model: j")):
        assert set(quality.chosen(means.by_model(frame(given)))["rater"]) == {rater}
    assert len(quality.chosen(means.by_model(frame([])))) == 0


def test_weights_are_the_plans():
    plan = {"prompts": [{"id": "p0", "weight": 3}, {"id": "p1"}]}
    assert quality.weights(plan) == {"p0": 3.0, "p1": 1.0}
    [line] = quality.judged([score(0, 5), score(1, 1)], plan).to_dict("records")
    assert line["mean"] == pytest.approx((3 * 5 + 1 * 1) / 4)


def test_few_prompts_are_called_indicative():
    table = quality.mean_table(means.by_model(frame([score(0), score(1, 4)])))
    assert table["Mean score (1–5)"].item() == "3.50 (indicative)"


def test_differences_come_from_humans_before_a_judge():
    humans = [score(n, 2 + n % 2, models=(m,)) for n in range(4) for m in "ab"]
    judge = [score(n, 1 if m == "a" else 5, "j", (m,), kind="model") for n in range(8) for m in "ab"]
    [line] = quality.differences(frame(humans + judge))
    assert "can't be told apart" in line and "4 prompts" in line
    [line] = quality.differences(frame(judge))
    assert "8 prompts" in line


def test_answers_that_are_no_judgement_are_counted_with_the_first_reason():
    bad = {"kind": "model", "annotator": "j", "score": None, "status": "unparsable", "error": "it does not begin"}
    [line] = quality.unusable([score(0, **bad), score(1, **(bad | {"score": 4, "status": "ok"}))])
    assert line.startswith("1 of 2 replies of the judge j were no judgement") and line.endswith("it does not begin")


def test_the_largest_disagreements_are_listed_first():
    given = [score(n, n % 5 + 1) for n in range(6)] + [score(n, 1, "Bo", kind="model") for n in range(6)]
    found = quality.furthest(frame(given))
    assert list(found.columns) == ["prompt", "models", "human: Ana", "model: Bo", "spread"]
    assert list(found["spread"]) == [4, 3, 2, 1] and found["prompt"].iloc[0] == "p4"
    assert len(quality.furthest(frame(given[:6]))) == 0


def test_checks_are_counted_by_model_and_kind():
    def done(*passed):
        return [{"kind": kind, "passed": ok, "name": "", "found": "", "expected": ""} for kind, ok in passed]

    code = {"kind": "code", "score": None, "annotator": "checks"}
    given = [
        score(0, models=("a", "b"), checks=done(("words", True), ("items", False)), **code),
        score(1, models=("a",), checks=done(("words", False)), **code),
    ]
    assert quality.checks_table(frame(given)).to_dict("records") == [
        {"Model": "a", "words": "1 of 2", "items": "0 of 1"},
        {"Model": "b", "words": "1 of 1", "items": "0 of 1"},
    ]


@pytest.mark.usefixtures("blank_pictures")
def test_the_report_and_the_summary_have_quality_beside_speed(run, scores, tmp_path):
    facts = {"plan": run.plan, "machine": run.machine, "resources": run.resources}
    facts["entries"] = runner.entries_of(run.plan)
    files = report.write(tmp_path, run.frame(), **facts, scores=scores)
    assert tmp_path / "speed_quality.png" in files
    page = (tmp_path / "benchmark_report.md").read_text(encoding="utf-8")
    assert page.count("\n## Quality\n") == 1 and "](speed_quality.png)" in page
    summary = pd.read_csv(tmp_path / "summary.csv").set_index("model")
    assert summary.loc["smollm2-135m-int4", "quality_mean"] == pytest.approx(1.85)
    assert (summary["quality_n"] == 9).all()
    report.write(tmp_path, run.frame(), **facts)
    assert not (tmp_path / "speed_quality.png").exists()
    assert "quality_mean" not in pd.read_csv(tmp_path / "summary.csv")


def test_the_chart_has_a_point_for_each_model(run, scores):
    points, who = quality.chart(scores, stats.summarise(run.frame()), run.plan)
    assert who == "human: author" and set(points["model"]) == set(run.plan["models"])
    assert len(quality.chart([], stats.summarise(run.frame()), run.plan)[0]) == 0


def test_the_command_writes_it(tmp_path, capsys):
    from slmbench.cli import main

    folder = tmp_path / "run"
    shutil.copytree(SHIPPED, folder)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(folder)])
    assert ended.value.code == 0 and "speed_quality.png" in capsys.readouterr().out
