"""Who is called ahead, on what evidence, and what is said where nobody is."""

import math

import pytest
from made_requests import row

from slmbench.analyse import compare, race
from slmbench.errors import UsageError
from slmbench.records import to_frame


def run(number=12, prompts=4, **seconds):
    """Requests to models in turn, of so many seconds each, a little more from one to the next."""
    return [
        row(m, f"p{i % prompts}", latency=s * (1 + i / 100), number=i // prompts, order=i * len(seconds) + k)
        for i in range(number)
        for k, (m, s) in enumerate(seconds.items())
    ]


def test_e_values_by_hand():
    # one win says nothing; 2 of 2: 4 · B(2.5, 0.5) / B(0.5, 0.5) = 4 · 3π/8 / π; 7 of 7: C(14, 7) / 2⁷
    assert race.e_value([0, 1, 2, 7], [0, 1, 2, 7]) == pytest.approx([1, 1, 1.5, math.comb(14, 7) / 2**7])
    assert race.e_value(3, 9) == pytest.approx(race.e_value(6, 9))
    assert race.e_value(6, 12) < 1
    assert math.isfinite(race.e_value(5000, 5000))


def test_an_e_value_is_a_fair_bet():
    # before each request, what it is expected to become is what it is
    for n in range(20):
        for won in range(n + 1):
            after = (race.e_value(won + 1, n + 1) + race.e_value(won, n + 1)) / 2
            assert after == pytest.approx(race.e_value(won, n))


@pytest.mark.parametrize(("number", "verdict"), [(6, race.OPEN), (7, race.AHEAD)])
def test_seven_wins_of_seven_are_the_first_that_call(number, verdict):
    [line] = race.calls(to_frame(run(number, a=1.0, b=0.5))).to_dict("records")
    assert (line["base"], line["other"], line["n"], line["won"]) == ("a", "b", number, number)
    assert (line["needed"], line["verdict"]) == (20, verdict)
    assert line["ratio"] == pytest.approx(0.5)


def test_behind_is_ahead_from_the_other_side():
    [line] = race.calls(to_frame(run(8, a=1.0, b=2.0))).to_dict("records")
    assert (line["won"], line["verdict"]) == (0, race.BEHIND)
    words = "a is ahead of b: it won 8 of 8 requests, latency × 0.50 [0.50, 0.50]."
    assert race.headline(race.calls(to_frame(run(8, a=1.0, b=2.0)))) == words


def test_of_a_speed_more_is_better():
    frame = to_frame(run(8, a=1.0, b=2.0))
    [line] = race.calls(frame, "output_tps").to_dict("records")
    assert (line["won"], line["verdict"], line["ratio"]) == (0, race.BEHIND, pytest.approx(0.5))
    assert race.headline(race.calls(frame, "output_tps")).startswith("a is ahead of b: it won 8 of 8 requests, output")


def test_the_more_pairs_the_more_a_call_needs():
    frame = to_frame(run(7, a=1.0, b=0.5, c=0.25))
    assert set(race.calls(frame)["needed"]) == {60}  # 3 pairs; 7 of 7 is 26.8
    assert set(race.calls(frame)["verdict"]) == {race.OPEN}
    two = to_frame(run(7, a=1.0, b=0.5))
    known = race.calls(two, models=["a", "b", "c"])
    assert list(known["needed"]) == [60] * 3
    assert list(known["n"]) == [7, 0, 0]
    assert set(known["verdict"]) == {race.OPEN}


def test_equal_values_are_left_out():
    rows = run(8, a=1.0, b=0.5) + [row(m, "q", latency=1.0, number=i) for m in "ab" for i in range(3)]
    [line] = race.calls(to_frame(rows)).to_dict("records")
    assert (line["n"], line["won"]) == (8, 8)


def test_what_the_report_would_not_say_is_not_called():
    rows = [row("a", "p", latency=1.0 + i / 100, number=i) for i in range(40)]
    rows += [row("b", "p", latency=0.97 * (1.0 + i / 100), number=i) for i in range(40)]
    [line] = race.calls(to_frame(rows)).to_dict("records")
    assert (line["won"], line["n"]) == (40, 40)
    assert line["e_value"] > 1e6 and line["ratio_high"] < 1
    assert line["verdict"] == race.OPEN  # 3 % is no gap that the report calls faster
    assert (
        race.headline(race.calls(to_frame(rows)))
        == "Can't tell yet: b won 40 of 40 requests against a, by less than 5 %."
    )


def test_wins_and_ratio_must_be_on_one_side():
    # b wins 30 of 34 by a little, and loses 4 by a lot: its geometric mean is above 1
    rows = [row("a", "p", latency=1.0, number=i) for i in range(34)]
    rows += [row("b", "p", latency=0.93 if i > 3 else 20.0, number=i) for i in range(34)]
    [line] = race.calls(to_frame(rows)).to_dict("records")
    assert line["e_value"] > 20 and line["ratio"] > 1
    assert line["verdict"] == race.OPEN
    assert math.isnan(line["more"])


def test_a_call_is_never_more_than_the_report_says():
    for seconds in ({"a": 1.0, "b": 0.7}, {"a": 1.0, "b": 0.96}, {"a": 1.0, "b": 1.0, "c": 3.0}):
        frame = to_frame(run(16, **seconds))
        for line, said in zip(race.calls(frame).itertuples(), compare.models(frame).itertuples(), strict=True):
            assert (line.base, line.other, line.ratio) == (said.base, said.other, said.ratio)
            assert {race.AHEAD: "faster", race.BEHIND: "slower"}.get(line.verdict, said.verdict) == said.verdict


def test_failures_and_requests_of_one_model_alone_are_in_no_pair():
    rows = run(8, a=1.0, b=0.5)
    rows[3] = row("b", "p1", status="timeout", error="no reply within 60 s")
    frame = to_frame([*rows, row("a", "alone", latency=9.0), row("b", "p0", latency=0.1, phase="warmup")])
    assert list(race.calls(frame)["n"]) == [7]
    assert list(race.standings(frame)["n"]) == [7, 9]


def test_levels_of_load_are_compared_with_themselves():
    rows = [
        row(m, latency=s * c, number=i, concurrency=c)
        for i in range(4)
        for c in (1, 4)
        for m, s in (("a", 1), ("b", 3))
    ]
    [line] = race.calls(to_frame(rows)).to_dict("records")
    assert (line["n"], line["won"]) == (8, 0)  # a at 4 at once is slower than b alone, and yet wins
    assert line["ratio"] == pytest.approx(3)


def test_names_that_stand_for_one_level_race_within_it():
    rows = [
        row(f"{c} × {m}", latency=s, number=i, concurrency=c)
        for i in range(4)
        for c in (1, 4)
        for m, s in (("a", 1), ("b", 3))
    ]
    found = race.calls(to_frame(rows))
    assert list(zip(found["base"], found["other"], strict=True)) == [("1 × a", "1 × b"), ("4 × a", "4 × b")]
    assert set(found["needed"]) == {40}


def test_a_skipped_model_is_in_no_race_and_keeps_its_line():
    rows = [row("gone", None, status="skipped", error="not in the catalogue"), *run(8, a=1.0, b=0.5)]
    assert list(race.calls(to_frame(rows))["needed"]) == [20]
    table = race.standings(to_frame(rows), models=["a", "gone", "b"])
    assert list(zip(table["model"], table["place"], strict=True)) == [
        ("b", "ahead of 1"),
        ("a", "behind 1"),
        ("gone", "skipped"),
    ]


def test_standings_by_hand():
    table = race.standings(to_frame(run(12, slow=4.0, quick=1.0, same=1.0)))
    assert list(table["model"]) == ["quick", "same", "slow"]
    assert list(table["place"]) == ["ahead of 1", "ahead of 1", "behind 2"]
    assert list(table["won"]) == [12, 12, 0]
    assert list(table["lost"]) == [0, 0, 24]
    quick = table.iloc[0]
    assert (quick["n"], quick["p50"]) == (12, pytest.approx(1.055))
    assert (quick["p50_low"], quick["p50_high"]) == pytest.approx((1.02, 1.09))  # 3rd and 10th of 12


def test_who_can_not_be_told_apart_stays_in_order_of_appearance():
    frame = to_frame(run(12, a=1.0, b=1.0001, c=0.9999))
    assert list(race.standings(frame)["model"]) == ["a", "b", "c"]
    assert set(race.standings(frame)["place"]) == {race.OPEN}


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ({}, "abcd"),
        ({"d": {"a"}}, "dabc"),
        ({"b": {"a"}, "d": {"a", "c"}}, "dbac"),
        ({"b": {"a"}, "a": {"c"}, "c": {"d"}}, "bacd"),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, "dabc"),  # a circle: those in it as they came
    ],
)
def test_nobody_stands_above_who_is_ahead_of_them(above, expected):
    assert "".join(race._order("abcd", above)) == expected


