"""A metric of the running model while more and more of its neurons are erased."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.progress import Progress, automatic
from onegrain.errors import MismatchError, ParameterError
from onegrain.interventions.editing import erasing
from onegrain.interventions.edits.edit import find_edit
from onegrain.metrics import Measurement, Metric
from onegrain.models import LoadedModel, load_model
from onegrain.records.curve import Curve
from onegrain.records.provenance import CorpusIdentity, ModelIdentity, Provenance
from onegrain.records.ranking import Ranking

__all__ = ["LINES", "ablate", "sweep_counts"]

LINES = ("top", "bottom", "random")


def ablate(
    model: str | os.PathLike[str] | LoadedModel,
    ranking: Ranking,
    metric: Metric,
    *,
    steps: int = 20,
    counts: Sequence[int] | None = None,
    max_erased: int | None = None,
    lines: Sequence[str] = LINES,
    random_orders: int = 5,
    edit: str = "zero",
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress = automatic,
) -> Curve:
    """Erase k neurons in the running model and measure it, for rising k and three kinds of order.

    Line ``top`` erases the ranking's first k neurons, ``bottom`` its last k, ``random`` the first k of random
    orders [Dalvi19, Bau19]. Each set of neurons is measured once, however many lines share it (none and all).

    Args:
        model: a folder, a hub id, or a loaded model.
        ranking: the order of the neurons; made from this very model, if it says what it was made from.
        metric: what is measured, on which corpus.
        steps: how many counts follow 0; see :func:`sweep_counts`.
        counts: the numbers of neurons to erase, in place of ``steps``; 0 is added.
        max_erased: the largest count that ``steps`` leads to; all neurons by default.
        lines: which of ``top``, ``bottom`` and ``random``.
        random_orders: how many random orders; their mean, least and largest value make the line.
        edit: what erased neurons are replaced by: ``zero``.
        seed: of the random orders; the first few orders are the same however many there are.
        batch_size: sentences at once.
        progress: listens to how many measurements are done.

    Returns:
        The curve; ``details`` hold the counts, the hash of the ranking's order, and for ``random`` every
        order's values.

    Raises:
        MismatchError: the model lacks the ranking's sites, or the ranking is of another model, or of another
            dictionary's latents.
        ParameterError: a count out of range, an unknown line or edit, or a number below 1.
    """
    find_edit(edit)
    chosen = _require_lines(lines)
    if chosen[-1] == "random" and random_orders < 1:
        raise ParameterError(f"random_orders must be 1 or more, got {random_orders}")
    grid = sweep_counts(ranking.space.size, steps=steps, counts=counts, max_erased=max_erased)
    loaded = load_model(model)
    _require_own(loaded.identity, ranking)
    _require_own_dictionaries(loaded, ranking)
    _require_same_context(loaded, ranking)
    orders = _orders(ranking, chosen, random_orders, seed)
    measured = _measure_all(_Sweep(loaded, ranking, metric, edit, batch_size), orders, grid, progress)
    parameters: dict[str, Any] = {
        "metric": {"name": metric.name, **metric.parameters},
        "counts": grid,
        "lines": list(chosen),
        "edit": edit,
    }
    details: dict[str, Any] = {
        "counts": grid,
        "n_sentences": measured[chosen[0]][0][0].n_sentences,
        "order": ranking.order_hash,
    }
    if "random" in chosen:
        parameters["random_orders"] = random_orders
        details["random_values"] = [[one.value for one in order] for order in measured["random"]]
    return Curve(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        signature=measured[chosen[0]][0][0].signature,
        points=_points(grid, measured),
        n_neurons=ranking.space.size,
        provenance=Provenance(
            stage="ablate",
            model=loaded.identity,
            corpus=CorpusIdentity.of(metric.corpus),
            sites=ranking.space.sites,
            parameters=parameters,
            seed=seed if "random" in chosen else None,
            inputs=(ranking.provenance,),
        ),
        details=details,
        draws=_draws(grid, measured),
    )


def sweep_counts(
    neurons: int, *, steps: int = 20, counts: Sequence[int] | None = None, max_erased: int | None = None
) -> list[int]:
    """How many neurons a sweep erases: rising, from 0.

    The default grid is ``round(max_erased * (i / steps)**2)`` for i = 0..steps: it ends at ``max_erased`` and
    is finer early, because the first neurons of a ranking change the model most. Counts that coincide are
    measured once.

    >>> sweep_counts(1000, steps=5)
    [0, 40, 160, 360, 640, 1000]
    >>> sweep_counts(1000, counts=[100, 10])
    [0, 10, 100]
    """
    if counts is not None:
        if max_erased is not None:
            raise ParameterError("give either counts or max_erased, not both")
        grid = sorted({0, *(int(count) for count in counts)})
        if not counts or grid[0] < 0 or grid[-1] > neurons:
            raise ParameterError(f"counts must lie in 0..{neurons}, got {list(counts)}")
        return grid
    if steps < 1:
        raise ParameterError(f"steps must be 1 or more, got {steps}")
    last = neurons if max_erased is None else max_erased
    if not 1 <= last <= neurons:
        raise ParameterError(f"max_erased must lie in 1..{neurons}, got {max_erased}")
    return sorted({round(last * (step / steps) ** 2) for step in range(steps + 1)})


@dataclass(frozen=True, eq=False)
class _Sweep:
    """What stays the same while the erased neurons change."""

    model: LoadedModel
    ranking: Ranking
    metric: Metric
    edit: str
    batch_size: int

    def measure(self, neurons: np.ndarray) -> Measurement:
        with erasing(self.model, self.ranking.space, neurons, edit=self.edit):
            return self.metric.measure(self.model, batch_size=self.batch_size)


def _require_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """The chosen lines in the order of ``LINES``."""
    named = (lines,) if isinstance(lines, str) else tuple(lines)
    for line in named:
        if line not in LINES:
            raise ParameterError(f"no line {line!r}; the lines are: {', '.join(LINES)}")
    if not named:
        raise ParameterError(f"lines is empty; choose among: {', '.join(LINES)}")
    return tuple(line for line in LINES if line in named)


def _require_own(model: ModelIdentity, ranking: Ranking) -> None:
    """Refuse a ranking that another model's activations made: its order says nothing about this model."""
    ranked = ranking.provenance.subject()
    if ranked is not None and ranked.weight_hash != model.weight_hash:
        raise MismatchError(
            f"the ranking is of the neurons of {ranked.id} (weights {ranked.weight_hash[:12]}), not of "
            f"{model.id} (weights {model.weight_hash[:12]}); rank activations that were extracted from this "
            "model, in the same dtype"
        )


