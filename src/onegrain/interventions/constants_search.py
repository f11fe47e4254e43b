"""The search for the constants with which an edited model loses least, by gradients through the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from onegrain.errors import ModelError, ParameterError
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference
from onegrain.interventions.intervention import Intervention
from onegrain.models import LoadedModel
from onegrain.models.passing import Position
from onegrain.models.scoring import ScoredBatch
from onegrain.records.space import NeuronSpace
from onegrain.records.statistics import NeuronStatistics

__all__ = ["ConstantsSearch", "SoughtConstants"]


@dataclass(eq=False)
class SoughtConstants:
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
    ) -> SoughtConstants:
        """Return the constants of some interventions, at the means to begin with."""
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

    constants: SoughtConstants
    units: tuple[int, ...]
    places: np.ndarray

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        held = np.searchsorted(np.array(self.units), reference.units)
        return _SoughtChange(self.constants, torch.from_numpy(self.places[held]))


class _SoughtChange(Change):
    """A change to the constants of the next pass."""

    def __init__(self, constants: SoughtConstants, places: Tensor) -> None:
        self._constants, self._places = constants, places

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the constants, in the values' dtype."""
        tensor = self._constants.tensor
        return tensor[self._places.to(tensor.device)].to(values).expand_as(values)


class ConstantsSearch:
    """Minimises the loss of a model whose neurons are edited, inside :func:`differentiable`."""

    def __init__(self, loaded: LoadedModel, batches: Sequence[ScoredBatch], constants: SoughtConstants) -> None:
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

        outcome = minimize(
            scaled,
            np.zeros_like(start),
            jac=True,
            method="L-BFGS-B",
            callback=lambda units: advance(1),
            options={"maxiter": steps, "ftol": tolerance, "gtol": 1e-9},
        )
        return {
            "losses": {**losses, "optimal": self._best},
            "steps": int(outcome.nit),
            "passes": self._passes,
            "converged": bool(outcome.success),
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
