"""Similarity of entire sites of two models: CKA, PWCCA and SVCCA, from one pass over the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from onegrain.core.progress import Progress, automatic
from onegrain.engines import Engine, engine_named
from onegrain.errors import ParameterError
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product
from onegrain.rankings.crossmodel.sums.passes import Passes, require_words
from onegrain.rankings.crossmodel.whitening import canonical, principal, whitened, without
from onegrain.rankings.data.memory import read_size
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.similarity import MEASURES, Similarity

__all__ = ["WHOLE", "require_variance", "similarity"]

WHOLE = "*"
"""Name of all sites taken together."""
SITE_BYTES = 8 + 8 + 8 + 8 + 32
"""Bytes per element of a site's matrix: two sums, two bases, and the memory that eigenvectors need."""
PAIR_BYTES = 8 + 8
"""Bytes per element of the matrix of products between both models: two sums."""


def similarity(
    a: Activations,
    b: Activations,
    *,
    measures: Sequence[str] = MEASURES,
    by_site: bool = True,
    variance: float = 0.99,
    memory: int | str | None = None,
    device: str | None = None,
    engine: str | Engine | None = None,
    progress: Progress = automatic,
) -> Similarity:
    """Compare every site of one model with every site of another, over the words that both have.

    The sites may have different widths and the models different tokenizers, since rows are words. With S_xy the
    sums of products of deviations of two sites:

    - ``cka``: linear CKA, norm(S_xy)^2 / (norm(S_xx) norm(S_yy)) in Frobenius norms [Kornblith19];
      unchanged by a rotation of either side.
    - ``svcca``: the mean canonical correlation between the sites, each reduced to the principal directions that
      hold ``variance`` of its variance [Raghu17].
    - ``pwcca``: canonical correlations rho_i over all directions in which the sites vary, weighted by
      alpha_i = sum over neurons j of \\|<h_i, x_j>\\|, with h_i the canonical variates of the first site
      [Morcos18]; unchanged by any invertible linear map of the second site, and not symmetric.

    Args:
        a: activations of the first model.
        b: activations of the second model on the same words; it may be the same model.
        measures: some of ``cka``, ``pwcca``, ``svcca``.
        by_site: compare each pair of sites, one row each; otherwise compare all sites together, in one row.
        variance: share of the variance of each site that SVCCA keeps.
        memory: bytes that this process may hold in total, as a number or text such as ``"4GiB"``.
        device: where to compute, by default the CPU.
        engine: where passes over the words run: ``local``, ``ray`` or an engine.
        progress: receives the number of words done.

    Raises:
        MismatchError: the models were read on different words.
        ParameterError: a measure is unknown; there are too few words (canonical correlations of sites with p
            and q neurons need p + q + 1, since fewer words can always be matched); an activation is not finite;
            or the memory budget is too small for the products.

    >>> import numpy as np
    >>> from onegrain.records.corpus import Corpus
    >>> words, rng = Corpus.from_sentences([["a"] * 50]), np.random.default_rng(0)
    >>> x = rng.normal(size=(50, 4)).astype(np.float32)
    >>> mixed = Activations.from_array(x @ rng.normal(size=(4, 4)).astype(np.float32), words)
    >>> similarity(Activations.from_array(x, words), mixed, measures="pwcca").table["pwcca"].round(4).tolist()
    [1.0]
    """
    requested = _require_measures(measures)
    require_variance(variance)
    parts = _parts(a, by_site), _parts(b, by_site)
    widest = sum(max(neurons.stop - neurons.start for _, neurons in model_parts) for model_parts in parts)
    cca = [measure for measure in requested if measure != "cka"]
    least, why = (widest + 1, f"{' and '.join(cca)} (of {widest} neurons)") if cca else (2, "cka")
    among = require_words((a, b), least, why)
    limit = None if memory is None else read_size(memory)
    runner = engine_named(engine) if isinstance(engine, str) else engine
    passes = Passes((a, b), among, engine=runner, device=device, memory=limit, progress=progress)
    squares = [Product(m, neurons, m, neurons) for m in (0, 1) for _, neurons in parts[m]]
    passes.require_room("the products of all pairs of sites", _bytes(squares, a.n_neurons * b.n_neurons))
    cross = Product(0, slice(0, a.n_neurons), 1, slice(0, b.n_neurons))
    moments = passes.sums([*squares, cross], dtype=torch.float64, what="similarity")
    sites = _sites(moments, variance)
    first, second = sites[: len(parts[0])], sites[len(parts[0]) :]
    rows = [
        (site_a, site_b, *_compare(x, y, moments.products[-1][1][neurons_a, neurons_b], requested))
        for (site_a, neurons_a), x in zip(parts[0], first, strict=True)
        for (site_b, neurons_b), y in zip(parts[1], second, strict=True)
    ]
    return Similarity(
        table=pd.DataFrame(rows, columns=["site_a", "site_b", *requested]),
        provenance=_provenance(a, b, {"measures": list(requested), "by_site": by_site, "variance": variance}),
        details={
            "a": a.describe(),
            "b": b.describe(),
            "words": int(among.sum()),
            **{name: [_widths(model, name) for model in (first, second)] for name in _facts(requested)},
        },
    )


