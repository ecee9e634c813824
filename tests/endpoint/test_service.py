"""The kit's own service, for real: found again, shared, killed, restarted, and gone without a trace."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from slmbench import paths
from slmbench.endpoint import rest, service
from slmbench.errors import UsageError
from slmbench.models import write_tiny
from support.replies import plain
from support.server import HOLD, Server
from support.tiny import end_now, free_port, home_with_tiny

READY_S = 20


def until(true):
    """Wait for something that another process does; fails if it never comes."""
    end = time.monotonic() + READY_S
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.fixture
def home(tmp_path):
    """A cache folder with the tiny model; a service that a test started there is ended."""
    with home_with_tiny(tmp_path / "home", "tiny") as folder:
        yield folder
        end_now()


def test_it_answers_and_its_state_says_where(tiny_service):
    found = service.status()
    assert found == tiny_service
    assert found.base_url == f"http://127.0.0.1:{found.port}/catalogs/local/v1"
    assert [m["alias"] for m in found.models] == ["tiny", "tiny-b"]
    assert found.models[0]["folder"] == str(paths.home() / "models" / "tiny")
    assert rest.model_ids(found.base_url) == ["tiny:1", "tiny-b:1"]
    assert json.loads(service.state_file().read_text(encoding="utf-8"))["pid"] == found.pid


def test_it_listens_on_this_machine_only(tiny_service):
    listening = [c for c in psutil.Process(tiny_service.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert [(c.laddr.ip, c.laddr.port) for c in listening] == [("127.0.0.1", tiny_service.port)]


def test_a_second_start_shares_it(tiny_service, silent):
    assert service.start(say=silent) == (tiny_service, False)
    assert service.start(free_port(), say=silent) == (tiny_service, False)
    code = "from slmbench.endpoint import service; print(service.start()[0].pid)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(other.stdout) == tiny_service.pid
    assert silent.lines == []


@pytest.mark.usefixtures("home")
def test_programs_that_start_it_at_once_share_one():
    code = f"from slmbench.endpoint import service; print(service.start({free_port()})[0].pid)"
    command = [sys.executable, "-c", code]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    pids = {int(start.communicate(timeout=60)[0]) for start in starts}
    assert pids == {service.status().pid}


def test_a_new_model_folder_is_taken_in(tiny_service):
    write_tiny(paths.home() / "models" / "tiny-new")
    until(lambda: "tiny-new:1" in rest.model_ids(tiny_service.base_url))
    until(lambda: "tiny-new" in [m["alias"] for m in service.status().models])


def test_unfinished_and_damaged_folders_do_not_stop_the_others(home, silent):
    (home / "models" / "half").mkdir()
    (home / "models" / "file").write_text("x", encoding="utf-8")
    config = write_tiny(home / "models" / "damaged") / "genai_config.json"
    config.write_bytes(b"x" * config.stat().st_size)
    running, _ = service.start(free_port(), say=silent)
    assert rest.model_ids(running.base_url) == ["tiny:1"]
    assert "damaged" in service.log_file().read_text(encoding="utf-8")


@pytest.mark.usefixtures("home")
def test_a_taken_port_is_told_and_the_next_one_taken(monkeypatch, silent):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(service, "PORT", port)
        running, fresh = service.start(say=silent)
        assert fresh and running.port > port
        assert silent.lines == [f"Port {port} is taken by another program: the service takes {running.port} instead."]


@pytest.mark.usefixtures("home")
def test_a_port_that_is_asked_for_and_taken_is_an_error(silent):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(service.ServiceError, match=f"Port {port} is taken") as raised:
            service.start(port, say=silent)
    assert raised.value.exit_code == 1
    assert not service.state_file().exists()


@pytest.mark.usefixtures("home")
def test_killed_it_is_noticed_and_starts_again_on_its_port(silent):
    first, _ = service.start(free_port(), say=silent)
    process = psutil.Process(first.pid)
    process.kill()
    psutil.wait_procs([process], timeout=READY_S)
    assert service.status() is None
    assert not service.state_file().exists()
    second, fresh = service.start(first.port, say=silent)
    assert fresh and second.port == first.port and second.pid != first.pid
    assert rest.model_ids(second.base_url) == ["tiny:1"]  # registered anew over what the first had left


@pytest.mark.usefixtures("home")
def test_stop_leaves_nothing(silent):
    running, _ = service.start(free_port(), say=silent)
    family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
    assert service.stop() is True
    assert not any(p.is_running() for p in family)
    assert not service.state_file().exists()
    with pytest.raises(rest.RestError, match="nothing answers"):
        rest.get(f"{running.url}/status")
    assert service.stop() is False


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"pid": "x"}', json.dumps(dict.fromkeys(("pid", "create_time", "url", "prefix"), 1))],
)
def test_a_state_file_that_says_nothing_is_none(tmp_path, text):
    state = tmp_path / "service.json"
    state.write_text(text, encoding="utf-8")
    assert service.status(state) is None
    assert state.exists()  # what another start may be writing is not taken away
    assert service.stop(state) is False
    assert not state.exists()


def test_a_file_that_another_start_has_written_meanwhile_stays(tmp_path, monkeypatch):
    state = state_of(2**22 + 1, "http://127.0.0.1:9", tmp_path / "service.json", create_time=1.0)
    dead = service._read(state)
    monkeypatch.setattr(service, "_read", lambda _, found=[dead, None]: found.pop(0))
    assert service.status(state) is None
    assert state.exists()


@pytest.mark.parametrize("port", [-5, 0, 70000])
def test_a_port_that_is_none_is_bad_usage(home, port):  # noqa: ARG001
    with pytest.raises(UsageError, match=f"{port} was found, a number from 1 to 65535"):
        service.start(port)


def test_a_cache_folder_that_can_not_be_made_is_bad_usage(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(UsageError, match="can't be written") as raised:
        service.start()
    assert "SLMBENCH_HOME" in raised.value.cure


def state_of(pid, url, path, create_time=None):
    facts = {"pid": pid, "create_time": create_time or psutil.Process(pid).create_time(), "url": url}
    path.write_text(
        json.dumps(facts | {"prefix": rest.LOCAL_PREFIX, "sdk_version": "2", "models": []}), encoding="utf-8"
    )
    return path


def test_another_process_with_the_number_of_a_dead_one_is_left_alone(tmp_path):
    """Process numbers are used again: the start time tells that this one is not the service."""
    state = state_of(os.getpid(), "http://127.0.0.1:9", tmp_path / "service.json", create_time=1.0)
    assert service.status(state) is None
    assert not state.exists()
    assert service.stop(state) is False  # or this test would have ended here


def test_an_address_that_another_program_answers_at_is_not_the_service(tmp_path):
    with Server([plain({"pid": 1})]) as server:
        assert service.status(state_of(os.getpid(), server.root, tmp_path / "service.json")) is None


@pytest.mark.parametrize("script", [[HOLD], [], [plain({}, "500 Oops")]], ids=["hangs", "closes", "500"])
def test_a_service_that_does_not_answer_is_none(tmp_path, monkeypatch, script):
    get = rest.get
    monkeypatch.setattr(service.rest, "get", lambda url, timeout_s: get(url, timeout_s=min(timeout_s, 0.2)))
    state = tmp_path / "service.json"
    with Server(script) as server:
        assert service.status(state_of(os.getpid(), server.root, state)) is None
    assert state.exists()  # its process lives: stop still finds it


@pytest.mark.usefixtures("home")
def test_a_service_that_hangs_is_ended_and_replaced(silent):
    """A process that holds the state file and its port, but says nothing."""
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    hung = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with hung, pytest.MonkeyPatch.context() as patched:
        get = rest.get
        patched.setattr(service.rest, "get", lambda url, timeout_s: get(url, timeout_s=min(timeout_s, 0.5)))
        state_of(hung.pid, f"http://127.0.0.1:{hung.stdout.readline().strip()}", service.state_file())
        running, fresh = service.start(free_port(), say=silent)
        assert fresh and running.pid != hung.pid
        assert not psutil.pid_exists(hung.pid)


@pytest.mark.usefixtures("home")
def test_it_holds_no_pipe_of_whoever_started_it():
    """The caller's output ends with the caller: run() returns, although the service lives on."""
    code = f"from slmbench.endpoint import service; print(service.start({free_port()})[0].pid)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert psutil.Process(int(done.stdout)).is_running()
    assert service.status().pid == int(done.stdout)
    assert done.stderr == ""


