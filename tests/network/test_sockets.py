"""What the README promises: measuring talks to 127.0.0.1 only. Every socket call of whole commands, runtime included.

A run on the kit's own service, with all that belongs to it: none of its processes looks up a name, calls another
machine, or listens to the network. The catalogue is left alone, as in every run of embedded models.
"""

import sys
from pathlib import Path

import pytest
from recorded import SLMBENCH, foreign, in_turn, ports, recorded

from slmbench import store
from support.tiny import end_now, free_port, home_with_tiny

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

pytestmark = [pytest.mark.strace, pytest.mark.timeout(600)]


def papermill(name, *parameters):
    command = (sys.executable, "-m", "papermill", str(NOTEBOOKS / name), f"{name}.out.ipynb", "-k", "python3")
    return (*command, "--no-progress-bar", *parameters)


@pytest.fixture
def home(tmp_path):
    with home_with_tiny(tmp_path / "home", "tiny-a", "tiny-b") as folder:
        yield folder
        end_now()


@pytest.mark.usefixtures("home")
def test_the_command_line(tmp_path):
    port = free_port()
    small = ("--max-tokens", "8")
    done, calls = recorded(
        in_turn(
            (*SLMBENCH, "serve", "--offline", "--port", str(port)),
            (*SLMBENCH, "doctor"),
            (*SLMBENCH, "models", "--offline"),
            (*SLMBENCH, "run", "--models", "tiny-a,tiny-b", "--rounds", "1", *small, "--out", "one"),
            (*SLMBENCH, "run", "--models", "tiny-a", "--concurrency", "2", *small, "--no-memory", "--out", "two"),
            (*SLMBENCH, "probe", "tiny-a"),
            (*SLMBENCH, "probe", "--shape", "tiny-a"),
            (*SLMBENCH, "status"),
            (*SLMBENCH, "report", "one", "two"),
            (*SLMBENCH, "compare", "one", "two"),
        ),
        tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert foreign(calls) == []
    assert {r.status for name in ("one", "two") for r in store.read(tmp_path / name).rows} == {"ok"}
    served, called = ports(calls, "bind"), ports(calls, "connect")
    assert port in served and port in called
    assert len(served) == 3  # and the two services of one model each, whose memory was measured
    assert served == called


def test_a_notebook_without_a_server(tmp_path):
    """Jupyter's own sockets are seen as well. The main notebook: test_first_command.py."""
    done, calls = recorded(papermill("session03_read_the_distribution.ipynb"), tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert foreign(calls) == []
    assert len(ports(calls, "bind")) >= 5  # a kernel's channels
