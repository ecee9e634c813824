"""The token view without a browser: the tracks of recorded replies, and what the page is told of them."""

import json

import matplotlib
import pytest

from slmbench import paths, store
from slmbench.errors import UsageError
from slmbench.records import to_frame
from slmbench.show import tokens
from support import hostile
from support.made_rows import request, streamed


def chunked(model, *texts, channels=None, **given):
    """A reply in these chunks, a token each: at 0.5 s, 0.6 s, …"""
    channels = channels or ["answer"] * len(texts)
    both = {c: "".join(t for t, name in zip(texts, channels, strict=True) if name == c) for c in channels}
    more = {"text": both.get("answer", ""), "reasoning_text": both.get("reasoning"), "chunk_channel": channels}
    more |= {"chunk_chars": [len(text) for text in texts]}
    return streamed(model, gaps=[0.1] * (len(texts) - 1), **(more | given))


def track(*texts, **given):
    [found] = tokens.tracks(to_frame([chunked("a", *texts, **given)]))
    return found


def pieces(found):
    return [piece.text for piece in found.pieces]


def test_a_track_by_hand():
    found = track("On", "e ", "two", "", ".", finish_reason="length")
    assert [(p.at_s, p.text, p.count) for p in found.pieces] == [
        (0.5, "On", 1),
        (0.6, "e ", 2),
        (0.7, "two", 3),
        (0.8, "", 4),
        (0.9, ".", 5),
    ]
    assert {p.channel for p in found.pieces} == {"answer"}
    assert (found.model, found.prompt, found.round, found.concurrency) == ("a", "rag", 0, 1)
    assert (found.ttft_s, found.ttfa_s, found.end_s, found.tokens, found.unit) == (0.5, 0.5, 0.9, 5, "tokens")
    assert found.decode_tps == pytest.approx(10)  # 4 more tokens in 0.4 s
    assert (found.speed, found.cut, found.note) == ("10 tokens/s", True, "")


@pytest.mark.parametrize(
    "texts",
    [
        ("👍", "🏽 ok", " 👨‍👩‍👧"),  # beyond U+FFFF, a colour of its own, joined by U+200D
        ("न", "मस्", "ते", " e", "\u0301"),  # signs that belong to the letter before them
        ("\n\n", "- a\n", "\tb"),
    ],
)
def test_pieces_are_cut_in_characters_as_they_were_counted(texts):
    found = track(*texts)
    assert (pieces(found), found.note) == (list(texts), "")


def test_a_character_in_two_halves_belongs_to_the_chunk_that_completed_it():
    assert tokens.cut_up("a😀b😀", [1, 1, 1, 1, 1, 1]) == (["a", "", "😀", "b", "", "😀"], True)
    found = track("a😀", chunk_s=[0.5, 0.6, 0.7], latency_s=0.7, chunk_chars=[1, 1, 1], chunk_channel=["answer"] * 3)
    assert (pieces(found), found.note) == (["a", "", "😀"], "")


@pytest.mark.parametrize(
    ("text", "sizes", "cut"),
    [
        ("abcdef", [1, 1, 1], ["ab", "cd", "ef"]),  # of 3 characters, where there are 6
        ("abcd", [6, 2], ["abc", "d"]),
        ("😀😀", [1, 1, 1], ["", "😀", "😀"]),  # which of the two came in halves?
        ("ab😀c", [2, 3], ["a", "b😀c"]),  # one more than there are, yet no end between the halves
        ("abcd", [0, 0], ["ab", "cd"]),
        ("abcd", [-1, 5], ["ab", "cd"]),
        ("", [2, 3], ["", ""]),
        ("abcd", [], []),
    ],
)
def test_sizes_that_do_not_add_up_share_the_text(text, sizes, cut):
    assert tokens.cut_up(text, sizes) == (cut, False)


def test_a_record_that_does_not_add_up_says_so():
    found = track("abc", "def", chunk_chars=[1, 1])
    assert (pieces(found), found.note) == (["abc", "def"], tokens.SPREAD)
    assert track("ab", "cd", chunk_chars=None).note == tokens.SPREAD
    found = track("ab", "cd", "ef", chunk_s=[0.5, 0.9, 0.7], latency_s=0.9)
    assert [p.at_s for p in found.pieces] == [0.5, 0.9, 0.9]
    assert found.note == tokens.UNORDERED


def test_reasoning_stands_before_the_answer():
    found = track("Hm", ", so", "Yes", channels=["reasoning", "reasoning", "answer"], ttfa_s=0.7)
    assert [(p.channel, p.text) for p in found.pieces] == [
        ("reasoning", "Hm"),
        ("reasoning", ", so"),
        ("answer", "Yes"),
    ]
    assert [words for _, words in tokens.told([found])["tracks"][0]["events"]] == [
        "first token after 0.50 s",
        "first of the answer after 0.70 s",
        "done after 0.70 s",
    ]
    silent = track("Hm", channels=["reasoning"], ttfa_s=None, text="")
    assert (pieces(silent), silent.ttfa_s) == (["Hm"], None)


def test_of_one_chunk_there_is_no_speed():
    found = track("All at once.", output_tokens=4)
    assert (found.unit, found.pieces[0].count, found.end_s, found.decode_tps) == ("characters", 12, 0.5, None)
    assert found.speed == "no speed: it came in one chunk"


