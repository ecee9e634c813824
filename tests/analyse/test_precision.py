"""The intervals that the runner looks at, against scipy's, and when it may stop."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import quantile_test

from slmbench.analyse import precision


@pytest.mark.parametrize("n", [*range(60), 99, 100, 200, 500])
def test_ranks_are_those_of_scipy(n):
    bounds = quantile_test(np.arange(1.0, n + 1), p=0.5).confidence_interval() if n else None
    known = n > 0 and not np.isnan([bounds.low, bounds.high]).any()
    assert precision.ranks(n) == ((bounds.low, bounds.high) if known else None)
    assert known == (n >= 6)


def test_the_larger_side_in_percent_of_the_median():
    assert precision.half_width_pct([4, 1, 3, 6, 2, 5]) == pytest.approx(100 * 2.5 / 3.5)  # 3.5 in 1…6
    assert precision.half_width_pct([9.0, 10, 10, 10, 10, 10, 15]) == pytest.approx(50)
    assert precision.half_width_pct([1.0] * 5) is None


def test_never_below_twelve():
    assert not precision.reached([1.0] * 11, 5)
    assert precision.reached([1.0] * 12, 5)
    assert not precision.reached([], 5)


def test_one_narrow_look_is_not_enough():
    """Ranks 3 and 10 of 12 bound the median, ranks 2 and 10 of 11."""
    values = [1.0] * 6 + [1.2, 0.8, 0.8, 1.0, 1.2, 1.0]
    assert precision.half_width_pct(values) == 0
    assert precision.half_width_pct(values[:-1]) == pytest.approx(20)
    assert not precision.reached(values, 5)
    assert precision.reached([*values, 1.0], 5)
    assert precision.reached(values, 20.01)


def test_a_run_that_samples_until_it_is_precise_imports_nothing_heavy():
    code = "import sys, slmbench.analyse.precision as p; p.reached([1.0] * 12, 5); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "slmbench.analyse.precision" in told
    assert {"numpy", "scipy", "pandas"} & set(told) == set()
