"""The search for partners: passes over the words whose sums go to collectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from onegrain.rankings.crossmodel.comparing import pairs_of
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, NeuronMoments, Product
from onegrain.rankings.crossmodel.sums.passes import Passes

__all__ = ["Collector", "find_partners"]


class Collector(Protocol):
    """A collector of a part of the sums: the best partners, or the draws of a null."""

    @property
    def products(self) -> Sequence[Product]:
        """Products that it needs besides those of the ranked neurons with the other models."""

    @property
    def bytes_held(self) -> int:
        """Bytes that it holds during a pass."""

    @property
    def by_site(self) -> bool:
        """True if it needs a product for each site of the other models."""

    def add(self, moments: CrossMoments) -> None:
        """Add the sums of some of the ranked neurons."""


def find_partners(
    passes: Passes, collectors: Sequence[Collector], *, same_site: bool, what: str = "correlations"
) -> list[NeuronMoments]:
    """Sum the products of the first model's neurons with those of the others, tile by tile, for collectors.

    Args:
        passes: passes over the words of the models.
        collectors: receive the sums of each tile, in order.
        same_site: multiply only with neurons of the site of the same name.
        what: name of the passes, for progress.

    Returns:
        The moments of all neurons of each model.
    """
    spaces, spare = (
        [model.space for model in passes.models],
        sum(collector.bytes_held for collector in collectors),
    )
    tiles = passes.tiles(spaces[0].size, [space.size for space in spaces[1:]], spare=spare)
    by_site = any(collector.by_site for collector in collectors)

    def collect(tile: slice) -> list[NeuronMoments]:
        products = pairs_of(spaces, tile, same_site=same_site, by_site=by_site)
        for collector in collectors:
            products += collector.products
        moments = passes.sums(products, what=what)
        for collector in collectors:
            collector.add(moments)
        return moments.by_model  # the matrices are freed before those of the next tile are made

    ranked: list[NeuronMoments] = []
    others: list[NeuronMoments] = []
    for tile in tiles:
        tile_moments, *others = collect(tile)
        ranked.append(tile_moments)
    return [NeuronMoments.joined(ranked), *others]
