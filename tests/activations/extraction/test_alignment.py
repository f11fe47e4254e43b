"""Test the alignment of subwords with words against a loop, on planted rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onegrain.activations.extraction.alignment import align, join, require_aggregate
from onegrain.errors import ParameterError

ROW = [-1, 0, 0, 0, 1, 2, 2, -1]


@pytest.mark.parametrize(
    ("aggregate", "positions", "counts"),
    [("last", [3, 4, 6], [1, 1, 1]), ("first", [1, 4, 5], [1, 1, 1]), ("mean", [1, 2, 3, 4, 5, 6], [3, 1, 2])],
)
def test_chosen_subwords(aggregate, positions, counts):
    alignment = align(ROW, 3, aggregate)
    assert alignment.positions.tolist() == positions
    assert alignment.counts.tolist() == counts


@pytest.mark.parametrize("aggregate", ["last", "first", "mean"])
def test_words_without_subword_count_zero(aggregate):
    alignment = align([-1, 1, 1, -1], 3, aggregate)
    assert (alignment.counts > 0).tolist() == [False, True, False]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.sampled_from(["last", "first", "mean"]))
def test_values_against_a_loop(lengths, aggregate):
    word_of = [-1, *np.repeat(np.arange(len(lengths)), lengths).tolist(), -1]
    values = np.random.default_rng(sum(lengths)).standard_normal((len(word_of), 3)).astype(np.float32)
    alignment = align(word_of, len(lengths), aggregate)
    joined = join(values[alignment.positions], alignment.counts)
    for word in range(len(lengths)):
        subwords = values[[position for position, owner in enumerate(word_of) if owner == word]]
        expected = {"last": subwords[-1], "first": subwords[0], "mean": subwords.mean(axis=0)}[aggregate]
        np.testing.assert_allclose(joined[word], expected, rtol=1e-6, atol=1e-6)


def test_unknown_aggregate_is_refused():
    with pytest.raises(ParameterError, match="last, first, mean, got 'max'"):
        require_aggregate("max")
