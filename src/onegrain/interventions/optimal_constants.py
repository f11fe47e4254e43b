"""The constants with which an edited model loses least, found by gradient descent through the running model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from onegrain.activations import live_activations
from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic, silent
from onegrain.errors import MismatchError, ModelError, ParameterError
from onegrain.interventions.editing import editing
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference
from onegrain.interventions.edits.optimal import Optimal
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.references import measure_reference
from onegrain.models import LoadedModel, load_model
from onegrain.models.differentiation import differentiable
from onegrain.models.passing import Position
from onegrain.models.scoring import ScoredBatch, scored_batches, scored_rows
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.space import NeuronSpace
from onegrain.records.statistics import NeuronStatistics

__all__ = ["optimal_constants"]


def optimal_constants(
    model: str | os.PathLike[str] | LoadedModel,
    corpus: Corpus,
    interventions: Intervention | Sequence[Intervention],
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    steps: int = 50,
    tolerance: float = 1e-6,
    batch_size: int = 64,
    progress: Progress = automatic,
) -> NeuronStatistics:
    """Find the constants for neurons that cost the model least on a reference corpus [Li and Janson 2024].

    The constants minimise the mean loss per predicted subword with all neurons of the ``optimal`` interventions
    set to them together (optimal ablation, arXiv 2409.09951). They are found by L-BFGS on the gradient of the
    loss over the whole corpus, in units of each neuron's deviation. The search starts from the neurons' means
    or from zero, from the better of the two, and keeps the best constants that it has seen: they never cost
    more than either. The loss need not be convex in the constants: another start may find others.

    The constants belong to this set of neurons: with more or fewer edited, others are best.

    Args:
        model: a folder, a hub id, or a loaded model.
        corpus: the reference corpus; a translation model needs its parallel side.
        interventions: the neurons, with the edit ``optimal``, and their places. Interventions with other edits
            are applied as they are while the constants are sought.
        reference: activations of the model, or statistics measured on them, from which the means and deviations
            come; by default the words of the corpus.
        pairs: for an ``interchange`` among the interventions.
        steps: the largest number of steps of the search; each takes one or a few passes over the corpus.
        tolerance: the search ends when a step lowers the loss by a smaller part of it.
        batch_size: sentences per batch.
        progress: receives the number of steps done.

    Returns:
        The statistics of the reference for all neurons of the sites, with the column ``optimal``, NaN for
        neurons that were not among those edited. ``details`` hold the losses in nats per subword (``intact``,
        ``zero``, ``mean``, ``optimal``), the number of ``steps``, and whether the search ``converged``.

    Raises:
        MismatchError: the model lacks a site, or the reference is of another model or lacks a site.
        ModelError: a site lacks a unit, or the loss is not finite.
        ParameterError: no intervention has the edit ``optimal``, two give one neuron a constant, a number is
            out of range, or the model predicts nothing.

    >>> from onegrain.interventions import Intervention
    >>> optimal_constants("model", Corpus.from_sentences([["a"]]), Intervention.of("layers.0:1"))
    Traceback (most recent call last):
    onegrain.errors.ParameterError: no intervention has the edit optimal; name the neurons with edit='optimal'
    """
    several = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    sought = _sought(several)
    require_count("steps", steps)
    if not 0.0 <= tolerance < 1.0:
        raise ParameterError(f"tolerance must be a part of the loss from 0 to 1, got {tolerance}")
    loaded = load_model(model)
    loaded.require_loss()
    space = _require_units(loaded, sought)
    statistics = _statistics(loaded, corpus, space, several, reference, batch_size)
    scored = scored_rows(loaded, corpus)
    batches = list(scored_batches(loaded, corpus, scored, batch_size))
    with differentiable(loaded.model):
        constants = _Constants.of(sought, statistics, loaded.device)
        running: list[Intervention] = []
        for each in several:
            running += constants.edits_of(each) if each.edit == Optimal() else [each]
        with editing(loaded, running, reference=statistics, pairs=pairs):
            search = _Search(loaded, batches, constants)
            with progress("constants", steps, "steps") as advance:
                facts = search.run(steps, tolerance, advance)
        intact, subwords = loaded.sentence_losses(corpus, batch_size=batch_size, progress=silent)
    column = np.full(statistics.space.size, np.nan)
    column[constants.columns] = constants.values
    return replace(
        statistics,
        columns={**statistics.columns, "optimal": column},
        provenance=Provenance(
            stage="constants",
            model=loaded.identity,
            corpus=CorpusIdentity.of(corpus),
            sites=statistics.space.sites,
            parameters={
                "interventions": [each.to_json() for each in several],
                "steps": steps,
                "tolerance": tolerance,
            },
            inputs=(statistics.provenance,),
        ),
        details={
            **statistics.details,
            **facts,
            "losses": {"intact": float(intact.sum() / subwords.sum()), **facts["losses"]},
        },
    )


def _sought(several: Sequence[Intervention]) -> list[Intervention]:
    """Return the interventions whose constants are sought."""
    sought = [each for each in several if each.edit == Optimal() and each.neurons]
    if not sought:
        raise ParameterError("no intervention has the edit optimal; name the neurons with edit='optimal'")
    seen: set[tuple[str, int]] = set()
    for each in sought:
        for site, units in each.neurons.items():
            twice = [unit for unit in units if (site, unit) in seen]
            if twice:
                raise ParameterError(
                    f"two interventions set {site}:{twice[0]}; a neuron has one optimal constant"
                )
            seen |= {(site, unit) for unit in units}
    return sought


def _require_units(loaded: LoadedModel, sought: Sequence[Intervention]) -> NeuronSpace:
    """Return the neurons of the sites, after checking that each named one exists."""
    sites = list(dict.fromkeys(site for each in sought for site in each.neurons))
    space = loaded.space(sites)
    for each in sought:
        for site, units in each.neurons.items():
            space.index(site, units[-1])
    return space


def _statistics(
    loaded: LoadedModel,
    corpus: Corpus,
    space: NeuronSpace,
    several: Sequence[Intervention],
    reference: NeuronStatistics | Activations | None,
    batch_size: int,
) -> NeuronStatistics:
    """Return statistics of the sites' neurons, measured if they are not given."""
    edits = [each.edit for each in several]
    if reference is None:
        side = {loaded.select([site])[0].side for site in space.sites}
        if len(side) > 1:
            raise ParameterError(
                "the neurons read source and target words, so their means are of different words; give a "
                "reference that has all of their sites"
            )
        reference = live_activations(loaded, corpus, sites=list(space.sites), batch_size=batch_size)
    if isinstance(reference, Activations):
        reference = measure_reference(reference, edits)
    for site, width in zip(space.sites, space.widths, strict=True):
        if site not in reference.space.sites:
            raise MismatchError(
                f"the reference has no site {site!r}; it has: {', '.join(reference.space.sites)}"
            )
        span = reference.space.slice(site)
        if span.stop - span.start != width:
            raise MismatchError(
                f"the reference has {span.stop - span.start} units at {site!r}, the model {width}"
            )
    return reference


