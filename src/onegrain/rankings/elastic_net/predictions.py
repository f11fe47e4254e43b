"""Predictions of many probes, or of one probe with many sets of its neurons, in one pass over the words.

The logits of a masked probe are a sum over the neurons that it keeps. So with the neurons of a smaller set come
the logits of every larger set that contains it: only the neurons between the two are left to add. The sets of a
masking (the first 10 %, 15 %, 20 % of an order, ...) form such chains, and cost little more than their largest
set. Sets without a common chain cost a product each, or one wide product of the weights of all jobs side by
side, whichever is estimated to be cheaper. Neurons at which no weight differs from zero are left out where
gathering the others costs less than multiplying all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.progress import ignore
from onegrain.rankings.data.memory import ScratchTable
from onegrain.rankings.elastic_net.probe import FittedProbe, lifted_product, product_dtype

__all__ = ["predict"]

PREDICTED, BLOCK_BYTES = 512, 2**22
"""Most words of a block, and most memory: the processor's caches hold it while every job reads it."""
STACKED, STACK_BYTES = 256, 2**26
"""Most jobs whose logits are computed together, and most memory of their weights."""
READING, GATHERING = 24, 40
"""Costs of reading a neuron for a product, and of gathering it before, in columns of weights that it is
multiplied with (measured in float32 on one core, with 300 to 14,000 neurons and 17 to 500 columns)."""


