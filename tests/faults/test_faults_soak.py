"""Long runs: the client's memory stays flat, no file stays open, no process is left. The short form runs always."""

import os
import re
from pathlib import Path
from statistics import median

import psutil
import pytest

from slmbench import config, runner, truth
from slmbench.endpoint import service
from slmbench.records import OK
from slmbench.show.progress import ConsoleProgress

QUICK = truth.Schedule(ttft_s=0.004, gap_s=0.0005, tokens=64)
# Of memory a request: a row in memory (about 900), and what the allocator leaves. A short run tells it less well, as
# the allocator takes its memory by the MiB.
GROWTH_BYTES, GROWTH_SHORT_BYTES, LONG = 3_000, 20_000, 1000


class Gauge(ConsoleProgress):
    """Notes the process's own memory, open files and children after each row."""

    def __init__(self, total):
        super().__init__(total)
        self.me = psutil.Process()
        self.seen = []

    def update(self, row):
        super().update(row)
        count = self.me.num_handles if os.name == "nt" else self.me.num_fds
        self.seen.append((own_bytes(self.me), count(), len(self.me.children(recursive=True))))


def own_bytes(process):
    """Memory that the process itself has asked for.

    On Linux without the pages of files: a library's page becomes this process's alone, by tens of MB, when the last
    other process that had it loaded ends.
    """
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        return int(re.search(r"^RssAnon:\s+(\d+) kB$", status.read_text(), re.MULTILINE)[1]) * 1024
    return process.memory_full_info().uss


def soaked(settings, out):
    """Run a plan in this process. returns: (rows, gauge)."""
    gauges = []

    def watch(total):
        gauges.append(Gauge(total))
        return gauges[0]

    done = runner.run(settings, config.read_models(), out=out, memory=False, watch=watch, say=lambda _: None)
    return done.rows, gauges[0]


def check_flat(gauge, requests):
    """From the second fifth of the run to its last: the first requests pay for imports and caches.

    Medians of a fifth each, as a buffer may be large for a moment.
    """
    fifth = requests // 5
    early, late = gauge.seen[fifth : 2 * fifth], gauge.seen[requests - fifth : requests]
    grown = (median(own for own, _, _ in late) - median(own for own, _, _ in early)) / (3 * fifth)
    assert grown < (GROWTH_BYTES if requests >= LONG else GROWTH_SHORT_BYTES), f"{grown:.0f} bytes a request"
    for column in (1, 2):  # open files, processes
        assert max(seen[column] for seen in late) <= max(seen[column] for seen in early)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("streams", [1, 8])
@pytest.mark.parametrize("requests", [120, pytest.param(1000, marks=pytest.mark.soak)])
def test_many_requests_to_the_truth_server(tmp_path, requests, streams):
    with truth.process({"quick": QUICK}) as server:
        settings = config.settings(
            endpoint=server.base_url,
            models=["quick"],
            prompts=["Hello"],
            rounds=requests,
            max_tokens=64,
            warmup=0,
            concurrency=streams,
        )
        rows, gauge = soaked(settings, tmp_path / "run")
        assert len(server.records()) == len(rows) == requests + streams - 1
    assert {r.status for r in rows} == {OK}
    check_flat(gauge, requests)
    assert psutil.Process().children() == []


@pytest.mark.real
@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_200_requests_to_the_real_service(tmp_path):
    was_running = service.status() is not None
    try:
        settings = config.settings(models=["smollm2-135m-int4"], rounds=50, max_tokens=32, warmup=1)
        rows, gauge = soaked(settings, tmp_path / "run")
        held = psutil.Process(service.status().pid).memory_info().rss / 1e6
    finally:
        if not was_running:
            service.stop()
    assert [r.status for r in rows] == [OK] * 201
    assert held < 1500  # MB, of the service: five times what the model takes
    check_flat(gauge, 201)
    print(f"Own memory after 40 and 201 requests: {gauge.seen[40][0] / 1e6:.1f}, {gauge.seen[-1][0] / 1e6:.1f} MB")
