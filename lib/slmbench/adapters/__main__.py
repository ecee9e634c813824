"""The process that serves an adapter: `python -m slmbench.adapters SPEC WEIGHTS --port N --name NAME`.

Its first line on standard output is JSON: name, port and pid, or an error. It ends when standard input does.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading

from slmbench.adapters.process import opened
from slmbench.errors import KitError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec")
    parser.add_argument("weights")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started it, and who ends it
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as told:
        os.dup2(2, 1)  # what an adapter prints, also from a library of its own, goes to the log
        threading.Thread(target=_until_the_end, daemon=True).start()
        try:
            server = opened(given.spec, given.weights, given.name, given.port)
        except KitError as e:
            _tell(told, error=e.message, cure=e.cure)
            sys.exit(e.exit_code)
        with server:
            _tell(told, name=server.name, port=server.server_address[1], pid=os.getpid())
            server.serve_forever()


def _tell(told, **facts) -> None:
    print(json.dumps(facts), file=told, flush=True)


def _until_the_end() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)  # at once, also in the middle of a reply


if __name__ == "__main__":
    main()
