"""Mutual information between a label and the value of one neuron, cut into bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from onegrain.core.ranking import Ranking, order_by_score
from onegrain.errors import ParameterError
from onegrain.rankings.request import Method, Request
from onegrain.rankings.univariate.words import CountedWords, labelled_words

__all__ = ["METHOD", "MutualInformationOptions", "mutual_information"]

SAMPLE_WORDS = 16384
"""Words from which the edges of the bins come, at most."""
MOST_BINS = 256
"""A bin is a uint8."""
SAMPLE_BYTES = 2**30
"""Of the sampled values (float32) that are held at once; more neurons are taken in turns."""
STEP = 256
"""Neurons that are sorted into bins at once."""


@dataclass(frozen=True)
class MutualInformationOptions:
    """Parameters of the ranking by mutual information.

    Attributes:
        bins: into how many bins of equal frequency a neuron's values are cut.
    """

    bins: int = 16

    def __post_init__(self) -> None:
        whole = isinstance(self.bins, int) and not isinstance(self.bins, bool)
        if not whole or not 2 <= self.bins <= MOST_BINS:
            raise ParameterError(f"bins must be a whole number from 2 to {MOST_BINS}, got {self.bins!r}")


def mutual_information(request: Request) -> Ranking:
    """Rank by the mutual information (nats) between the label of a word and the bin of a neuron's value.

    The plug-in estimate: sum_lb p(l, b) log(p(l, b) / (p(l) p(b))) with p the shares of the words. It is too
    high by about (L - 1) (bins - 1) / (2 N) nats for L labels and N words [Miller 1955]. ``label_scores`` is
    the mutual information with whether a word has that one label.

    The edges of the bins are quantiles of at most 16,384 words, drawn by the seed (of all, if there are no
    more); a bin holds the values above its lower edge, up to and with its upper one, so equal values share a
    bin, and a neuron that takes few values has fewer bins. Every word is counted. Words without label or
    without activation are left out. A constant neuron scores NaN, comes last, and is counted in ``details``.

    Two passes over the words for every 16,384 neurons (more where there are fewer words); memory grows with
    neurons x labels x bins, not with the words.

    Raises:
        LabelError: no such layer, fewer than two labels, or a label without words.
        ParameterError: an impossible number of bins, or an activation that is not finite.
    """
    layer, bins = request.label, request.options.bins
    assert layer is not None, "the registry asks for a label"
    words = labelled_words(request.activations, layer, request.progress)
    sample = _sample(words, request.seed)
    size, n_labels = request.activations.n_neurons, len(words.labels)
    scores, label_scores = np.empty(size), np.empty((n_labels, size))
    for tile in _tiles(size, int(sample.sum())):
        edges = _edges(words, sample, tile, bins)
        joint, constant = _joint(words, edges, tile)
        scores[tile], label_scores[:, tile] = _information(joint)
        scores[tile][constant], label_scores[:, tile][:, constant] = np.nan, np.nan
    return Ranking(
        method="mutual-information",
        space=request.activations.space,
        order=order_by_score(scores),
        scores=scores,
        n_ranked=int((~np.isnan(scores)).sum()),
        provenance=request.provenance("mutual-information"),
        layer=layer,
        labels=words.labels,
        label_scores=label_scores,
        details={
            **words.details(),
            "bins": bins,
            "sample": int(sample.sum()),
            "constant": int(np.isnan(scores).sum()),
        },
    )


def _sample(words: CountedWords, seed: int) -> Bool[np.ndarray, " words"]:
    """The words from which the edges come."""
    if len(words) <= SAMPLE_WORDS:
        return words.among
    drawn = np.random.default_rng(seed).choice(np.flatnonzero(words.among), SAMPLE_WORDS, replace=False)
    sample = np.zeros(len(words.among), dtype=bool)
    sample[drawn] = True
    return sample


def _tiles(neurons: int, sampled: int) -> Iterator[slice]:
    """Ranges of neurons whose sampled values are held at once."""
    step = max(1, SAMPLE_BYTES // (4 * sampled))
    return (slice(at, min(at + step, neurons)) for at in range(0, neurons, step))


def _edges(
    words: CountedWords, sample: Bool[np.ndarray, " words"], tile: slice, bins: int
) -> Float32[np.ndarray, "neurons edges"]:
    """Between the bins: the smallest sampled values with a share of k / bins at or below them."""
    values = np.empty((tile.stop - tile.start, int(sample.sum())), dtype=np.float32)
    seen = 0
    for rows, block in words.blocks("quantiles", tile, sample):
        values[:, seen : seen + len(rows)] = block.T
        seen += len(rows)
    values.sort(axis=1)
    cuts = -(-np.arange(1, bins) * seen // bins) - 1
    return np.ascontiguousarray(values[:, np.maximum(cuts, 0)])


def _joint(
    words: CountedWords, edges: Float32[np.ndarray, "neurons edges"], tile: slice
) -> tuple[Int64[np.ndarray, "neurons labels bins"], Bool[np.ndarray, " neurons"]]:
    """How many words each neuron has in each bin with each label; and which neurons never change."""
    n_labels, bins = len(words.labels), edges.shape[1] + 1
    joint = np.zeros((len(edges), n_labels, bins), dtype=np.int64)
    constant, first = np.ones(len(edges), dtype=bool), None
    for rows, block in words.blocks("mutual information", tile):
        first = block[0].copy() if first is None else first
        constant &= (block == first).all(axis=0)
        labels = words.codes[rows] * bins
        for at in range(0, len(edges), STEP):
            cells = _bins(np.ascontiguousarray(block[:, at : at + STEP].T), edges[at : at + STEP]) + labels
            cells += np.arange(len(cells))[:, None] * (n_labels * bins)
            counted = np.bincount(cells.reshape(-1), minlength=len(cells) * n_labels * bins)
            joint[at : at + STEP] += counted.reshape(len(cells), n_labels, bins)
    return joint, constant


def _bins(
    values: Float32[np.ndarray, "neurons words"], edges: Float32[np.ndarray, "neurons edges"]
) -> UInt8[np.ndarray, "neurons words"]:
    """The bin of each value: how many edges lie below it. One comparison an edge beats a search of them."""
    found = np.zeros(values.shape, dtype=np.uint8)
    for edge in edges.T:
        found += values > edge[:, None]
    return found


def _information(
    joint: Int64[np.ndarray, "neurons labels bins"],
) -> tuple[Float64[np.ndarray, " neurons"], Float64[np.ndarray, "labels neurons"]]:
    """Mutual information (nats) of every neuron with the label, and with each label against the rest."""
    n_neurons, n_labels, _ = joint.shape
    scores, label_scores = np.empty(n_neurons), np.empty((n_labels, n_neurons))
    for at in range(0, n_neurons, STEP):
        here = slice(at, at + STEP)
        cells = joint[here].astype(np.float64)
        in_bin, total = cells.sum(axis=1, keepdims=True), cells[0].sum()
        with_label = cells.sum(axis=2, keepdims=True)
        own = _terms(cells, with_label, in_bin, total)
        rest = _terms(in_bin - cells, total - with_label, in_bin, total)
        scores[here] = np.maximum(own.sum(axis=(1, 2)), 0.0)
        label_scores[:, here] = np.maximum((own + rest).sum(axis=2), 0.0).T
    return scores, label_scores


def _terms(cells: np.ndarray, with_label: np.ndarray, in_bin: np.ndarray, total: float) -> np.ndarray:
    """p(l, b) log(p(l, b) / (p(l) p(b))) from counts; 0 where no word is."""
    expected = with_label * in_bin / total
    ratio = np.divide(cells, expected, out=np.ones_like(cells), where=cells > 0)
    return cells / total * np.log(ratio)


METHOD = Method(
    name="mutual-information",
    summary="mutual information of the label and the neuron's value in bins, in nats",
    function=mutual_information,
    options=MutualInformationOptions,
    needs_label=True,
)
