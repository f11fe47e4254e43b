"""Compiled loops over the values of one neuron at all words: for top words, cards, indexes and searches.

Every number about a single neuron comes from these loops, and each runs through the words in one order, so the
same neuron gives the same number to the last digit wherever it is asked for.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from onegrain.core.compiled import compiled

__all__ = ["deviation_sums", "moments", "sort_values", "strongest_types", "strongest_words"]

Values = Float32[np.ndarray, " words"]
Words = Int32[np.ndarray, " words"]

DIGITS = 2048
"""Number of values of one digit of a sort key: 11 bits, so that three digits cover the 32 bits of a value."""


@compiled
def moments(values: Values) -> tuple[float, float, float, float, int, int]:
    """Return mean, population standard deviation, minimum, maximum, and numbers of values above and below 0.

    The mean is taken of deviations from the first value, and the squares of deviations from the mean, so the
    deviation of a neuron that never changes is exactly 0, and its mean is exactly its value.
    """
    words, first = len(values), np.float64(values[0])
    least, most = values[0], values[0]
    total, above, below = 0.0, 0, 0
    for value in values:
        total += np.float64(value) - first
        least, most = min(least, value), max(most, value)
        above += value > 0
        below += value < 0
    mean = first + total / words
    squares = 0.0
    for value in values:
        apart = np.float64(value) - mean
        squares += apart * apart
    return mean, np.sqrt(squares / words), np.float64(least), np.float64(most), above, below


@compiled
def sort_values(values: Values) -> tuple[Words, Values]:
    """Return the words by rising value, and their values; words of equal value keep their order.

    The values must be finite. The sort goes by three digits of their bits, the last digit first; the bits are
    turned so that they order like the values, and -0 like 0.
    """
    words, bits = len(values), values.view(np.uint32)
    keys, other_keys = np.empty(words, np.uint32), np.empty(words, np.uint32)
    order, other_order = np.empty(words, np.int32), np.empty(words, np.int32)
    places = np.zeros((3, DIGITS), np.int64)
    for word in range(words):
        key = bits[word]
        if key == np.uint32(0x80000000):
            key = np.uint32(0)
        key = ~key if key >> np.uint32(31) else key | np.uint32(0x80000000)
        keys[word], order[word] = key, word
        for digit in range(3):
            places[digit, (key >> np.uint32(11 * digit)) & np.uint32(DIGITS - 1)] += 1
    for digit in range(3):
        start, shift = 0, np.uint32(11 * digit)
        for number in range(DIGITS):
            size = places[digit, number]
            places[digit, number] = start
            start += size
        for position in range(words):
            number = (keys[position] >> shift) & np.uint32(DIGITS - 1)
            place = places[digit, number]
            places[digit, number] = place + 1
            other_keys[place], other_order[place] = keys[position], order[position]
        keys, other_keys = other_keys, keys
        order, other_order = other_order, order
    ordered = np.empty(words, np.float32)
    for position in range(words):
        ordered[position] = values[order[position]]
    return order, ordered


@compiled
def deviation_sums(values: Values, mean: float, groups: Words, sums: Float64[np.ndarray, " groups"]) -> None:
    """Write the sum of the deviations from the mean over each group of words; groups are numbered from 0."""
    sums[:] = 0.0
    for word in range(len(values)):
        sums[groups[word]] += np.float64(values[word]) - mean


@compiled
def strongest_types(
    sums: Float64[np.ndarray, " pieces"],
    first_piece: Int64[np.ndarray, " types_and_end"],
    counts: Int64[np.ndarray, " types"],
    std: float,
    sign: int,
    min_count: int,
    n: int,
) -> tuple[Int32[np.ndarray, " best"], Float64[np.ndarray, " best"]]:
    """Return the word types with the largest mean deviation times a sign, and their mean deviations in stds.

    Only types whose mean deviation has the sign count; equal ones are in the order of the types.

    Args:
        sums: sum of the deviations from the mean over each piece of a word type.
        first_piece: the number of the first piece of each type, and the number of pieces.
        counts: number of occurrences of each type; types without any are left out.
        std: standard deviation of the neuron; without any, no type is strong.
        sign: 1 or -1.
        min_count: types with fewer occurrences are left out.
        n: number of types to return.
    """
    best, deviations, size = np.empty(n, np.int32), np.empty(n), 0
    if std == 0.0:
        return best[:0], deviations[:0]
    for number in range(len(counts)):
        if counts[number] < max(min_count, 1):
            continue
        total = 0.0
        for piece in range(first_piece[number], first_piece[number + 1]):
            total += sums[piece]
        deviation = total / counts[number] / std
        if sign * deviation <= 0.0 or (size == n and sign * deviation <= sign * deviations[n - 1]):
            continue
        place = min(size, n - 1)
        while place > 0 and sign * deviations[place - 1] < sign * deviation:
            best[place], deviations[place] = best[place - 1], deviations[place - 1]
            place -= 1
        best[place], deviations[place] = number, deviation
        size = min(size + 1, n)
    return best[:size], deviations[:size]


@compiled
def strongest_words(
    order: Words, ordered: Values, mean: float, std: float, sign: int, n: int
) -> Int32[np.ndarray, " best"]:
    """Return up to n words that deviate most from the mean in one direction; equal ones keep their order.

    Args:
        order: the words by rising value, see :func:`sort_values`.
        ordered: their values.
        mean: mean of the neuron.
        std: its standard deviation; without any, no word is strong.
        sign: 1 for the largest values, -1 for the smallest.
        n: number of words.
    """
    best, size, words = np.empty(n, np.int32), 0, len(order)
    if std == 0.0:
        return best[:0]
    end = words
    while size < n and size < words:
        start = size if sign < 0 else end - 1
        if sign * (np.float64(ordered[start]) - mean) <= 0.0:
            break
        if sign < 0:
            best[size] = order[start]
            size += 1
            continue
        while start > 0 and ordered[start - 1] == ordered[start]:
            start -= 1
        for position in range(start, min(end, start + n - size)):
            best[size] = order[position]
            size += 1
        end = start
        if end == 0:
            break
    return best[:size]
