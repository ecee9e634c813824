"""Several streams at once, and open loops, against a scripted server: what is sent, and what each row says."""

import json
import threading
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest

from slmbench import store
from slmbench.measure import bench
from slmbench.records import OK
from support.plans import PROMPTS, broken, cells
from support.replies import behaved, delta, event, good, head, plain
from support.server import HOLD, Pause


class Counting:
    """Answers well after a pause, and notes how many requests are open at once."""

    def __init__(self, seconds=0.05):
        self.seconds, self.open, self.most, self.lock = seconds, 0, 0, threading.Lock()

    def __call__(self, _):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        yield head()
        yield Pause(self.seconds)
        with self.lock:
            self.open -= 1  # before the end is sent: the client may begin the next one at once
        yield good()


def test_as_many_streams_are_open_as_was_asked_for(measure):
    counting = Counting()
    rows, requests = measure(behaved(reply=counting), "a", rounds=6, warmup=1, concurrency=(4,))
    assert counting.most == 4
    assert len(rows) == len(requests) == 1 + 12 + 3
    assert [r.concurrency for r in rows] == [1] + [4] * 15  # the warm-up is alone
    assert {r.status for r in rows} == {OK}
    assert len(set(cells(rows))) == 12


@pytest.mark.parametrize("rounds", [1, 6])
def test_the_last_timed_requests_run_among_as_many_as_the_first(measure, rounds):
    """Also where there are fewer of them than streams: untimed ones take their places, and are rows as well."""
    rows, requests = measure(behaved(reply=Counting()), "a", rounds=rounds, warmup=0, concurrency=(4,))
    assert Counter(r.phase for r in rows) == {"timed": 2 * rounds, "cooldown": 3}
    assert len(requests) == len(rows)
    began = {r.cell: datetime.fromisoformat(r.started_at).timestamp() for r in rows}
    for row in (r for r in rows if r.phase == "timed"):
        middle = began[row.cell] + row.latency_s / 2
        assert sum(began[r.cell] <= middle < began[r.cell] + r.latency_s for r in rows) == 4


def test_a_sweep_has_a_block_for_each_level(measure):
    counting = Counting(0.01)
    rows, _ = measure(behaved(reply=counting), "a", "b", rounds=2, warmup=0, concurrency=(1, 2, 4))
    timed = [r for r in rows if r.phase == "timed"]
    assert Counter((r.model, r.concurrency) for r in timed) == {(m, n): 4 for m in "ab" for n in (1, 2, 4)}
    levels = [r.concurrency for r in rows]
    assert levels == sorted(levels)
    for level in (2, 4):  # models one after the other, where they would share the machine
        models = [r.model for r in rows if r.concurrency == level]
        assert len([1 for a, b in pairwise(models) if a != b]) == 1
    assert len({r.cell for r in rows}) == len(rows)


def test_an_open_loop_keeps_its_times_whatever_the_replies_do(measure):
    counting = Counting(0.4)
    rows, _ = measure(behaved(reply=counting), "a", rounds=5, warmup=0, rate=50.0, arrivals="constant")
    assert counting.most >= 5  # it did not wait for replies
    intended = sorted(datetime.fromisoformat(r.intended_at).timestamp() for r in rows)
    gaps = [b - a for a, b in pairwise(intended)]
    assert gaps == pytest.approx([0.02] * 9, abs=0.002)
    for row in rows:
        late_s = (datetime.fromisoformat(row.started_at) - datetime.fromisoformat(row.intended_at)).total_seconds()
        assert late_s >= -0.002
        assert row.ttft_s >= 0.4 + late_s - 0.002  # from the intended start
        assert row.client_lag_s >= late_s - 0.002


def test_models_meet_the_same_arrivals(measure):
    rows, _ = measure(behaved(), "a", "b", rounds=5, warmup=0, rate=200.0)
    times = {}
    for model in "ab":
        of_model = sorted(datetime.fromisoformat(r.intended_at).timestamp() for r in rows if r.model == model)
        times[model] = [t - of_model[0] for t in of_model]
    assert times["a"] == pytest.approx(times["b"], abs=0.002)


def test_a_model_that_keeps_failing_is_given_up(measure):
    rows, requests = measure(broken("b"), "a", "b", rounds=20, warmup=0, concurrency=(2,))
    of_b = [r for r in rows if r.model == "b"]
    assert 3 <= len([r for r in of_b if r.status == "http_500"]) <= 3 + 2 * 2  # what was under way comes to its end
    assert [(r.status, r.prompt_id) for r in of_b if r.status == "skipped"] == [("skipped", None)]
    assert [r.status for r in rows if r.model == "a"] == [OK] * (40 + 1)
    assert len(requests) == len(rows) - 1  # no request without a row


