"""Which models can be compared, and which of their neurons with which."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from onegrain.errors import MismatchError, ParameterError
from onegrain.rankings.crossmodel.sums.moments import Product
from onegrain.records.activations import Activations
from onegrain.records.space import NeuronSpace

__all__ = ["pairs_of", "require_comparable"]


def require_comparable(method: str, models: Sequence[Activations], *, same_site: bool = False) -> None:
    """Refuse fewer than two models, other words, the same model twice, and with ``same_site`` other sites.

    Raises:
        MismatchError, ParameterError
    """
    own, others = models[0], models[1:]
    if not others:
        raise ParameterError(
            f"{method} compares two or more models; give at least one other, read on the same words"
        )
    for other in others:
        own.require_same_words(other)
        missing = [site for site in own.space.sites if site not in other.space.sites]
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
    """What some neurons of the first model are multiplied with: everything, or like with like.

    Args:
        spaces: the neurons of the models.
        neurons: those of the first that are looked at.
        same_site: with the neurons of the site of the same name only.
        by_site: cut the others by their sites, also where everything is compared.
    """
    own = spaces[0]
    made = []
    for number, other in enumerate(spaces[1:], 1):
        if same_site:
            for site in own.sites:
                here = own.slice(site)
                start, stop = max(here.start, neurons.start), min(here.stop, neurons.stop)
                if start < stop:
                    made.append(Product(0, slice(start, stop), number, other.slice(site)))
        elif by_site:
            made += [Product(0, neurons, number, other.slice(site)) for site in other.sites]
        else:
            made.append(Product(0, neurons, number, slice(0, other.size)))
    return made
