"""Stations of a room beside each other: built-in ratios are found again, and what can't be told is not told."""

import math
import random

import pytest

from slmbench.analyse import stations
from slmbench.records import to_frame
from support.made_rooms import frame, rows, skipped


def by_station(found, name):
    return found.lines.set_index("station")[name].to_dict()


def test_built_in_ratios_are_found_against_the_middle_one():
    found = stations.comparison(frame({"slow": 3.0, "fast": 0.5, "usual": 1.0}), "m")
    assert (found.reference, found.named) == ("usual", False)
    assert list(found.lines["station"]) == ["fast", "usual", "slow"]
    assert by_station(found, "verdict") == {"fast": "faster", "usual": "reference", "slow": "slower"}
    lines = found.lines.set_index("station")
    for name, truth in (("fast", 0.5), ("slow", 3.0)):
        assert lines.loc[name, "ratio_low"] < truth < lines.loc[name, "ratio_high"]
        assert lines.loc[name, "n_pairs"] == 12 == lines.loc[name, "n"]
    assert lines.loc["usual", "p50"] == pytest.approx(1.3, rel=0.05)  # between 1 s and 1.6 s
    assert (found.span.fastest, found.span.slowest, found.span.stations) == ("fast", "slow", 3)
    assert found.span.low < 6 < found.span.high and found.span.apart


def test_of_speeds_more_is_faster_and_the_span_is_the_same_way_round():
    found = stations.comparison(frame({"slow": 3.0, "fast": 0.5, "usual": 1.0}), "m", "decode_tps")
    assert list(found.lines["station"]) == ["fast", "usual", "slow"]
    assert by_station(found, "verdict") == {"fast": "faster", "usual": "reference", "slow": "slower"}
    assert by_station(found, "ratio")["fast"] == pytest.approx(2, rel=0.05)
    assert found.span.low < 6 < found.span.high


def test_the_spans_interval_is_corrected_for_the_pairs_it_was_picked_from():
    two = stations.comparison(frame({"a": 1.0, "b": 2.0}), "m").span
    many = stations.comparison(frame({"a": 1.0, "b": 2.0} | {f"c{i}": 1.4 for i in range(8)}), "m").span
    assert (many.fastest, many.slowest) == (two.fastest, two.slowest) == ("a", "b")
    assert many.ratio == two.ratio and many.low < two.low and many.high > two.high
    assert many.p == pytest.approx(45 * two.p)  # ten stations make 45 pairs
    # of two stations nothing was picked: the plain interval, turned if need be
    line = stations.comparison(frame({"a": 1.0, "b": 2.0}), "m", base="a").lines.iloc[1]
    assert (two.low, two.high) == (pytest.approx(line["ratio_low"]), pytest.approx(line["ratio_high"]))


def test_a_named_reference_and_one_that_lacks_the_model():
    made = to_frame([*rows("a", 1.0), *rows("b", 1.2), *rows("c", 1.4), skipped("d")])
    assert stations.comparison(made, "m", base="c").reference == "c"
    assert stations.comparison(made, "m", base="c").named
    found = stations.comparison(made, "m", base="d")
    assert (found.reference, found.named) == ("b", False)


def test_of_two_the_faster_one_is_the_reference():
    assert stations.comparison(frame({"z": 1.0, "a": 3.0}), "m").reference == "z"


def test_the_reference_has_most_of_the_replies():
    made = to_frame([*rows("a", 1.0), *rows("b", 1.2)[:7], *rows("c", 1.5)])
    assert stations.comparison(made, "m").reference in ("a", "c")


@pytest.mark.parametrize(("n", "verdict"), [(2, "can't tell"), (5, "can't tell"), (6, "slower")])
def test_few_replies_prove_nothing(n, verdict):
    made = to_frame([*rows("a", 1.0), *rows("b", 1.01), *rows("few", 5.0)[:n]])
    found = stations.comparison(made, "m", base="a")
    line = found.lines.set_index("station").loc["few"]
    assert (line["n"], line["n_pairs"], line["verdict"]) == (n, n, verdict)
    assert math.isnan(line["p50_low"]) == math.isnan(line["ratio_low"]) == (n < 6)
    assert ("few" in (found.span.fastest, found.span.slowest)) == (n >= 6)
    assert line["aside"] == ("" if n >= 6 else f"n = {n}, and an interval of a median needs 6")


