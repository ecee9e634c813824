"""The kit's own Foundry Local service: one long-lived process, found again through a state file, stopped by signal.

Several kernels and jobs share it. It is detached, with its output in a log file, so it holds no caller's pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from filelock import FileLock

from slmbench import paths, secret
from slmbench.endpoint import rest
from slmbench.errors import KitError, UsageError

PORT = 5273
PORTS_TRIED = 100
WANTED_TRIES = 10
READY_S = 60.0
HOME_CURE = "set SLMBENCH_HOME to a folder that you may write to"
STOP_S = 12.0
HERE = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")  # a state file may lead nowhere else

_children: list[subprocess.Popen] = []  # kept: a Popen that is collected while its process lives warns about it


class ServiceError(KitError):
    """The service did not start (exit code 1)."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Service:
    """A running service. models: what it serves, as dicts {alias, id, folder, device, execution_provider, stamp},
    where the stamp tells files of one folder from those that took their place.
    refused: {name of a folder: why the runtime does not take it}.
    """

    pid: int
    create_time: float
    url: str
    prefix: str
    sdk_version: str
    models: tuple[dict, ...]
    state: Path
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where registered local models are served; OpenAI clients use this."""
        return f"{self.url}{self.prefix}/v1"

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def process(self) -> psutil.Process | None:
        """The process, or None once it is gone (a new process with the same number is another one)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def state_file() -> Path:
    return paths.home() / "service.json"


def log_file() -> Path:
    return paths.home() / "service.log"


def _stopped_file() -> Path:
    return paths.home() / "service.stopped"


def was_stopped(service: Service) -> bool:
    """Whether it was ended by `stop`, which somebody wanted, and by nothing else."""
    try:
        return json.loads(_stopped_file().read_text(encoding="utf-8")) == [service.pid, service.create_time]
    except (OSError, ValueError):
        return False


def end_of(service: Service) -> str:
    """How it ended, as far as this process can tell: only of its own children."""
    code = next((child.poll() for child in _children if child.pid == service.pid), None)
    if code is None:
        return "had ended"
    return f"was ended by signal {-code}" if code < 0 else f"had ended with code {code}"


def last_words(lines: int = 3) -> list[str]:
    """The end of the service's log."""
    try:
        return log_file().read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def _read(state: Path) -> Service | None:
    try:
        known = json.loads(state.read_text(encoding="utf-8"))
        names = ("pid", "create_time", "url", "prefix", "sdk_version")
        found = Service(
            *(known[n] for n in names),
            models=tuple(known["models"]),
            state=state,
            refused=dict(known.get("refused", {})),
        )
        here = HERE.fullmatch(found.url) and found.prefix == rest.LOCAL_PREFIX
        numbers = isinstance(found.pid, int) and found.pid > 0 and isinstance(found.create_time, int | float)
        return found if here and numbers and all({"alias", "id"} <= m.keys() for m in found.models) else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):  # a torn or foreign file tells nothing about a service
        return None


def status(state: Path | None = None) -> Service | None:
    """The kit's service if it runs and answers; a state file left behind by a killed one is removed."""
    state = state or state_file()
    service = _read(state)
    if service and service.process() is not None:
        try:
            answer = rest.get(f"{service.url}/status", timeout_s=5)
            if isinstance(answer, dict) and answer.get("pid") == service.pid:
                return service
        except rest.RestError:
            pass  # it hangs or is just going down: not a service that a run can stand on
        return None
    if service and _read(state) == service:  # not what another start has written meanwhile
        state.unlink(missing_ok=True)
    return None


def start(port: int | None = None, *, say: Callable[[str], None] = print) -> tuple[Service, bool]:
    """The kit's service, started if it does not run yet.

    port: None means 5273, or the next free one. say: gets one line where something is worth telling.
    returns: (service, whether it was started by this call).
    raises: ServiceError with the log's last lines.
    """
    if port is not None and not 1 <= port <= 65535:
        raise UsageError(f"--port: {port} was found, a number from 1 to 65535 was expected.", "slmbench serve")
    try:
        paths.home().mkdir(parents=True, exist_ok=True)
        lock = FileLock(paths.home() / "service.lock").acquire()
    except OSError as e:
        raise UsageError(f"The cache folder {paths.home()} can't be written: {e.strerror}.", HOME_CURE) from e
    with lock:  # as acquired: it is released at the end
        running = status()
        if running:
            return running, False
        _end(_read(state_file()))  # alive, but it does not answer
        chosen = _free_port(port)
        if chosen != (port or PORT):
            say(f"Port {PORT} is taken by another program: the service takes {chosen} instead.")
        _stopped_file().unlink(missing_ok=True)
        return _launch(chosen, state_file(), log_file()), True


