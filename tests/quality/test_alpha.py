"""Krippendorff's alpha against his examples, other people's code and a slow definition; what its interval covers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from slmbench.errors import UsageError
from slmbench.quality.alpha import ITEMS_FROM, Agreement, agreement, alpha, ends, spreads


def rated(*rows):
    """One string a rater, one digit an item; "." is missing."""
    return np.array([[math.nan if c == "." else float(c) for c in row] for row in rows])


# Computing Krippendorff's Alpha-Reliability (2011), examples A, B (a to e as 1 to 5) and C with their results
TEXTBOOK = [
    (rated("0100000010", "1110010000"), "nominal", 0.095),
    (rated("112243335441", "212223335444"), "nominal", 0.692),
    (rated("123321412...", "1233224125.3", ".3332342251.", "12332441251."), "nominal", 0.743),
    (rated("123321412...", "1233224125.3", ".3332342251.", "12332441251."), "ordinal", 0.815),
]
# Random scores with gaps; values of the package krippendorff 0.9.0 (GPL, so it isn't installed here): ordinal, nominal
PACKAGE = [
    (rated("34.1222.11", "232232.422"), 0.387285348922, -0.21875),
    (rated("..1343523513", "55.3.35.45.3", "541..3.35532"), 0.800135798143, 0.424686192469),
    (
        rated("..42.31.12.115.", "1441.323..2.15.", ".44...24..3...4", ".55..2....3..31"),
        0.602988953866,
        0.190311418685,
    ),
    (rated("53.415..", "4..353.1", "54.5.542", "4.531354", "..1..44."), -0.103547854785, -0.037549407115),
]


@pytest.mark.parametrize(("ratings", "level", "value"), TEXTBOOK)
def test_krippendorffs_own_examples(ratings, level, value):
    assert alpha(ratings, level) == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize(("ratings", "ordinal", "nominal"), PACKAGE)
def test_values_of_the_package(ratings, ordinal, nominal):
    assert alpha(ratings) == pytest.approx(ordinal, abs=1e-11)
    assert alpha(ratings, "nominal") == pytest.approx(nominal, abs=1e-11)


def slow(ratings, level):
    """Alpha as it is defined: mean squared distance within items, over that of any two ratings."""
    items = [[v for v in column if not math.isnan(v)] for column in ratings.T]
    items = [item for item in items if len(item) >= 2]
    given = [v for item in items for v in item]

    def distance(a, b):
        if level == "nominal":
            return float(a != b)
        between = sum(min(a, b) <= v <= max(a, b) for v in given)
        return (between - (given.count(a) + given.count(b)) / 2) ** 2

    observed = sum(distance(a, b) / (len(item) - 1) for item in items for a, b in itertools.permutations(item, 2))
    expected = sum(distance(a, b) for a, b in itertools.permutations(given, 2))
    return 1 - (len(given) - 1) * observed / expected if expected else math.nan


tables = st.integers(1, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([math.nan, 1.0, 2.0, 3.0, 4.0, 5.0]), min_size=raters, max_size=raters),
        min_size=1,
        max_size=9,
    ).map(lambda columns: np.array(columns).T)
)


@settings(deadline=None)
@given(tables, st.sampled_from(["ordinal", "nominal"]))
def test_alpha_is_its_slow_definition(ratings, level):
    assert alpha(ratings, level) == pytest.approx(slow(ratings, level), abs=1e-9, nan_ok=True)


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_order_and_names_make_no_difference(ratings, random):
    raters, items = list(range(ratings.shape[0])), list(range(ratings.shape[1]))
    random.shuffle(raters), random.shuffle(items)
    wide = np.tile(ratings, 3)  # so that some have an interval
    others = np.tile(ratings[raters][:, items], 3)
    one, two = agreement(wide, resamples=50), agreement(others, resamples=50)
    assert two == pytest.approx(one, abs=1e-9, nan_ok=True)
    assert alpha(3 * ratings - 20) == pytest.approx(alpha(ratings), abs=1e-9, nan_ok=True)  # only the order counts


@pytest.mark.parametrize(
    "ratings",
    [
        rated("33333333333333", "33333333333333"),  # all the same
        rated("12345", "....."),  # never two
        rated("12345123451234"),  # one rater
        rated("12...", "..345"),
        rated("....", "...."),
        np.empty((2, 0)),
        np.empty((0, 3)),
    ],
)
def test_where_there_is_nothing_to_tell_alpha_is_nan(ratings):
    found = agreement(ratings)
    assert math.isnan(alpha(ratings)) and math.isnan(found.value)
    assert math.isnan(found.low) and math.isnan(found.high) and found.dropped == 0


@pytest.mark.parametrize("ratings", [[1, 2, 3], [[[1]]], [[1, 2], [1]], [["a"]], None])
def test_another_shape_is_refused(ratings):
    with pytest.raises(UsageError, match=r"shape \(raters, items\) were expected, this was found"):
        alpha(ratings)


def test_another_level_and_wrong_groups_are_refused():
    with pytest.raises(UsageError, match="'interval' was found, one of ordinal, nominal"):
        alpha([[1, 2]], "interval")
    with pytest.raises(UsageError, match="groups: 1 were found, one for each of 2 items"):
        agreement([[1, 2], [1, 2]], groups=["a"])


def test_shares_and_counts_by_hand():
    found = agreement(rated("1234.5", "1325.4", "..4..."))  # spreads: 0, 1, 2, 1, -, 1
    assert (found.n_items, found.n_units, found.n_raters) == (5, 5, 3)
    assert (found.same, found.near) == (0.2, 0.8)
    assert list(spreads(rated("1234.5", "1325.4", "..4..."))) == [0, 1, 2, 1, -math.inf, 1]
    assert agreement(rated("12", "12", "..")).n_raters == 2
    assert math.isnan(agreement(rated("1.", ".2")).same)


def test_an_interval_begins_with_the_floor():
    few = agreement(rated("12345123451", "22345123451"))
    assert few.n_units == ITEMS_FROM - 1 and math.isnan(few.low) and math.isnan(few.high) and few.value < 1
    enough = agreement(rated("123451234512", "223451234512"))
    assert enough.n_units == ITEMS_FROM and enough.low < enough.value < enough.high == 1


def test_without_a_disagreement_there_is_no_interval():
    found = agreement(rated("12345" * 8, "12345" * 8))
    assert (found.value, found.same) == (1.0, 1.0)
    assert math.isnan(found.low) and math.isnan(found.high)


def test_resamples_without_variation_are_counted_and_left_out():
    found = agreement(rated("3" * 12, "3" * 11 + "4"), resamples=4000)
    assert found.dropped / 4000 == pytest.approx((11 / 12) ** 12, abs=0.03)  # the one item is in none of 12 draws
    assert found.low <= found.value <= found.high


def test_the_seed_makes_an_interval_again():
    ratings = rated("1234512345123451", "2234512335143251")
    assert agreement(ratings) == agreement(ratings)
    assert agreement(ratings, seed=1).low != agreement(ratings).low


def test_an_interval_of_groups_takes_them_whole():
    """Ten ticks on each reply that are all right or all wrong are worth one tick, not ten."""
    right = [1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1]
    one = np.array([[1, 0] * 8, [a if r else 1 - a for a, r in zip([1, 0] * 8, right, strict=True)]], float)
    many, groups = np.repeat(one, 10, axis=1), np.repeat(np.arange(16), 10).tolist()
    alone, naive, whole = (
        agreement(one, "nominal"),
        agreement(many, "nominal"),
        agreement(many, "nominal", groups=groups),
    )
    assert (whole.n_items, whole.n_units) == (160, 16)
    assert whole.value == naive.value == pytest.approx(alone.value, abs=0.05)
    assert whole.high - whole.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert naive.high - naive.low < 0.5 * (whole.high - whole.low)
    assert math.isnan(agreement(many, "nominal", groups=[0] * 80 + [1] * 80).low)  # two groups are too few


def test_large_tables_are_counted_not_looped_over():
    rng = np.random.default_rng(1)
    quality = rng.integers(1, 6, size=100_000)
    ratings = np.clip(quality + rng.integers(-1, 2, size=(5, 100_000)), 1, 5)
    found = agreement(ratings)
    assert found.n_items == 100_000
    assert found.low < found.value < found.high < found.low + 0.01


def test_ends_are_wider_for_few_and_percentiles_for_many():
    found = np.linspace(0, 1, 100_001)
    assert ends(found, 10**6) == pytest.approx((0.025, 0.975), abs=1e-4)
    assert ends(found, 10)[0] == pytest.approx(0.00855, abs=1e-4)  # Phi(-sqrt(10 / 9) * 2.2622)
    assert ends(found, 10**6, 0.9)[0] == pytest.approx(0.05, abs=1e-4)


def scores(rng, n, raters, noise):
    return np.clip(np.rint(rng.normal(3, 1.1, n) + rng.normal(0, noise, (raters, n))), 1, 5)


@pytest.mark.parametrize(("raters", "noise"), [(2, 0.9), (3, 0.5)])
def test_the_interval_covers_what_it_says(raters, noise):
    rng = np.random.default_rng(3)
    true = alpha(scores(rng, 200_000, raters, noise))
    found = [agreement(scores(rng, 20, raters, noise), resamples=400, seed=i) for i in range(400)]
    covered = np.mean([one.low <= true <= one.high for one in found])
    assert 0.91 <= covered <= 0.985
    assert np.mean([one.low > true for one in found]) <= 0.04  # the end that decides


def test_chance_has_alpha_zero():
    rng = np.random.default_rng(4)
    values = [alpha(rng.integers(1, 6, size=(3, 30))) for _ in range(300)]
    assert np.mean(values) == pytest.approx(0, abs=0.02)
    assert isinstance(agreement(rng.integers(1, 6, size=(3, 30))), Agreement)
