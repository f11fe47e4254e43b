"""SVCCA: the directions of a site that another model has too, ranked and erased like neurons [Raghu17]."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from onegrain.core.ordering import order_by_score
from onegrain.core.output import require_writable_output
from onegrain.core.patterns import some_of
from onegrain.errors import ParameterError
from onegrain.rankings.crossmodel.comparing import require_comparable
from onegrain.rankings.crossmodel.similarity import require_variance
from onegrain.rankings.crossmodel.sums.moments import Moments, Product
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.crossmodel.whitening import canonical, principal, without
from onegrain.rankings.request import Method, Request
from onegrain.records.activations import Activations
from onegrain.records.directions import LAYOUT, Directions
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["METHOD", "SvccaOptions", "svcca"]

MATRIX_BYTES = 8 + 8 + 8 + 32
"""Of one element of a site's matrix: two sums, a basis, and what eigenvectors take."""


@dataclass(frozen=True)
class SvccaOptions:
    """Parameters of SVCCA.

    Attributes:
        site: whose directions are ranked; may be left out where the activations have one site only.
        other_site: the other model's site; by default the one of the same name.
        variance: the share of the variance that is kept of each side.
        directions: a folder to write the directions to, from which a model reads and erases them; it must not
            exist yet. None for the ranking alone.
    """

    site: str | None = None
    other_site: str | None = None
    variance: float = 0.99
    directions: str | None = None

    def __post_init__(self) -> None:
        require_variance(self.variance)


def svcca(request: Request) -> Ranking:
    """Rank the canonical directions of a site against a site of one other model, by their correlation.

    Each side is centred and cut to the principal directions that hold ``variance`` of the variance; canonical
    correlations between what is left are the scores, descending. The ranking's neurons are the directions: the
    space is the one site ``SITE.latents``. Direction k reads z_k = (x - mean) w_k, of variance 1 over the words
    (dividing by their number), uncorrelated with the others; the sign is that in which the largest element of
    d_k is positive. Erasing it takes z_k d_k away, d_k = mean of z_k (x - mean): all of x that is linear in
    z_k, and as d_k' w_j is 0 for j other than k, every other direction stays. ``details`` holds:

    - ``models`` (the other one), ``site``, ``other_site``, ``words``;
    - ``kept``: how many directions each side was cut to; the smaller number is ranked;
    - ``explained``: for each direction the share of the site's variance that it takes away, norm(d_k)^2 in all.

    Raises:
        MismatchError: the models were read on different words, or have the same weights.
        ModelError: no such site.
        ParameterError: not exactly one other model, no site named where there are several, not as many words as
            the neurons of both sites and one, a site that does not vary, an activation that is not finite, or a
            memory budget that does not hold the products.
        OutputExistsError: the folder for the directions exists.
    """
    options: SvccaOptions = request.options
    if options.directions is not None:
        require_writable_output(options.directions, force=False, ours=LAYOUT)
    sides = _sides(request)
    widths = [side.n_neurons for side in sides]
    why = f"svcca (canonical correlations of {widths[0]} and {widths[1]} neurons)"
    made = replace(request, activations=sides[0], others=sides[1:], options=replace(options, directions=None))
    passes = Passes.of(made, sum(widths) + 1, why)
    passes.require_room("the products of both sites", MATRIX_BYTES * (widths[0] ** 2 + widths[1] ** 2))
    first, second = (slice(0, width) for width in widths)
    asked = [Product(0, first, 0, first), Product(1, second, 1, second), Product(0, first, 1, second)]
    moments = passes.sums(asked, dtype=torch.float64, what="directions")
    still = [side.constant for side in moments.sides]
    for product, sums in moments.products:
        without(sums, still[product.left], still[product.right])
    encoder, correlations, kept = _encoder(moments, sides, options.variance)
    decoder = (encoder.T @ moments.products[0][1]) / moments.words
    signs = decoder.gather(1, decoder.abs().argmax(dim=1, keepdim=True)).sign()
    site = sides[0].space.sites[0]
    found = Directions(
        site=site,
        mean=moments.sides[0].mean,
        encoder=(encoder * signs.T).cpu().numpy(),
        decoder=(decoder * signs).cpu().numpy(),
        provenance=made.provenance("svcca"),
    )
    if options.directions is not None:
        found.save(options.directions)
    latents = {"dictionaries": {f"{site}.latents": found.identity}}
    parameters = {**found.provenance.parameters, **latents}
    variance = moments.sides[0].squares[~still[0]].sum() / moments.words
    return Ranking(
        method="svcca",
        space=NeuronSpace((f"{site}.latents",), (len(correlations),)),
        order=order_by_score(correlations, request.seed),
        scores=correlations,
        n_ranked=len(correlations),
        provenance=found.provenance.model_copy(update={"parameters": parameters}),
        details={
            "models": [sides[1].describe()],
            "site": site,
            "other_site": sides[1].space.sites[0],
            "words": moments.words,
            "kept": kept,
            "explained": (decoder.square().sum(dim=1).cpu().numpy() / variance).tolist(),
        },
    )


def _sides(request: Request) -> tuple[Activations, Activations]:
    """The two sites, each alone."""
    own, options = request.activations, request.options
    if len(request.others) != 1:
        raise ParameterError(
            f"svcca compares with one other model, and {len(request.others)} are given; "
            "rank against each on its own, with a folder of directions for each"
        )
    if options.site is None and len(own.space.sites) > 1:
        raise ParameterError(
            f"svcca ranks the directions of one site; set site to one of {some_of(own.space.sites)}"
        )
    site = options.site or own.space.sites[0]
    named = ((own, site), (request.others[0], options.other_site or site))
    for one, name in named:
        one.space.slice(name)  # refuses a name that is not there, also one that is a pattern
    sides = named[0][0].restrict([named[0][1]]), named[1][0].restrict([named[1][1]])
    require_comparable("svcca", sides)
    return sides


def _encoder(
    moments: Moments, sides: tuple[Activations, Activations], variance: float
) -> tuple[Tensor, np.ndarray, list[int]]:
    """W (width, directions) whose directions have variance 1, their correlations, and what each side keeps."""
    bases = [principal(moments.products[at][1], variance) for at in (0, 1)]
    for side, basis in zip(sides, bases, strict=True):
        if not basis.shape[1]:
            raise ParameterError(
                f"no neuron of {side.describe()} at {side.space.sites[0]} varies; choose another site"
            )
    rotation, correlations = canonical(bases[0], moments.products[2][1], bases[1])
    encoder = bases[0] @ rotation * moments.words**0.5
    return encoder, correlations.cpu().numpy(), [basis.shape[1] for basis in bases]


METHOD = Method(
    name="svcca",
    summary="directions of a site that another model has too, instead of neurons [Raghu17]",
    function=svcca,
    options=SvccaOptions,
    needs_others=True,
    takes_memory=True,
    takes_device=True,
    takes_engine=True,
)
