"""Errors a person can act on: what was found, what was expected, and the command that helps."""

from __future__ import annotations


class KitError(Exception):
    """An error with a cure. `exit_code` is what the command line returns for it.

    message: one sentence that names the file or parameter, what was found and what was expected.
    cure: the command or action that helps; shown on a line of its own.
    """

    exit_code = 2

    def __init__(self, message: str, cure: str = ""):
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.cure}" if self.cure else self.message

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines instead of a traceback through the library."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(KitError):
    """Bad usage or configuration, found before any request (exit code 2)."""


class NothingMeasured(KitError):
    """The run ended without one measured reply (exit code 1)."""

    exit_code = 1


class Terminated(KeyboardInterrupt):
    """SIGTERM: all that Ctrl-C sees to is seen to (exit code 143)."""


class Stopped(KeyboardInterrupt):
    """Somebody asked for the end, between two requests; what is thrown into a generator of rows then."""


def terminate(*_: object) -> None:
    """What SIGTERM calls. raises: Terminated."""
    raise Terminated
