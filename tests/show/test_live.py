"""A live chart on a hand-made clock; what it leaves behind in an executed notebook."""

import io
import itertools
import json
import threading

import nbclient
import nbformat
import pytest
from PIL import Image

from slmbench.show import front, live, plots
from slmbench.show.stage import Stage
from support.made_rows import request, sample_rows, sweep_rows

PARENT = {"content": {"allow_stdin": True}}


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Kernel:
    def __init__(self, parent):
        self.parent = parent

    def get_parent(self, channel):
        return self.parent if channel == "shell" else {}


class Page:
    """What a front end shows: each output, and what took its place since."""

    def __init__(self):
        self.outputs = []

    def display(self, thing, display_id=None):
        self.outputs.append(thing)
        page, place = self, len(self.outputs) - 1

        class Handle:
            def update(self, other):
                page.outputs[place] = other

        return Handle() if display_id else None


@pytest.fixture
def shown(monkeypatch):
    """The outputs of a cell, in a kernel with a front end."""
    page = Page()
    monkeypatch.setattr("IPython.display.display", page.display)
    monkeypatch.setattr(front, "kernel", lambda: Kernel(PARENT))
    monkeypatch.setattr(live, "kernel", lambda: Kernel(PARENT))
    return page.outputs


@pytest.mark.usefixtures("shown")
def test_it_redraws_at_most_once_a_second():
    clock = Clock()
    chart = live.LiveChart(total=40, clock=clock)
    pictures = []
    for number in range(40):
        clock.now += 0.25
        chart.update(request("a", number=number, latency=1 + number % 3))
        pictures.append(chart._stage.picture)
    changes = [i for i, (a, b) in enumerate(itertools.pairwise(pictures), 1) if a != b]
    assert changes == list(range(4, 40, 4))  # the first row draws; then every fourth, a second later


def test_the_line_says_where_the_run_stands():
    clock = Clock()
    chart = live.LiveChart(total=4, live=False, clock=clock)
    assert chart.line() == "0 of 4 requests · 0 failed"
    clock.now += 1000  # a model loads
    chart.update(request("a\x1b[31m", "नेपाली"))
    assert chart.line() == "1 of 4 requests · a�[31m · नेपाली · 0 failed"
    clock.now += 10
    chart.update(request("b", None, None, status="skipped", error="not here"))
    assert chart.line() == "1 of 4 requests · b · 0 failed"  # a skipped model is no request
    clock.now += 14
    chart.update(request("a", status="timeout"))
    assert chart.line() == "2 of 4 requests · a · rag · about 48 s left · 1 failed"


@pytest.mark.usefixtures("shown")
def test_slow_drawing_takes_at_most_a_tenth_of_the_time():
    clock = Clock()
    chart = live.LiveChart(total=400, clock=clock)
    drawn = []

    def slowly():
        clock.now += 0.5
        drawn.append(clock.now)
        return b"", ""

    chart._png = slowly
    for number in range(120):
        clock.now += 0.25
        chart.update(request("a", number=number))
    assert [round(b - a, 2) for a, b in itertools.pairwise(drawn)] == [5.0] * (len(drawn) - 1)
    assert len(drawn) >= 6


def test_more_requests_than_planned_are_counted_on():
    chart = live.LiveChart(total=2, live=False, clock=Clock())
    for number in range(3):
        chart.update(request("a", number=number))
    assert chart.line() == "3 requests (2 planned) · a · rag · 0 failed"
    chart.expect(9)
    assert chart.line().startswith("3 of 9 requests")


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize("kind", sorted(plots.KINDS.keys() - {"acceleration"}))
def test_every_kind_can_be_drawn_live_with_several_streams(kind):
    with live.LiveChart(total=24, clock=Clock(), kind=kind) as chart:
        for row in sweep_rows((1, 4), number=6):
            chart.update(row)
        assert Image.open(io.BytesIO(chart._png()[0])).size == (800, 450)
        names = {"a", "b"} if kind == "concurrency_curve" else {f"{k} × {m}" for m in "ab" for k in (1, 4)}
        assert set(chart._frame()["model"]) == names


