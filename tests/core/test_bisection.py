"""The least number that suffices is found in few trials, and exactly where numbers are small."""

from __future__ import annotations

import pytest

from onegrain.core.bisection import Bisection


def trials(most: int, least: int, known: dict[int, bool] | None = None) -> tuple[Bisection, list[int]]:
    search, numbers = Bisection(most, known), []
    first = bound = search.most_left()
    while (number := search.next()) is not None:
        numbers.append(number)
        search.add(number, number >= least)
        assert search.most_left() <= bound
        bound = search.most_left()
    assert bound == 0
    assert len(numbers) <= first
    return search, numbers


@pytest.mark.parametrize("most", [1, 2, 3, 10, 90])
def test_every_least_number_is_found(most: int) -> None:
    for least in range(1, most + 1):
        search, numbers = trials(most, least)
        assert (search.lower, search.upper) == (least - 1, least)
        assert len(set(numbers)) == len(numbers) <= 10


def test_large_numbers_are_found_to_two_percent() -> None:
    for least in (1, 150, 40_000, 63_360):
        search, numbers = trials(63_360, least)
        assert search.lower < least <= search.upper <= max(least, 1.021 * least)
        assert len(numbers) <= 12


def test_known_numbers_are_not_tried_again() -> None:
    search, numbers = trials(1000, 137, {100: False, 150: True, 200: True})
    assert search.lower < 137 <= search.upper <= search.lower + 3
    assert all(100 < number < 150 for number in numbers)
    assert Bisection(5, {5: True, 4: False}).next() is None


def test_a_number_that_suffices_below_one_that_does_not_counts() -> None:
    search = Bisection(1000, {100: True, 150: False})
    assert (search.lower, search.upper) == (0, 100)