def test_nothing_and_one_model():
    frame = to_frame([])
    assert list(race.calls(frame).columns) == [*race.COLUMNS]
    assert list(race.standings(frame).columns) == [*race.PLACES]
    assert len(race.calls(frame)) == len(race.standings(frame)) == 0
    assert race.headline(race.calls(frame)) == "Can't tell yet: no request has been answered by two models."
    one = to_frame(run(8, a=1.0))
    assert len(race.calls(one)) == 0
    assert list(race.standings(one)["place"]) == ["no rival yet"]
    silent = to_frame([row("a"), row("b", status="timeout", error="late")])
    assert list(race.standings(silent)["place"]) == [race.OPEN, "no reply yet"]


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="latency_s"):
        race.calls(to_frame(run(2, a=1.0, b=2.0)), "latency")


def test_what_is_missing_is_said_where_it_can_be_known():
    # 8 of 10 by 30 %: with 4 in 5 wins, 28 of 35 would be the first to reach 20
    rows = run(10, a=1.0, b=0.7)
    rows[1], rows[3] = row("b", "p0", latency=1.1), row("b", "p1", latency=1.1)
    found = race.calls(to_frame(rows))
    assert list(found["won"]) == [8]
    more = int(found["more"].iloc[0])
    assert race.e_value(8 + 0.8 * more, 10 + more) >= 20 > race.e_value(8 + 0.8 * (more - 1), 10 + more - 1)
    assert race.headline(found) == (
        f"Can't tell yet: b won 8 of 10 requests against a; at this rate about {more} more requests answered by both "
        "would do."
    )
    assert math.isnan(race.calls(to_frame(run(5, a=1.0, b=0.7)))["more"].iloc[0])  # of 5 nothing is known
    assert math.isnan(race.calls(to_frame(run(20, a=1.0, b=1.0001)))["more"].iloc[0])  # no gap


def test_the_headline_of_several_models():
    frame = to_frame(run(12, c=3.0, a=1.0, b=1.0001))
    assert race.headline(race.calls(frame)) == (
        "a is ahead of c: it won 12 of 12 requests, latency × 0.33 [0.33, 0.33]. "
        "Can't tell yet: a won 12 of 12 requests against b, by less than 5 %."
    )
    frame = to_frame(run(12, c=3.0, a=1.0, b=2.0))
    said = "a is ahead of 2 others, least surely of c: it won 12 of 12 requests, latency × 0.33 [0.33, 0.33]."
    assert race.headline(race.calls(frame)) == said
