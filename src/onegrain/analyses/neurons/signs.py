"""The sign cases of a gated neuron: how often gate and up are positive together, and what follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.errors import ParameterError
from onegrain.records.activations import Activations

__all__ = ["SignCase", "gate_and_up", "sign_cases"]


@dataclass(frozen=True)
class SignCase:
    """One combination of the signs of a gated neuron's two factors.

    Attributes:
        gate: ``+`` if the gate is above 0 at these words, ``-`` if it is 0 or below.
        up: the same of the other factor.
        words: number of words.
        share: their share of the words that have an activation.
        mean_product: mean of gate times up over them, which is the neuron's own value; None without words.
    """

    gate: str
    up: str
    words: int
    share: float
    mean_product: float | None


def gate_and_up(site: str, sites: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the two sites whose product a gated MLP's site is; None if they are not both among the sites.

    Args:
        site: ``layers.N.mlp``, or one of the two.
        sites: the sites that are known.

    >>> gate_and_up("layers.3.mlp", ("layers.3.mlp", "layers.3.mlp.gate", "layers.3.mlp.up"))
    ('layers.3.mlp.gate', 'layers.3.mlp.up')
    """
    base = site.removesuffix(".gate").removesuffix(".up")
    pair = f"{base}.gate", f"{base}.up"
    return pair if set(pair) <= set(sites) else None


def sign_cases(activations: Activations, gate: str | int, up: str | int) -> tuple[SignCase, ...]:
    """Return how a gated neuron's words fall into the four cases of its factors' signs.

    Args:
        activations: a store that holds both factors.
        gate: the unit of ``layers.N.mlp.gate``, the gate after its non-linearity, as ``site:unit`` or a flat
            index.
        up: the same unit of ``layers.N.mlp.up``.

    Returns:
        The cases (+, +), (+, -), (-, +) and (-, -) of gate and up, over the words that have an activation.

    Raises:
        ParameterError: no word has an activation, or a value is not finite.
        ModelError: the store has no such neurons.
    """
    factors = activations.take(neurons=[gate, up])[activations.present].astype(np.float64)
    if not len(factors):
        raise ParameterError(f"no word of {activations.describe()} has an activation, so no sign is known")
    if not np.isfinite(factors).all():
        raise ParameterError(f"an activation of {gate} or {up} is not finite, so its sign is not known")
    positive, product = factors > 0, factors.prod(axis=1)
    cases = []
    for gate_above in (True, False):
        for up_above in (True, False):
            mask = (positive[:, 0] == gate_above) & (positive[:, 1] == up_above)
            words = int(mask.sum())
            cases.append(
                SignCase(
                    gate="+" if gate_above else "-",
                    up="+" if up_above else "-",
                    words=words,
                    share=words / len(mask),
                    mean_product=float(product[mask].mean()) if words else None,
                )
            )
    return tuple(cases)