@dataclass(eq=False)
class _Constants:
    """The constants that are sought, in the order of their flat indices in the statistics.

    Attributes:
        columns: int64 (constants,), the flat indices, ascending.
        space: the space that they belong to.
        means: float64 (constants,).
        deviations: float64 (constants,), 1 for a neuron that never changes.
        tensor: float64 (constants,), the constants of the next pass.
        values: float64 (constants,), the best so far.
    """

    columns: np.ndarray
    space: NeuronSpace
    means: np.ndarray
    deviations: np.ndarray
    tensor: Tensor
    values: np.ndarray

    @classmethod
    def of(
        cls, sought: Sequence[Intervention], statistics: NeuronStatistics, device: torch.device
    ) -> _Constants:
        space = statistics.space
        flat = [
            space.slice(site).start + np.array(units, dtype=np.int64)
            for each in sought
            for site, units in each.neurons.items()
        ]
        columns = np.sort(np.concatenate(flat))
        means, deviations = (statistics.column(name)[columns] for name in ("mean", "deviation"))
        scale = np.where(deviations > 0.0, deviations, 1.0)
        exact = torch.float32 if device.type == "mps" else torch.float64
        return cls(columns, space, means, scale, torch.tensor(means, dtype=exact, device=device), means)

    def edits_of(self, intervention: Intervention) -> list[Intervention]:
        """Return the edit of each site of an intervention, which sets the constants of the next pass."""
        edits = []
        for site, units in intervention.neurons.items():
            flat = self.space.slice(site).start + np.array(units, dtype=np.int64)
            edit = _Sought(self, units, np.searchsorted(self.columns, flat))
            edits.append(replace(intervention, neurons={site: units}, edit=edit))
        return edits


