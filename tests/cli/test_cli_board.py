"""`slmbench board`: what is refused before anything starts, what is said, and which address the browser gets."""

import contextlib

import pytest

from slmbench import board as boards
from slmbench.board import Look
from slmbench.cli import board as verb
from slmbench.errors import Terminated

URL = "http://127.0.0.1:4711/?token=t"
REFUSED = {
    "a theme": (["--theme", "drak"], '--theme (option): "drak" was found, one of light, dark was expected; did you'),
    "a scale": (["--scale", ""], '--scale (option): "" was found, one of normal, projector was expected'),
    "a port": (["--port", "0"], "--port (option): 0 was found, a whole number from 1 to 65535 was expected"),
    "an option": (["--no-brwser"], 'unknown option "--no-brwser"; did you mean "--no-browser"?'),
    "no name": ([""], 'RUN (argument): "" was found, a run folder was expected'),
    "nowhere": (["no/where"], "there is no folder"),
    "one of two": (["example", "no/where"], "there is no folder"),
}


@pytest.fixture
def served(monkeypatch):
    """What would be served, and how it ends: by Ctrl-C, unless a test says otherwise."""
    seen = {"opened": [], "ends": KeyboardInterrupt(), "closed": 0}

    class Served:
        url = URL

        def __init__(self, *given):
            seen["given"] = given

        def wait(self):
            raise seen["ends"]

    @contextlib.contextmanager
    def serve(*given):
        try:
            yield Served(*given)
        finally:
            seen["closed"] += 1

    monkeypatch.setattr(boards, "Served", serve)
    monkeypatch.setattr(verb.webbrowser, "open", lambda url: seen["opened"].append(url) or True)
    return seen


@pytest.mark.parametrize(("words", "says"), REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_starts(slmbench, served, words, says):
    ended = slmbench("board", *words)
    assert (ended.code, ended.out) == (2, "") and says in ended.err and "\n  -> " in ended.err
    assert "given" not in served


def test_the_browser_gets_the_address_and_ctrl_c_ends_it(slmbench, served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = slmbench("board", "later", "--theme", "dark")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"Waiting for {tmp_path / 'later'}: the board shows it as soon as a run, or a room, has begun there.",
        "Starting the board …",
        f"Board: {URL}   (only for this machine; Ctrl-C ends it)",
        "Ended.",
    ]
    assert served["given"] == ([tmp_path / "later"], Look("dark", "projector", "#16181c", "#eeeeee"), None)
    assert (served["opened"], served["closed"]) == ([URL], 1)


def test_without_a_browser_the_address_is_told(slmbench, served, monkeypatch):
    ended = slmbench("board", "--no-browser", "--port", "4711", "--scale", "normal")
    assert ended.code == 0 and URL in ended.out and served["opened"] == []
    assert served["given"] == ([], Look("light", "normal", "#ffffff", "#1a1a1a"), 4711)
    monkeypatch.setattr(verb.webbrowser, "open", lambda _: False)
    assert "No browser was found: open that address in one." in slmbench("board").out


def test_sigterm_ends_it_too_and_what_ends_by_itself_is_an_error(slmbench, served):
    served["ends"] = Terminated()
    assert slmbench("board").code == 0
    served["ends"] = boards.BoardError("The board has ended by itself.", "start it again")
    ended = slmbench("board")
    assert (ended.code, ended.err) == (1, "slmbench board: The board has ended by itself.\n  -> start it again\n")
    assert served["closed"] == 2
