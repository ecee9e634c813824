"""The headline claims what the intervals allow, and not more."""

import pytest

from slmbench.analyse import compare, stats
from slmbench.records import to_frame
from slmbench.show import verdict
from support.made_rows import request, sweep_rows


def headline(rows):
    return verdict.headline(to_frame(rows))


def runs(**models):
    return [request(m, number=i, latency=x) for m, latencies in models.items() for i, x in enumerate(latencies)]


def noisy(middle, n=12, shift=0):
    """n latencies within 4 % above the middle; another shift has its noise elsewhere, so that pairs differ."""
    return [middle * (1 + (7 * k + 3 * shift) % 5 / 100) for k in range(n)]


def test_nothing_measured():
    first, *rest = headline([request("a", status="refused")])
    assert first == "**Nothing was measured: no timed request gave a usable reply.**"
    assert rest == ["1 of 1 models could not be measured: see Failed and skipped."]


def test_one_model_is_no_comparison():
    first = headline(runs(a=noisy(1.0)))[0]
    assert first.startswith("**Measured, with nothing to compare it with: a (median 1.02 s [")


@pytest.mark.parametrize("n", [1, 3, 5])
def test_no_winner_below_six_pairs_however_far_apart(n):
    first, *rest = headline(runs(slow=[100.0] * n, fast=[1.0] * n))
    assert first.startswith(
        "**Can't tell the models apart: a comparison needs 6 pairs (the same prompt, load and round), "
        f"and this run has {n}. Latencies seen, indicative only: "
    )
    assert first.index("fast (median 1 s") < first.index("slow (median 100 s")
    assert "Fastest" not in first and "Slower" not in first
    assert f"Each model has n = {n}" in rest[0]


def test_pairs_may_come_from_several_prompts_and_loads():
    def rows(model, latency):
        return [
            request(model, p, 0, latency * (1 + k / 100), load_index=load)
            for k, p in enumerate(("p", "q", "r"))
            for load in range(2)
        ]

    first, *rest = headline([*rows("fast", 1.0), *rows("slow", 9.0)])
    assert first.startswith("**Fastest: fast (median 1.01 s")
    assert "slow takes 9.00 [9.00, 9.00] times as long, 6 pairs." in first
    assert "n pools 3 prompts" in rest[1] and "in pairs" in rest[1]


def test_one_prompt_pools_nothing():
    assert "pools" not in " ".join(headline(runs(slow=noisy(2.0), fast=noisy(1.0))))


def test_the_fastest_is_faster_than_every_other_and_the_sentence_says_by_how_much():
    rows = runs(slow=noisy(2.0, shift=1), fast=noisy(1.0), slower=noisy(4.0, shift=2))
    found = compare.models(to_frame(rows)).set_index(["base", "other"])
    first = headline(rows)[0]
    assert first.startswith("**Fastest: fast (median 1.02 s [1, 1.03], n = 12). Slower: slow takes ")
    low, high = (1 / found.loc[("slow", "fast"), side] for side in ("ratio_high", "ratio_low"))
    assert f"slow takes 2.00 [{low:.2f}, {high:.2f}] times as long, 12 pairs; slower takes 4.01 [" in first
    assert first.endswith(" This holds within this session.**")


def test_a_tie_has_no_winner():
    first = headline(runs(a=noisy(1.0), b=noisy(1.0, shift=1), c=noisy(3.0, shift=2)))[0]
    assert first.startswith("**No model is shown to be the fastest. Lowest median: a (")
    assert "A tie with it: b takes 1.00 [" in first
    assert "Slower: c takes 3.00 [" in first
    assert "Can't" not in first


def test_a_gap_below_five_percent_is_a_tie_and_no_win():
    steady = [1 + k / 1000 for k in range(12)]
    first = headline(runs(a=steady, b=[x * 1.03 for x in steady]))[0]
    assert "A tie with it: b takes 1.03 [1.03, 1.03] times as long, 12 pairs." in first
    assert headline(runs(a=steady, b=[x * 1.06 for x in steady]))[0].startswith("**Fastest: a (")


def test_what_can_not_be_told_says_how_many_more_rounds_would():
    wide = [0.5, 0.8, 1.0, 1.2, 1.5, 3.0, 0.9, 1.1]
    rows = runs(a=wide, b=[x * 1.5 for x in reversed(wide)], c=[50.0] * 8)
    (rounds,) = compare.models(to_frame(rows))["more_rounds"].dropna()
    first = headline(rows)[0]
    assert "No model is shown to be the fastest. Lowest median: a (" in first
    assert "Can't be told apart from it yet: b takes 1.50 [" in first
    assert f"(about {rounds:.0f} more rounds of every prompt would decide it)." in first
    assert "Slower: c takes" in first


