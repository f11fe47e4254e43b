"""How alike the sites of two models are as wholes: CKA, PWCCA and SVCCA, from one pass over the words."""

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
from onegrain.rankings.crossmodel.sums.moments import Moments, Product
from onegrain.rankings.crossmodel.sums.passes import Passes, require_words
from onegrain.rankings.crossmodel.whitening import canonical, principal, whitened, without
from onegrain.rankings.data.memory import read_size
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.similarity import MEASURES, Similarity

__all__ = ["WHOLE", "require_variance", "similarity"]

WHOLE = "*"
"""The name of all sites together."""
SITE_BYTES = 8 + 8 + 8 + 8 + 32
"""Of one element of a site's matrix: two sums, two bases, and what eigenvectors take."""
PAIR_BYTES = 8 + 8


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

    The widths of the sites may differ, and so may the tokenizers: rows are words. With S_xy the sums of
    products of deviations of two sites:

    - ``cka``: linear CKA, norm(S_xy)^2 / (norm(S_xx) norm(S_yy)) in Frobenius norms [Kornblith19]; the same
      after a rotation of either side.
    - ``svcca``: each side is cut to its principal directions that hold ``variance`` of the variance; the mean
      canonical correlation between what is left [Raghu17].
    - ``pwcca``: canonical correlations rho_i over all directions in which the sites vary, not cut, weighted by
      alpha_i = sum over neurons j of \\|<h_i, x_j>\\|, h_i the canonical variates of the first side
      [Morcos18]; the same after any invertible linear map of the second side, and not symmetric.

    Args:
        a: the first model's activations.
        b: the second's, on the same words; possibly of the same model.
        measures: some of ``cka``, ``pwcca``, ``svcca``.
        by_site: a row for each pair of sites; else one row, all sites of a model side by side.
        variance: what SVCCA keeps of each side.
        memory: bytes that this process may hold in all, or text such as ``"4GiB"``.
        device: where to compute, by default the CPU.
        engine: where passes over the words run, ``local``, ``ray`` or an engine.
        progress: listens to how many words are done.

    Raises:
        MismatchError: the models were read on different words.
        ParameterError: an unknown measure; too few words: canonical correlations of sites with p and q neurons
            need p + q + 1, since fewer words are matched by chance alone; an activation that is not finite; a
            memory budget that does not hold the products.

    >>> import numpy as np
    >>> from onegrain.records.corpus import Corpus
    >>> words, rng = Corpus.from_sentences([["a"] * 50]), np.random.default_rng(0)
    >>> x = rng.normal(size=(50, 4)).astype(np.float32)
    >>> mixed = Activations.from_array(x @ rng.normal(size=(4, 4)).astype(np.float32), words)
    >>> similarity(Activations.from_array(x, words), mixed, measures="pwcca").table["pwcca"].round(4).tolist()
    [1.0]
    """
    asked = _require_measures(measures)
    require_variance(variance)
    parts = _parts(a, by_site), _parts(b, by_site)
    widest = sum(max(where.stop - where.start for _, where in side) for side in parts)
    cca = [measure for measure in asked if measure != "cka"]
    least, why = (widest + 1, f"{' and '.join(cca)} (of {widest} neurons)") if cca else (2, "cka")
    among = require_words((a, b), least, why)
    limit = None if memory is None else read_size(memory)
    runner = engine_named(engine) if isinstance(engine, str) else engine
    passes = Passes((a, b), among, engine=runner, device=device, memory=limit, progress=progress)
    squares = [Product(m, where, m, where) for m in (0, 1) for _, where in parts[m]]
    passes.require_room("the products of all pairs of sites", _bytes(squares, a.n_neurons * b.n_neurons))
    cross = Product(0, slice(0, a.n_neurons), 1, slice(0, b.n_neurons))
    moments = passes.sums([*squares, cross], dtype=torch.float64, what="similarity")
    found = _sites(moments, variance)
    first, second = found[: len(parts[0])], found[len(parts[0]) :]
    rows = [
        (one, other, *_compare(x, y, moments.products[-1][1][at, to], asked))
        for (one, at), x in zip(parts[0], first, strict=True)
        for (other, to), y in zip(parts[1], second, strict=True)
    ]
    return Similarity(
        table=pd.DataFrame(rows, columns=["site_a", "site_b", *asked]),
        provenance=_provenance(a, b, {"measures": list(asked), "by_site": by_site, "variance": variance}),
        details={
            "a": a.describe(),
            "b": b.describe(),
            "words": int(among.sum()),
            **{name: [_told(side, name) for side in (first, second)] for name in _facts(asked)},
        },
    )


@dataclass(frozen=True, eq=False)
class _Site:
    """What is needed of a site, in float64, made when it is first asked for.

    Attributes:
        products: (neurons, neurons), its sums of products of deviations; those of constant neurons are 0.
        constant: bool (neurons,), the neurons that do not change by more than rounding.
        variance: what SVCCA keeps.
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
        """(neurons, rank), for PWCCA."""
        return whitened(self.products, self.constant)

    @cached_property
    def principal(self) -> Tensor:
        """(neurons, kept), for SVCCA."""
        return principal(self.products, self.variance)


