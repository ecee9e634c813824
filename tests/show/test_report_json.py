"""The report for programs: strict JSON of what the docstring promises, with the numbers of the other forms."""

import csv
import json
import re

import pytest
from made_report import write

from slmbench.quality.scores import Score
from slmbench.show import report_json
from support import blank
from support.made_rows import request, sample_rows


def read(path):
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        blank.pictures(patch)
        write(place, sample_rows())
    return place


@pytest.fixture(scope="module")
def found(folder):
    return read(folder / "benchmark_report.json")


def test_the_fields_are_those_of_the_docstring(found):
    promised = re.findall(r"^    (\w+) {2,}\S", report_json.__doc__, re.MULTILINE)
    assert list(found) == promised and found["schema"] == report_json.SCHEMA
    assert found["run"]["command"] == "slmbench run --models qwen2.5-0.5b"
    assert found["settings"] == {"rounds": 3, "temperature": 0.0} and found["machine"]["packages"] == {"numpy": "2.4.6"}


def test_the_models_have_the_numbers_of_the_table_of_the_same_run(found, folder):
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["model"] for line in lines] == [model["model"] for model in found["models"]]
    for line, model in zip(lines, found["models"], strict=True):
        for name in line.keys() - {"model", "basis", "token_source", "status_note"}:
            assert model[name] == (pytest.approx(float(line[name]), rel=1e-12) if line[name] else None), name
    sizes = {model["model"]: (model["memory_mb"], model["disk_mb"], model["licence"]) for model in found["models"]}
    assert sizes["qwen2.5-0.5b"] == (930.4, 811.2, "Apache-2.0") and sizes["smollm2-135m-int4"] == (None, None, None)


def test_verdict_and_highlights_are_those_of_the_report_without_its_marks(found, folder):
    page = (folder / "benchmark_report.md").read_text(encoding="utf-8")
    [verdict] = found["verdict"]
    bare = re.sub(r"[\\*`]", "", page)
    assert verdict in bare and all(one["sentence"] in bare for one in found["highlights"])
    assert {one["verdict"] for one in found["comparisons"]} <= {"faster", "slower", "tie", "can't tell"}
    assert {one["column"] for one in found["comparisons"]} == {"latency_s", "ttft_s", "decode_tps"}
    counts = ("model", "n_failed", "n_asked", "n_skipped", "reason")
    assert [tuple(one[name] for name in counts) for one in found["not_measured"]] == [
        ("phi-4-mini-instruct-generic-cpu:3", 1, 12, 0, "timeout: no reply within 60 s"),
        ("gemma-2-2b", 0, 0, 1, "not in the catalogue, nearest: gemma-4-e2b-it"),
    ]


@pytest.mark.usefixtures("blank_pictures")
def test_a_run_of_nothing_and_half_a_character_are_json_too(tmp_path):
    scores = [Score("1", "score", "human", "half \ud83d", "i", "rag", ["a"], score=3)]
    write(tmp_path, [request("a", error="half \ud83d", status="timeout")], scores=scores, machine={"x": float("nan")})
    found = read(tmp_path / "benchmark_report.json")
    assert found["models"][0]["latency_s_p50"] is None and found["machine"] == {"x": None}
    assert found["not_measured"][0]["reason"] == "timeout: half \ud83d"
    assert (found["quality"][0]["mean"], found["quality"][0]["low"]) == (3.0, None)
