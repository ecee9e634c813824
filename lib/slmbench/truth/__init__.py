"""A server of made-up models that follows a schedule, and stamps every event on the clock that a client uses too.

    with truth.process({"steady": truth.Schedule(ttft_s=0.1, gap_s=0.01, tokens=32)}) as server:
        ...                                     # measure the model "steady" at server.base_url
        record = server.record_of(reply_text)   # what was really written, and when

A schedule is what the server tries to keep; the truth is its records. An event is stamped just before it is written,
so nobody can have it earlier: a client's figure minus the truth is that client's own error.
"""

from slmbench.truth.process import TruthProcess, process
from slmbench.truth.record import Record, Write, number_of
from slmbench.truth.schedule import Schedule
from slmbench.truth.server import TruthServer

__all__ = ["Record", "Schedule", "TruthProcess", "TruthServer", "Write", "number_of", "process"]
