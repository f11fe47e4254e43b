"""Ranking by SVCCA: directions of a site that another model shares, to be erased like neurons [Raghu17]."""

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
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.crossmodel.whitening import canonical, principal, without
from onegrain.rankings.request import Method, Request
from onegrain.records.activations import Activations
from onegrain.records.directions import LAYOUT, Directions
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["METHOD", "SvccaOptions", "svcca"]

MATRIX_BYTES = 8 + 8 + 8 + 32
"""Bytes per element of a site's matrix: two sums, a basis, and the memory that eigenvectors need."""


@dataclass(frozen=True)
class SvccaOptions:
    """Parameters of SVCCA.

    Attributes:
        site: the site whose directions are ranked; may be left out if the activations have only one site.
        other_site: the site of the other model; by default the site of the same name.
        variance: share of the variance of each site that is kept.
        directions: a new folder to write the directions to, from which a model can read and erase them. None
            for the ranking alone.
    """

    site: str | None = None
    other_site: str | None = None
    variance: float = 0.99
    directions: str | None = None

    def __post_init__(self) -> None:
        require_variance(self.variance)


def svcca(request: Request) -> Ranking:
    """Rank the canonical directions of a site against a site of one other model, by their correlation.

    Each site is centred and reduced to the principal directions that hold ``variance`` of its variance. The
    scores are the canonical correlations between the reduced sites, descending. The neurons of the ranking are
    the directions: its space is the single site ``SITE.latents``. Direction k reads z_k = (x - mean) w_k, of
    variance 1 over the words (dividing by their number) and uncorrelated with the other directions; its sign
    makes the largest element of d_k positive. Erasing it subtracts z_k d_k, with d_k the mean of z_k (x -
    mean): all of x that is linear in z_k. As d_k' w_j is 0 for j other than k, every other direction stays.
    ``details`` holds:

    - ``models`` (the other model), ``site``, ``other_site``, ``words``;
    - ``kept``: the number of directions to which each site was reduced; the smaller number is ranked;
    - ``explained``: the share of the site's variance that erasing each direction removes, norm(d_k)^2 / total.

    Raises:
        MismatchError: the models were read on different words, or have the same weights.
        ModelError: a site does not exist.
        ParameterError: there is not exactly one other model, no site is named although there are several, there
            are fewer words than neurons of both sites plus one, a site does not vary, an activation is not
            finite, or the memory budget is too small for the products.
        OutputExistsError: the folder for the directions exists.
    """
    options: SvccaOptions = request.options
    if options.directions is not None:
        require_writable_output(options.directions, force=False, ours=LAYOUT)
    sites = _sites(request)
    widths = [activations.n_neurons for activations in sites]
    why = f"svcca (canonical correlations of {widths[0]} and {widths[1]} neurons)"
    narrowed = replace(
        request, activations=sites[0], others=sites[1:], options=replace(options, directions=None)
    )
    passes = Passes.of(narrowed, sum(widths) + 1, why)
    passes.require_room("the products of both sites", MATRIX_BYTES * (widths[0] ** 2 + widths[1] ** 2))
    first, second = (slice(0, width) for width in widths)
    products = [Product(0, first, 0, first), Product(1, second, 1, second), Product(0, first, 1, second)]
    moments = passes.sums(products, dtype=torch.float64, what="directions")
    constant = [known.constant for known in moments.by_model]
    for product, sums in moments.products:
        without(sums, constant[product.left], constant[product.right])
    encoder, correlations, kept = _encoder(moments, sites, options.variance)
    decoder = (encoder.T @ moments.products[0][1]) / moments.words
    signs = decoder.gather(1, decoder.abs().argmax(dim=1, keepdim=True)).sign()
    site = sites[0].space.sites[0]
    directions = Directions(
        site=site,
        mean=moments.by_model[0].mean,
        encoder=(encoder * signs.T).cpu().numpy(),
        decoder=(decoder * signs).cpu().numpy(),
        provenance=narrowed.provenance("svcca"),
    )
    if options.directions is not None:
        directions.save(options.directions)
    latents = {"dictionaries": {f"{site}.latents": directions.identity}}
    parameters = {**directions.provenance.parameters, **latents}
    variance = moments.by_model[0].squares[~constant[0]].sum() / moments.words
    return Ranking(
        method="svcca",
        space=NeuronSpace((f"{site}.latents",), (len(correlations),)),
        order=order_by_score(correlations, request.seed),
        scores=correlations,
        n_ranked=len(correlations),
        provenance=directions.provenance.model_copy(update={"parameters": parameters}),
        details={
            "models": [sites[1].describe()],
            "site": site,
            "other_site": sites[1].space.sites[0],
            "words": moments.words,
            "kept": kept,
            "explained": (decoder.square().sum(dim=1).cpu().numpy() / variance).tolist(),
        },
    )


def _sites(request: Request) -> tuple[Activations, Activations]:
    """Return the activations of the two sites to compare."""
    ranked, options = request.activations, request.options
    if len(request.others) != 1:
        raise ParameterError(
            f"svcca compares with one other model, got {len(request.others)}; "
            "rank against each one separately, with a folder of directions for each"
        )
    if options.site is None and len(ranked.space.sites) > 1:
        raise ParameterError(
            f"svcca ranks the directions of one site; set site to one of {some_of(ranked.space.sites)}"
        )
    site = options.site or ranked.space.sites[0]
    named = ((ranked, site), (request.others[0], options.other_site or site))
    for activations, name in named:
        activations.space.slice(name)  # refuses a site that does not exist, and a pattern
    sites = named[0][0].restrict([named[0][1]]), named[1][0].restrict([named[1][1]])
    require_comparable("svcca", sites)
    return sites


def _encoder(
    moments: CrossMoments, sites: tuple[Activations, Activations], variance: float
) -> tuple[Tensor, np.ndarray, list[int]]:
    """Return W (width, directions) of variance 1, its correlations, and the directions kept of each site."""
    bases = [principal(moments.products[number][1], variance) for number in (0, 1)]
    for activations, basis in zip(sites, bases, strict=True):
        if not basis.shape[1]:
            site = activations.space.sites[0]
            raise ParameterError(f"no neuron of {activations.describe()} at {site} varies; choose another site")
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
