"""What MaxCorr gives where nothing is shared: other models turned at random, or words in random order.

A maximum over thousands of neurons is large by chance alone. The *rotation* null [Gurnee24] turns each site of
the other models by a random orthogonal matrix: what the site holds is all there, but along no axis of its own.
The *permutation* null puts the words of the ranked model in random order: nothing is shared but the neurons'
distributions.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from scipy.stats import false_discovery_control
from torch import Tensor

from onegrain.core.activations import Activations
from onegrain.core.space import NeuronSpace
from onegrain.core.tables import json_numbers
from onegrain.rankings.crossmodel.matching import find_partners
from onegrain.rankings.crossmodel.moments import Moments, Product
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.partners import Partners
from onegrain.rankings.crossmodel.passes import Passes
from onegrain.rankings.memory import ScratchTable

__all__ = ["Null", "Rotations", "permutations", "permuted", "random_rotation"]


class Null:
    """The scores of every neuron in every draw of a null.

    Args:
        kind: ``rotation`` or ``permutation``.
        scores: float64 (draws, neurons).
    """

    def __init__(self, kind: str, scores: Float64[np.ndarray, "draws neurons"]) -> None:
        self.kind = kind
        self.scores = scores

    @property
    def mean(self) -> Float64[np.ndarray, " neurons"]:
        """The mean over the draws."""
        return self.scores.mean(axis=0)

    def p_values(
        self, scores: Float64[np.ndarray, " neurons"], *, pooled: bool = False
    ) -> Float64[np.ndarray, " neurons"]:
        """(1 + draws that reach the score) / (1 + draws) [Phipson, Smyth 2010]; NaN without a score.

        A neuron's own draws give no p-value below 1 / (draws + 1), which is seldom small enough for thousands
        of neurons at once. ``pooled`` puts the draws of all neurons into one null, each from its neuron's mean
        and by its standard deviation: it takes the neurons' nulls to differ in those two alone.
        """
        known = ~np.isnan(scores)
        p = np.full(len(scores), np.nan)
        if not pooled:
            reached = (self.scores[:, known] >= scores[known]).sum(axis=0)
            p[known] = (1.0 + reached) / (1.0 + len(self.scores))
            return p
        spread = np.maximum(self.scores[:, known].std(axis=0, ddof=1), np.finfo(float).tiny)
        drawn = np.sort(((self.scores[:, known] - self.mean[known]) / spread).ravel())
        below = np.searchsorted(drawn, (scores[known] - self.mean[known]) / spread, side="left")
        p[known] = (1.0 + len(drawn) - below) / (1.0 + len(drawn))
        return p

    def details(self, scores: Float64[np.ndarray, " neurons"], *, pooled: bool) -> dict[str, Any]:
        """What a ranking's record says: lists by flat index, None for a neuron without a score."""
        p = self.p_values(scores, pooled=pooled)
        q, known = np.full(len(p), np.nan), ~np.isnan(p)
        if known.any():
            q[known] = false_discovery_control(p[known], method="bh")
        lists = {"mean": self.mean, "excess": scores - self.mean, "p": p, "q": q}
        return {
            "kind": self.kind,
            "draws": len(self.scores),
            "pooled": pooled,
            **{name: json_numbers(values) for name, values in lists.items()},
        }


def random_rotation(width: int, rng: np.random.Generator) -> Float64[np.ndarray, "width width"]:
    """An orthogonal matrix, uniformly (Haar): QR of a normal matrix, the signs of R's diagonal moved into Q.

    [Mezzadri 2007, *How to generate random matrices from the classical compact groups*]
    """
    q, r = np.linalg.qr(rng.standard_normal((width, width)))
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