def test_the_end_is_one_still_picture_and_no_widget(shown):
    with live.LiveChart(total=2, clock=Clock()) as chart:
        (stage,) = shown
        assert isinstance(stage, Stage)
        chart.update(request("a"))
    chart.finish()
    (picture,) = shown
    data, metadata = picture._repr_mimebundle_()
    assert set(data) == {"image/png"}
    assert "a: median 1 s" in metadata["image/png"]["alt"]


def test_an_interrupted_run_still_leaves_its_picture(shown):
    with pytest.raises(KeyboardInterrupt), live.LiveChart(total=9, clock=Clock()) as chart:
        chart.update(request("a"))
        raise KeyboardInterrupt
    (picture,) = shown
    assert picture.format == "png"


def test_a_thread_puts_the_picture_in_the_widgets_place_too(shown):
    chart = live.LiveChart(total=1, clock=Clock())
    worker = threading.Thread(target=lambda: (chart.update(request("a")), chart.finish()))
    worker.start()
    worker.join()
    (picture,) = shown
    assert picture.format == "png"


def test_in_voila_the_widget_stays_with_its_last_picture(shown, monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    with live.LiveChart(total=2, clock=Clock()) as chart:
        chart.update(request("a"))
        chart.update(request("a", number=1, latency=3))
    (stage,) = shown
    assert isinstance(stage, Stage)
    assert "a: median 2 s, lowest 1, highest 3, n = 2; no rival yet." in stage.view["alt"]
    assert stage.view["line"] == "2 of 2 requests · 0 failed"


@pytest.mark.usefixtures("shown")
def test_a_failure_and_a_message_are_shown_as_they_are_said():
    chart = live.LiveChart(total=2, clock=Clock())
    chart.update(request("<img src=x onerror=alert(1)>", status="timeout", error="no"))
    chart.say("a\x1b[31m: loads in 2.0 s")
    assert chart._stage.view["line"] == "1 of 2 requests · <img src=x onerror=alert(1)> · rag · 1 failed"
    assert chart._stage.view["notes"] == ["a�[31m: loads in 2.0 s"]


@pytest.mark.usefixtures("shown")
def test_a_projector_picture_has_its_size():
    chart = live.LiveChart(total=2, theme="dark", scale="projector", clock=Clock())
    chart.update(request("a"))
    assert Image.open(io.BytesIO(chart._stage.picture)).size == (1200, 675)


def test_without_a_kernel_there_are_only_lines(capsys):
    with live.LiveChart(total=200) as chart:
        for number in range(200):
            chart.update(request("a", number=number))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0] == " 10 %  20/200 requests, 0 failed, last: a · rag"
    assert chart.live is False


@pytest.mark.parametrize(
    ("kernel", "server", "expected"),
    [
        (None, "", False),
        (Kernel(PARENT), "", True),
        (Kernel({"content": {"allow_stdin": False}}), "", False),
        (Kernel({}), "", False),
        (Kernel({"content": {"allow_stdin": False}}), "voila/0.5.13", True),
    ],
    ids=["no kernel", "front end", "nbclient", "no parent", "voila"],
)
def test_has_front_end(monkeypatch, kernel, server, expected):
    monkeypatch.setattr(front, "kernel", lambda: kernel)
    monkeypatch.setenv("SERVER_SOFTWARE", server)
    assert front.has_front_end() is expected


def test_a_notebook_run_without_a_front_end_stays_small(tmp_path):
    rows = sample_rows(rounds=16)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(row.to_json() for row in rows), encoding="utf-8")
    source = f"""
from pathlib import Path
from slmbench.records import Row
from slmbench.show.live import LiveChart
rows = [Row.from_json(line) for line in Path({str(path)!r}).read_text(encoding="utf-8").splitlines()]
with LiveChart(total=sum(row.prompt_id is not None for row in rows)) as chart:
    for row in rows:
        chart.update(row)
print(chart.live)
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = notebook.cells[0].outputs
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    text = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
    assert len(rows) >= 190
    assert len(pictures) == 1
    assert not any("widget-view" in kind for o in outputs for kind in o.get("data", {}))
    assert len(text.splitlines()) == 11  # ten tenths, and False
    assert text.splitlines()[-1] == "False"
    assert len(json.dumps(notebook)) < 200_000