def test_a_start_that_fails_tells_the_end_of_the_log(home, monkeypatch, silent):
    broken = home / "broken.py"
    broken.write_text("import sys; print('no such library'); sys.exit(3)", encoding="utf-8")
    popen = subprocess.Popen
    monkeypatch.setattr(service.subprocess, "Popen", lambda command, **more: popen([command[0], str(broken)], **more))
    with pytest.raises(service.ServiceError, match="ended") as raised:
        service.start(free_port(), say=silent)
    assert "no such library" in raised.value.message
    assert str(service.log_file()) in raised.value.cure
    assert not service.state_file().exists()


ALONE_THEN_HANG = """
import time
from slmbench.endpoint import service
with service.alone("tiny") as alone:
    print(alone.pid, alone.state.parent, flush=True)
    time.sleep(60)
"""


@pytest.mark.usefixtures("home")
def test_one_alone_ends_with_whoever_started_it_even_by_kill():
    with subprocess.Popen([sys.executable, "-c", ALONE_THEN_HANG], stdout=subprocess.PIPE, text=True) as owner:
        pid, place = owner.stdout.readline().split()
        process = psutil.Process(int(pid))
        owner.kill()
    assert psutil.wait_procs([process], timeout=READY_S)[1] == []
    assert not Path(place).exists()


def test_one_model_alone_in_a_process_of_its_own(tiny_service):
    with service.alone("tiny-b") as alone:
        assert alone.pid != tiny_service.pid
        assert rest.model_ids(alone.base_url) == ["tiny-b:1"]
        place = alone.state.parent
    assert not psutil.pid_exists(alone.pid)
    assert not place.exists()
    assert service.status() == tiny_service or service.status().pid == tiny_service.pid
