"""The tiny model in a cache folder of its own, and the real service that serves it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from slmbench.endpoint import service
from slmbench.models import write_tiny


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def end_now() -> None:
    """End the service of this SLMBENCH_HOME without the second that it takes to close well."""
    running = service.status()
    if running and (process := running.process()):
        process.kill()
        psutil.wait_procs([process], timeout=10)
    service.stop()


@contextmanager
def home_with_tiny(folder: Path, *names: str) -> Iterator[Path]:
    """SLMBENCH_HOME is `folder`, with a tiny model under each name, for as long as the block runs."""
    for name in names:
        write_tiny(folder / "models" / name)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SLMBENCH_HOME", str(folder))
        yield folder


@contextmanager
def service_with_tiny(folder: Path, *names: str) -> Iterator[service.Service]:
    """The kit's service on a free port, with tiny models of these names; ended with the block."""
    with home_with_tiny(folder, *names):
        running, _ = service.start(free_port(), say=lambda _: None)
        try:
            yield running
        finally:
            end_now()
