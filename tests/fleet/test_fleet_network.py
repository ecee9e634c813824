"""Three machines with a network between them, as the kernel makes them: cables that are pulled, and ports that nobody
can reach. As root on Linux alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time

import pytest

from slmbench.store import rooms
from support.fleets import Command, room, states

pytestmark = [pytest.mark.namespaces, pytest.mark.timeout(300)]
SERVE = """
import time
from slmbench import truth
with truth.process({"quick": truth.Schedule(ttft_s=0.05, gap_s=0.005, tokens=16)}) as one:
    print(one.base_url, flush=True)
    time.sleep(600)
"""
ADDRESS = "10.99.0.1"
PLAN = ("--models", "quick", "--no-memory")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


def inside(name: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", name)


@pytest.fixture(scope="module")
def machines():
    """Names of three network namespaces: the desk and two laptops, on one bridge."""
    if not (shutil.which("ip") and hasattr(os, "geteuid") and os.geteuid() == 0):
        pytest.skip("needs root, and the program ip")
    desk, *laptops = names = [f"slmbench-{os.getpid()}-{one}" for one in ("desk", "lap1", "lap2")]
    with contextlib.ExitStack() as stack:
        for name in names:
            try:
                ip("netns", "add", name)
            except subprocess.CalledProcessError:
                pytest.skip("network namespaces can't be made here")
            stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", desk, "link", "add", "br0", "type", "bridge")
        ip("-n", desk, "addr", "add", f"{ADDRESS}/24", "dev", "br0")
        ip("-n", desk, "link", "set", "br0", "up")
        for number, name in enumerate(laptops, 1):
            ip("-n", desk, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", desk, "link", "set", f"v{number}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"10.99.0.1{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        yield names


@pytest.fixture(scope="module")
def opened(machines, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    with room(folder, wait_s=60, host=ADDRESS, before=inside(machines[0])) as one:
        for name in machines[1:]:
            server = Command([sys.executable, "-c", SERVE], folder / f"server-{name}.log", folder, before=inside(name))
            one.parts.append(server)
            assert server.says("/v1")
            one.join(name[-4:], server.said().strip(), before=inside(name))
        yield one


def test_who_is_on_another_machine_is_gathered(opened, machines):
    done = opened.run(*PLAN, "--rounds", "2", "--out", str(opened.folder / "out"), before=inside(machines[0]))
    assert done.returncode == 0, done.stderr
    assert set(states(opened.folder / "out").values()) == {("gathered", "")}
    assert "10.99" not in (opened.folder / "out" / "room.json").read_text()


@pytest.mark.usefixtures("opened")
def test_the_port_of_the_room_is_at_the_address_asked_for_alone(machines):
    def listening(name):
        told = subprocess.run(
            [*inside(name), "cat", "/proc/net/tcp", "/proc/net/tcp6"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
        return {line.split()[1].partition(":")[0] for line in told.splitlines() if line.split()[3:4] == ["0A"]}

    assert listening(machines[0]) == {"0100630A"}  # 10.99.0.1
    assert listening(machines[1]) == {"0100007F"}  # 127.0.0.1: the server of the model, and the worker's own door


@pytest.mark.fault
@pytest.mark.parametrize("seconds", [4, pytest.param(40, marks=pytest.mark.soak)])
def test_a_cable_is_pulled_and_put_back(opened, machines, fault, seconds):
    """For 4 s the connection lives on; after 25 s the worker gives up, and is started again until it is let in."""
    out = opened.folder / f"pulled-{seconds}"
    running = opened.start(
        *PLAN, "--rounds", "25", "--out", str(out), "--label", f"p{seconds}", before=inside(machines[0])
    )
    assert running.says("lap1: measuring"), running.said()
    ip("-n", machines[1], "link", "set", "eth0", "down")
    time.sleep(seconds)
    ip("-n", machines[1], "link", "set", "eth0", "up")
    assert running.says("Make the report", 150), running.said()
    found = rooms.read_room(out)
    assert {one.state for one in found.stations} == {"gathered"}
    cells = {name: [row.cell for row in run.rows if row.phase == "timed"] for name, run in found.runs.items()}
    assert {name: (len(all_), len(set(all_))) for name, all_ in cells.items()} == dict.fromkeys(
        ("lap1", "lap2"), (100, 100)
    )
    fault("the network of a station is away while it measures", 1, cells["lap2"], cells["lap1"])
