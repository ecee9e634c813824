"""Calibration: its figures on hand-made pairs, and a short one against the truth server in this process."""

import dataclasses
import json

import pytest

from slmbench import calibrate
from slmbench.calibrate import Accuracy, Asked, Calibration, Limit, accuracy_of, find_limit, sentence
from slmbench.errors import NothingMeasured
from slmbench.measure.stream import Reply
from slmbench.truth import Record, Schedule, TruthServer, Write

MS = 1_000_000  # ns


def pair(number=1, *, late_ms=0.0, tpot_ms=10.0, off_pct=0.0, tokens=11, counted=None, flags=()):
    """A reply and its record: the first token after 100 ms, the others `tpot_ms` apart."""
    last_ms = 100 + tpot_ms * (tokens - 1)
    at = [(100, "answer", 1), (last_ms, "answer", tokens - 1), (last_ms, "done", 0)]
    record = Record(number, "m", 0, tuple(Write(round(ms * MS), kind, n, round(ms * MS)) for ms, kind, n in at))
    ttft_s = (100 + late_ms) / 1e3
    latency_s = ttft_s + tpot_ms * (tokens - 1) * (1 + off_pct / 100) / 1e3
    text = f"#{number:08d} and so on"
    reply = Reply(ttft_s=ttft_s, latency_s=latency_s, output_tokens=counted or tokens, text=text, flags=list(flags))
    return reply, record


CALIBRATION = Calibration(
    "2026-03-01T10:00:00+00:00",
    {"python": "3.13.2"},
    (Accuracy(1, 30, 0.12, 0.4, "max", 0.03, 0), Accuracy(8, 144, 0.2, 1.25, "p99", 0.1, 2)),
    (Limit(1, 9876.5), Limit(8, 20000.0, 41000.0, "the time per token was 3.0 % off")),
)


def test_errors_are_of_single_requests():
    found = accuracy_of(1, Asked([pair(n, late_ms=n / 10) for n in range(1, 6)]))
    assert (found.streams, found.n, found.tail, found.wrong_counts) == (1, 5, "max", 0)
    assert found.ttft_p50_ms == pytest.approx(0.3)
    assert found.ttft_tail_ms == pytest.approx(0.5)
    assert found.tpot_pct == pytest.approx(0)


@pytest.mark.parametrize(("n", "tail", "ms"), [(99, "max", 9.9), (100, "p99", 9.901), (101, "p99", 10.0)])
def test_the_tail_is_called_p99_only_where_it_is_not_the_maximum(n, tail, ms):
    found = accuracy_of(8, Asked([pair(i, late_ms=i / 10) for i in range(1, n + 1)]))
    assert (found.tail, found.ttft_tail_ms) == (tail, pytest.approx(ms))


def test_early_is_as_wrong_as_late():
    found = accuracy_of(1, Asked([pair(late_ms=-0.4), pair(late_ms=0.2)]))
    assert (found.ttft_p50_ms, found.ttft_tail_ms) == (pytest.approx(0.3), pytest.approx(0.4))


def test_the_error_of_the_time_per_token_is_that_of_the_means():
    found = accuracy_of(1, Asked([pair(off_pct=3.0), pair(off_pct=-1.0)]))
    assert found.tpot_pct == pytest.approx(1.0)


def test_failed_and_miscounted_requests_are_told():
    assert accuracy_of(1, Asked([pair(), pair(counted=12)], failed=2)).wrong_counts == 3


def test_replies_are_paired_by_their_tags():
    replies, records = zip(*(pair(n, tokens=n + 10) for n in (3, 1, 2)), strict=True)
    asked = Asked.of([*replies, Reply(status="truncated", text="#00000004")], sorted(records, key=lambda r: r.number))
    assert [(reply.output_tokens, record.tokens) for reply, record in asked.pairs] == [(13, 13), (11, 11), (12, 12)]
    assert asked.failed == 1


def test_no_good_reply_is_an_error_with_its_reason():
    with pytest.raises(NothingMeasured, match=r"no good reply: refused \(nobody there\)"):
        Asked.of([Reply(status="refused", error="nobody there")], [])


class Attempts:
    """What each model gives, try after try; the last one over and over."""

    def __init__(self, **given):
        self.given, self.asked = given, []

    def __call__(self, model):
        self.asked.append(model)
        left = self.given[model]
        return Asked([pair(**(left.pop(0) if len(left) > 1 else left[0]))])


GOOD = {name: {"tpot_ms": ms} for name, ms in (("slow", 10.0), ("quick", 1.0), ("fast", 0.5))}


def test_all_rates_can_be_trusted():
    attempts = Attempts(**{name: [good] for name, good in GOOD.items()})
    assert find_limit(8, GOOD, attempts) == Limit(8, pytest.approx(16000.0))  # 8 / 0.5 ms
    assert attempts.asked == ["slow", "quick", "fast"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"off_pct": 1.2}, "the time per token was 1.2 % off"),
        ({"flags": ["client_bound"]}, "the reader could not keep up in 1 of 1 replies"),
    ],
)
def test_the_first_rate_that_fails_every_try_is_the_limit(bad, why):
    attempts = Attempts(slow=[GOOD["slow"]], quick=[GOOD["quick"] | bad], fast=[GOOD["fast"]])
    assert find_limit(1, GOOD, attempts) == Limit(1, pytest.approx(100.0), pytest.approx(1000.0), why)
    assert attempts.asked == ["slow", "quick", "quick", "quick"]


