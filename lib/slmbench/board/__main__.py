"""The process that is Voilà: `python -m slmbench.board FOLDER`. It ends, its kernels with it, when standard input does.

FOLDER holds the notebook and voila.json. It is taken away in the end, also if whoever started this was killed.
"""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import sys
import threading
from pathlib import Path

import psutil

from slmbench.board.page import NOTEBOOK

NICENESS = 10
left = threading.Event()  # set once whoever started this has closed standard input, or is no more


def main() -> None:
    folder = Path(sys.argv[1])
    give_way()
    threading.Thread(target=_until_the_end, daemon=True).start()
    sys.argv = ["voila", f"--Voila.config_file_paths={folder}", str(folder / NOTEBOOK)]
    try:
        runpy.run_module("voila", run_name="__main__", alter_sys=True)
    finally:
        if left.is_set():
            shutil.rmtree(folder, ignore_errors=True)


def give_way() -> None:
    """Kernels inherit it: what is measured on this machine comes first, and the board takes what it leaves."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(NICENESS)


def _until_the_end() -> None:
    while os.read(0, 4096):
        pass
    left.set()
    os.kill(os.getpid(), signal.SIGTERM)  # Voilà ends its kernels; on Windows they end with it, by themselves


if __name__ == "__main__":
    main()
