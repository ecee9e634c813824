"""The instructor's board on run folders: what it shows as they grow, keys, several runs, and that it writes nothing."""

import io
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from slmbench import paths, store
from slmbench.errors import UsageError
from slmbench.quality.items import items
from slmbench.quality.scores import save, score_of
from slmbench.show import board, board_views, front
from slmbench.show.board import Board
from support.made_boards import in_voila, pressed
from support.made_rows import request

MODELS = ("quick", "slow")
PLAN = {
    "run": "r",
    "models": list(MODELS),
    "prompts": [{"id": "rag", "text": "What is RAG?"}, {"id": "size", "text": "Why does size matter?"}],
    "rounds": 6,
    "command": "slmbench run --models quick,slow --prompts rag4 --rounds 6 --seed 0",
    "targets": [
        {"alias": name, "id": name, "device": None, "execution_provider": None, "reason": None} for name in MODELS
    ],
}


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def begin(path, **plan):
    path.mkdir(parents=True)
    store.write_json(path / "plan.json", PLAN | plan)
    store.write_json(path / "machine.json", {"cpu": "A fast one", "os": "Linux"})
    return path


def add(path, *rows):
    with (path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(row.to_json() + "\n" for row in rows)


def rounds(n, first=0, models=MODELS, factor=1.5):
    """n rounds of both prompts: the second model takes `factor` times as long."""
    return [
        request(
            model,
            prompt,
            number,
            (1 + number / 100) * factor**place,
            started_at=f"2026-01-01T00:{number:02}:{2 * place + later:02}+00:00",
            order=4 * number + 2 * place + later,
            concurrency=1,
        )
        for number in range(first, first + n)
        for later, prompt in enumerate(("rag", "size"))
        for place, model in enumerate(models)
    ]


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "runs" / "r")


def test_the_race_is_open_until_it_may_be_called(run, clock):
    shown = Board([run], clock=clock)
    shown.tick()
    assert shown._shown().title == "No reply yet."
    add(run, *[replace(row, phase="warmup") for row in rounds(1)[:2]])  # nothing to judge, nothing to race
    clock.now += 10
    assert shown.tick() is True
    add(run, *rounds(1))
    shown.tick()
    assert shown._shown().title.startswith("Can't tell yet")
    add(run, *rounds(5, first=1))
    clock.now += 10
    shown.tick()
    found = shown._shown()
    assert found.title == "quick is ahead of slow: it won 12 of 12 requests, latency × 0.67 [0.67, 0.67]."
    assert "quick" in found.alt and "slow" in found.alt


def test_the_line_says_how_far_it_is(run, clock):
    shown = Board([run], clock=clock)
    add(run, *rounds(3), request("slow", "rag", 3, status="timeout", error="no", started_at="2026-01-01T00:03:00Z"))
    shown.tick()
    [line] = shown.lines()
    # 13 of 24 in three minutes: 12 gaps of 15 s, 11 requests to come
    assert line == "r: 13 of 24 timed requests · last: slow, rag · about 165 s left · 1 failed · A fast one · Linux"
    store.write_json(run / "plan.json", PLAN | {"precision_pct": 5})
    shown.tick()
    assert shown.lines()[0].startswith("r: 13 timed requests")


@pytest.mark.parametrize("view", board_views.VIEWS)
def test_every_view_of_one_run_and_of_two(view, clock):
    for names, scale in ((["quality"], "normal"), (["example", "quality"], "projector")):
        shown = Board(names, view=view, theme="dark", scale=scale, clock=clock)
        shown.tick()
        found = shown._shown()
        if view == "prompts":
            assert found.png is None and len(found.notes) >= 4
            continue
        assert found.alt
        size = Image.open(io.BytesIO(found.png)).size
        assert size == ((1200, 675) if scale == "projector" else (800, 450)) or view == "tokens"
        if len(names) == 2 and view != "tokens":
            assert "quality_run: " in found.alt


def test_of_two_runs_it_says_what_changed(tmp_path, clock):
    before, after = begin(tmp_path / "before"), begin(tmp_path / "after")
    add(before, *rounds(6))
    add(after, *rounds(6, factor=1.0))
    shown = Board(f"{before}, {after}", clock=clock)
    shown.tick()
    assert shown._shown().title == "Latency from before to after: quick × 1.00 (tie), slow × 0.67 (faster)."
    one, other, *_ = shown._shown().notes
    assert one.startswith("before: quick is ahead of slow: it won 12 of 12 requests")
    assert other.startswith("after: Can't tell yet")


def test_quality_comes_in(run, clock):
    add(run, *rounds(1))
    shown = Board([run], view="quality", clock=clock)
    shown.tick()
    assert shown._shown().title == board_views.NOT_JUDGED
    replies = items(store.read(run))
    save(run, [score_of(one, "model", "judge", score=1) for one in replies])
    save(run, [score_of(one, "human", "Ana", score=4) for one in replies[:2]])
    clock.now += 10
    assert shown.tick() is True
    found = shown._shown()
    assert found.title == f"2 of {len(replies)} replies judged by human: Ana."  # and not of the judge model as well
    assert "4" in found.alt


