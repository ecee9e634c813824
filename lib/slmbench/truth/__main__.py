"""`python -m slmbench.truth`: the server as a process. See `slmbench.truth.process.serve`."""

import gc
import sys

from slmbench.truth.process import serve

if __name__ == "__main__":
    gc.disable()  # a collection would come between a stamp and its write
    serve(sys.stdin.buffer, sys.stdout)