@dataclass(frozen=True, eq=False)
class _Site:
    """A site with its products and whitening matrices, float64, each computed when first needed.

    Attributes:
        products: (neurons, neurons), sums of products of deviations; 0 for constant neurons.
        constant: bool (neurons,), True for neurons that do not change by more than rounding.
        variance: share of the variance that SVCCA keeps.
    """

    products: Tensor
    constant: np.ndarray
    variance: float

    @cached_property
    def size(self) -> float:
        """Frobenius norm of the products."""
        return float(self.products.norm())

    @cached_property
    def whitened(self) -> Tensor:
        """Whitening matrix (neurons, rank) for PWCCA."""
        return whitened(self.products, self.constant)

    @cached_property
    def principal(self) -> Tensor:
        """Whitening matrix (neurons, kept) for SVCCA."""
        return principal(self.products, self.variance)


def _sites(moments: CrossMoments, variance: float) -> list[_Site]:
    """Return every site of the first model, and then of the second."""
    sites = []
    for square, sums in moments.products[:-1]:
        constant = moments.by_model[square.left].restrict(square.left_neurons).constant
        sites.append(_Site(without(sums, constant, constant), constant, variance))
    without(moments.products[-1][1], *(known.constant for known in moments.by_model))
    return sites


def _compare(x: _Site, y: _Site, cross: Tensor, measures: Sequence[str]) -> list[float]:
    """Return the measures of two sites; NaN if one of them does not vary."""
    by_name = {"cka": _cka, "pwcca": _pwcca, "svcca": _svcca}
    return [by_name[measure](x, y, cross) for measure in measures]


def _cka(x: _Site, y: _Site, cross: Tensor) -> float:
    return float(cross.square().sum()) / (x.size * y.size) if x.size and y.size else float("nan")


def _svcca(x: _Site, y: _Site, cross: Tensor) -> float:
    return float(canonical(x.principal, cross, y.principal)[1].mean())


def _pwcca(x: _Site, y: _Site, cross: Tensor) -> float:
    rotation, correlations = canonical(x.whitened, cross, y.whitened)
    weights = (rotation.T @ (x.whitened.T @ x.products)).abs().sum(dim=1)  # <h_i, x_j>, summed over j
    return float(weights @ correlations / weights.sum())


def _parts(activations: Activations, by_site: bool) -> list[tuple[str, slice]]:
    if by_site:
        return [(site, activations.space.slice(site)) for site in activations.space.sites]
    return [(WHOLE, slice(0, activations.n_neurons))]


def _bytes(squares: Sequence[Product], pairs: int) -> int:
    return sum(SITE_BYTES * square.shape[0] ** 2 for square in squares) + PAIR_BYTES * pairs


def _facts(measures: Sequence[str]) -> list[str]:
    return ["neurons", *(["rank"] if "pwcca" in measures else []), *(["kept"] if "svcca" in measures else [])]


def _widths(sites: Sequence[_Site], fact: str) -> list[int]:
    """Return the number of neurons, or of directions of one kind, of every site of a model."""
    attribute = {"neurons": "products", "rank": "whitened", "kept": "principal"}[fact]
    return [int(getattr(site, attribute).shape[1]) for site in sites]


def _require_measures(measures: Sequence[str]) -> tuple[str, ...]:
    named = (measures,) if isinstance(measures, str) else tuple(dict.fromkeys(measures))
    unknown = [measure for measure in named if measure not in MEASURES]
    if unknown or not named:
        raise ParameterError(
            f"measures must be some of {', '.join(MEASURES)}, got {', '.join(unknown) or 'none'}"
        )
    return named


def require_variance(variance: float) -> None:
    """Raise ParameterError unless the share of the variance to keep is above 0 and at most 1."""
    if not isinstance(variance, int | float) or not 0.0 < variance <= 1.0:
        raise ParameterError(f"variance must be above 0 and at most 1, got {variance!r}")


def _provenance(a: Activations, b: Activations, parameters: dict[str, Any]) -> Provenance:
    return Provenance(
        stage="compare",
        model=a.provenance.model,
        corpus=a.provenance.corpus,
        sites=a.space.sites,
        parameters=parameters,
        inputs=(a.provenance, b.provenance),
    )