def test_it_draws_only_what_has_changed_and_at_most_once_a_second(run, clock):
    shown = Board([run], clock=clock)
    assert shown.tick() is True
    assert shown.tick() is False
    add(run, *rounds(1))
    assert shown.tick() is False  # less than a second later
    clock.now += 1.0
    assert shown.tick() is True
    clock.now += 100
    assert shown.tick() is False  # nothing new


def test_the_newest_run_is_followed_and_before_it_the_example_is_shown(tmp_path, monkeypatch, clock):
    monkeypatch.chdir(tmp_path)
    shown = Board(clock=clock)
    shown.tick()
    assert [r.path for r in shown.runs] == [paths.run_folder("example")]
    begin(tmp_path / "runs" / "first")
    clock.now += 10
    shown.tick()
    assert [r.name for r in shown.runs] == ["first"]
    assert shown.lines() == ["first: 0 of 24 timed requests · 0 failed · A fast one · Linux"]


def test_a_run_that_is_not_there_yet_is_waited_for(tmp_path, clock):
    shown = Board([tmp_path / "later"], clock=clock)
    shown.tick()
    assert (shown.lines(), shown._shown().title) == (["later: waiting for it"], "Waiting for the first run.")
    add(begin(tmp_path / "later"), *rounds(1))
    clock.now += 10
    assert shown.tick() is True
    assert shown.lines()[0].startswith("later: 4 of 24")


def test_a_damaged_record_is_told_and_the_board_goes_on(run, clock):
    add(run, *rounds(1))
    with (run / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write("nothing\n")
    shown = Board([run], clock=clock)
    shown.tick()
    assert "line 5: not a record" in shown.lines()[0]
    assert shown._shown().png


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runs": "a,b,c,d"}, "runs: 4 were found, at most 3"),
        ({"runs": [1]}, "run folders were expected"),
        ({"view": "pie"}, "view='pie' is not known"),
        ({"theme": "pink"}, "theme='pink' is not known"),
        ({"scale": "huge"}, "scale='huge' is not known"),
    ],
)
def test_what_it_can_not_show_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        Board(**given)


def test_it_writes_nothing(tmp_path, clock):
    copy = tmp_path / "quality"
    shutil.copytree(paths.run_folder("quality"), copy)
    before = {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in copy.iterdir()}
    shown = Board([copy], clock=clock)
    for view in board_views.VIEWS:
        shown.view = view
        shown.tick()
        shown._shown()
    assert {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in copy.iterdir()} == before


@pytest.fixture
def page(monkeypatch, run, clock):
    """A board in Voilà, without a browser."""
    in_voila(monkeypatch)
    add(run, *rounds(2))
    shown = Board([run], clock=clock)
    shown.show()
    yield shown
    shown.close()


def test_keys_step_through_the_views_and_change_the_look(page):
    assert pressed(page) == ["race"]
    page._stage._hear(None, {"press": "next"})
    assert pressed(page) == ["latency_by_model"]
    page._stage._hear(None, {"press": "previous"})
    page._stage._hear(None, {"press": "previous"})
    assert pressed(page) == ["prompts"]
    assert page._stage.view["pictured"] is False
    page._stage._hear(None, {"press": "theme"})
    page._stage._hear(None, {"press": "scale"})
    assert (page._stage.view["look"], page._stage.view["scale"]) == ("dark", "normal")
    page._stage._hear(None, {"press": "ecdf"})
    assert page._stage.view["pictured"] is True
    assert {b["key"] for b in page._stage.view["buttons"]} == {*"12345678", "ArrowLeft", "ArrowRight", "t", "z"}


def test_the_picture_takes_the_room_of_the_window(page):
    page._stage.room = [1000, 500]
    assert Image.open(io.BytesIO(page._stage.picture)).size == (1000, 500)
    assert tuple(page._stage.view["size"]) == (1000, 500)
    page._stage.room = [100000, 5]  # of a window that nobody has
    assert Image.open(io.BytesIO(page._stage.picture)).size == (2400, 300)


def test_in_voila_there_is_no_still(page):
    assert page.picture() is None


def test_a_still_has_its_words(run, clock):
    add(run, *rounds(2))
    shown = Board([run], clock=clock)
    shown.tick()
    still = shown.picture()
    assert still.data.startswith(b"\x89PNG") and "quick" in still.alt


def test_the_cell_run_again_leaves_one_that_looks(monkeypatch, run):
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setattr(front, "kernel", object)
    first = board.show([run])
    second = board.show([run])
    assert first._end.is_set() and not second._end.is_set()
    second.close()


def test_where_nobody_looks_it_says_where_the_runs_stand(run, capsys):
    add(run, *rounds(1))
    board.show([run])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("r: 4 of 24 timed requests")
    assert said[1].startswith("Can't tell yet")