def _sites(moments: Moments, variance: float) -> list[_Site]:
    """Of every site of the first model, and then of the second."""
    made = []
    for square, sums in moments.products[:-1]:
        constant = moments.sides[square.left].at(square.left_neurons).constant
        made.append(_Site(without(sums, constant, constant), constant, variance))
    without(moments.products[-1][1], *(side.constant for side in moments.sides))
    return made


def _compare(x: _Site, y: _Site, cross: Tensor, asked: Sequence[str]) -> list[float]:
    """The measures of two sites, NaN where one of them does not vary."""
    by_name = {"cka": _cka, "pwcca": _pwcca, "svcca": _svcca}
    return [by_name[measure](x, y, cross) for measure in asked]


def _cka(x: _Site, y: _Site, cross: Tensor) -> float:
    return float(cross.square().sum()) / (x.size * y.size) if x.size and y.size else float("nan")


def _svcca(x: _Site, y: _Site, cross: Tensor) -> float:
    return float(canonical(x.principal, cross, y.principal)[1].mean())


def _pwcca(x: _Site, y: _Site, cross: Tensor) -> float:
    rotation, correlations = canonical(x.whitened, cross, y.whitened)
    weights = (rotation.T @ (x.whitened.T @ x.products)).abs().sum(dim=1)  # <h_i, x_j>, summed over j
    return float(weights @ correlations / weights.sum())


def _parts(one: Activations, by_site: bool) -> list[tuple[str, slice]]:
    if by_site:
        return [(site, one.space.slice(site)) for site in one.space.sites]
    return [(WHOLE, slice(0, one.n_neurons))]


def _bytes(squares: Sequence[Product], pairs: int) -> int:
    return sum(SITE_BYTES * one.shape[0] ** 2 for one in squares) + PAIR_BYTES * pairs


def _facts(asked: Sequence[str]) -> list[str]:
    return ["neurons", *(["rank"] if "pwcca" in asked else []), *(["kept"] if "svcca" in asked else [])]


def _told(side: Sequence[_Site], fact: str) -> list[int]:
    """A fact of every site of a model."""
    of = {"neurons": "products", "rank": "whitened", "kept": "principal"}[fact]
    return [int(getattr(site, of).shape[1]) for site in side]


def _require_measures(measures: Sequence[str]) -> tuple[str, ...]:
    named = (measures,) if isinstance(measures, str) else tuple(dict.fromkeys(measures))
    wrong = [one for one in named if one not in MEASURES]
    if wrong or not named:
        raise ParameterError(
            f"measures must be some of {', '.join(MEASURES)}, got {', '.join(wrong) or 'none'}"
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
