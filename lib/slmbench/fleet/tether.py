"""A child process that ends with its parent, however that ends: it holds one end of a pipe, its standard input."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import IO, Any

from slmbench import secret

ON_WINDOWS = sys.platform == "win32"
END_S = 20.0  # for a request under way to be written down as interrupted
OWN = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW} if ON_WINDOWS else {}


def child(module: str, *words: str, **how: Any) -> subprocess.Popen:
    """`python -m module words`, tied to this process. It is given no secrets but the endpoint's key, which it needs."""
    environ = secret.stripped(os.environ) | {
        name: os.environ[name] for name in ("FOUNDRY_LOCAL_API_KEY",) if name in os.environ
    }
    return subprocess.Popen(
        [sys.executable, "-Pu", "-m", module, *words],
        stdin=subprocess.PIPE,
        env={**environ, "PYTHONUTF8": "1"},
        start_new_session=not ON_WINDOWS,  # Ctrl-C is for the one who started it, and who ends it
        **OWN,
        **how,
    )


def end(process: subprocess.Popen) -> None:
    """Let go of it, wait, and kill it if it hangs."""
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)


def tied(pipe: IO[bytes] | None = None) -> None:
    """Raise KeyboardInterrupt in the main thread once the parent lets go, or is no more."""
    file = (pipe or sys.stdin.buffer).fileno()
    threading.Thread(target=_wait, args=(file,), name="tether", daemon=True).start()


def _wait(file: int) -> None:
    while os.read(file, 4096):
        pass
    if ON_WINDOWS:
        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)  # which also ends what the main thread waits in