def test_a_model_that_shares_too_few_requests_is_named_and_not_ranked():
    rows = [*runs(a=noisy(1.0), b=noisy(2.0, shift=1)), *(request("c", "elsewhere", r, 0.1) for r in range(9))]
    first = headline(rows)[0]
    assert "Fastest: a (" in first
    assert "Not compared, as they have fewer than 6 pairs with any other: c (median 0.100 s" in first


def test_from_three_loads_on_the_sentence_speaks_of_loads():
    rows = [
        request(m, number=r, load_index=k, latency=x * (1 + k / 50 + (7 * r + place) % 5 / 200))
        for place, (m, x) in enumerate((("a", 1.0), ("b", 2.0)))
        for k in range(3)
        for r in range(4)
    ]
    assert headline(rows)[0].endswith("This holds across 3 loads.**")


def test_failures_are_told_of_at_the_top():
    rows = [*runs(a=noisy(1.0), b=noisy(2.0, shift=1)), request("b", number=99, status="timeout")]
    assert "1 of 25 requests failed, and are in no number here: see Failed and skipped." in headline(rows)


def test_an_interval_that_excludes_one_does_not_end_at_one():
    pair = {"ratio": 1.08, "ratio_low": 1.003, "ratio_high": 1.1652, "verdict": "slower"}
    assert verdict.ratio(pair) == "1.080 [1.003, 1.165]"
    assert verdict.ratio(pair | {"verdict": "can't tell"}) == "1.08 [1.00, 1.17]"


def test_each_number_of_requests_at_once_has_its_own_verdict():
    said = headline(sweep_rows((1, 4)))
    assert any(line.startswith("Each model at each number of requests at once has n = 12") for line in said)
    verdicts = [line for line in said if line.startswith("**")]
    assert [line.split(":")[0] for line in verdicts] == ["**With one request at a time", "**With 4 requests at once"]
    assert all("Fastest: a (" in line for line in verdicts)


def test_a_client_that_could_not_keep_up_is_named():
    said = " ".join(headline(sweep_rows((1,), bound={("a", 1)})))
    assert "Client bound: a 1 of 12 requests. This client could not keep up, so their times are its limit." in said


def test_drift_is_named():
    rising = [request("a", number=i, latency=1 + i / 100, order=i) for i in range(20)]
    assert "Latency drifted while the run went on: a became slower. See Drift." in headline(rising)


def test_remarks_name_what_limits_the_comparison():
    rows = [request("a", number=i, output_tokens=10, token_source="chunks") for i in range(6)]
    rows += [request("b", number=i, output_tokens=30, latency=2.0) for i in range(7)]
    rows += [request("b", number=9, flags=["clock_jump"])]
    said = " ".join(headline(rows)[1:])
    assert "The model with the fewest requests has n = 6" in said
    assert "mean tokens: a 10, b 30" in said
    assert "Tokens were counted by chunks, server" in said
    assert "1 requests are left out" in said


def test_names_are_escaped():
    assert "&lt;b&gt;" in headline(runs(**{"<b>": noisy(1.0)}))[0]


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        ([], "n/a"),
        ([2.5], "2.50"),
        ([1.0, 2.0], "1 and 2"),
        ([1.0, 2.0, 6.0], "2 (1–6 seen)"),
        ([1.0, 2.0, 6.0, 6.5, 7.0], "6 (1–7 seen)"),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "3.50 [1, 6]"),
    ],
)
def test_a_median_carries_what_its_n_allows(latencies, expected):
    rows = runs(a=latencies) or [request("a", status="timeout")]
    assert verdict.median(stats.summarise(to_frame(rows)).iloc[0], "latency_s") == expected


def test_a_p95_carries_its_n():
    def p95(n):
        return verdict.p95(stats.summarise(to_frame(runs(a=[float(k) for k in range(1, n + 1)]))).iloc[0], "latency_s")

    assert p95(3) == "2.90 (n = 3; needs n ≥ 59)"
    assert p95(58) == "55.1 (n = 58; needs n ≥ 59)"
    assert p95(59) == "56.1 (≤ 59 with 95 % confidence, n = 59)"
    assert p95(72) == "68.5 [64, 72] (≤ 72 with 95 % confidence, n = 72)"