def stop(state: Path | None = None) -> bool:
    """End the kit's service and leave nothing behind. returns: whether one was running."""
    state = state or state_file()
    lock = FileLock(paths.home() / "service.lock") if paths.home().is_dir() else contextlib.nullcontext()
    with lock:  # not while a run starts it
        service = _read(state)
        if service and state == state_file():  # a run that uses it is not to start it again
            with contextlib.suppress(OSError):
                _stopped_file().write_text(json.dumps([service.pid, service.create_time]), encoding="utf-8")
        found = _end(service)
        state.unlink(missing_ok=True)
        return found


@contextmanager
def alone(alias: str, model_cache: str | None = None, home: Path | None = None) -> Iterator[Service]:
    """A second service for one model only, on a port of its own, for as long as the block runs (memory is measured
    so: a service that held other models before gives little of their memory back).

    model_cache: the folder of downloaded catalogue models, for one of these. home: a cache folder other than the
        user's, for a model that is not to be seen by others yet.
    """
    with TemporaryDirectory(prefix="slmbench-", ignore_cleanup_errors=True) as folder:
        state = Path(folder) / "service.json"
        arguments = ("--only", alias, "--parent", str(os.getpid()))  # so that it ends should this process be killed
        more = {"SLMBENCH_MODEL_CACHE": model_cache} if model_cache else {}
        # registrations are kept where the runtime has its models: not among those of others, for a model on trial
        more |= {"SLMBENCH_HOME": str(home), "SLMBENCH_MODEL_CACHE": ""} if home else {}
        data, log = Path(folder) / "foundry", Path(folder) / "log"
        service = _launch(_free_port(0), state, log, data=data, arguments=arguments, environment=more)
        try:
            yield service
        finally:
            _end(service)


def _free_port(wanted: int | None) -> int:
    """wanted: a port that must be free, 0 for any, None for PORT or the next free one. raises: ServiceError."""
    for number, port in enumerate([wanted] * WANTED_TRIES if wanted is not None else range(PORT, PORT + PORTS_TRIED)):
        if wanted is not None and number:
            time.sleep(0.05)  # a process that was killed holds its port for a moment
        with socket.socket() as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
    raise ServiceError(
        f"Port {wanted or PORT} is taken.", "slmbench serve   (without --port it takes the next free one)"
    )


def _launch(
    port: int,
    state: Path,
    log: Path,
    *,
    data: Path | None = None,
    arguments: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Service:
    state.unlink(missing_ok=True)
    command = [sys.executable, "-m", "slmbench.endpoint.foundry"]
    command += ["--data", str(data)] if data else []
    command += ["serve", "--port", str(port), "--state", str(state), *arguments]
    detached: dict = {"start_new_session": True}
    if os.name == "nt":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    # With CI set the runtime was seen to look up no telemetry host; its own switch alone leaves some on.
    environment = {**secret.stripped(os.environ), "CI": "true", "PYTHONUTF8": "1", **(environment or {})}
    with log.open("wb") as sink:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment, cwd=log.parent, **detached
        )
    _children.append(child)
    end = time.monotonic() + READY_S
    while time.monotonic() < end and child.poll() is None:
        service = status(state) if state.exists() else None
        if service:
            return service
        time.sleep(0.05)
    ended = "ended" if child.poll() is not None else f"was not ready within {READY_S:g} s"
    child.kill()
    child.wait()
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]) if log.exists() else ""
    raise ServiceError(f"The Foundry Local service {ended}.\n{tail}".rstrip(), f"read {log}, then slmbench doctor")


def _end(service: Service | None) -> bool:
    process = service.process() if service else None
    family = [process, *process.children(recursive=True)] if process else []
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.terminate()
    _, alive = psutil.wait_procs(family, timeout=STOP_S)
    for one in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(alive, timeout=STOP_S)
    _children[:] = [child for child in _children if child.poll() is None]  # also one that had ended by itself
    return bool(family)
