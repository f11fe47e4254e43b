"""Editing neurons of a model for the duration of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np

from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import find_edit
from onegrain.models import LoadedModel
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import Neurons, NeuronSpace

__all__ = ["editing", "erasing"]


@contextmanager
def editing(
    model: LoadedModel,
    space: NeuronSpace | Ranking | Neurons,
    neurons: Neurons | int | None = None,
    *,
    edit: str,
) -> Iterator[None]:
    """Edit neurons of a model inside a ``with`` block, at every position of every sentence.

    The weights are not changed. When the block ends, also by an exception, the model is what it was before.

    Args:
        model: the model.
        space: the space that flat indices refer to; a ranking, with its space; or one or more names
            ``site:unit``, without ``neurons``.
        neurons: names or flat indices of neurons of the space, in any order, repetitions allowed. With a
            ranking it can also be a number k: the first k neurons.
        edit: the name of the edit, a key of ``onegrain.interventions.EDITS``.

    Raises:
        MismatchError: the model does not have the sites of the space, or they have other widths, or the ranking
            was made from another model.
        ModelError: a named neuron does not exist.
        ParameterError: an index outside the space, a number of neurons that the ranking does not have, or an
            unknown edit.
    """
    replacement = find_edit(edit)
    neuron_space, indices = _resolve(model, space, neurons)
    points = {point.name: point for point in model.require_space(neuron_space)}
    units = neuron_space.by_site(np.unique(indices))
    with model.editing({points[site]: replacement.at(site, units[site]) for site in units}):
        yield


def erasing(
    model: LoadedModel, space: NeuronSpace | Ranking | Neurons, neurons: Neurons | int | None = None
) -> AbstractContextManager[None]:
    """Set neurons of a model to zero inside a ``with`` block, at every position of every sentence.

    This is :func:`editing` with the edit ``zero``; its arguments and errors are the same::

        with erasing(model, ranking, 10): ...  # the first 10 neurons of a ranking
        with erasing(model, "layers.18.mlp:1108"): ...  # one neuron by its name
        with erasing(model, space, [0, 5, 7]): ...  # flat indices of a space
    """
    return editing(model, space, neurons, edit="zero")


def _resolve(
    model: LoadedModel, space: NeuronSpace | Ranking | Neurons, neurons: Neurons | int | None
) -> tuple[NeuronSpace, np.ndarray]:
    """Return the space that the neurons are of, and their flat indices in it."""
    if isinstance(space, Ranking):
        identity = Provenance(stage="model", model=model.identity)
        space.provenance.require_same_model("the ranking", identity, "the model")
        if isinstance(neurons, int | np.integer):
            return space.space, space.order[: space.require_k(int(neurons))]
        space = space.space
    if isinstance(space, NeuronSpace):
        if neurons is None or isinstance(neurons, int | np.integer):
            raise ParameterError("say which neurons to edit: names or flat indices, or a ranking and a number")
        return space, space.indices(neurons)
    if neurons is not None:
        raise ParameterError("flat indices need a space or a ranking before them; names need neither")
    names = [space] if isinstance(space, str) else list(space)
    if not names or not all(isinstance(name, str) for name in names):
        raise ParameterError("without a space, neurons are named SITE:UNIT")
    sites = dict.fromkeys(str(name).rpartition(":")[0] for name in names)
    named_space = model.space([site for site in sites if site] or None)
    return named_space, named_space.indices(names)
