"""The verb behind the README's first command: models, service, main notebook through papermill, report."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from slmbench import config, paths, store
from slmbench.cli.here import Stages
from slmbench.endpoint import connect, resolve, service
from slmbench.errors import KitError

NOTEBOOK = "session03_benchmark_oss_models.ipynb"


def session(given: argparse.Namespace) -> int:
    """Run the main notebook on the default models; end with where the report is and how to go on in JupyterLab."""
    began = time.monotonic()
    root = paths.data_file("models.json").parents[1]
    models_file = config.read_models()
    settings = config.settings(models_file, given_as="option", models=given.models, rounds=given.rounds)
    out = given.out.resolve() if given.out else root / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-session"
    executed = _check_places(out)

    def stage(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    stage("Models and service")
    endpoint = connect(settings.endpoint, allow_remote=settings.allow_remote, say=stage)
    try:
        with Stages() as stages:
            targets = resolve(endpoint, settings.models, models_file, progress=stages, say=stage)
        stage(f"Notebook: {len(targets)} models, {len(settings.prompts)} prompts, rounds: {settings.rounds}")
        _run_notebook(root / "notebooks" / NOTEBOOK, executed, out, given)
        stage("Done")
    finally:
        if endpoint.started:
            service.stop()
    report, page = out / "benchmark_report.md", out / "benchmark_report.html"
    print(f"\nReport:    {report}\nWeb page:  {page}\nRun:       {out}\nNotebook:  {executed}")
    jupyter = Path(sys.executable).with_name("jupyter-lab" + Path(sys.executable).suffix)
    print(f'\nGo on in JupyterLab:\n  "{jupyter}" "--ServerApp.root_dir={root}" "{root / "notebooks" / NOTEBOOK}"')
    return 0


def _check_places(out: Path) -> Path:
    """Whether all that a session writes has a place of its own, asked before the preparation, which takes minutes.

    returns: where the executed notebook goes. raises: store.StoreError.
    """
    executed = out.with_name(f"{out.name}.ipynb")
    for folder in out, out.with_name(f"{out.name}-acceleration"):
        try:
            store.check_place(folder)
        except store.StoreError as e:
            raise store.StoreError(e.message, "name another folder") from e  # a session is not gone on with
    if executed.exists():
        found = f"--out: {executed.absolute()} is there already, and the executed notebook is written to it."
        raise store.StoreError(found, "name another folder, or move that notebook")
    return executed


def _run_notebook(notebook: Path, executed: Path, out: Path, given: argparse.Namespace) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    encrypted = Config({"KernelManager": {"transport_encryption": "auto"}})  # else the kernel warns of its open ports

    parameters = {"out": str(out)}
    if given.rounds is not None:
        parameters["rounds"] = int(given.rounds)
    if given.models is not None:
        parameters["models"] = given.models
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            notebook,
            executed,
            parameters,
            kernel_name="python3",
            progress_bar=False,
            stdout_file=_Progress(),
            config=encrypted,
        )
    except PapermillExecutionError as e:
        raise SessionError(
            f"The notebook stopped at cell {e.exec_count}: {e.ename}: {e.evalue}", f"read {executed}"
        ) from e


class _Progress:
    """Of all that the notebook prints, the lines that tell how far it is; the rest is in the executed notebook."""

    def write(self, text: str) -> None:
        for line in text.splitlines():
            if any(mark in line for mark in (" requests, ", "loads in", "skipped", "MISSING")):
                print(f"          {line}", flush=True)

    def flush(self) -> None: ...


class SessionError(KitError):
    """The notebook did not run to its end (exit code 1)."""

    exit_code = 1
