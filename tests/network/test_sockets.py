"""What the README promises: measuring talks to 127.0.0.1 only. Every socket call of whole commands, runtime included.

A run on the kit's own service, with all that belongs to it: none of its processes looks up a name, calls another
machine, or listens to the network. The catalogue is left alone, as in every run of embedded models.
"""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from recorded import foreign, recorded

from slmbench import paths, store
from support.tiny import end_now, free_port, home_with_tiny

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SLMBENCH = (sys.executable, "-m", "slmbench.cli")

pytestmark = [pytest.mark.strace, pytest.mark.timeout(600)]


def in_turn(*commands):
    """A script that runs them until one fails; the kit's service is ended in any case, or the recording would not."""
    lines = ["set -e", f"trap {shlex.quote(shlex.join([*SLMBENCH, 'stop']))} EXIT", *map(shlex.join, commands)]
    return ["sh", "-c", "\n".join(lines)]


def papermill(name, *parameters):
    command = (sys.executable, "-m", "papermill", str(NOTEBOOKS / name), f"{name}.out.ipynb", "-k", "python3")
    return (*command, "--no-progress-bar", *parameters)


@pytest.fixture
def home(tmp_path):
    with home_with_tiny(tmp_path / "home", "tiny-a", "tiny-b") as folder:
        yield folder
        end_now()


def ports(calls, name):
    return {c.port for c in calls if c.name == name and c.family == "INET" and c.port}


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


@pytest.mark.usefixtures("home")
def test_the_notebooks(tmp_path):
    """The service is started by the notebook; Jupyter's own sockets are seen as well."""
    main = ("-p", "rounds", "1", "-p", "max_tokens", "8", "-p", "models", "tiny-a", "-p", "acceleration", "")
    done, calls = recorded(
        in_turn(
            papermill("session03_benchmark_oss_models.ipynb", *main, "-p", "out", "run"),
            papermill("session03_read_the_distribution.ipynb"),
        ),
        tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert foreign(calls) == []
    assert {r.status for r in store.read(tmp_path / "run").rows} == {"ok"}
    assert len(ports(calls, "bind")) >= 5 + 2  # a kernel's channels, and two services


@pytest.mark.real
def test_the_first_command_on_the_embedded_models(tmp_path, monkeypatch):
    """What `bootstrap.py report` runs, with the user's models and a service of its own."""
    models = paths.home() / "models"
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(models, target_is_directory=True)
    monkeypatch.setenv("SLMBENCH_HOME", str(home))
    words = ("session", "--rounds", "1", "--models", "smollm2-135m-int4", "--out", "run")  # all of them take a minute
    done, calls = recorded(in_turn((*SLMBENCH, *words)), tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert foreign(calls) == []
    timed = [r for r in store.read(tmp_path / "run").rows if r.phase == "timed"]
    assert [r.status for r in timed] == ["ok"] * 4
    assert shutil.which("strace") and len(ports(calls, "bind")) >= 1 + 1  # the service, and one for the model
