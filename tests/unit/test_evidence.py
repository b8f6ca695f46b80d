"""The bound on a rate of errors: the numbers that it is known by, and that looking at it all the time does not break it."""

from __future__ import annotations

import math

import pytest

from claims import proves
from remit.policy.evidence import upper_bound, wealth


@proves("stats.bound")
@pytest.mark.parametrize(("rate", "delta", "reviews"), [(0.05, 0.05, 63), (0.05, 0.01, 96), (0.01, 0.05, 321), (0.01, 0.01, 487)])
def test_so_many_reviews_without_an_error_are_needed(rate: float, delta: float, reviews: int) -> None:
    """One less is not enough."""
    assert upper_bound(reviews, 0, delta) <= rate < upper_bound(reviews - 1, 0, delta)


@proves("stats.bound")
def test_more_errors_bound_less_and_more_reviews_bound_more() -> None:
    """It lies above what was seen, and nothing is said of nothing."""
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1.0
    found = [upper_bound(200, wrong) for wrong in range(0, 200, 7)]
    assert found == sorted(found)
    assert all(bound > 7 * n / 200 for n, bound in enumerate(found))
    shrinking = [upper_bound(n, n // 20) for n in range(20, 2000, 20)]
    assert shrinking[-1] < shrinking[0]
    for wrong in ((1, 2), (-1, 2), (3, 2)):
        if wrong != (1, 2):
            with pytest.raises(ValueError, match="wrong of"):
                upper_bound(wrong[1], wrong[0])


@proves("stats.bound")
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4])
def test_looking_all_the_time_does_not_break_it(rate: float) -> None:
    """Exactly, over every way that 250 labels may fall: the chance that the bound is ever below the true rate is at most 5 in 100."""
    still = {0: 1.0}
    broken = 0.0
    for reviewed in range(1, 251):
        after: dict[int, float] = {}
        for wrong, chance in still.items():
            for more, likely in ((0, 1 - rate), (1, rate)):
                after[wrong + more] = after.get(wrong + more, 0.0) + chance * likely
        gone = {wrong for wrong in after if wrong < rate * reviewed and wealth(reviewed, wrong, rate) >= math.log(20)}
        broken += sum(after[wrong] for wrong in gone)
        still = {wrong: chance for wrong, chance in after.items() if wrong not in gone}
    assert 0 < broken <= 0.05