def test_whoever_left_a_prompt_out_is_neither_first_nor_last():
    only_short = [row for row in rows("x", 1.0, rounds=12) if row.prompt_id == "short"]
    found = stations.comparison(to_frame([*rows("a", 1.0), *rows("b", 1.1), *only_short]), "m", base="a")
    assert by_station(found, "aside")["x"] == "replied to 1 of 2 prompts only"
    assert found.span.fastest == "a"
    assert by_station(found, "ratio")["x"] == pytest.approx(1, rel=0.05)  # request by request it is as fast
    assert list(found.lines["station"])[-1] == "x"


def test_another_plan_is_shown_and_not_compared():
    made = frame({"a": 1.0, "b": 1.3, "odd": 0.1})
    found = stations.comparison(made, "m", apart={"odd": "max_tokens: 24 -> 2"})
    line = found.lines.set_index("station").loc["odd"]
    assert (line["verdict"], line["n_pairs"], line["n"]) == ("not compared", 0, 12)
    assert line["aside"] == "asked for something else: max_tokens: 24 -> 2"
    assert found.span.fastest == "a" and found.reference != "odd"


def test_a_model_that_one_station_lacks_is_not_overtaken_by_the_others():
    made = to_frame([skipped("gone", error="no memory"), *rows("a", 1.0)])
    line = stations.summary(made).set_index("station").loc["gone"]
    assert (line["n_skipped"], line["n_ok"], line["status_note"]) == (1, 0, "no memory")
    found = stations.comparison(made, "m")
    assert by_station(found, "aside") == {"a": "", "gone": "nothing measured"}
    assert (found.reference, found.span) == ("a", None)


def test_nothing_at_all():
    for made in (frame({}), to_frame([skipped("a")])):
        found = stations.comparison(made, "m")
        assert (found.reference, found.span) == (None, None)
        assert list(found.lines.columns) == list(stations.COLUMNS)
        assert set(found.lines["verdict"]) <= {"not compared"}


def test_failed_and_invalid_replies_are_in_no_number():
    bad = rows("a", 50.0, flags=["clock_jump"])
    made = to_frame(
        [*bad, *rows("a", 1.0), *rows("b", 1.0, status="timeout", error="late", latency_s=None, ttft_s=None)]
    )
    found = stations.comparison(made, "m")
    assert by_station(found, "n") == {"a": 12, "b": 0} and by_station(found, "n_failed")["b"] == 12
    assert found.lines.set_index("station").loc["a", "max"] < 3


def test_two_hundred_stations():
    chance = random.Random(1)
    truth = {f"lap{i:03}": chance.choice((0.5, 1.0, 2.0)) for i in range(200)}
    found = stations.comparison(frame(truth), "m")
    base = truth[found.reference]
    expected = {0.5: "faster", 1.0: "can't tell", 2.0: "slower"}
    assert base == 1.0 and len(found.lines) == 200
    wrong = [
        name
        for name, verdict in by_station(found, "verdict").items()
        if name != found.reference and verdict != expected[truth[name]] and (verdict, truth[name]) != ("tie", 1.0)
    ]
    assert wrong == []
    assert found.span.low < 4 < found.span.high


def test_machines_that_are_alike_are_rarely_told_apart():
    """16 rooms of 12 machines alike, with noise of 15 %: Holm and Bonferroni hold a false call to 5 % of rooms."""
    verdicts, apart = 0, 0
    for seed in range(16):
        made = [row for i in range(12) for row in rows(f"s{seed}-{i}", 1.0, rounds=5, noise=0.15)]
        found = stations.comparison(to_frame(made), "m")
        verdicts += bool(set(found.lines["verdict"]) & {"faster", "slower"})
        apart += found.span.apart
    assert (verdicts <= 3, apart <= 3) == (True, True)  # 1 is expected at most; more than 3 have a chance of 1 %
