"""An adapter that is served: here until Ctrl-C, or in a process of its own for as long as a notebook needs it."""

from __future__ import annotations

import ast
import contextlib
import json
import linecache
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slmbench import secret
from slmbench.adapters.contract import ModelAdapter
from slmbench.adapters.finding import FORM, found
from slmbench.adapters.server import PORT, ROOT, Server
from slmbench.config.checking import shown
from slmbench.config.reading import as_path, clean
from slmbench.errors import KitError, UsageError

PORTS_TRIED = 100
END_S = 10.0
ON_WINDOWS = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
# of a notebook's cell, what the other process gets: what the cell *does* is not done again there
KEPT = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)


class AdapterError(KitError):
    """An adapter did not start (exit code 1)."""

    exit_code = 1


def opened(spec: str, weights: str | Path, name: str | None, port: int | None) -> Server:
    """An adapter that is loaded, behind a port that listens.

    port: None for 5373 or the next free one, 0 for any. raises: UsageError; whatever the adapter raises.
    """
    path = weights_at(weights)
    default, adapter = found(spec)
    adapter.load(path)
    for tried in [port] if port is not None else range(PORT, PORT + PORTS_TRIED):
        with contextlib.suppress(OSError):
            return Server(adapter, name or default, tried)
    raise AdapterError(f"Port {port or PORT} is taken.", "leave --port out: it takes the next free one")


def weights_at(given: str | Path) -> Path:
    """raises: UsageError for what is not there."""
    path = as_path(given, "weights").absolute()
    if not path.exists():
        raise UsageError(f"weights: there is no {clean(path)}; a file or folder was expected", "check the path")
    return path


def run(spec: str, weights: str | Path, port: int | None = None, *, say: Callable[[str], None] = print) -> None:
    """Serve an adapter from here until Ctrl-C. raises: as `opened`."""
    say(f"Loading {weights} …")
    with opened(spec, weights, None, port) as server:
        say(f"Adapter {spec}: model {server.name} at {server.root}{ROOT}   (Ctrl-C ends it)")
        say(f"Measure it: slmbench run --endpoint {server.root}{ROOT} --models {server.name}")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    say("Ended.")


class Served:
    """A running adapter; a context manager, which ends it. root: without /v1; base_url: with it.

    name: what it is called as a model. pid: of the process that serves.
    """

    def __init__(self, adapter: str | type[ModelAdapter], weights: str | Path, name: str | None, port: int):
        arguments = [str(weights_at(weights)), "--port", str(port), *(["--name", name] if name else [])]
        self._folder = tempfile.TemporaryDirectory(prefix="slmbench-adapter-", ignore_cleanup_errors=True)
        self._log, self._child, told = Path(self._folder.name, "log"), None, None
        try:
            self._child = self._started([_spec(adapter, Path(self._folder.name)), *arguments])
            told = self._told()
        finally:
            if told is None:  # it failed, or somebody did not want to wait
                self.close()
        self.name, self.pid, self.root = told["name"], told["pid"], f"http://127.0.0.1:{told['port']}"
        self.base_url = f"{self.root}{ROOT}"

    def _started(self, arguments: list[str]) -> subprocess.Popen:
        places = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)  # it is to find what is found here
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-Pu", "-m", "slmbench.adapters", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**secret.stripped(os.environ), "PYTHONPATH": places, "PYTHONUTF8": "1"},
                **ON_WINDOWS,
            )

    def _told(self) -> dict[str, Any]:
        """Its name, port and pid, as soon as it is loaded. raises: AdapterError, UsageError."""
        line = self._child.stdout.readline()
        told = json.loads(line) if line.endswith(b"\n") else {"error": "", "cure": ""}
        if "error" not in told:
            return told
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(END_S)  # the traceback comes last
        last = next(reversed(self.log().split("\n")), "")
        message = told["error"] or f"the adapter did not start: {clean(last) or 'its process ended'}"
        raise AdapterError(message, told["cure"] or "slmbench adapter, in a terminal, shows where it failed")

    def log(self) -> str:
        """What it has written to standard output and standard error: tracebacks, above all."""
        return self._log.read_text(encoding="utf-8", errors="replace").rstrip() if self._log.exists() else ""

    def close(self) -> None:
        if self._child is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()  # it ends by that
            try:
                self._child.wait(END_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(adapter: str | type[ModelAdapter], weights: str | Path, *, name: str | None = None, port: int = 0) -> Served:
    """Serve an adapter in a process of its own, so that its work and the measuring are not in each other's way.

    adapter: as for `found`; or a class, which may stand in a notebook's cell: with the imports that it needs, since
        the other process gets the cell's classes, functions and imports, and nothing else of the notebook.
    weights: what its `load` gets. name: what it is called as a model; else the registered name, or the class's in
        small letters. port: 0 for any free one.
    returns: a context manager that ends it; without `with`, call its `close`. It ends with this process in any case.
    raises: UsageError; AdapterError if it does not load.
    """
    return Served(adapter, weights, name, port)


def _spec(adapter: str | type[ModelAdapter], folder: Path) -> str:
    """How the other process finds it. A class of a notebook's cell is written to a file in `folder`."""
    if isinstance(adapter, str):
        return adapter
    if not isinstance(adapter, type):
        kind = type(adapter).__name__
        raise UsageError(f"adapter: an object of the class {kind} was found; the class itself was expected", FORM)
    if "<locals>" in adapter.__qualname__:
        raise UsageError(f"adapter: {adapter.__name__} is defined inside a function; expected one at the top", FORM)
    if adapter.__module__ != "__main__":
        return f"{adapter.__module__}:{adapter.__qualname__}"
    method = getattr(adapter, "generate", None)
    source = "".join(linecache.getlines(method.__code__.co_filename)) if hasattr(method, "__code__") else ""
    tree = ast.parse(source)
    if not any(isinstance(node, ast.ClassDef) and node.name == adapter.__name__ for node in tree.body):
        found = f"adapter: the cell of the class {shown(adapter.__name__)} can't be read again"
        raise UsageError(found, f"write it to a file, and give that: {FORM}")
    tree.body = [node for node in tree.body if isinstance(node, KEPT)]
    file = folder / "cell.py"
    file.write_text(ast.unparse(tree), encoding="utf-8")
    return f"{file}:{adapter.__name__}"