def test_what_is_counted_is_named():
    assert track("ab", "cd", output_tokens=7).unit == "characters"  # several tokens in a chunk
    uncounted = track("ab", "cd", token_source="chunks")
    assert (uncounted.unit, uncounted.speed) == ("chunks", "10 chunks/s")
    assert track("ab", "cd", output_tokens=None).speed == "no speed was measured"


def test_line_ends_in_halves_and_control_marks():
    assert pieces(track("a\r", "\nb\r\n", "c\r", "d\x1b[31m\u202e")) == ["a", "\nb\n", "c ", "d�[31m�"]


def test_models_may_be_a_list_with_commas():
    rows = to_frame([chunked(name, "x", "y") for name in "abc"])
    assert [t.model for t in tokens.tracks(rows, models="c, a")] == ["c", "a"]


def test_the_page_is_told_json_without_marks_that_it_would_obey():
    texts = [one.text for one in hostile.corpus()]
    for text in texts:
        rows = [chunked(name, text, finish_reason=text) for name in (text, "b")]
        view = tokens.Replay(to_frame(rows)).view
        assert json.loads(json.dumps(view, allow_nan=False))["tracks"][1]["model"] == "b"
        said = [view["title"], *(t["model"] for t in view["tracks"])]
        assert all(hostile.commands(words) == [] for words in said)
        assert all(hostile.commands(p[2], keep="\n\t") == [] for t in view["tracks"] for p in t["pieces"])


def test_the_page_has_no_way_to_make_html_of_a_text_or_to_ask_anybody():
    source = (tokens.HERE / "tokens.js").read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "write(", "fetch(", "import", "eval(", "http", "send("):
        assert way not in source, way
    style = (tokens.HERE / "tokens.css").read_text(encoding="utf-8")
    assert not {"transition", "animation", "url("} & {
        word for word in ("transition", "animation", "url(") if word in style
    }


def test_other_replies_can_be_handed_over_and_a_growing_run_keeps_those_shown():
    rows = [chunked("a", "x", "y"), chunked("b", "x", "y", "z")]
    widget = tokens.Replay()
    assert (widget.view["title"], widget.view["tracks"], widget.view["turn"]) == ("Nothing to replay", [], 0)
    widget.show(to_frame(rows))
    first = widget.view
    assert (first["title"], first["turn"]) == ("2 replies to rag, round 0, as recorded", 1)
    rows.append(streamed("c", gaps=[1.0] * 4))  # by far the slowest
    widget.show(to_frame(rows))
    assert widget.view == first
    widget.show(to_frame(rows), models=["a", "c"])
    assert [t["model"] for t in widget.view["tracks"]] == ["a", "c"] and widget.view["turn"] == 2
    with pytest.raises(UsageError):
        widget.show(to_frame(rows), models=["d"])
    assert widget.view["turn"] == 2
    widget.look("dark", "projector")
    assert (widget.view["theme"], widget.view["scale"], widget.view["turn"]) == ("dark", "projector", 2)
    widget.show(to_frame([request("z")]))
    assert (widget.view["tracks"], widget.view["turn"]) == ([], 3)
    widget.show(None)
    assert widget.view["turn"] == 3


def test_looks_that_are_not_known_are_refused():
    with pytest.raises(UsageError, match="theme='blue'"):
        tokens.Replay(theme="blue")


@pytest.fixture
def displayed(monkeypatch):
    found = []
    monkeypatch.setattr("IPython.display.display", found.append)
    return found


def test_where_nobody_can_click_the_picture_stands_for_it(displayed):
    size = matplotlib.rcParams["font.size"]
    tokens.replay(to_frame([chunked("a", "x", "y"), chunked("b", "x", "y")]), scale="projector")
    [picture] = displayed
    assert picture.alt.startswith("One reply of each model to the same prompt") and "b: first token" in picture.alt
    assert picture._data_and_metadata()[0] and matplotlib.rcParams["font.size"] == size


def test_where_somebody_looks_the_picture_follows_the_replay_of_the_same_replies(displayed, monkeypatch):
    monkeypatch.setattr(tokens, "has_front_end", lambda: True)
    rows = [chunked(name, "x", "y", number=n) for n in (1, 2) for name in "abc"]
    assert tokens.replay(to_frame(rows), models="c, a", round=2) is None
    widget, picture = displayed
    assert [(t.model, t.round) for t in widget.tracks] == [("c", 2), ("a", 2)]
    assert "Prompt: rag, round 2. c: " in picture.alt
    assert repr(widget) == "Replay of 2 recorded replies"
    tokens.replay(to_frame([]))
    assert displayed[2].view["tracks"] == [] and "No request was measured" in displayed[3].alt


@pytest.mark.parametrize(("run", "models"), [("example", ["int4-rtn", "int8"]), ("quality", ["int4-rtn", "int8"])])
def test_the_recorded_runs_add_up(run, models):
    rows = store.read(paths.run_folder(run)).frame()
    found = tokens.tracks(rows)
    assert [t.model.removeprefix("smollm2-135m-") for t in found] == models
    assert {(t.note, t.unit, len({u.prompt for u in found})) for t in found} == {("", "tokens", 1)}
    for one in found:
        asked = (rows.model == one.model) & (rows.prompt_id == one.prompt) & (rows["round"] == one.round)
        [row] = rows[asked & (rows.phase == "timed")].itertuples()
        assert ("".join(pieces(one)), one.end_s) == (row.text, row.latency_s)