class Rotations:
    """The rotation null, from the same sums as the scores: no further pass over the words.

    With S_xy the products of the ranked neurons and a site y, and S_yy those of the site with itself, a
    rotation R gives the products S_xy R and the squared deviations diag(R' S_yy R).

    Args:
        spaces: the neurons of the models, the ranked one first.
        reduce: how a neuron's scores in the other models become one.
        options: of the method.
        seed: of the rotations.
    """

    def __init__(
        self, spaces: list[NeuronSpace], reduce: np.ufunc, options: CorrelationOptions, seed: int
    ) -> None:
        self._spaces = spaces
        self._reduce = reduce
        self._options = options
        self._seed = seed
        self._best = np.full((options.draws, len(spaces) - 1, spaces[0].size), -np.inf)

    @property
    def bytes_held(self) -> int:
        """What the sites' products and one rotation take, besides the products of the ranked neurons."""
        widths = [product.shape[1] for product in self.products]
        return sum(12 * width**2 for width in widths) + 4 * 8 * max(widths) ** 2

    @property
    def products(self) -> list[Product]:
        """What is needed besides the products of the ranked neurons with each site."""
        return [
            Product(number, other.slice(site), number, other.slice(site))
            for number, other in enumerate(self._spaces[1:], 1)
            for site in other.sites
            if self._options.compare == "all" or site in self._spaces[0].sites
        ]

    def take(self, moments: Moments) -> None:
        """Take in the sums of some of the ranked neurons."""
        squares = {(p.left, p.left_neurons.start): sums for p, sums in moments.products if p.left == p.right}
        for product, sums in moments.products:
            if product.left != 0:
                continue
            site = product.right, product.right_neurons.start
            gram, crossed = squares[site].float(), sums.float()
            own = moments.sides[0].at(product.left_neurons)
            for draw in range(self._options.draws):
                rng = np.random.default_rng([self._seed, draw, *site])
                turn = torch.from_numpy(random_rotation(len(gram), rng)).to(
                    device=gram.device, dtype=gram.dtype
                )
                self._improve(draw, product, crossed @ turn, _deviations(gram, turn), own.squares)

    def finish(self) -> Null:
        """The null of all neurons that were taken in; where a neuron is constant its draws mean nothing."""
        known = np.where(np.isneginf(self._best), np.nan, self._best)
        return Null("rotation", self._reduce.reduce(known, axis=1))

    def _improve(
        self, draw: int, product: Product, sums: Tensor, deviations: Tensor, squares: np.ndarray
    ) -> None:
        values = torch.where(deviations > 0, sums / deviations, 0.0)
        size = (values if self._options.signed else values.abs()).amax(dim=1).cpu().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(squares > 0, np.minimum(size / np.sqrt(squares), 1.0), -np.inf)
        at = self._best[draw, product.right - 1, product.left_neurons]
        np.maximum(at, score, out=at)


def _deviations(gram: Tensor, turn: Tensor) -> Tensor:
    """Square roots of the turned neurons' squared deviations."""
    return (turn * (gram @ turn)).sum(dim=0).clamp(min=0).sqrt()


def permutations(passes: Passes, reduce: np.ufunc, options: CorrelationOptions, seed: int) -> Null:
    """The permutation null: one pass over the words, in this process, for each draw."""
    own, others = passes.models[0], passes.models[1:]
    table = own.array if isinstance(own.array, np.ndarray) and own.columns is None else _copied(own)
    scores = np.empty((options.draws, own.n_neurons))
    for draw in range(options.draws):
        moved = permuted(own, table, passes.among, np.random.default_rng([seed, draw]))
        found = Partners(len(others), own.n_neurons, 1, signed=options.signed)
        find_partners(
            passes.on((moved, *others)),
            found,
            same_site=options.compare == "same-site",
            what=f"permutation {draw + 1} of {options.draws}",
        )
        scores[draw] = reduce.reduce(found.scores, axis=0)
    return Null("permutation", scores)


def permuted(own: Activations, table: Any, among: np.ndarray, rng: np.random.Generator) -> Activations:
    """The activations with the words that count in random order, the others where they are.

    Args:
        own: the activations.
        table: their values (words, neurons), which can be read at any rows.
        among: bool (words,), the words that count.
        rng: draws the order.
    """
    order = np.arange(own.n_words)
    counted = np.flatnonzero(among)
    order[counted] = rng.permutation(counted)
    return replace(own, array=_Reordered(table, order), columns=None)


class _Reordered:
    """The rows of a table in another order."""

    ndim = 2

    def __init__(self, table: Any, order: np.ndarray) -> None:
        self._table = table
        self._order = order
        self.shape: tuple[int, ...] = tuple(table.shape)

    def __getitem__(self, key: tuple[slice, slice] | slice) -> np.ndarray:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        return np.asarray(self._table[self._order[rows]])[:, columns]


def _copied(own: Activations) -> ScratchTable:
    """The values in a scratch file, whose rows can be read in any order."""
    table = ScratchTable((own.n_words, own.n_neurons), torch.float32, Path(tempfile.gettempdir()))
    for start, block in own.blocks():
        table[start : start + len(block)] = torch.from_numpy(block)
    return table
