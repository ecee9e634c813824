"""`slmbench plan`: a pilot that is kept, what it promises, and the command that goes on with it."""

import json
import shlex

import pytest

from slmbench import store
from slmbench.cli import plan as planning
from slmbench.records import Row
from support.replies import behaved, delta, event, good, head, plain
from support.server import Pause, Server

SELECTION = ("--models", "a,b", "--deadline-s", "10", "--no-memory")


def slow(_):
    """5 ms until the first token; some server of which a round takes a known time, about."""
    return [head(), event(delta(None, role="assistant")), Pause(0.005), good()]


def test_the_pilot_is_kept_and_the_command_goes_on_with_it(slmbench, tmp_path):
    with Server(behaved("a:1", "b:1", reply=slow)) as server:
        where = ("--endpoint", server.root, "--out", tmp_path / "run")
        ended = slmbench("plan", "--minutes", "0.2", *where, *SELECTION, "--json")
        assert ended.code == 0, ended.err
        found = json.loads(ended.out)
        pilot = store.read(tmp_path / "run").rows
        assert len(server.posts) == len(pilot) == 2 * (1 + 4 * 3)
        assert (found["run"], found["pilot_rounds"], found["minutes"]) == (str(tmp_path / "run"), 3, 0.2)
        assert found["round_s"] > 8 * 0.005
        assert 3 < found["rounds"] <= 12 / (8 * 0.005)  # no more than fit into 12 s
        assert {m["model"] for m in found["models"]} == {"a", "b"}
        for model in found["models"]:
            assert model["rounds"] == found["rounds"] and model["half_width_pct"] > 0

        words = shlex.split(found["command"])
        assert words[:2] == ["slmbench", "run"] and words[words.index("--rounds") + 1] == str(found["rounds"])
        words[words.index("--rounds") + 1] = "4"
        ended = slmbench(*words[1:])
    assert ended.code == 0, ended.err
    rows = store.read(tmp_path / "run").rows
    assert rows[: len(pilot)] == pilot
    timed = [r for r in rows[len(pilot) :] if r.phase == "timed"]
    assert {r.round for r in timed} == {3} and len(timed) == 2 * 4  # the fourth round, and nothing twice


def test_in_words(slmbench, tmp_path):
    with Server(behaved("a:1", "b:1", reply=slow)) as server:
        where = ("--endpoint", server.root, "--out", tmp_path / "run")
        ended = slmbench("plan", "--minutes", "0.5", *where, *SELECTION)
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"The pilot's 3 rounds are kept in {tmp_path / 'run'}; a round took 0.")
    assert lines[1].startswith("Into 0.5 minutes fit ") and lines[1].endswith(" rounds, these 3 among them.")
    assert " ".join(lines[3].split()) == "model median of all median of a prompt ratio to another"
    assert lines[-1].startswith("  slmbench run --models a,b ") and lines[-1].endswith(" --resume")


def test_a_time_too_short_for_more_leaves_the_pilot_as_the_run(slmbench, tmp_path):
    with Server(behaved("a:1", reply=slow)) as server:
        where = ("--endpoint", server.root, "--out", tmp_path / "run", "--models", "a")
        ended = slmbench("plan", "--minutes", "0.0001", *where)
        again = slmbench("plan", "--minutes", "0.0001", *where)
    assert ended.code == 0
    assert "fit no more than these 3" in ended.out and "slmbench run" not in ended.out
    assert again.code == 2 and "is not empty" in again.err


@pytest.mark.parametrize("minutes", ["0", "-1", "ten", "nan", "99999", ""])
def test_minutes_that_are_none(slmbench, tmp_path, minutes):
    with Server(behaved("a:1")) as server:
        ended = slmbench("plan", f"--minutes={minutes}", "--endpoint", server.root, "--out", tmp_path / "run")
    assert (ended.code, server.requests) == (2, [])
    assert "--minutes: " in ended.err and "for example --minutes 10" in ended.err
    assert not (tmp_path / "run").exists()


def test_rounds_are_what_is_sought_so_nobody_says_them(slmbench, tmp_path, monkeypatch):
    assert slmbench("plan", "--minutes", "1", "--rounds", "5").code == 2
    monkeypatch.setenv("BENCH_ROUNDS", "50")
    with Server(behaved("a:1")) as server:
        slmbench("plan", "--minutes", "0.001", "--endpoint", server.root, "--warmup", "0", "--out", tmp_path / "run")
    assert len(server.posts) == 3 * 4


def test_a_file_that_asks_for_precision_is_told_that_it_needs_no_plan(slmbench, tmp_path):
    (tmp_path / "m.json").write_text('{"run": {"precision_pct": 5}}', encoding="utf-8")
    with Server(behaved("a:1")) as server:
        ended = slmbench("plan", "--minutes", "1", "--endpoint", server.root, "--models-file", tmp_path / "m.json")
    assert (ended.code, server.requests) == (2, [])
    assert "run.precision_pct (" in ended.err and "plan tells how many rounds fit" in ended.err


def test_nothing_measured_is_1(slmbench, tmp_path):
    broken = behaved("a:1", reply=lambda _: [plain({"error": {"message": "oom"}}, "500 Oops")])
    with Server(broken) as server:
        ended = slmbench("plan", "--minutes", "1", "--endpoint", server.root, "--out", tmp_path / "run")
    assert (ended.code, ended.out) == (1, "")
    assert "http_500" in ended.err


def at(second, load=0, number=0, **more):
    given = {"phase": "timed", "latency_s": 2.0, "round": number, "load_index": load} | more
    return Row("r", f"c{second}", "a", started_at=f"2026-01-01T00:00:{second:02d}+00:00", **given)


def test_the_seconds_of_a_round_are_those_between_its_requests():
    """By hand: two rounds in 0 … 12 s; a load after it, 20 … 32 s: 24 s for two rounds of both loads."""
    rows = [at(0), at(10, number=1), at(20, load=1), at(30, load=1, number=1), at(50, phase="warmup", load=0)]
    assert planning.round_s(rows[:2]) == 6.0
    assert planning.round_s(rows) == 12.0
    assert planning.round_s([]) is None


def test_the_overhead_is_loading_warming_up_and_the_end_of_each_block():
    rows = [at(0, phase="warmup"), at(5, phase="warmup", latency_s=None), at(9)]
    resources = [{"kind": "load", "load_s": 1.5}, {"kind": "footprint", "load_s": 9.0}]  # which is not made again
    assert planning.overhead_s(store.Run(store.Path("r"), {}, {}, rows, resources)) == 3.5
    rows += [at(n, phase="cooldown", latency_s=n / 10, concurrency=streams) for n, streams in ((1, 2), (2, 3), (3, 3))]
    assert planning.overhead_s(store.Run(store.Path("r"), {}, {}, rows, resources)) == pytest.approx(3.5 + 0.1 + 0.3)