def predict(
    values: np.ndarray | ScratchTable,
    jobs: Sequence[tuple[FittedProbe, np.ndarray | None]],
    neurons: Sequence[np.ndarray] | None = None,
    advance: Callable[[int], None] = ignore,
) -> np.ndarray:
    """Return what each probe predicts with the neurons that its job keeps, in one pass over the words.

    The columns of ``values`` are the probes' neurons; with ``neurons``, the columns at the indices of each job
    are those of its probe. All probes have the same labels. ``advance`` is called with the number of words that
    were predicted since its last call.

    Returns:
        int64 (jobs, words).
    """
    n_words, columns = values.shape
    predictions = np.empty((len(jobs), n_words), dtype=np.int64)
    stacks = list(_stacks(_folded(jobs, neurons, columns, product_dtype(values.dtype))))
    size = max(1, min(PREDICTED, BLOCK_BYTES // (values.dtype.itemsize * max(columns, 1))))
    for first in range(0, n_words, size):
        rows = slice(first, first + size)
        block = np.asarray(values[rows])
        for stack in stacks:
            predictions[stack.jobs, rows] = stack.logits(block).argmax(axis=2)
        advance(len(block))
    return predictions


@dataclass(frozen=True, eq=False)
class _Job:
    """A probe with some of its neurons, as a linear function of activations.

    Attributes:
        probe: the probe. The weights of two jobs of one probe are equal at the neurons that both keep.
        used: int64 (used,), the columns at which a weight differs from zero, ascending.
        weights: (used, labels), of activations times two to the power of ``lift``.
        biases: float64 (labels,).
        lift: int64 (columns,), see :meth:`FittedProbe.folded`.
    """

    probe: FittedProbe
    used: np.ndarray
    weights: np.ndarray
    biases: np.ndarray
    lift: np.ndarray


def _folded(
    jobs: Sequence[tuple[FittedProbe, np.ndarray | None]],
    neurons: Sequence[np.ndarray] | None,
    columns: int,
    dtype: np.dtype[Any],
) -> Iterator[_Job]:
    """Yield the jobs as linear functions of all columns."""
    for number, (probe, kept) in enumerate(jobs):
        weights, biases, lift = probe.folded(kept)
        used = np.flatnonzero(weights.any(axis=0))
        folded = weights[:, used].T.astype(dtype)
        if neurons is None:
            yield _Job(probe, used, folded, biases, lift)
            continue
        job_columns = np.asarray(neurons[number])
        order = job_columns[used].argsort()
        lift_of_columns = np.zeros(columns, dtype=np.int64)
        lift_of_columns[job_columns] = lift
        yield _Job(probe, job_columns[used][order], folded[order], biases, lift_of_columns)


@dataclass(frozen=True, eq=False)
class _Step:
    """A product that adds neurons to the logits of some jobs.

    Attributes:
        jobs: int64 (n,), the jobs, by their number in the stack.
        base: the job to whose logits the neurons are added, by number; None if they are added to zero.
        used: int64 (used,), the neurons; None for all.
        weights: (used, n * labels), the weights of the jobs side by side.
        lift: int64 (used,), the exponents of the activations.
    """

    jobs: np.ndarray
    base: int | None
    used: np.ndarray | None
    weights: np.ndarray
    lift: np.ndarray

    def add(self, values: np.ndarray, logits: np.ndarray) -> None:
        """Set the logits of the jobs in ``logits``, float64 (jobs, words, labels), from activations."""
        if self.used is not None:
            values = np.take(values, self.used, axis=1)
        product = lifted_product(values, self.weights, self.lift)
        by_job = product.reshape(len(values), len(self.jobs), -1).transpose(1, 0, 2)
        logits[self.jobs] = by_job if self.base is None else logits[self.base] + by_job


@dataclass(frozen=True, eq=False)
class _Stack:
    """Jobs whose logits are computed together.

    Attributes:
        jobs: the jobs, by number.
        biases: float64 (jobs, 1, labels).
        steps: the products, each after that of its base.
    """

    jobs: slice
    biases: np.ndarray
    steps: list[_Step]

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Return the logits of each job, float64 (jobs, words, labels)."""
        logits = np.empty((len(self.biases), len(values), self.biases.shape[2]))
        for step in self.steps:
            step.add(values, logits)
        logits += self.biases
        return logits


def _stacks(jobs: Iterator[_Job]) -> Iterator[_Stack]:
    """Yield the jobs, in order, in stacks of limited size whose activations have the same exponents."""
    first, stack = 0, list[_Job]()
    for job in jobs:
        if stack:
            size = len(job.lift) * len(job.biases) * job.weights.itemsize
            full = len(stack) == STACKED or (len(stack) + 1) * size > STACK_BYTES
            if full or not np.array_equal(job.lift, stack[0].lift):
                yield _stack(first, stack)
                first, stack = first + len(stack), []
        stack.append(job)
    if stack:
        yield _stack(first, stack)


def _stack(first: int, jobs: list[_Job]) -> _Stack:
    """Return jobs, numbered from ``first`` on, with the cheaper steps: along chains, or one wide product."""
    biases = np.stack([job.biases for job in jobs])[:, None]
    labels, columns = biases.shape[2], len(jobs[0].lift)
    masks = np.zeros((len(jobs), columns), dtype=bool)
    for mask, job in zip(masks, jobs, strict=True):
        mask[job.used] = True
    chains = _chains(jobs, masks)
    union = np.flatnonzero(masks.any(axis=0))
    chained = sum(_cost(len(added), columns, labels) for _, _, added in chains)
    if chained <= _cost(len(union), columns, labels * len(jobs)):
        steps = [_step(np.array([number]), base, added, jobs) for number, base, added in chains]
    else:
        steps = [_step(np.arange(len(jobs)), None, union, jobs)]
    return _Stack(slice(first, first + len(jobs)), biases, steps)


def _chains(jobs: list[_Job], masks: np.ndarray) -> list[tuple[int, int | None, np.ndarray]]:
    """Find for each job the largest set of the same probe that it contains, its base.

    Args:
        jobs: the jobs.
        masks: bool (jobs, columns), the neurons that each uses.

    Returns:
        Each job, its base (None if there is none), and the neurons that it adds to it; bases come first.
    """
    sizes = masks.sum(axis=1)
    counts = masks.astype(np.float32)
    shared = counts @ counts.T
    order = np.argsort(sizes, kind="stable").tolist()
    chains: list[tuple[int, int | None, np.ndarray]] = []
    for place, number in enumerate(order):
        base = next(
            (
                smaller
                for smaller in reversed(order[:place])
                if shared[smaller, number] == sizes[smaller] and jobs[smaller].probe is jobs[number].probe
            ),
            None,
        )
        added = masks[number] if base is None else masks[number] & ~masks[base]
        chains.append((number, base, np.flatnonzero(added)))
    return chains


def _cost(used: int, columns: int, width: int) -> int:
    """Return the estimated cost of a product of some of ``columns`` with weights of that width."""
    return min(used * (GATHERING + READING + width), columns * (READING + width))


def _step(numbers: np.ndarray, base: int | None, used: np.ndarray, jobs: list[_Job]) -> _Step:
    """Return the step that adds the neurons ``used`` to some jobs."""
    columns = len(jobs[0].lift)
    labels, dtype = jobs[0].weights.shape[1], jobs[0].weights.dtype
    width = labels * len(numbers)
    gathered = used if _cost(len(used), columns, width) < columns * (READING + width) else np.arange(columns)
    weights = np.zeros((len(gathered), len(numbers), labels), dtype=dtype)
    for place, job in enumerate(jobs[number] for number in numbers.tolist()):
        added = np.isin(job.used, used, assume_unique=True)
        weights[np.searchsorted(gathered, job.used[added]), place] = job.weights[added]
    return _Step(
        numbers,
        base,
        None if len(gathered) == columns else gathered,
        weights.reshape(len(gathered), width),
        jobs[0].lift[gathered],
    )
