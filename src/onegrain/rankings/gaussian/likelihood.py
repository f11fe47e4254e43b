"""Likelihoods of held-out labels with each neuron as the next one to choose."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy.typing import DTypeLike
from threadpoolctl import threadpool_limits

from onegrain.rankings.gaussian.factor import Factor
from onegrain.rankings.gaussian.heldout import HeldOut

__all__ = ["TILE_CELLS", "likelihoods"]

TILE_NEURONS = 256
"""Number of neurons of a tile."""
TILE_CELLS = 2**15
"""Most words x neurons of a tile, for each label; a tile fits in a cache."""
BITS = np.log2(np.e)
"""Bits per nat. Tiles are in bits, because 2^x takes half the time of e^x."""
LEAST = -126.0
"""Least log density in bits relative to the most probable label. Below the normal range of float32, 2^x takes
twenty times as long, and it adds nothing to 1 long before that."""


@dataclass(frozen=True, eq=False)
class Tile:
    """The terms of the log density of some neurons, in bits, contiguous in memory.

    Given the chosen neurons and a label, a neuron is Gaussian with the mean mu + (coordinates of the word) .
    (column of the factor) and the variance left / q, so adding it changes a word's log density by -log(left) /
    2 - z^2 / 2.

    Attributes:
        neurons: flat indices, or a range of them.
        slopes: factor of a neuron's value in z / sqrt(2).
        sides: factors of its conditional mean in z / sqrt(2): one row for mu, one for each chosen neuron.
        offsets: log(left) / 2.
    """

    neurons: Int64[np.ndarray, " neurons"] | slice
    slopes: Float[np.ndarray, "labels 1 neurons"]
    sides: Float[np.ndarray, "labels rows neurons"]
    offsets: Float[np.ndarray, "labels 1 neurons"]

    @classmethod
    def of(cls, factor: Factor, neurons: Int64[np.ndarray, " neurons"] | slice, dtype: DTypeLike) -> Tile:
        """Return the tile of some neurons for the neurons chosen so far."""
        left = np.where(factor.varies, factor.left, 1.0)[:, None, neurons]
        slopes = np.sqrt(factor.divisors(factor.size + 1)[:, None, None] * (BITS / 2.0) / left)
        rows = factor.rows[:, : factor.size, neurons]
        sides = np.concatenate([factor.means[:, None, neurons], rows], axis=1) * slopes
        offsets = 0.5 * np.log2(left)
        return cls(neurons, *(np.array(terms, dtype=dtype, order="C") for terms in (slopes, sides, offsets)))


def likelihoods(
    factor: Factor,
    words: HeldOut,
    neurons: Int64[np.ndarray, " neurons"] | None = None,
    dtype: DTypeLike = np.float64,
) -> Float64[np.ndarray, " neurons"]:
    """Return the mean over words of log p(label | chosen neurons and one more), in nats, for each neuron.

    All conditional means of a tile of words and neurons are one matrix product per label. Tiles have the given
    dtype, and their sums over words are float64. Blocks of words run in as many threads as torch uses, and are
    summed in order.

    Args:
        factor: factor of the neurons chosen so far.
        words: held-out words, updated with the same neurons.
        neurons: flat indices, or None for all neurons. Values of chosen and constant neurons are meaningless.
        dtype: float32 or float64.
    """
    count = factor.n_neurons if neurons is None else len(neurons)
    spans = [slice(start, min(start + TILE_NEURONS, count)) for start in range(0, count, TILE_NEURONS)]
    bases = factor.log_joint(words.distances, factor.size + 1)[:, :, None] * BITS
    with np.errstate(over="ignore"):
        tiles = [Tile.of(factor, span if neurons is None else neurons[span], dtype) for span in spans]
        bases = (bases - bases.max(axis=0)).astype(dtype)
    height = max(16, TILE_CELLS // min(TILE_NEURONS, count))
    blocks = [slice(first, min(first + height, len(words))) for first in range(0, len(words), height)]
    total = np.zeros(count)
    threads = torch.get_num_threads()
    with (
        threadpool_limits(1, user_api="blas"),  # the pool already uses all threads
        ThreadPoolExecutor(threads, thread_name_prefix="onegrain-likelihoods") as pool,
    ):
        for part in pool.map(lambda rows: _block(tiles, words, bases[:, rows], rows), blocks):
            total += np.concatenate(part)
    return total / (BITS * len(words))


def _block(
    tiles: Sequence[Tile], words: HeldOut, bases: Float[np.ndarray, "labels words 1"], rows: slice
) -> list[Float64[np.ndarray, " neurons"]]:
    """Return for every tile the sums over a block of words, in bits.

    ``bases`` are the log densities of the chosen neurons, in bits, relative to the highest of all labels.
    """
    values, codes, dtype = np.asarray(words.values[rows]), words.codes[rows], bases.dtype
    labels, size = len(bases), tiles[0].sides.shape[1]
    coordinates = np.ones((labels, len(codes), size), dtype=dtype)
    coordinates[:, :, 1:] = words.coordinates[:, rows, : size - 1]
    bases = np.ascontiguousarray(bases)
    space = np.empty((2, labels * len(codes) * tiles[0].sides.shape[2]), dtype=dtype)
    sums = []
    # values too large for the dtype end as NaN or -inf, which the caller handles
    with np.errstate(over="ignore", invalid="ignore"):
        for tile in tiles:
            shape = labels, len(codes), tile.sides.shape[2]
            z, mean = (table[: np.prod(shape)].reshape(shape) for table in space)
            np.multiply(np.ascontiguousarray(values[:, tile.neurons]), tile.slopes, out=z)
            np.matmul(coordinates, tile.sides, out=mean)
            z -= mean
            np.square(z, out=z)
            np.subtract(bases, z, out=z)
            z -= tile.offsets
            sums.append(_label_shares(z, codes))
    return sums


def _label_shares(
    joint: Float[np.ndarray, "labels words neurons"], codes: Int64[np.ndarray, " words"]
) -> Float64[np.ndarray, " neurons"]:
    """Return the sum over words of log2(2^joint of the word's label / sum of 2^joint); overwrites ``joint``."""
    of_label = joint[codes, np.arange(len(codes))]
    highest = joint.max(axis=0)
    joint -= highest
    of_label -= highest
    np.maximum(joint, LEAST, out=joint)
    np.exp2(joint, out=joint)
    of_label -= np.log2(joint.sum(axis=0))
    return of_label.sum(axis=0, dtype=np.float64)
