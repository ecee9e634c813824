import io
import subprocess
import sys

import pytest

from slmbench.show.progress import ConsoleProgress, is_due
from support.made_rows import request


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_pipe_gets_a_line_per_tenth():
    stream = io.StringIO()
    with ConsoleProgress(25, stream) as progress:
        for number in range(25):
            progress.update(request("a", number=number, status="timeout" if number == 0 else "ok"))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == " 12 %  3/25 requests, 1 failed, last: a · rag"
    assert lines[-1] == "100 %  25/25 requests, 1 failed, last: a · rag"


def test_a_terminal_gets_a_bar_without_control_characters_from_names():
    stream = Terminal()
    with ConsoleProgress(2, stream) as progress:
        progress._bar.mininterval = 0
        progress.update(request("bad\x1b]0;title\x07"))
        progress.update(request("b", status="http_500"))
    shown = stream.getvalue()
    assert "2/2" in shown and "1 failed" in shown
    assert "\x1b]0;" not in shown and "\x07" not in shown


def test_skipped_models_are_neither_requests_nor_failures():
    stream = io.StringIO()
    progress = ConsoleProgress(1, stream)
    progress.update(request("a", None, None, status="skipped", error="not here"))
    assert (progress.done, progress.failed, stream.getvalue()) == (0, 0, "")
    progress.update(request("b"))
    assert stream.getvalue() == "100 %  1/1 requests, 0 failed, last: b · rag\n"


def updated(total, n):
    stream = io.StringIO()
    with ConsoleProgress(total, stream) as progress:
        for number in range(n):
            progress.update(request("a", number=number))
    return stream.getvalue().splitlines()


def test_more_rows_than_planned_come_in_lines_without_a_share():
    lines = updated(4, 60)
    assert lines[3] == "100 %  4/4 requests, 0 failed, last: a · rag"
    assert lines[4] == "       14 requests (4 planned), 0 failed, last: a · rag"
    assert [int(line.split()[0]) for line in lines[4:]] == [14, 24, 34, 44, 54]


def test_an_unknown_total_has_lines_that_grow_rarer():
    lines = updated(None, 300)
    seen = [int(line.split()[0]) for line in lines]
    assert seen[:12] == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 121]
    assert len(seen) == 21
    assert lines[0] == "       10 requests, 0 failed, last: a · rag"


def test_a_total_may_grow_on_the_way():
    stream = io.StringIO()
    progress = ConsoleProgress(2, stream)
    for number in range(2):
        progress.update(request("a", number=number))
    progress.expect(4)
    progress.update(request("a", number=2))
    assert stream.getvalue().splitlines()[-1] == " 75 %  3/4 requests, 0 failed, last: a · rag"


@pytest.mark.parametrize("total", [2, None])
def test_a_bar_goes_on_past_its_total(total):
    stream = Terminal()
    with ConsoleProgress(total, stream) as progress:
        progress._bar.mininterval = 0
        for number in range(5):
            progress.update(request("a", number=number))
        progress.expect(10)
        progress.update(request("a", number=5))
    assert "5request" in stream.getvalue() and "6/10" in stream.getvalue()


def test_a_line_is_due_at_each_tenth_once():
    assert [is_due(done, done - 1, 25) for done in range(1, 6)] == [False, False, True, False, True]
    assert is_due(0, 0, 0) is False


def test_it_imports_nothing_heavy():
    code = "import sys, slmbench.show.progress; print({'pandas', 'matplotlib', 'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_no_thread_watches_the_bar():
    import threading

    before = threading.active_count()
    with ConsoleProgress(2, Terminal()):
        assert threading.active_count() == before
