"""The loops over one neuron's values agree with numpy, also for ties, signed zeros and extreme values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onegrain.analyses.neurons.columns import PIECE, WordTypes
from onegrain.analyses.neurons.kernels import moments, sort_values, strongest_types, strongest_words
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus

VALUES = arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.one_of(
        st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0, 1.0, -1.0])
    ),
)


@given(VALUES)
def test_values_are_sorted_stably(values: np.ndarray) -> None:
    order, ordered = sort_values(values)
    expected = np.argsort(values, kind="stable")
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(ordered, values[expected])


@given(VALUES)
def test_moments_are_those_of_numpy(values: np.ndarray) -> None:
    mean, std, minimum, maximum, above, below = moments(values)
    wide = values.astype(np.float64)
    size = np.abs(wide).max()
    assert mean == pytest.approx(wide.mean(), abs=1e-12 * size)
    assert std == pytest.approx(wide.std(), abs=1e-12 * size, rel=1e-9)
    assert (minimum, maximum) == (wide.min(), wide.max())
    assert (above, below) == ((values > 0).sum(), (values < 0).sum())
    assert (std == 0) == (minimum == maximum)


@given(VALUES, st.integers(1, 7), st.sampled_from([1, -1]))
def test_the_strongest_words_are_the_first_of_a_stable_sort(values: np.ndarray, n: int, sign: int) -> None:
    order, ordered = sort_values(values)
    mean, std, *_ = moments(values)
    expected = [
        word
        for word in np.argsort(-sign * values, kind="stable")[:n].tolist()
        if std > 0 and sign * (float(values[word]) - mean) > 0
    ]
    assert strongest_words(order, ordered, mean, std, sign, n).tolist() == expected


def test_the_strongest_types_are_in_order_of_their_first_occurrence_where_equal() -> None:
    sums = np.array([2.0, -1.0, 4.0, 2.0, 2.0, 0.0, 9.0])
    first_piece = np.array([0, 1, 2, 4, 5, 6, 6, 7])  # type 2 has two pieces, type 5 none
    counts = np.array([1, 1, 3, 1, 5, 0, 3])
    best, deviations = strongest_types(sums, first_piece, counts, 2.0, 1, 1, 4)
    assert (best.tolist(), deviations.tolist()) == ([6, 0, 2, 3], [1.5, 1.0, 1.0, 1.0])
    assert strongest_types(sums, first_piece, counts, 2.0, -1, 1, 4)[0].tolist() == [1]
    assert strongest_types(sums, first_piece, counts, 2.0, 1, 3, 4)[0].tolist() == [6, 2]
    assert len(strongest_types(sums, first_piece, counts, 0.0, 1, 1, 4)[0]) == 0


def test_word_types_are_cut_into_pieces() -> None:
    words = ["a"] * 600 + ["b", "c", "a"]
    corpus = Corpus.from_sentences([words])
    missing = np.zeros(603, dtype=bool)
    missing[[0, 600]] = True
    array = np.where(missing, np.nan, 1.0).astype(np.float32)[:, None]
    acts = Activations.from_array(array, corpus)
    types = WordTypes.of(Activations(acts.array, acts.space, corpus, acts.provenance, missing=missing))
    assert types.types == ("a", "b", "c")
    assert types.counts.tolist() == [600, 0, 1]
    assert types.first_piece.tolist() == [0, 3, 3, 4]
    assert np.bincount(types.pieces).tolist() == [PIECE, PIECE, 600 - 2 * PIECE, 1]
    assert types.number["c"] == 2
