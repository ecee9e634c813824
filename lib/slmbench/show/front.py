"""Whether somebody may be looking at what a notebook shows, and by what."""

from __future__ import annotations

import os
import sys


def in_voila() -> bool:
    """Whether Voilà runs this, which shows a page and keeps no notebook."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def has_front_end() -> bool:
    """Whether somebody may be looking at this cell.

    Front ends say with each cell that they can ask a person for input; nbclient, and with it papermill and
    nbconvert, says that it can't. Voilà runs cells through nbclient, but names itself in the environment.
    """
    found = kernel()
    if found is None:
        return False
    if in_voila():
        return True
    return bool(found.get_parent("shell").get("content", {}).get("allow_stdin"))


def kernel():
    """The Jupyter kernel this runs in; None in a plain Python or a terminal's IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None)
