"""Editing neurons of a model for the duration of a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from torch import Tensor

from onegrain.errors import MismatchError, ModelError, ParameterError
from onegrain.interventions.edits.edit import Change
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.references import References
from onegrain.interventions.where import Where
from onegrain.models import LoadedModel
from onegrain.models.passing import Passing, Position, is_trial
from onegrain.models.sites import SitePoint, StatePoint, state_points
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import Neurons, NeuronSpace
from onegrain.records.statistics import NeuronStatistics

__all__ = ["RunningEdit", "editing", "erasing", "require_editable", "running_edits"]


@contextmanager
def editing(
    model: LoadedModel,
    interventions: Intervention | Sequence[Intervention],
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
) -> Iterator[None]:
    """Edit neurons of a model inside a ``with`` block, in any forward pass, and in ``generate``.

    The weights are not changed, and no value is overwritten. When the block ends, also by an exception, the
    model is what it was before. Blocks may be nested; edits of one site run in the order in which they are
    named, those of an outer block first::

        top = og.Intervention.of(ranking, 10, edit="mean")
        with og.editing(model, top, reference=activations):
            model.model(**inputs)

    Args:
        model: the model.
        interventions: the edits, see :class:`Intervention`; none leaves the model as it is.
        reference: activations of this model, or statistics measured on them, for the edits that need some.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of sentence i.

    Raises:
        MismatchError: the model does not have a site, or the reference is of another model.
        ModelError: a site does not have a unit.
        ParameterError: an edit lacks its reference; ``recurrent`` was asked of a site without such a state; or
            an edit with neurons touched no value before the block ended.
    """
    several = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    several = [each for each in several if each.neurons]
    if not several:
        yield
        return
    references = References(model, [each.edit for each in several], reference, pairs)
    passing = Passing(model.model, model.task == "translation", model.pad_id)
    running = running_edits(model, several, references, passing)
    with passing.following(), model.editing([(edit.point, edit) for edit in running]):
        yield
    for edit in running:
        edit.require_touched()


def require_editable(
    model: LoadedModel,
    interventions: Sequence[Intervention],
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
) -> None:
    """Check that :func:`editing` can edit a model in this way, without running it.

    Raises:
        MismatchError: the model does not have a site, or the reference is of another model.
        ModelError: a site does not have a unit.
        ParameterError: an edit lacks its reference; or ``recurrent`` was asked of a site without such a state.
    """
    several = [each for each in interventions if each.neurons]
    references = References(model, [each.edit for each in interventions], reference, pairs)
    passing = Passing(model.model, model.task == "translation", model.pad_id)
    for each in several:
        _running(model, each, references, passing)


def erasing(
    model: LoadedModel, space: NeuronSpace | Ranking | Neurons, neurons: Neurons | int | None = None
) -> AbstractContextManager[None]:
    """Set neurons of a model to zero inside a ``with`` block, at every position of every sentence.

    This is :func:`editing` with the edit ``zero``; the neurons are named as in :meth:`Intervention.of`::

        with erasing(model, ranking, 10): ...  # the first 10 neurons of a ranking
        with erasing(model, "layers.18.mlp:1108"): ...  # one neuron by its name
        with erasing(model, space, [0, 5, 7]): ...  # flat indices of a space
    """
    if isinstance(space, Ranking):
        identity = Provenance(stage="model", model=model.identity)
        space.provenance.require_same_model("the ranking", identity, "the model")
    if isinstance(space, NeuronSpace):
        model.require_space(space)
    return editing(model, Intervention.of(space, neurons))


def running_edits(
    model: LoadedModel, interventions: Sequence[Intervention], references: References, passing: Passing
) -> list[RunningEdit]:
    """Return the edits of the sites of several interventions, in order, ready for the model's hooks.

    Raises:
        MismatchError: the model does not have a site, or the reference is of another model.
        ModelError: a site does not have a unit.
        ParameterError: an edit lacks its reference, or ``recurrent`` was asked of a site without such a state.
    """
    return [edit for each in interventions for edit in _running(model, each, references, passing)]


def _running(
    model: LoadedModel, intervention: Intervention, references: References, passing: Passing
) -> list[RunningEdit]:
    edits = []
    for site, chosen in intervention.neurons.items():
        point = _point(model, site, intervention)
        (width,) = model.space([site]).widths
        if chosen[-1] >= width:
            raise ModelError(f"site {site!r} has units 0..{width - 1}, not {chosen[-1]}")
        units = np.array(chosen, dtype=np.int64)
        for state in _states(model, point, width, intervention):
            start, stop = state.units
            held = units[(units >= start) & (units < stop)]
            if len(held):
                change = intervention.edit.at(references.of(point, held))
                edits.append(RunningEdit(state, held - start, change, intervention.where, passing))
    return edits


def _states(model: LoadedModel, point: SitePoint, width: int, intervention: Intervention) -> list[StatePoint]:
    """Return where the units of a site are edited: at the site, or in the state of its recurrent layer."""
    if not intervention.recurrent:
        return [StatePoint(point, (0, width))]
    states = state_points(model.model, point)
    if not states:
        raise ParameterError(
            f"site {point.name!r} of {model.identity.id} is not the output of an LSTM layer, so there is no "
            "state to edit; leave recurrent out"
        )
    return states


def _point(model: LoadedModel, site: str, intervention: Intervention) -> SitePoint:
    try:
        (point,) = model.select([site])
    except ModelError as error:
        raise MismatchError(f"{model.identity.id} does not have these neurons: {error}") from error
    return point


class RunningEdit:
    """The edit of some units of one site, as the model's hooks call it."""

    def __init__(
        self, state: StatePoint, units: np.ndarray, change: Change, where: Where, passing: Passing
    ) -> None:
        self.point, self._backwards = state.point, state.backwards
        self._units = torch.from_numpy(units)
        self._change, self._where, self._passing = change, where, passing
        self._positioned = change.needs_position or not where.everywhere
        self._touched = 0
        self._passes = 0

    def __call__(self, value: Tensor) -> Tensor:
        """Return the site's value, (rows, time, width) or (rows, width), with the units changed."""
        if is_trial():
            return value
        position = self._position(value) if self._positioned else None
        self._passes += 1
        self._units = self._units.to(value.device)
        before = value.index_select(-1, self._units)
        mask = self._mask(before, position)
        if mask is not None and not torch.is_grad_enabled() and not mask.any():
            return value  # an edit of the prompt needs nothing where the text is generated
        after = self._change(before, position)
        if mask is not None:
            after = torch.where(mask, after, before)
            counted = mask if position is None else mask & position.real[..., None]
            self._touched += int(counted.sum())
        else:
            self._touched += before.numel()
        return value.index_copy(-1, self._units, after.expand_as(before).to(value.dtype))

    def _position(self, value: Tensor) -> Position | None:
        """Return the position of this pass, or of this step of a stepwise decoder."""
        position = self._passing.position(self.point.side)
        if position is None:
            return None
        if value.dim() != 2:
            return position.packed() if self.point.packed else position
        return position.step(self._passing.next_step(self), backwards=self._backwards)

    def _mask(self, values: Tensor, position: Position | None) -> Tensor | None:
        """Return which values are edited, bool (..., units or 1); None for all."""
        places, inside = self._where.mask(position), self._change.inside(values)
        if places is None:
            return inside
        return places[..., None] if inside is None else places[..., None] & inside

    @property
    def touched(self) -> bool:
        """True once the edit has touched a value."""
        return self._touched > 0

    def require_touched(self) -> None:
        """Raise ParameterError if the edit touched no value."""
        if self.touched:
            return
        passed = "although it was passed" if self._passes else "because nothing passed it"
        raise ParameterError(f"the edit of site {self.point.name!r} touched no value, {passed}")
