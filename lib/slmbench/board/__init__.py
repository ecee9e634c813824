"""The live board: its notebook, shown with Voilà on 127.0.0.1 to whoever has the address, and to nobody else.

Voilà starts a kernel for each page that is opened, and the kernel only reads run folders. Everything that it takes to
show that page is here; what is on it is the notebook's.
"""

from __future__ import annotations

from slmbench.board.page import NOTEBOOK, Look, parameterised
from slmbench.board.runs import run_folders
from slmbench.board.served import BoardError, Served, free_port

__all__ = ["NOTEBOOK", "BoardError", "Look", "Served", "free_port", "parameterised", "run_folders"]
