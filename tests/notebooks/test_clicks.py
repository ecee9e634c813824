"""Replies are scored while a benchmark runs in the same kernel: no click waits for its end."""

from datetime import datetime, timedelta
from importlib.metadata import version as version_of

import pytest

from slmbench import store, truth
from supply.locks import requirements
from support import clicking
from support.judged import run_with, saved

REPLIES = {(model, prompt): f"{model} on {prompt}" for model in "ab" for prompt in "pq"}
CLICKS, ROUNDS = 3, 10


@pytest.fixture(scope="module")
def server():
    with truth.process({"steady": truth.Schedule(ttft_s=0.15, gap_s=0.01, tokens=16)}) as running:
        yield running


@pytest.mark.timeout(180)
@pytest.mark.parametrize("version", [clicking.OLDEST, clicking.NEWEST], ids=["oldest", "newest"])
def test_a_clicks_row_is_on_disk_before_the_running_benchmarks_last_row(server, tmp_path, version):
    judged, measured = run_with(tmp_path / "judged", REPLIES), tmp_path / "measured"
    with clicking.clicker(version, tmp_path / "packages") as kernel:
        kernel.ran(clicking.START.format(url=server.base_url, out=str(measured), rounds=ROUNDS))
        assert kernel.show(judged) == (version or version_of("ipykernel"))
        clicking.clicked(kernel, judged, CLICKS, 0.2)
        assert kernel.ran(clicking.FINISH).split() == [str(2 * ROUNDS + 1)]
    rows = [row for row in store.read(measured).rows if row.phase == "timed"]
    assert [row.status for row in rows] == ["ok"] * (2 * ROUNDS)
    last = datetime.fromisoformat(rows[-1].started_at) + timedelta(seconds=rows[-1].latency_s)
    lines = saved(judged)
    assert [line["score"] for line in lines] == [2, 3, 4]
    assert all(datetime.fromisoformat(line["scored_at"]) < last for line in lines)


def test_the_oldest_that_is_tried_is_the_oldest_that_is_allowed():
    [asked] = requirements("requirements.txt")["ipykernel"]
    assert asked.specifier.contains(clicking.OLDEST)
    older = f"{clicking.OLDEST.rpartition('.')[0]}.dev0"
    assert not asked.specifier.contains(older, prereleases=True)
