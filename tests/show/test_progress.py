import io
import subprocess
import sys

from made_rows import request

from slmbench.show.progress import ConsoleProgress, tenth_of


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


def test_more_rows_than_expected_do_not_break_it():
    assert [tenth_of(done, 3) for done in range(5)] == [0, 3, 6, 10, 10]
    assert tenth_of(0, 0) == 10


def test_it_imports_nothing_heavy():
    code = "import sys, slmbench.show.progress; print({'pandas', 'matplotlib', 'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_no_thread_watches_the_bar():
    import threading

    before = threading.active_count()
    with ConsoleProgress(2, Terminal()):
        assert threading.active_count() == before