def test_an_interrupt_keeps_what_was_in_flight(measure, tmp_path, monkeypatch):
    turns = iter(range(99))

    def reply(_):
        return [head(), good()] if next(turns) < 3 else [head() + event(delta("Hel")), HOLD]

    real = bench.Reader.take

    def take(self):
        found = real(self)
        if next(turns) and len(store.read(tmp_path / "run").rows) >= 2:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(bench.Reader, "take", take)
    with pytest.raises(KeyboardInterrupt):
        measure(behaved(reply=reply), "a", rounds=9, warmup=0, concurrency=(3,))
    kept = store.read(tmp_path / "run").rows
    assert Counter(r.status for r in kept)["interrupted"] >= 1
    assert len({r.order for r in kept}) == len(kept)


def test_an_interrupt_while_a_reply_is_read_keeps_the_reply(measure, tmp_path, monkeypatch):
    """It has left the reader, and is no row yet."""
    real, reads = bench.stream.read, Counter()

    def read(wire, **more):
        reads["n"] += 1
        if reads["n"] == 3:
            raise KeyboardInterrupt
        return real(wire, **more)

    monkeypatch.setattr(bench.stream, "read", read)
    with pytest.raises(KeyboardInterrupt):
        measure(behaved(), "a", rounds=9, warmup=0, concurrency=(2,))
    kept = store.read(tmp_path / "run").rows
    assert len(kept) >= 3
    assert [r.status for r in kept[:3]] == [OK] * 3
    assert len({r.cell for r in kept}) == len(kept)


def test_a_late_success_does_not_take_a_model_up_again_that_was_given_up(measure):
    """Three failures while a slow reply is under way: what it brings is kept, and nothing more is asked."""
    seen = Counter()

    def reply(_):
        seen["n"] += 1
        return [head(), Pause(0.5), good()] if seen["n"] == 1 else [plain({}, "500 Oops")]

    rows, requests = measure(behaved(reply=reply), "a", rounds=9, warmup=0, concurrency=(4, 2))
    assert {r.concurrency for r in rows if r.status != "skipped"} == {4}
    assert [r.status for r in rows].count("skipped") == 1
    assert OK in {r.status for r in rows}
    assert len(requests) == len(rows) - 1


def test_resume_asks_what_is_unfinished(measure, tmp_path):
    measure(behaved(), "a", rounds=2, warmup=0, concurrency=(2,))
    rows, requests = measure(behaved(), "a", rounds=3, warmup=0, concurrency=(2,), resume=True)
    assert sorted(cells(rows)) == [("a", "p1", 2, 0), ("a", "p2", 2, 0)]
    assert len(requests) == 2 + 1
    assert len(store.read(tmp_path / "run").rows) == 6 + 2


@pytest.mark.parametrize("concurrency", [(1,), (2,)])
def test_retries_are_rows_of_their_own(measure, concurrency):
    first = Counter()

    def reply(asked):
        text = asked["messages"][0]["content"]
        first[text] += 1
        return [plain({}, "500 Oops")] if text == PROMPTS[0].text and first[text] == 1 else [head(), good()]

    rows, requests = measure(behaved(reply=reply), "a", retries=2, warmup=0, concurrency=concurrency)
    timed = [row for row in rows if row.phase == "timed"]
    again = {row.cell for row in timed if row.attempt == 2}
    assert [(r.attempt, r.status) for r in timed if r.cell in again] == [(1, "http_500"), (2, OK)]
    assert len(timed) == 5
    assert len(requests) == len(rows)


def test_a_model_that_fails_at_its_end_is_not_said_to_have_been_left_out(measure):
    """All that was timed had been asked: what is given up is company only."""
    rows, _ = measure(broken("a"), "a", rounds=2, warmup=0, concurrency=(4,), retries=0)
    assert Counter(r.phase for r in rows if r.status == "http_500")["timed"] == 4
    assert not [r for r in rows if r.status == "skipped"]


@pytest.mark.parametrize(
    ("status", "again"),
    [("500 Oops", 2), ("429 Too Many Requests", 2), ("408 Timeout", 2), ("404 Not Found", 0), ("401 No", 0)],
)
def test_what_would_be_refused_again_is_not_retried(measure, status, again):
    rows, requests = measure(broken("a", status), "a", rounds=1, warmup=0, retries=2, prompts=PROMPTS[:1])
    sent = [r for r in rows if r.status != "skipped"]
    assert [r.attempt for r in sent] == list(range(1, 2 + again))
    assert len(requests) == len(sent)


def test_no_retries_unless_they_were_asked_for(measure):
    rows, requests = measure(broken("a"), "a", rounds=1, warmup=0)
    assert [r.attempt for r in rows] == [1, 1]
    assert len(requests) == 2


def test_a_nonce_is_sent_and_the_row_keeps_the_prompts_name(measure):
    rows, requests = measure(behaved(), "a", rounds=2, warmup=1, nonce=True)
    sent = [json.loads(r.body)["messages"][0]["content"] for r in requests]
    assert len(set(sent)) == len(sent) == 5
    assert {r.prompt_id for r in rows} == {"p1", "p2"}
