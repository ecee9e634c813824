"""By how much a loop was late within a span of time."""

from slmbench.measure import lateness
from slmbench.measure.lateness import MS, Lateness


def log(*found):
    made = Lateness()
    for woken_ms, late_ms in found:
        made.note(woken_ms * MS, late_ms * MS)
    return made


def test_the_longest_delay_of_the_span_counts():
    made = log((100, 30), (200, 20), (300, 50))
    assert made.worst_ns(90 * MS, 250 * MS) == 50 * MS  # the last one began at 250 ms
    assert made.worst_ns(90 * MS, 249 * MS) == 30 * MS
    assert made.worst_ns(150 * MS, 249 * MS) == 20 * MS
    assert made.worst_ns(310 * MS, 400 * MS) == 0
    assert Lateness().worst_ns(0, 10) == 0


def test_what_the_timer_explains_is_no_delay():
    made = Lateness()
    made.note(100, lateness.TIMER_NS)
    assert made.worst_ns(0, 1000) == 0


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(lateness, "KEPT", 3)
    assert log((10, 60), (20, 30), (30, 30), (40, 30)).worst_ns(0, 100 * MS) == 30 * MS
