"""The headline claims what the intervals allow, and not more."""

import pytest
from made_rows import request

from slmbench.analyse import stats
from slmbench.records import to_frame
from slmbench.show import verdict


def headline(rows):
    return verdict.headline(stats.summarise(to_frame(rows)))


def runs(**models):
    return [request(m, number=i, latency=x) for m, latencies in models.items() for i, x in enumerate(latencies)]


def six(middle):
    return [middle * (1 + k / 1000) for k in range(6)]


def test_nothing_measured():
    first, *rest = headline([request("a", status="refused")])
    assert first == "**Nothing was measured: no timed request gave a usable reply.**"
    assert rest == ["1 of 1 models could not be measured: see Failed and skipped."]


def test_one_model_is_no_comparison():
    assert headline(runs(a=six(1.0)))[0].startswith("**Measured, with nothing to compare it with: a (median 1.00 s [")


@pytest.mark.parametrize("n", [1, 3, 5])
def test_no_winner_below_six_rounds_however_far_apart(n):
    first, *rest = headline(runs(slow=[100.0] * n, fast=[1.0] * n))
    assert first.startswith(
        f"**Can't tell the models apart: a comparison needs 6 rounds of every prompt, and this run has {n}. "
    )
    assert first.index("fast (median 1 s") < first.index("slow (median 100 s")
    assert "Fastest" not in first
    assert f"Each model has n = {n}" in rest[0]


def over_prompts(latency, rounds, prompts=4, model="a"):
    return [
        request(model, f"p{p}", r, latency * (1 + p / 100 + r / 1000)) for p in range(prompts) for r in range(rounds)
    ]


@pytest.mark.parametrize(("rounds", "said"), [(2, "this run has 2"), (5, "this run has 5"), (6, "Fastest median")])
def test_many_prompts_do_not_make_up_for_few_rounds(rounds, said):
    first, *rest = headline(over_prompts(1.0, rounds, model="fast") + over_prompts(9.0, rounds, model="slow"))
    assert said in first
    assert ("Fastest" in first) == (rounds >= 6)
    assert f"n = {4 * rounds}" in rest[0]
    assert "n pools 4 prompts" in rest[1] and "in pairs" in rest[1]


def test_loads_count_as_rounds():
    rows = [
        request(m, number=i % 3, load_index=i // 3, latency=x) for m, x in (("a", 1.0), ("b", 2.0)) for i in range(6)
    ]
    assert headline(rows)[0].startswith("**Fastest")


def test_a_model_that_lost_a_prompt_is_not_compared():
    lost = [request("fast", "p1", r, status="timeout") for r in range(8)]
    rows = [*over_prompts(1.0, 8, prompts=1, model="fast"), *over_prompts(9.0, 8, prompts=2, model="slow")]
    assert "this run has 0" in headline([*rows, *lost])[0]
    assert "this run has 0" in headline(rows)[0]  # nor one that was not asked it


def test_one_prompt_pools_nothing():
    assert "pools" not in " ".join(headline(runs(slow=six(2.0), fast=six(1.0))))


def test_a_winner_needs_intervals_apart():
    first = headline(runs(slow=six(2.0), fast=six(1.0)))[0]
    assert first.startswith("**Fastest median latency in this run: fast (median 1.00 s [1, 1.00], n = 6). Then slow (")


def test_overlapping_intervals_are_not_told_apart():
    wide = [0.5, 0.8, 1.0, 1.2, 1.5, 3.0]
    first = headline(runs(a=wide, b=[x * 1.2 for x in wide], c=six(50.0)))[0]
    assert first.startswith("**Can't tell apart on median latency: a (")
    assert "; b (" in first
    assert ". Slower than a: c (median" in first


def test_a_gap_below_five_percent_is_no_difference():
    assert headline(runs(a=six(1.00), b=six(1.03)))[0].startswith("**Can't tell apart")
    assert headline(runs(a=six(1.00), b=six(1.06)))[0].startswith("**Fastest")


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
    assert "&lt;b&gt;" in headline(runs(**{"<b>": six(1.0)}))[0]


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        ([], "n/a"),
        ([2.5], "2.50"),
        ([1.0, 2.0], "1.50 (1–2 seen)"),
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
