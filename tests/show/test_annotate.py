"""The annotator's widget without a browser: what it tells the page, and what it does with what the page says."""

import json

import pytest

from slmbench.errors import UsageError
from slmbench.show import annotate, live
from support import hostile
from support.judged import run_with, saved

REPLIES = {(f"model-{m}", prompt): f"{m} speaks on {prompt}" for m in ("one", "two") for prompt in ("p", "q")}


@pytest.fixture
def folder(tmp_path):
    return run_with(tmp_path / "run", REPLIES)


def panel(folder, annotator="Ana", **how):
    return annotate.Panel(annotator, **{"path": folder, "compare": False, "replies": None, "seed": 0} | how)


def press(widget, do, **more):
    widget._hear(widget, {"do": do, "turn": widget.view["turn"], **more}, [])
    return widget.view


def judge(widget, score, **draft):
    return press(widget, "save", draft={"score": score, "aspects": [True, False], "note": "", **draft}, spent_s=1.25)


def test_a_name_is_asked_for_first_and_a_bad_one_is_refused(folder):
    widget = panel(folder, "")
    assert (widget.view["phase"], widget.view["title"]) == ("name", "4 replies to judge")
    view = press(widget, "begin", name=" \u202e ")
    assert view["phase"] == "name" and "a name of 1 to 40 visible characters was expected" in view["message"]
    assert view["annotator"] == " \u202e "
    view = press(widget, "begin", name="Ana")
    assert (view["phase"], view["title"], view["message"]) == ("judge", "Reply 1 of 4", "")


def test_a_click_is_on_disk_and_the_next_reply_is_shown(folder):
    widget = panel(folder)
    view = judge(widget, 4, note="ok")
    [line] = saved(folder)
    assert (line["score"], line["aspects"], line["explanation"], line["spent_s"]) == (4, [True, False], "ok", 1.25)
    assert (view["title"], view["count"], view["done"]) == ("Reply 2 of 4", "1 of 4 judged by Ana", 1)
    assert view["draft"] == {"score": None, "choice": None, "aspects": [False, False], "note": ""}


def test_the_second_click_of_a_double_click_is_of_a_view_that_is_gone(folder):
    widget = panel(folder)
    turn = widget.view["turn"]
    for _ in range(2):
        draft = {"score": 4, "aspects": [False, False], "note": ""}
        widget._hear(widget, {"do": "save", "turn": turn, "draft": draft}, [])
    assert len(saved(folder)) == 1 and widget.view["done"] == 1


def test_saving_without_a_score_says_why_not_and_stays(folder):
    widget = panel(folder)
    before = widget.view
    view = judge(widget, None)
    assert view["message"] == "Not saved yet: choose a score from 1 to 5 first."
    assert (view["turn"], view["title"]) == (before["turn"], before["title"])
    assert view != before  # else the page would not hear of it


def test_undo_shows_the_earlier_judgement(folder):
    widget = panel(folder)
    assert press(widget, "undo")["message"] == "There is nothing before this to go back to."
    judge(widget, 2, note="hm")
    view = press(widget, "undo")
    assert view["title"] == "Reply 1 of 4 (judged already; saving changes it)"
    assert view["draft"] == {"score": 2, "choice": None, "aspects": [True, False], "note": "hm"}


def test_no_models_name_is_told_before_all_is_judged(folder):
    widget = panel(folder)
    while widget.view["phase"] == "judge":
        assert "model-" not in json.dumps(widget.get_state(), default=str)
        assert widget.picture == b""
        judge(widget, 3)
    assert widget.view["rows"] and {row[0] for row in widget.view["rows"]} == {"model-one", "model-two"}
    assert widget.picture.startswith(b"\x89PNG")
    assert "model-one: mean 3 of 2 scores" in widget.view["alt"]


def test_the_names_are_hidden_again_when_the_last_one_is_undone(folder):
    widget = panel(folder, replies=1)
    judge(widget, 3)
    press(widget, "undo")
    assert widget.picture == b"" and "model-" not in json.dumps(widget.get_state(), default=str)


def test_pairs_are_judged_by_side_and_counted_by_model(folder):
    widget = panel(folder, compare=True)
    assert [o["label"] for o in widget.view["options"]] == [c[1] for c in annotate.CHOICES]
    assert [r["label"] for r in widget.view["replies"]] == ["Left", "Right"] and not widget.view["ticks"]
    while widget.view["phase"] == "judge":
        side = [r["text"].startswith("one") for r in widget.view["replies"]].index(True)
        press(widget, "save", draft={"choice": ("left", "right")[side]})
    assert widget.view["rows"] == [["model-one", "2", "0", "0"], ["model-two", "0", "0", "2"]]
    assert widget.view["alt"] == "model-one: 2 won, 0 equal, 0 lost. model-two: 0 won, 0 equal, 2 lost"


def test_what_can_not_be_saved_is_told_and_the_choice_kept(folder):
    widget = panel(folder)
    (folder / "scores.jsonl").write_text("{}\n")
    view = judge(widget, 4, note="kept")
    assert "scores.jsonl, line 1" in view["message"] and view["title"] == "Reply 1 of 4"
    (folder / "scores.jsonl").unlink()
    judge(widget, 4)
    assert saved(folder)[0]["score"] == 4


def test_an_error_of_our_own_is_told_as_well(folder, monkeypatch):
    widget = panel(folder)
    monkeypatch.setattr(type(widget.annotation), "save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        judge(widget, 4)
    assert widget.view["message"].startswith("Not saved: something went wrong")


@pytest.mark.parametrize(
    "message", [None, "save", [], {}, {"do": "save"}, {"do": "save", "turn": 0, "draft": 5}, {"do": "rm", "turn": 0}]
)
def test_what_no_page_of_ours_says_changes_nothing(folder, message):
    widget = panel(folder)
    before = widget.view["title"]
    widget._hear(widget, message, [])
    assert widget.view["title"] == before and not (folder / "scores.jsonl").exists()


def test_texts_are_told_as_text_without_what_reorders_the_page(tmp_path):
    texts = {("m", f"p{n}"): one.text for n, one in enumerate(hostile.corpus())}
    texts |= {("m", "bidi"): "a\u202eb\x1b[31m\nline"}
    widget = panel(run_with(tmp_path / "run", texts))
    seen = set()
    while widget.view["phase"] == "judge":
        seen.add(widget.view["replies"][0]["text"])
        press(widget, "save", draft={"score": 1, "aspects": [False, False]})
    assert "a�b�[31m\nline" in seen
    assert all(hostile.commands(text, keep="\n\t") == [] for text in seen)


def test_the_page_has_no_way_to_make_html_of_a_text_or_to_ask_a_server():
    source = (annotate.HERE / "annotate.js").read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "fetch(", "import", "eval(", "http"):
        assert way not in source, way


def test_without_a_front_end_it_says_where_judging_stands(folder, capsys):
    annotate.annotate(folder, "auto")
    assert capsys.readouterr().out.startswith("4 replies are there to be judged. Nobody can click here")
    judge(panel(folder), 3)
    annotate.annotate(folder, "Ana")
    assert capsys.readouterr().out.startswith("Ana has judged 1 of 4 replies.")


def test_a_run_that_can_not_be_judged_is_told_of_in_the_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "has_front_end", lambda: True)
    folder = run_with(tmp_path / "run", {("a", "p"): {"status": "timeout"}})
    with pytest.raises(UsageError, match="holds no reply to judge"):
        annotate.annotate(folder)
