"""Dimension selection [Torroba20] as published: fit a new Gaussian probe for every candidate.

The prior and its mode are those of ``onegrain rank gaussian`` with its defaults. Labels share one call for the
factorisations and the solves; only the products of each label's words are made label by label.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

FLOOR = 0.01


@dataclass(frozen=True, eq=False)
class Words:
    """The training words of each label and the held-out words, in float64."""

    train: list[Tensor]
    dev: Tensor
    dev_codes: Tensor
    variances: Tensor

    @classmethod
    def of(cls, train: np.ndarray, codes: np.ndarray, dev: np.ndarray, dev_codes: np.ndarray) -> Words:
        values = torch.from_numpy(train.astype(np.float64))
        groups = [values[torch.from_numpy(codes == code)] for code in range(int(codes.max()) + 1)]
        held = torch.from_numpy(dev.astype(np.float64))
        return cls(groups, held, torch.from_numpy(dev_codes), values.var(dim=0, correction=0))


def score(words: Words, neurons: Sequence[int]) -> float:
    """Fit the probe of some neurons; return the mean log probability of the held-out words' labels, in nats."""
    columns, size = list(neurons), len(neurons)
    means, covariances, counts = [], [], []
    least = FLOOR * words.variances[columns]
    for group in words.train:
        values = group[:, columns]
        mean = values.mean(dim=0)
        values = values - mean
        products = values.T @ values
        prior = torch.maximum(products.diagonal() / len(values), least)
        means.append(mean)
        covariances.append((products + torch.diag(prior)) / (len(values) + 2 * size + 4))
        counts.append(len(values))
    factors = torch.linalg.cholesky(torch.stack(covariances))
    apart = words.dev[:, columns].T[None] - torch.stack(means)[:, :, None]
    distances = torch.linalg.solve_triangular(factors, apart, upper=False).square().sum(dim=1)
    logs = factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    shares = torch.tensor(counts, dtype=torch.float64)
    joint = (shares / shares.sum()).log()[:, None] - logs[:, None] - 0.5 * distances
    return float((joint.gather(0, words.dev_codes[None])[0] - joint.logsumexp(dim=0)).mean())


def select(train: np.ndarray, codes: np.ndarray, dev: np.ndarray, dev_codes: np.ndarray, k: int) -> list[int]:
    """Return the first k neurons; constant neurons are left out."""
    words = Words.of(train, codes, dev, dev_codes)
    varying = np.flatnonzero(np.ptp(train, axis=0) > 0.0).tolist()
    chosen: list[int] = []
    for _ in range(k):
        candidates = [neuron for neuron in varying if neuron not in chosen]
        scores = [score(words, [*chosen, neuron]) for neuron in candidates]
        chosen.append(candidates[int(np.argmax(scores))])
    return chosen


def seconds(
    train: np.ndarray,
    codes: np.ndarray,
    dev: np.ndarray,
    dev_codes: np.ndarray,
    order: Sequence[int],
    *,
    tried: int,
    every: int,
) -> float:
    """Estimate the seconds that ``select`` takes to choose ``order`` from a part of its work.

    At every so many-th step some candidates are tried, after one that is not timed, and stand for all those
    of that step and of those up to the next one timed.
    """
    words, total = Words.of(train, codes, dev, dev_codes), 0.0
    for step in range(0, len(order), every):
        chosen = list(order[:step])
        others = [neuron for neuron in range(train.shape[1]) if neuron not in chosen][: tried + 1]
        score(words, [*chosen, others[0]])
        start = time.perf_counter()
        for neuron in others[1:]:
            score(words, [*chosen, neuron])
        each = (time.perf_counter() - start) / (len(others) - 1)
        steps = range(step, min(step + every, len(order)))
        total += each * sum(train.shape[1] - done for done in steps)
    return total
