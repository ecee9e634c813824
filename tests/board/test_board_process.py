"""The board as a process: who is let in, what its kernels are, and that nothing of it is left in the end."""

import os
import signal
import socket
import tempfile
from pathlib import Path

import psutil
import pytest

from slmbench import board, paths
from slmbench.board import served as room
from slmbench.errors import UsageError
from support.boards import LIGHT, ask, command, family, gone, kernels, opened, until

pytestmark = pytest.mark.timeout(180)
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
UPGRADE |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
EXAMPLE = [paths.data_file("example_run").absolute()]


@pytest.fixture(scope="module")
def shown():
    os.environ["OPENAI_API_KEY"] = "sk-0123456789"
    try:
        with board.Served(EXAMPLE, LIGHT, abandoned_s=15) as served:
            yield served
    finally:
        del os.environ["OPENAI_API_KEY"]


def origin(url, host="127.0.0.1"):
    return f"http://{host}:{url.partition('127.0.0.1:')[2].partition('/')[0]}"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.0.2.1", ""])
def test_another_hosts_name_does_not_lead_to_the_page(shown, host):
    """As where a page elsewhere has its own name lead to 127.0.0.1."""
    status, _, page = ask(shown.url, Host=host)
    assert status in (400, 403) and "kernelId" not in page
    assert kernels(shown.pid) == []


def test_without_the_token_there_is_no_page(shown):
    for query in ("/", "/?token=", "/?token=wrong", "/?token=wrong&theme=dark&template=lab"):
        status, headers, page = ask(shown.url, query)
        assert (status, headers["Location"].partition("?")[0]) == (302, "/login") and "kernelId" not in page
    assert ask(shown.url, "/voila/files/voila.json")[0] == 403
    token = shown.url.partition("token=")[2]
    assert not any(token in word for process in family(shown.pid) for word in process.cmdline())
    assert kernels(shown.pid) == []


def test_a_kernel_gives_way_works_here_knows_no_key_and_ends_without_a_page(shown):
    """And what the board's page is, which it is opened for."""
    status, headers, page = ask(shown.url)
    assert status == 200
    assert '<html lang="en">' in page and "<title>slmbench: live board</title>" in page
    assert "background: #ffffff !important" in page.partition("<body")[0]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self' 'nonce-")
    assert headers["Set-Cookie"].endswith("HttpOnly; Path=/; SameSite=Strict")
    assert "parameters.check" not in page and "You will do" not in page  # neither code nor the notebook's texts
    (kernel,) = kernels(shown.pid)
    assert kernel.cwd() == str(Path.cwd())
    assert "OPENAI_API_KEY" not in kernel.environ()
    if os.name == "posix":
        assert kernel.nice() == min(psutil.Process().nice() + 10, 19)
    assert until(lambda: kernels(shown.pid) == [])


def test_only_the_page_itself_may_end_its_kernel_or_talk_to_it(shown):
    kernel, cookie = opened(shown.url)
    end, talk = f"/voila/api/shutdown/{kernel}", f"/api/kernels/{kernel}/channels"
    evil, own = origin(shown.url, "evil.example"), origin(shown.url)
    assert ask(shown.url, end, "POST", Origin=evil, Cookie=cookie)[0] == 404
    assert ask(shown.url, talk, Origin=evil, Cookie=cookie, **UPGRADE)[0] == 403
    assert ask(shown.url, end, "POST", Origin=own)[0] == 403
    assert ask(shown.url, talk, Origin=own, **UPGRADE)[0] == 403
    assert ask(shown.url, f"/api/kernels/{kernel}", Cookie=cookie, Host="evil.example")[0] == 403
    assert len(kernels(shown.pid)) == 1
    assert ask(shown.url, end, "POST", Origin=own, Cookie=cookie)[0] == 204
    assert until(lambda: kernels(shown.pid) == [])


def test_nothing_is_left_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with board.Served(EXAMPLE, LIGHT) as served:
        opened(served.url)
        processes = family(served.pid)
        assert len(processes) == 2
        (folder,) = tmp_path.iterdir()
        assert (folder.stat().st_mode & 0o777) == 0o700 or os.name == "nt"
    assert not any(process.is_running() for process in processes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    "ending",
    [pytest.param("SIGINT", marks=pytest.mark.soak), "SIGTERM"],  # by SIGINT also in tests/browser/test_board_served.py
)
def test_the_command_ends_with_all_that_it_started(tmp_path, ending):
    with command("example", "later", folder=tmp_path) as (process, url):
        opened(url)
        processes = family(process.pid)
        assert len(processes) == 3
        process.send_signal(getattr(signal, ending))
        assert process.communicate(timeout=60)[0] == "Ended.\n"
    assert process.returncode == 0
    assert gone(processes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_if_the_command_is_killed_the_rest_ends_by_itself(tmp_path):
    with command("example", folder=tmp_path) as (process, url):
        opened(url)
        processes = family(process.pid)
        process.kill()
        assert gone(processes)
    assert until(lambda: list(tmp_path.iterdir()) == [])


def test_a_board_that_ends_by_itself_is_told():
    with board.Served(EXAMPLE, LIGHT) as served:
        psutil.Process(served.pid).kill()
        with pytest.raises(board.BoardError, match=r"(?s)ended by itself\.\n.*\n  http://127\.0\.0\.1:\d+/\?token="):
            served.wait()


def test_a_port_that_is_taken_is_refused_before_anything_starts(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(room.subprocess, "Popen", None)
        with pytest.raises(UsageError, match=f"--port: {port} was found, which is taken; a free port was expected"):
            board.Served(EXAMPLE, LIGHT, port)


def test_the_last_lines_are_told_if_it_does_not_start(tmp_path, monkeypatch):
    """Here the port is taken between the look and the start; nobody else's answer is taken for the board's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(room, "free_port", lambda _: other.getsockname()[1])
        other.settimeout(0.01)
        with pytest.raises(board.BoardError, match=r"(?s)ended as it was started.*no available port") as told:
            board.Served(EXAMPLE, LIGHT)
    assert told.value.exit_code == 1 and len(told.value.message.splitlines()) > 1
    assert list(tmp_path.iterdir()) == []


def test_without_voila_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(board.BoardError, match="not installed") as told:
        board.Served(EXAMPLE, LIGHT)
    assert "voila>=0.5.13,<0.6" in told.value.cure