def test_one_disturbance_is_no_limit():
    disturbed = [GOOD["quick"] | {"off_pct": 5.0}, GOOD["quick"]]
    attempts = Attempts(slow=[GOOD["slow"]], quick=disturbed, fast=[GOOD["fast"]])
    assert find_limit(1, GOOD, attempts) == Limit(1, pytest.approx(2000.0))
    assert attempts.asked == ["slow", "quick", "quick", "fast"]


def test_a_failed_request_is_not_trusted():
    found = find_limit(1, ["slow"], lambda _: Asked([pair()], failed=1))
    assert found == Limit(1, None, pytest.approx(100.0), "1 of 2 requests failed")


def test_a_rate_at_which_nothing_comes_back_keeps_what_was_found_before():
    def attempt(model):
        if model == "quick":
            raise NothingMeasured("no", "none")
        return Asked([pair()])

    found = find_limit(1, ["slow", "quick"], attempt)
    assert found == Limit(1, pytest.approx(100.0), None, "no request had a good reply")
    said = sentence(Calibration("2026-03-01", {"python": "3.13.2"}, (), (found,)))
    assert said.endswith("up to 100 tokens/s; at the next faster one, no request had a good reply.")


def test_it_stops_where_the_server_gets_no_faster():
    attempts = Attempts(slow=[GOOD["slow"]], quick=[{"tpot_ms": 9.5}], fast=[GOOD["fast"]])
    assert find_limit(1, GOOD, attempts) == Limit(1, pytest.approx(100.0))
    assert attempts.asked == ["slow", "quick"]


def test_what_is_said():
    assert sentence(CALIBRATION) == (
        "On this machine (Python 3.13.2, 2026-03-01), held against a server that stamps what it writes: "
        "One request at a time, the time to first token is off by 0.12 ms (median) and 0.40 ms at worst, "
        "the time per token by 0.03 % (n = 30). "
        "8 requests at once, the time to first token is off by 0.20 ms (median) and 1.25 ms (p99), "
        "the time per token by 0.10 % (n = 144). 2 requests failed or were counted wrong. "
        "One request at a time, numbers can be trusted up to 9,876 tokens/s, the fastest that could be tried. "
        "8 requests at once, numbers can be trusted up to 20,000 tokens/s in all; "
        "at 41,000, the time per token was 3.0 % off."
    )
    none = dataclasses.replace(CALIBRATION, accuracy=(), limits=(Limit(1, None, 100.0, "1 of 2 requests failed"),))
    assert sentence(none).endswith("no rate that was tried can be trusted; at 100, 1 of 2 requests failed.")


def test_it_comes_back_from_json():
    assert Calibration.from_json(CALIBRATION.to_json()) == CALIBRATION
    with pytest.raises(ValueError, match="not a calibration"):
        Calibration.from_json("{}")


def keep(found):
    calibrate.path().parent.mkdir(parents=True, exist_ok=True)
    calibrate.path().write_text(found.to_json(), encoding="utf-8")


def test_the_latest_is_of_this_machine_and_python():
    assert calibrate.latest() is None
    ours = dataclasses.replace(CALIBRATION, where=calibrate.here())
    keep(ours)
    assert calibrate.latest() == ours
    keep(dataclasses.replace(ours, where=ours.where | {"python": "3.0.0"}))
    assert calibrate.latest() is None


@pytest.mark.parametrize("damaged", ["", "[]", '{"at": "x"}', '{"at": 1, "where": {}, "accuracy": [{}], "limits": []}'])
def test_a_damaged_file_is_none(damaged):
    keep(CALIBRATION)
    calibrate.path().write_text(damaged, encoding="utf-8")
    assert calibrate.latest() is None


def test_a_short_calibration(monkeypatch):
    monkeypatch.setattr(calibrate, "STEADY", Schedule(ttft_s=0.01, gap_s=0.002, tokens=5))
    monkeypatch.setattr(calibrate, "GAPS_MS", (4, 2))
    told = []
    found = calibrate.calibrate((1, 2), 0.1, told.append, serve=TruthServer)
    assert [(a.streams, a.n, a.tail, a.wrong_counts) for a in found.accuracy] == [(1, 3, "max", 0), (2, 6, "max", 0)]
    assert [limit.streams for limit in found.limits] == [1, 2]
    assert all(a.ttft_tail_ms >= a.ttft_p50_ms > 0 for a in found.accuracy)
    assert calibrate.latest() == found
    assert json.loads(calibrate.path().read_text(encoding="utf-8"))["where"]["python"] == found.where["python"]
    assert [line.split(",")[0] for line in told] == ["One request at a time"] * 2 + ["2 requests at once"] * 2
    assert sentence(found).endswith(f"{told[1]} {told[3]}")