@dataclass(frozen=True, eq=False)
class _Sought(NeuronEdit):
    """The edit ``optimal`` while its constants are sought: gradients flow to them."""

    kind: ClassVar[str] = "optimal"
    summary: ClassVar[str] = "sets neurons to the constants that are sought"

    constants: _Constants
    units: tuple[int, ...]
    places: np.ndarray

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        held = np.searchsorted(np.array(self.units), reference.units)
        return _SoughtChange(self.constants, torch.from_numpy(self.places[held]))


class _SoughtChange(Change):
    """A change to the constants of the next pass."""

    def __init__(self, constants: _Constants, places: Tensor) -> None:
        self._constants, self._places = constants, places

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the constants, in the values' dtype."""
        tensor = self._constants.tensor
        return tensor[self._places.to(tensor.device)].to(values).expand_as(values)


class _Search:
    """Minimises the loss of a model whose neurons are edited, inside :func:`differentiable`."""

    def __init__(self, loaded: LoadedModel, batches: Sequence[ScoredBatch], constants: _Constants) -> None:
        self._loaded, self._batches, self._constants = loaded, batches, constants
        self._best = np.inf
        self._passes = 0

    def run(self, steps: int, tolerance: float, advance: Callable[[int], None]) -> dict[str, Any]:
        """Leave the best constants in ``values``, and return the losses and how the search ended."""
        constants = self._constants
        starts = {"zero": np.zeros_like(constants.means), "mean": constants.means}
        losses = {name: self._measure(values)[0] for name, values in starts.items()}
        start = starts[min(losses, key=lambda name: losses[name])]
        if not np.isfinite(self._best):
            raise ModelError("the loss is not finite with the neurons at zero or at their means; edit fewer")

        def scaled(units: np.ndarray) -> tuple[float, np.ndarray]:
            loss, slope = self._measure(start + constants.deviations * units)
            finite = np.isfinite(loss) and np.isfinite(slope).all()
            return (loss, slope * constants.deviations) if finite else (1e3 + 10.0 * self._best, 0.0 * units)

        found = minimize(
            scaled,
            np.zeros_like(start),
            jac=True,
            method="L-BFGS-B",
            callback=lambda units: advance(1),
            options={"maxiter": steps, "ftol": tolerance, "gtol": 1e-9},
        )
        return {
            "losses": {**losses, "optimal": self._best},
            "steps": int(found.nit),
            "passes": self._passes,
            "converged": bool(found.success),
        }

    def _measure(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss with some constants (nats per subword), and its gradient; keep the best."""
        constants = self._constants
        self._passes += 1
        constants.tensor = torch.tensor(values).to(constants.tensor).requires_grad_()
        total, subwords = 0.0, 0
        slope = torch.zeros_like(constants.tensor)
        for batch in self._batches:
            with torch.enable_grad():
                losses, predicted = batch.losses(self._loaded)
                loss = losses.sum()
            if loss.requires_grad:  # otherwise nothing that is predicted depends on the neurons
                slope += torch.autograd.grad(loss, constants.tensor)[0]
            total, subwords = total + float(loss.detach()), subwords + int(predicted.sum())
        if not subwords:
            raise ParameterError("no subword of the corpus is predicted; a loss needs at least one")
        mean = total / subwords
        if mean < self._best:
            self._best, constants.values = mean, values.copy()
        return mean, slope.double().cpu().numpy() / subwords