def _require_same_context(model: LoadedModel, ranking: Ranking) -> None:
    """Refuse a ranking whose words were read behind another beginning than the model is measured with."""
    read = ranking.provenance.made_by("extract")
    if model.task != "language model" or "bos" not in read.parameters:
        return
    ranked, measured = bool(read.parameters["bos"]), model.bos_id is not None
    if ranked != measured:
        remedy = (
            "measure without it (--no-bos; model.without_start_token())"
            if measured
            else "measure with it (leave --no-bos out)"
        )
        raise MismatchError(
            f"the ranking is of activations that {model.identity.id} gave {'behind' if ranked else 'without'} "
            f"its start token, and it would be measured {'behind' if measured else 'without'} it; extract "
            f"again with --{'bos' if measured else 'no-bos'}, or {remedy}"
        )


def _require_own_dictionaries(model: LoadedModel, ranking: Ranking) -> None:
    """Refuse a model without the ranking's sites, and latents of another dictionary than was ranked."""
    told = ranking.provenance.dictionaries()
    for point in model.require_space(ranking.space):
        if point.name in told and point.dictionary and point.dictionary.identity != told[point.name]:
            raise MismatchError(
                f"the ranking is of the latents of dictionary {told[point.name][:12]} at {point.name!r}, and "
                f"the model was loaded with {point.dictionary.folder} ({point.dictionary.identity[:12]}); "
                "give the folder that the ranking was made with"
            )


def _orders(
    ranking: Ranking, lines: Sequence[str], random_orders: int, seed: int
) -> dict[str, list[np.ndarray]]:
    """For each line the orders (int64 flat indices) in which neurons are erased."""
    rng = np.random.default_rng(seed)
    orders = {"top": [ranking.order], "bottom": [ranking.order[::-1]]}
    orders["random"] = [rng.permutation(ranking.space.size) for _ in range(random_orders)]
    return {line: orders[line] for line in lines}


def _measure_all(
    sweep: _Sweep, orders: dict[str, list[np.ndarray]], grid: list[int], progress: Progress
) -> dict[str, list[list[Measurement]]]:
    """For each line, each of its orders and each count: the measurement; equal sets are measured once."""
    wanted = {
        np.sort(order[:count]).tobytes(): order[:count]
        for line in orders.values()
        for order in line
        for count in grid
    }
    known: dict[bytes, Measurement] = {}
    with progress("ablate", len(wanted), "measurements") as advance:
        for key, neurons in wanted.items():
            known[key] = sweep.measure(neurons)
            advance(1)
    return {
        name: [[known[np.sort(order[:count]).tobytes()] for count in grid] for order in line]
        for name, line in orders.items()
    }


def _points(grid: list[int], measured: dict[str, list[list[Measurement]]]) -> pd.DataFrame:
    """One row a line and count; see :class:`onegrain.records.curve.Curve`."""
    rows = []
    for line, orders in measured.items():
        for at, count in enumerate(grid):
            here = [order[at] for order in orders]
            values = [one.value for one in here]
            bounds = (min(values), max(values)) if line == "random" else (here[0].low, here[0].high)
            rows.append((line, count, sum(values) / len(values), *bounds))
    return pd.DataFrame(rows, columns=["line", "erased", "value", "low", "high"])


def _draws(grid: list[int], measured: dict[str, list[list[Measurement]]]) -> np.ndarray:
    """float64 (points, resamples): the draws of the points, in their order."""
    return np.stack(
        [
            np.mean([order[at].draws for order in orders], axis=0)
            for orders in measured.values()
            for at in range(len(grid))
        ]
    )
