"""How exact is the kit's clock? Clients side by side against one server that stamps all that it writes.

    python tests/bench/fidelity.py [--quick] [--streams 1,8,64] [--clients NAME,...]

Prints a table; exit code 1 if the kit misses a bound. Other tools run too where their commands are found on PATH, or
in the folders that SLMBENCH_BENCH_TOOLS names (separated as in PATH; each may be the bin folder of a venv). A client's
figures are what it says itself; what is true, the server says alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from clients import OWN, ClientFailed, Load, Ran
from compared import Result, compare, missed, pairs, table, tpot_error_pct
from tools import present

from slmbench import truth
from slmbench.truth import Schedule

Client = Callable[[Load], Ran]
STEADY = Schedule(ttft_s=0.1, gap_s=0.01, tokens=32)
GAPS_MS = (((1, 2), 40), ((5, 10, 20), 12))  # between tokens, and requests for each; more where less time is measured
GAPS = {f"gap-{ms}ms": Schedule(ttft_s=0.1, gap_s=ms / 1e3, tokens=32) for some, _ in GAPS_MS for ms in some}
REQUESTS = {1: 60, 8: 320, 64: 1280}  # in all, by streams
QUICK = 4  # times fewer requests
# Held to the bounds; True: to those of CPU and wall time as well.
BOUNDED = {"slmbench run": True, "slmbench without kernel stamps": False, "slmbench with chart": False}


class Bench:
    """One server, and how many of its records were taken."""

    def __init__(self, server: truth.TruthProcess):
        self.server, self.seen = server, 0

    def new(self) -> list[truth.Record]:
        """The records since the last call."""
        records = self.server.records(self.seen)
        self.seen += len(records)
        return records

    def run(self, client: Client, models: Sequence[str], requests: int, streams: int) -> tuple[Ran, list[truth.Record]]:
        self.new()
        ran = client(Load(self.server.base_url, tuple(models), requests, streams, STEADY.tokens))
        return ran, self.new()


def steady(name: str, client: Client, bench: Bench, requests: int, streams: int) -> Result:
    """A client at the steady schedule. raises: ClientFailed."""
    ran, records = bench.run(client, ["steady"], requests, streams)
    ideal_s = sum(STEADY.ttft_s + (r.tokens - 1) * STEADY.gap_s for r in records if r.ended) / streams
    return compare(name, streams, ran, records, asked=requests, gap_ms=STEADY.gap_s * 1e3, ideal_s=ideal_s)


def by_gap(client: Client, bench: Bench, fewer: int) -> dict[float, float]:
    """Error of the mean time per token in %, by the gap in ms; one stream. raises: ClientFailed."""
    found = {}
    for gaps_ms, requests in GAPS_MS:
        ran, records = bench.run(client, [f"gap-{ms}ms" for ms in gaps_ms], max(3, requests // fewer), 1)
        paired = pairs(ran.rows, records)
        for ms in gaps_ms:
            both = [(row, record) for row, record in paired if record.model == f"gap-{ms}ms"]
            found[ms] = tpot_error_pct(*zip(*both, strict=True)) if both else float("nan")
    return found


def measure(
    streams: Sequence[int], clients: Mapping[str, Client], *, fewer: int = 1, say: Callable[[str], None] = print
) -> list[Result]:
    """All clients, one after the other at each number of streams; one that fails is told of, and left out."""
    results = []
    with truth.process({"steady": STEADY} | GAPS) as server:
        bench = Bench(server)
        for n in streams:
            for name, client in clients.items():
                try:
                    result = steady(name, client, bench, max(n, REQUESTS.get(n, 20 * n) // fewer), n)
                    if n == 1 and name in OWN:
                        result = replace(result, tpot_pct=by_gap(client, bench, fewer))
                except ClientFailed as e:
                    say(f"{n} at once, {name}: {e}")
                    continue
                results.append(result)
                error = f"{result.ttft_p50_ms:.2f} / {result.ttft_p99_ms:.2f} ms (p50 / p99)"
                say(f"{n} at once, {name}: TTFT error {error}")
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", default="1,8,64", help="numbers of requests at once")
    parser.add_argument("--clients", help="only these of: " + ", ".join(OWN) + ", and the other tools")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} times fewer requests: rougher, and no promise")
    given = parser.parse_args(arguments)
    clients = OWN | present(say=print)
    if given.clients:
        clients = {name: client for name, client in clients.items() if name in given.clients.split(",")}
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{os.cpu_count()} cores; load before the run: {busy:.2f}")
    streams = [int(n) for n in given.streams.split(",")]
    results = measure(streams, clients, fewer=QUICK if given.quick else 1)
    print("", table(results), "", sep="\n")
    measured, kits = {(r.client, r.streams) for r in results}, [name for name in BOUNDED if name in clients]
    wrong = missed(results, BOUNDED)
    wrong += [f"{name}, {n} at once: not measured" for name in kits for n in streams if (name, n) not in measured]
    print(*(wrong or ["All bounds hold." if kits else "The kit itself was left out."]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
