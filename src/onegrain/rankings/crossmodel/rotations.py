"""The rotation null: the sites of the other models rotated by random orthogonal matrices [Gurnee24].

A rotation keeps all information in a site but destroys the axes of its neurons. Neurons are standardised before
the rotation: otherwise a neuron with large values would dominate every rotated neuron, and the maximum over
many nearly equal correlations is small. For the test, neurons are also transformed to normal scores, because a
rotated neuron is a sum of many and so nearly normal, and long-tailed neurons have larger correlations by chance
than normal ones.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from onegrain.rankings.crossmodel.null import Null
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.partners import correlations
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product
from onegrain.records.space import NeuronSpace

__all__ = ["Rotations", "random_rotation"]


def random_rotation(width: int, rng: np.random.Generator) -> Float64[np.ndarray, "width width"]:
    """Return an orthogonal matrix drawn uniformly (Haar): QR of a normal matrix, R's diagonal made positive.

    [Mezzadri 2007, *How to generate random matrices from the classical compact groups*]
    """
    q, r = np.linalg.qr(rng.standard_normal((width, width)))
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


class Rotations:
    """A collector that computes the rotation null from the same sums as the scores, without a further pass.

    With C_xy the correlations of the ranked neurons with those of a site y, and C_yy those of the site's
    neurons with each other, a rotation R of the standardised site gives the products C_xy R and the squared
    deviations diag(R' C_yy R). A constant neuron has correlation 0 with all neurons.

    Args:
        spaces: the neurons of the models, the ranked one first.
        reduce: combines a neuron's scores in the other models into one.
        options: options of the method.
        seed: seed of the rotations.

    Attributes:
        by_site: always True: the rotations need the products site by site.
    """

    by_site = True

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
        """Bytes of the products of the sites and of one rotation."""
        widths = [product.shape[1] for product in self.products]
        return sum(16 * width**2 for width in widths) + 4 * 8 * max(widths) ** 2

    @property
    def products(self) -> list[Product]:
        """The products of each site of the other models with itself."""
        return [
            Product(number, other.slice(site), number, other.slice(site))
            for number, other in enumerate(self._spaces[1:], 1)
            for site in other.sites
            if self._options.compare == "all" or site in self._spaces[0].sites
        ]

    def add(self, moments: CrossMoments) -> None:
        """Add the draws of some of the ranked neurons."""
        squares = {
            (product.left, product.left_neurons.start): (product, sums)
            for product, sums in moments.products
            if product.left == product.right
        }
        for product, sums in moments.products:
            if product.left != 0:
                continue
            site = product.right, product.right_neurons.start
            site_correlations = _correlations(moments, *squares[site])
            crossed = _correlations(moments, product, sums)
            constant = moments.by_model[0].restrict(product.left_neurons).constant
            for draw in range(self._options.draws):
                rng = np.random.default_rng([self._seed, draw, *site])
                rotation = torch.from_numpy(random_rotation(len(site_correlations), rng)).to(site_correlations)
                scores = self._scores(crossed @ rotation, _deviations(site_correlations, rotation))
                best = self._best[draw, product.right - 1, product.left_neurons]
                np.maximum(best, np.where(constant, -np.inf, scores), out=best)

    def finish(self) -> Null:
        """Return the null of all neurons added; a constant neuron has NaN in every draw."""
        known = np.where(np.isneginf(self._best), np.nan, self._best)
        return Null("rotation", self._reduce.reduce(known, axis=1))

    def _scores(self, crossed: Tensor, deviations: Tensor) -> np.ndarray:
        """Return the largest correlation of each ranked neuron with the rotated neurons."""
        values = torch.where(deviations > 0, crossed / deviations, 0.0)
        size = values if self._options.signed else values.abs()
        return np.minimum(size.amax(dim=1).double().cpu().numpy(), 1.0)


def _correlations(moments: CrossMoments, product: Product, sums: Tensor) -> Tensor:
    """Return a product's correlations in float32 on the device of its sums; 0 where a neuron is constant."""
    result = torch.empty(sums.shape, dtype=torch.float32, device=sums.device)
    for rows, values in correlations(moments, product, sums):
        result[rows] = torch.from_numpy(np.nan_to_num(values, nan=0.0)).to(result)
    return result


def _deviations(site_correlations: Tensor, rotation: Tensor) -> Tensor:
    """Return the square roots of the rotated neurons' squared deviations."""
    return (rotation * (site_correlations @ rotation)).sum(dim=0).clamp(min=0).sqrt()
