"""The methods of NeuroX 1.0.9 that rank neurons, as functions of arrays, for timing beside onegrain's methods.

`RANKERS` has them by the name of the figure, ``vs_neurox_<name>``. NeuroX prints and draws progress bars while
it works; `seconds_of` throws both away. The peers are neurox==1.0.9, imbalanced-learn and sklearn-compat. Its
Gaussian and average-precision ("iou") probes are not here: only its repository has them, not version 1.0.9.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

__all__ = ["RANKERS", "clusters", "linear_probe", "ordering", "probeless", "probeless_all", "seconds_of"]


def linear_probe(values: np.ndarray, codes: np.ndarray, *, seed: int = 0, **options: Any) -> list[int]:
    """Train the linear probe, by default as NeuroX does, and order its neurons.

    Beside: ``og.rank("neurox", ...)``, which is the same, and ``og.rank("lca", ...)`` with a pair of penalties.
    """
    from neurox.interpretation.linear_probe import train_logistic_regression_probe

    torch.manual_seed(seed)
    probe = train_logistic_regression_probe(values, codes, **options)
    return _ordered(probe, int(codes.max()) + 1)


def ordering(weights: np.ndarray) -> list[int]:
    """Order neurons by weights (labels, neurons); compare with ``order_as_neurox`` and ``order_neurons``."""
    from neurox.interpretation.linear_probe import LinearProbe

    probe = LinearProbe(weights.shape[1], weights.shape[0])
    probe.linear.weight.data = torch.from_numpy(np.asarray(weights, dtype=np.float32))
    return _ordered(probe, len(weights))


def probeless(values: np.ndarray, codes: np.ndarray) -> list[int]:
    """Run Probeless over all labels; ``og.rank("probeless", ...)`` also returns the orders of single labels."""
    from neurox.interpretation.probeless import get_neuron_ordering

    return get_neuron_ordering(values, codes)


def probeless_all(values: np.ndarray, codes: np.ndarray) -> tuple[list[int], dict[int, list[int]]]:
    """Run Probeless over all labels and for each label, as ``og.rank("probeless", ...)`` does."""
    from neurox.interpretation.probeless import get_neuron_ordering_for_all_tags

    return get_neuron_ordering_for_all_tags(values, codes, {int(code): int(code) for code in np.unique(codes)})


def clusters(values: np.ndarray, codes: np.ndarray | None = None) -> tuple[list[int], np.ndarray]:
    """Return a random neuron of each cluster of correlated neurons, and the clusters; labels are not used."""
    from neurox.interpretation.clustering import extract_independent_neurons

    return extract_independent_neurons(values)


RANKERS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "linear_probe": linear_probe,
    "probeless": probeless,
    "probeless_all": probeless_all,
    "clusters": clusters,
}
"""By name; each takes float32 (words, neurons) and int64 (words,), labels 0..labels-1 that all occur."""


def seconds_of(ranker: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    """Return the seconds that a ranker takes on the CPU, and its result; its output is discarded."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        start = time.perf_counter()
        result = ranker(*arguments, **options)
        return time.perf_counter() - start, result


def _ordered(probe: Any, n_labels: int) -> list[int]:
    from neurox.interpretation.linear_probe import get_neuron_ordering

    order, _ = get_neuron_ordering(probe, {str(number): number for number in range(n_labels)})
    return [int(neuron) for neuron in order]
