"""Schedules and records of the truth server, on hand-made clocks."""

import itertools
import json

import pytest

from slmbench import truth
from slmbench.truth import Record, Schedule, Write
from slmbench.truth.writes import Asked, groups

S = 1_000_000_000  # ns


def planned(schedule, **asked):
    """(ms, kinds) of every write."""
    made = groups(schedule, Asked("m", **asked))
    return [(g.at_ns / 1e6, " ".join(kind for kind, _ in g.events)) for g in made]


def test_the_writes_of_a_plain_reply():
    schedule = Schedule(ttft_s=0.1, gap_s=0.01, tokens=3, role_s=0.02)
    end = (120, "finish usage done")
    assert planned(schedule) == [(20, "role"), (100, "answer"), (110, "answer"), (120, "answer"), end]
    assert planned(schedule, usage=False)[-1] == (120, "finish done")


def test_a_bunch_goes_out_when_its_first_chunk_is_due():
    schedule = Schedule(ttft_s=0.1, gap_s=0.01, tokens=5, bunch=2, role_first=False)
    bunches = [(100, "answer answer"), (120, "answer answer"), (140, "answer")]
    assert planned(schedule) == [*bunches, (140, "finish usage done")]


def test_comments_fill_silences():
    schedule = Schedule(ttft_s=0.1, gap_s=0.05, tokens=2, keepalive_s=0.04, role_first=False)
    silence = [(40, "comment"), (80, "comment"), (100, "answer"), (140, "comment"), (150, "answer")]
    assert planned(schedule) == [*silence, (150, "finish usage done")]


def test_jitter_moves_every_chunk_by_up_to_its_size_and_the_same_way_each_time():
    schedule = Schedule(ttft_s=0.1, gap_s=0.01, tokens=200, jitter_s=0.004, seed=7)
    due = schedule.due_s(3, 200)
    gaps = [b - a for a, b in itertools.pairwise(due)]
    assert 0.096 <= due[0] <= 0.104
    assert 0.006 <= min(gaps) < 0.0065
    assert 0.0135 < max(gaps) <= 0.014
    assert due == schedule.due_s(3, 200) != schedule.due_s(4, 200)


@pytest.mark.parametrize(("nth", "extra"), [(0, 0), (1, 2), (2, 0), (3, 1), (6, 1)])
def test_which_request_waits_longer(nth, extra):
    assert Schedule(outlier_every=3, outlier_s=1, cold_s=2).extra_s(nth) == extra


@pytest.mark.parametrize(
    "given",
    [{"ttft_s": -1}, {"role_s": 0.2}, {"tokens": 0}, {"tokens_per_chunk": 0}, {"bunch": 0}, {"keepalive_s": 0}],
)
def test_a_schedule_that_nobody_can_keep_is_refused(given):
    with pytest.raises(ValueError, match="expected"):
        Schedule(**given)


def test_what_a_record_comes_to():
    """Received at 100 s, the first token at 105 s."""
    said = [("head", 0), ("role", 0), ("reasoning", 2), ("answer", 3), ("answer", 1), ("finish", 0), ("done", 0)]
    at = [100, 101, 105, 107, 110, 111, 112]
    writes = tuple(Write(s * S, kind, n, s * S - S // 4) for s, (kind, n) in zip(at, said, strict=True))
    record = Record(1, "m", 100 * S, writes)
    assert (record.ttft_s, record.ttfa_s, record.latency_s, record.chunk_s) == (5, 7, 10, [5, 7, 10])
    assert (record.tokens, record.tpot_s, record.ended, record.late_s) == (6, 1.0, True, 0.25)
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    early = Record(1, "m", 100 * S, writes[:2])
    assert (early.ttft_s, early.tpot_s, early.latency_s, early.ended) == (None, None, None, False)


@pytest.mark.parametrize(
    ("text", "number"), [("#00000017 small", 17), ("#00000017", 17), ("#000000171", None), ("Hi", None), (None, None)]
)
def test_a_text_names_its_request(text, number):
    assert truth.number_of(text) == number
