"""The rotation null: the sites of the other models turned by random orthogonal matrices [Gurnee24].

What a site holds is all kept, but no neuron of it keeps an axis. Neurons are standardised before they are
turned: one neuron of large values would otherwise be most of every turned neuron, and the largest of many
correlations that are nearly one and the same is small. For the test, neurons are also brought to the normal
distribution, since a turned neuron is a sum of many and so nearly normal, and the correlations of long-tailed
neurons are larger by chance than those of normal ones.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from onegrain.rankings.crossmodel.null import Null
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.partners import correlations
from onegrain.rankings.crossmodel.sums.moments import Moments, Product
from onegrain.records.space import NeuronSpace

__all__ = ["Rotations", "random_rotation"]


def random_rotation(width: int, rng: np.random.Generator) -> Float64[np.ndarray, "width width"]:
    """Return an orthogonal matrix drawn uniformly (Haar): QR of a normal matrix, R's diagonal made positive.

    [Mezzadri 2007, *How to generate random matrices from the classical compact groups*]
    """
    q, r = np.linalg.qr(rng.standard_normal((width, width)))
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


class Rotations:
    """The rotation null, from the same sums as the scores: no further pass over the words.

    With C_xy the correlations of the ranked neurons with those of a site y, and C_yy those of the site's
    neurons with each other, a rotation R of the standardised site gives the products C_xy R and the squared
    deviations diag(R' C_yy R). A neuron that is constant has correlation 0 with all.

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
        """Bytes of the sites' products and one rotation, besides the products of the ranked neurons."""
        widths = [product.shape[1] for product in self.products]
        return sum(16 * width**2 for width in widths) + 4 * 8 * max(widths) ** 2

    @property
    def products(self) -> list[Product]:
        """The products that are needed besides those of the ranked neurons with each site."""
        return [
            Product(number, other.slice(site), number, other.slice(site))
            for number, other in enumerate(self._spaces[1:], 1)
            for site in other.sites
            if self._options.compare == "all" or site in self._spaces[0].sites
        ]

    def take(self, moments: Moments) -> None:
        """Take in the sums of some of the ranked neurons."""
        squares = {
            (product.left, product.left_neurons.start): (product, sums)
            for product, sums in moments.products
            if product.left == product.right
        }
        for product, sums in moments.products:
            if product.left != 0:
                continue
            site = product.right, product.right_neurons.start
            among = _correlations(moments, *squares[site])
            crossed = _correlations(moments, product, sums)
            constant = moments.sides[0].at(product.left_neurons).constant
            for draw in range(self._options.draws):
                rng = np.random.default_rng([self._seed, draw, *site])
                turn = torch.from_numpy(random_rotation(len(among), rng)).to(among)
                scores = self._scores(crossed @ turn, _deviations(among, turn))
                best = self._best[draw, product.right - 1, product.left_neurons]
                np.maximum(best, np.where(constant, -np.inf, scores), out=best)

    def finish(self) -> Null:
        """Return the null of all neurons that were taken in; a constant neuron has NaN in every draw."""
        known = np.where(np.isneginf(self._best), np.nan, self._best)
        return Null("rotation", self._reduce.reduce(known, axis=1))

    def _scores(self, crossed: Tensor, deviations: Tensor) -> np.ndarray:
        """Return the largest correlation of each ranked neuron with the turned neurons."""
        values = torch.where(deviations > 0, crossed / deviations, 0.0)
        size = values if self._options.signed else values.abs()
        return np.minimum(size.amax(dim=1).double().cpu().numpy(), 1.0)


def _correlations(moments: Moments, product: Product, sums: Tensor) -> Tensor:
    """Return a product's correlations in float32, where its sums are; 0 where a neuron is constant."""
    result = torch.empty(sums.shape, dtype=torch.float32, device=sums.device)
    for rows, values in correlations(moments, product, sums):
        result[rows] = torch.from_numpy(np.nan_to_num(values, nan=0.0)).to(result)
    return result


def _deviations(among: Tensor, turn: Tensor) -> Tensor:
    """Return the square roots of the turned neurons' squared deviations."""
    return (turn * (among @ turn)).sum(dim=0).clamp(min=0).sqrt()
