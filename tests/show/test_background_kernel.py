"""A cell that awaits a run in a real kernel, the oldest and the newest that the kit allows: interrupted, run again."""

import pytest
from jupyter_client.manager import start_new_kernel

from support import clicking

START = """
import threading, time
from slmbench.show.background import Background
class Watcher:
    rows = []
    def update(self, row): self.rows.append(row)
    def changed(self, work): pass
    def finish(self): pass
def numbers():
    from slmbench.errors import Stopped
    n = 0
    try:
        while True:
            n += 1
            yield n
            time.sleep(0.01)
    except Stopped:
        return "kept"
work = Background(numbers(), Watcher())
"""


@pytest.fixture(params=[clicking.OLDEST, clicking.NEWEST], ids=["oldest", "newest"])
def kernel(request, tmp_path):
    manager, client = start_new_kernel(
        kernel_name="python3", startup_timeout=60, env=clicking.environment(request.param, tmp_path)
    )
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.timeout(180)
def test_an_interrupted_wait_stops_the_thread_and_the_cell_run_again_leaves_one(kernel):
    manager, client = kernel

    def ran(code):
        said = []
        reply = client.execute_interactive(code, timeout=60, output_hook=lambda m: said.append(m["content"]))["content"]
        return reply, "".join(content.get("text", "") for content in said)

    assert ran(START)[0]["status"] == "ok"
    # an interrupt before anything is printed hits no cell; an error would abort a cell that is sent at once
    asked = client.execute("print('waiting')\nawait work", stop_on_error=False)
    while client.get_iopub_msg(timeout=60)["content"].get("text") != "waiting\n":
        pass
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != asked:
        pass
    assert reply["content"]["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert ran("print(work.state, work.wait())")[1].split() == ["stopped", "kept"]
    ran(START)
    ran(START)
    assert ran("print([t.name for t in threading.enumerate()].count('benchmark'))")[1].strip() == "1"
    assert ran("work.stop(); print(await work)")[1].strip() == "kept"
