"""A notebook's kernel that is interrupted or restarted in the middle of a run, with the notebook's own cells."""

import random
import time

import pytest
from jupyter_client.manager import start_new_kernel

from slmbench import store, truth
from slmbench.records import OK
from support.killing import kept

PREPARE = """
from slmbench import config, runner
from slmbench.endpoint import connect, resolve
from slmbench.show import live
settings = config.settings(endpoint={url!r}, models=["steady"], rounds={rounds}, max_tokens=16, concurrency={streams})
service = connect(settings.endpoint)
targets = resolve(service, settings.models, config.read_models())
"""
RUN = """
chart = live.LiveChart(100, live={live})
with chart, runner.open_run(settings, service, targets, out={out!r}, resume={resume}) as folder:
    for row in runner.measure(settings, service, targets, folder):
        chart.update(row)
"""
STEADY = truth.Schedule(ttft_s=0.02, gap_s=0.002, tokens=16)


@pytest.fixture(scope="module")
def server():
    with truth.process({"steady": STEADY}) as running:
        yield running


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def ran(client, code):
    reply = client.execute_interactive(code, timeout=60, output_hook=lambda _: None)["content"]
    assert reply["status"] == "ok", reply
    return reply


def rows_of(path):
    return store.read(path).rows if (path / "plan.json").exists() else []


def await_rows(client, path, count):
    end = time.monotonic() + 150
    while len(rows_of(path)) < count:
        assert not client.shell_channel.msg_ready(), client.get_shell_msg()["content"]  # the cell has ended
        assert time.monotonic() < end, f"no rows came: {len(rows_of(path))} of {count}"
        time.sleep(0.005)


def interrupted(kernel, code, path, count, seconds):
    """Run a cell, and interrupt it after so many rows and a moment. returns: the reply to the cell."""
    manager, client = kernel
    asked = client.execute(code, allow_stdin=False, stop_on_error=False)  # else the next cell may be aborted with it
    await_rows(client, path, count)
    time.sleep(seconds)
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != asked:
        pass
    return reply["content"]


@pytest.mark.fault
@pytest.mark.timeout(180)
@pytest.mark.parametrize("streams", [pytest.param(1, marks=pytest.mark.soak), 4])
def test_a_kernel_interrupt_stops_cleanly(server, kernel, tmp_path, streams, fault):
    _, client = kernel
    path, chance, before, acknowledged = tmp_path / "run", random.Random(streams), [], set()
    ran(client, PREPARE.format(url=server.base_url, rounds=25, streams=streams))
    for life in range(4):
        code = RUN.format(out=str(path), resume=life > 0, live=life % 2 == 1)
        reply = interrupted(kernel, code, path, len(before) + 3, chance.uniform(0, 0.05))
        assert reply["ename"] == "KeyboardInterrupt", reply
        rows = rows_of(path)  # as soon as the cell has ended, all is written
        assert (path / "rows.jsonl").read_bytes().endswith(b"\n")
        assert len(rows) >= len(before) + 3
        assert [r.cell for r in rows[: len(before)]] == before
        before = [r.cell for r in rows]
        acknowledged |= {(r.cell, r.attempt) for r in rows}
    ran(client, RUN.format(out=str(path), resume=True, live=False))  # in the same kernel: nothing holds the folder
    rows = rows_of(path)
    timed = [r for r in rows if r.phase == "timed" and r.status == OK]
    assert len(timed) == len({r.cell for r in timed}) == 100
    assert {r.status for r in rows} <= {OK, "interrupted"}
    ran(client, "import psutil; assert psutil.Process().children() == []")  # nobody goes on reading streams
    fault(f"the kernel is interrupted, {streams} at once", 4, acknowledged, kept(path))


@pytest.mark.fault
@pytest.mark.timeout(180)
def test_a_kernel_that_is_restarted(server, kernel, tmp_path, fault):
    manager, client = kernel
    path = tmp_path / "run"
    prepare = PREPARE.format(url=server.base_url, rounds=15, streams=4)
    ran(client, prepare)
    client.execute(RUN.format(out=str(path), resume=False, live=True))
    await_rows(client, path, 10)
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=60)
    acknowledged = kept(path)
    before = [r.cell for r in rows_of(path)]
    ran(client, prepare)
    ran(client, RUN.format(out=str(path), resume=True, live=False))
    rows = rows_of(path)
    assert [r.cell for r in rows[: len(before)]] == before
    timed = [r for r in rows if r.phase == "timed" and r.status == OK]
    assert len(timed) == len({r.cell for r in timed}) == 60
    fault("the kernel is restarted", 1, acknowledged, kept(path))
