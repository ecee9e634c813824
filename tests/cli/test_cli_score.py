"""The verbs score and judge: what they print, write and refuse."""

import json

import pytest

from slmbench import store
from slmbench.quality import scores
from support.judged import run_with, saved
from support.replies import message, plain

ANSWER = {"reason": "fine", "aspects": [True, False], "score": 4}
BUSY = [plain(b"{}", "503 Busy", "application/json")]


@pytest.fixture
def folder(tmp_path):
    return run_with(tmp_path / "run", {(m, p): f"{m} on {p}" for m in "ab" for p in "pqr"})


def serving(said, model="j"):
    """A server whose only model answers with this text."""
    listed = {"object": "list", "data": [{"id": model, "object": "model"}]}

    def respond(request):
        reply = message(said, counts={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12})
        return [plain(listed if request.method == "GET" else reply)]

    return respond


def test_a_run_nobody_has_scored_says_how(slmbench, folder):
    done = slmbench("score", folder)
    assert done.code == 0
    assert "6 different replies." in done.out and "Nobody has scored them." in done.out
    assert f"slmbench score {folder} --annotator NAME --sheet FILE.csv" in done.out


def test_a_sheet_goes_out_and_comes_back(slmbench, folder, tmp_path):
    sheet = tmp_path / "ana.csv"
    done = slmbench("score", folder, "--annotator", "Ana", "--sheet", sheet, "--replies", "2")
    assert done.code == 0 and f"--read {sheet}" in done.out
    lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 3
    place = lines[0].split(",").index("score 1-5")
    marks = [line.split(",")[0] for line in lines[1:]]
    sheet.write_text("\n".join(["reply id,score 1-5,note", f"{marks[0]},4,good", f"{marks[1]},2,"]), encoding="utf-8")
    done = slmbench("score", folder, "--annotator", "Ana", "--read", sheet)
    assert done.code == 0 and "2 scores of Ana" in done.out and "human: Ana: 2 replies" in done.out
    assert sorted(line["score"] for line in saved(folder)) == [2, 4] and place > 3


def test_checks_and_json(slmbench, folder):
    done = slmbench("score", folder, "--checks", "--json")
    assert done.code == 0 and "6 replies are checked by code." in done.err
    found = json.loads(done.out)
    assert found["scores"] == 6 and found["means"] == [] and found["agreement"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sheet", "x.csv"), "--annotator: nothing was found"),
        (("--read", "x.csv"), "--annotator: nothing was found"),
        (("--annotator", "Ana", "--read", "none.csv"), "none.csv: it cannot be read"),
        (("--annotator", " ", "--sheet", "x.csv"), "annotator: "),
        (("--replies", "0"), "--replies (option): 0 was found"),
        (("--chekcs",), 'did you mean "--checks"?'),
    ],
)
def test_what_is_wrong_is_refused(slmbench, folder, monkeypatch, words, said):
    monkeypatch.chdir(folder.parent)
    done = slmbench("score", folder, *words)
    assert done.code == 2 and said in done.err
    assert not (folder / "scores.jsonl").exists() and not (folder.parent / "x.csv").exists()


def test_a_judge_is_asked_and_summed_up(slmbench, folder, scripted):
    server = scripted(serving(json.dumps(ANSWER)))
    done = slmbench("judge", folder, "--model", "j", "--endpoint", f"{server.root}/v1")
    assert done.code == 0, done.err
    assert "6 answers of j are kept, 0 of them no judgement" in done.out and "42 tokens" in done.out
    assert {line["score"] for line in saved(folder)} == {4}
    asked = len(server.requests)
    done = slmbench("judge", folder, "--model", "j", "--endpoint", f"{server.root}/v1", "--json")
    assert json.loads(done.out) | {"asked": 0, "kept": 6, "by_status": {"ok": 6}} == json.loads(done.out)
    assert all(request.method == "GET" for request in server.requests[asked:])
    assert slmbench("score", folder).out.count("model: j") >= 2


def test_a_judge_of_its_own_replies_is_told_of_beside_json_too(slmbench, folder, scripted):
    server = scripted(serving(json.dumps(ANSWER)))
    own = store.read(folder).rows[0].model
    server_of = scripted(serving(json.dumps(ANSWER), own))
    for where, n in ((server_of, 1), (server, 0)):
        model = own if n else "j"
        done = slmbench("judge", folder, "--model", model, "--endpoint", f"{where.root}/v1", "--json")
        assert json.loads(done.out)["judge"] == model and done.err.count("Careful: ") == n


def test_a_judge_that_could_never_be_asked_is_probed_rather_than_replaced(slmbench, folder, scripted):
    server = scripted(lambda request: serving("")(request) if request.method == "GET" else BUSY)
    done = slmbench("judge", folder, "--model", "j", "--endpoint", f"{server.root}/v1")
    assert done.code == 1 and "http_503" in done.err and "slmbench probe j" in done.err


def test_pairs_of_one_model_are_refused(slmbench, tmp_path):
    alone = run_with(tmp_path / "alone", {("a", "p"): "text"})
    done = slmbench("judge", alone, "--model", "j", "--pairs")
    assert done.code == 2 and "no two different replies" in done.err


def test_a_judge_without_one_judgement_is_exit_code_1(slmbench, folder, scripted):
    server = scripted(serving("I like them all."))
    done = slmbench("judge", folder, "--model", "j", "--endpoint", f"{server.root}/v1", "--pairs")
    assert done.code == 1
    assert "None of 6 answers of j was a judgement. The first: it does not begin with a JSON object" in done.err
    assert {s.status for s in scores.read_scores(folder)} == {"unparsable"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--model: nothing was found"),
        (("--model", "j", "--endpoint", "http://example.org/v1"), "example.org"),
        (("--model", "j", "--replies", "many"), '--replies (option): "many" was found'),
    ],
)
def test_a_judge_that_can_not_be_asked(slmbench, folder, words, said):
    done = slmbench("judge", folder, *words)
    assert done.code == 2 and said in done.err


def test_a_folder_that_is_no_run(slmbench, tmp_path):
    for verb in ("score", "judge"):
        done = slmbench(verb, tmp_path, *(("--model", "j") if verb == "judge" else ()))
        assert done.code == 2 and "is no run folder" in done.err
