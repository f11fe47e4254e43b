"""Neurons as the next one to choose: what the probe would then say of held-out words."""

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
TILE_CELLS = 2**15
"""Words x neurons that are computed with together at most, for each label: what a cache holds."""
BITS = np.log2(np.e)
"""In a nat. Tiles are in bits: 2^x takes half the time of e^x."""
LEAST = -126.0
"""Bits below the most probable label: 2^x takes twenty times as long where it is too small for float32's normal
range, and adds nothing to 1 long before."""


@dataclass(frozen=True, eq=False)
class Tile:
    """What the log density of each of some neurons is made of, in bits; every array lies as it is read.

    The chosen neurons leave a neuron of a label a conditional Gaussian with the mean mu + (coordinates of the
    word) . (column of the factor) and the variance left / q, so for a word the label's log density grows by
    -log(left) / 2 - z^2 / 2.

    Attributes:
        neurons: flat indices, or the range of them.
        slopes: what a neuron's value is multiplied by in z / sqrt(2).
        sides: the same of its conditional mean: one row for mu, one for each chosen neuron.
        offsets: log(left) / 2.
    """

    neurons: Int64[np.ndarray, " neurons"] | slice
    slopes: Float[np.ndarray, "labels 1 neurons"]
    sides: Float[np.ndarray, "labels rows neurons"]
    offsets: Float[np.ndarray, "labels 1 neurons"]

    @classmethod
    def of(cls, factor: Factor, neurons: Int64[np.ndarray, " neurons"] | slice, dtype: DTypeLike) -> Tile:
        """Of what is chosen so far."""
        left = np.where(factor.varies, factor.left, 1.0)[:, None, neurons]
        slopes = np.sqrt(factor.divisors(factor.size + 1)[:, None, None] * (BITS / 2.0) / left)
        rows = factor.rows[:, : factor.size, neurons]
        sides = np.concatenate([factor.means[:, None, neurons], rows], axis=1) * slopes
        offsets = 0.5 * np.log2(left)
        return cls(neurons, *(np.array(one, dtype=dtype, order="C") for one in (slopes, sides, offsets)))


def likelihoods(
    factor: Factor,
    words: HeldOut,
    neurons: Int64[np.ndarray, " neurons"] | None = None,
    dtype: DTypeLike = np.float64,
) -> Float64[np.ndarray, " neurons"]:
    """Mean over the words of log p(label | chosen neurons and one more), in nats, with each of some as the one.

    For a tile of words and neurons all conditional means are one matrix product a label. Tiles are of the given
    dtype, their sums over words are float64. Blocks of words run in as many threads as torch has, and are
    summed in their order.

    Args:
        factor: of what is chosen so far.
        words: that follow it.
        neurons: flat indices, or None for all; what stands for one that is chosen already or constant means
            nothing.
        dtype: float32 or float64.
    """
    count = factor.n_neurons if neurons is None else len(neurons)
    spans = [slice(at, min(at + TILE_NEURONS, count)) for at in range(0, count, TILE_NEURONS)]
    bases = factor.log_joint(words.distances, factor.size + 1)[:, :, None] * BITS
    with np.errstate(over="ignore"):
        tiles = [Tile.of(factor, span if neurons is None else neurons[span], dtype) for span in spans]
        bases = (bases - bases.max(axis=0)).astype(dtype)
    height = max(16, TILE_CELLS // min(TILE_NEURONS, count))
    blocks = [slice(first, min(first + height, len(words))) for first in range(0, len(words), height)]
    total = np.zeros(count)
    threads = torch.get_num_threads()
    with (
        threadpool_limits(1, user_api="blas"),  # its threads would be beside these
        ThreadPoolExecutor(threads, thread_name_prefix="onegrain-likelihoods") as pool,
    ):
        for part in pool.map(lambda rows: _block(tiles, words, bases[:, rows], rows), blocks):
            total += np.concatenate(part)
    return total / (BITS * len(words))


def _block(
    tiles: Sequence[Tile], words: HeldOut, bases: Float[np.ndarray, "labels words 1"], rows: slice
) -> list[Float64[np.ndarray, " neurons"]]:
    """For every tile the sums over a block of words, in bits.

    ``bases`` are the log densities of the chosen neurons, in bits, below the highest of all labels.
    """
    read, own, dtype = np.asarray(words.values[rows]), words.codes[rows], bases.dtype
    labels, size = len(bases), tiles[0].sides.shape[1]
    given = np.ones((labels, len(own), size), dtype=dtype)
    given[:, :, 1:] = words.coordinates[:, rows, : size - 1]
    bases = np.ascontiguousarray(bases)
    space = np.empty((2, labels * len(own) * tiles[0].sides.shape[2]), dtype=dtype)
    found = []
    # What is too large for the dtype ends as NaN or -inf, which the caller looks for.
    with np.errstate(over="ignore", invalid="ignore"):
        for tile in tiles:
            shape = labels, len(own), tile.sides.shape[2]
            z, mean = (table[: np.prod(shape)].reshape(shape) for table in space)
            np.multiply(np.ascontiguousarray(read[:, tile.neurons]), tile.slopes, out=z)
            np.matmul(given, tile.sides, out=mean)
            z -= mean
            np.square(z, out=z)
            np.subtract(bases, z, out=z)
            z -= tile.offsets
            found.append(_own_share(z, own))
    return found


def _own_share(
    joint: Float[np.ndarray, "labels words neurons"], own: Int64[np.ndarray, " words"]
) -> Float64[np.ndarray, " neurons"]:
    """The sum over words of log2 of the share of a word's own label among all 2^joint, which is overwritten."""
    right = joint[own, np.arange(len(own))]
    highest = joint.max(axis=0)
    joint -= highest
    right -= highest
    np.maximum(joint, LEAST, out=joint)
    np.exp2(joint, out=joint)
    right -= np.log2(joint.sum(axis=0))
    return right.sum(axis=0, dtype=np.float64)
