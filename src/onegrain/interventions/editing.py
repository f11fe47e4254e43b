"""Erasing neurons of a model for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import find_edit
from onegrain.models import LoadedModel
from onegrain.records.space import NeuronSpace

__all__ = ["erasing"]


@contextmanager
def erasing(
    model: LoadedModel, space: NeuronSpace, neurons: Sequence[int] | np.ndarray, *, edit: str = "zero"
) -> Iterator[None]:
    """Erase neurons of a model inside a ``with`` block, at every position of every sentence.

    The model's weights are not touched, and however the block ends, the model is as it was.

    Args:
        model: the model.
        space: what the flat indices mean.
        neurons: flat indices into ``space``; their order and repetitions do not matter.
        edit: what their values are replaced by: ``zero``.

    Raises:
        MismatchError: the model does not have the sites of ``space``, or they have other widths.
        ParameterError: a neuron outside the space, or an unknown edit.
    """
    replacement = find_edit(edit)
    points = {point.name: point for point in model.require_space(space)}
    chosen = np.unique(np.asarray(neurons, dtype=np.int64))
    if chosen.size and (chosen[0] < 0 or chosen[-1] >= space.size):
        wrong = chosen[0] if chosen[0] < 0 else chosen[-1]
        raise ParameterError(f"neuron {wrong} is outside 0..{space.size - 1}")
    units = space.by_site(chosen)
    edits = {points[site]: replacement.at(site, units[site]) for site in units}
    with model.editing(edits):
        yield
