"""The `foundry` command-line tool, where it is installed: its service, by the old and the new verb."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

VERBS = ("service", "server")  # `foundry service status` up to 0.9, `foundry server status` from 0.10
TIMEOUT_S = 15
ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]):\d+")


def address_in(output: str) -> str | None:
    """The service's root address in what the tool printed, or None.

    >>> address_in("Model management service is running on http://127.0.0.1:5273/openai/status")
    'http://127.0.0.1:5273'
    """
    found = ADDRESS.search(output)
    return found.group() if found else None


def running_service(which: Callable[[str], str | None] = shutil.which) -> str | None:
    """The address of the tool's running service, or None (no tool, no service, or none that tells its address)."""
    program = which("foundry")
    if program is None:
        return None
    for verb in VERBS:
        try:
            told = subprocess.run(
                [program, verb, "status"],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=TIMEOUT_S,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        address = address_in(told.stdout + told.stderr)
        if address:
            return address
    return None
