"""The search for partners: of the scores, and again of every permutation of the words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onegrain.rankings.crossmodel.comparing import pairs_of
from onegrain.rankings.crossmodel.partners import Partners
from onegrain.rankings.crossmodel.sums.moments import Side
from onegrain.rankings.crossmodel.sums.passes import Passes

if TYPE_CHECKING:
    from onegrain.rankings.crossmodel.rotations import Rotations

__all__ = ["find_partners"]


def find_partners(
    passes: Passes,
    found: Partners,
    *,
    same_site: bool,
    turned: Rotations | None = None,
    what: str = "correlations",
) -> list[Side]:
    """Find the partners of all neurons of the first model, tile by tile.

    Args:
        passes: over the models.
        found: takes the partners in.
        same_site: in the site of the same name only.
        turned: takes in the same sums, for the rotation null.
        what: the passes, for progress.

    Returns:
        What is known of the neurons of each model.
    """
    spaces, spare = [one.space for one in passes.models], 0 if turned is None else turned.bytes_held
    tiles = passes.tiles(spaces[0].size, [space.size for space in spaces[1:]], spare=spare)

    def take(tile: slice) -> list[Side]:
        products = pairs_of(spaces, tile, same_site=same_site, by_site=turned is not None)
        moments = passes.sums([*products, *(turned.products if turned else [])], what=what)
        for product, sums in moments.products:
            if product.left == 0:
                found.take(moments, product, sums)
        if turned is not None:
            turned.take(moments)
        return moments.sides  # the matrices go before the next tile's come

    sides: list[Side] = []
    others: list[Side] = []
    for tile in tiles:
        own, *others = take(tile)
        sides.append(own)
    return [Side.joined(sides), *others]
