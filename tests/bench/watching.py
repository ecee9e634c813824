"""The board without its page: looks once a second, and draws what is new, until it is killed.

python watching.py FOLDER
"""

import sys
import time

from slmbench.board.__main__ import give_way
from slmbench.show.board import Board

give_way()
board = Board([sys.argv[1]])
board.tick()
print("ready", flush=True)
while True:
    time.sleep(1.0)
    board.tick()
