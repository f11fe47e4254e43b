"""Checks that models can be compared, and the pairs of neurons that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from onegrain.errors import MismatchError, ParameterError
from onegrain.rankings.crossmodel.sums.moments import Product
from onegrain.records.activations import Activations
from onegrain.records.space import NeuronSpace

__all__ = ["pairs_of", "require_comparable"]


def require_comparable(method: str, models: Sequence[Activations], *, same_site: bool = False) -> None:
    """Check that there are two or more different models that were read on the same words.

    Args:
        method: name of the method, for messages.
        models: the activations, the ranked model first.
        same_site: also check that every other model has the sites of the first.

    Raises:
        ParameterError: there is no other model.
        MismatchError: the models were read on different words, two are the same model, or a site is missing.
    """
    ranked, others = models[0], models[1:]
    if not others:
        raise ParameterError(
            f"{method} compares two or more models; give at least one other, read on the same words"
        )
    for other in others:
        ranked.require_same_words(other)
        missing = [site for site in ranked.space.sites if site not in other.space.sites]
        if same_site and missing:
            raise MismatchError(
                f"{other.describe()} has no site {', '.join(missing)}; its sites are "
                f"{', '.join(other.space.sites)}; restrict the sites, or compare all"
            )
    for first, second in combinations(models, 2):
        identities = first.provenance.model, second.provenance.model
        same_store = first.path is not None and first.path == second.path
        same_weights = (
            identities[0] and identities[1] and identities[0].weight_hash == identities[1].weight_hash
        )
        if same_store or same_weights:
            raise MismatchError(
                f"{first.describe()} and {second.describe()} are the same model (same weights): every neuron "
                "would correlate with itself; give models trained from other seeds or on other data"
            )


def pairs_of(
    spaces: Sequence[NeuronSpace], neurons: slice, *, same_site: bool, by_site: bool = False
) -> list[Product]:
    """Return the products of some neurons of the first model with the neurons of every other model.

    Args:
        spaces: the neurons of the models.
        neurons: range of the first model's neurons.
        same_site: multiply only with neurons of the site of the same name.
        by_site: return a product for each site of the other models, even if all sites are compared.
    """
    ranked = spaces[0]
    products = []
    for number, other in enumerate(spaces[1:], 1):
        if same_site:
            for site in ranked.sites:
                site_neurons = ranked.slice(site)
                start, stop = max(site_neurons.start, neurons.start), min(site_neurons.stop, neurons.stop)
                if start < stop:
                    products.append(Product(0, slice(start, stop), number, other.slice(site)))
        elif by_site:
            products += [Product(0, neurons, number, other.slice(site)) for site in other.sites]
        else:
            products.append(Product(0, neurons, number, slice(0, other.size)))
    return products
