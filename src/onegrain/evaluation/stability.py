"""Stability of a ranking: the ranking made again on draws of its sentences, and with other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.evaluation.draws import DRAWERS, DrawnOrders, draw_sentences
from onegrain.rankings.data.memory import read_size
from onegrain.rankings.redrawing import Redrawer, Redrawing
from onegrain.rankings.registry import METHODS, method
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.stability import KINDS, Stability, neuron_frame, summary_frame

__all__ = ["redrawable", "stability"]

COUNTS = (10, 20, 50)
SHARES = (0.01, 0.05, 0.1, 0.2)
"""Default sizes of top sets: numbers of neurons, and shares of all neurons."""
NEAR = 0.1
"""A default size this close to another, relative to it, is left out."""


def stability(
    ranking: Ranking,
    activations: Activations,
    *,
    others: Sequence[Activations] = (),
    resamples: int = 20,
    k: Sequence[int] | None = None,
    seed: int = 0,
    level: float = 0.95,
    tolerance: float | None = None,
    memory: int | str | None = None,
    device: str | None = None,
    progress: Progress = automatic,
) -> Stability:
    """Make a ranking again on draws of its sentences, and with other seeds, and compare the orders.

    Sentences are drawn in two ways: ``bootstrap``, as many as the corpus has, with replacement [Efron and
    Tibshirani 1993]; and ``halves``, a random split into two, with a ranking of each half, as in complementary
    pairs stability selection [Shah and Samworth, JRSS B 75(1), 2013]. Bootstrap draws share sentences, and with
    them the accidents of the corpus, so even noise is ordered somewhat alike. The halves of a split share no
    sentence, so what they agree on is a property of the language, as far as half of the words can show.

    ``seeds`` keeps the sentences and repeats a method that takes random steps (``lca``) with another seed; only
    what the probe's tolerance leaves open can vary.

    A draw gives a weight to each sentence, and all draws are counted or solved together, from one or a few
    passes over the words. Each order is that of the method on a corpus in which the sentences occur as often as
    in the draw. What the method took from all words stays: the penalties and the scale of the neurons of a
    probe, the labels, and the cells in which values are counted. A draw in which a label has no word is
    repeated. The same arguments give the same record.

    Args:
        ranking: a complete ranking by a method whose order depends on the words alone; docs/rankings.md lists
            them.
        activations: the activations that it was made from, with the same labels.
        others: the other models that it was made from, in the same order, for a method that compares models.
        resamples: number of bootstrap draws, of splits, and of seeds; 2 or more. Each takes three orders, and a
            fourth if the method takes random steps.
        k: sizes of top sets; by default 10, 20 and 50, if the model has more neurons, and 1, 5, 10 and 20 % of
            the neurons, without sizes that nearly coincide.
        seed: seed of the draws.
        level: share of the draws between ``low`` and ``high``, between 0 and 1; with few draws the bounds are
            rough. They describe how much draws of this corpus differ, and are not confidence intervals for
            another corpus; docs/validity.md reports how often they cover its ranks.
        tolerance: relative duality gap of the probes of ``lca``, by default 0.01. It adds to the differences
            between draws, by little at the default; ``seeds`` shows how much.
        memory: bytes that this process may hold in total, see :func:`onegrain.rank`.
        device: where to compute, see :func:`onegrain.rank`.
        progress: receives the number of probes solved, or of words counted.

    Returns:
        Ranks, top sets and their stability; see :class:`onegrain.Stability`.

    Raises:
        ParameterError: the method cannot be repeated on draws, the ranking is a part of one, a value is
            impossible, the method does not take something given, or draws keep losing a label.
        MismatchError: the activations or their labels are not those of the ranking.
    """
    ks = _sizes(k, ranking.space.size)
    require_count("resamples", resamples, 2)
    require_count("seed", seed, 0)
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must be between 0 and 1, got {level}")
    limit = None if memory is None else read_size(memory)
    request = Redrawing(ranking, activations, tuple(others), limit, device, tolerance, progress)
    redrawer = _redrawer(request)
    by_kind = _draw(redrawer, resamples, seed, max(ks), request.seed)
    parameters: dict[str, Any] = {
        "analysis": "stability", "resamples": resamples, "k": list(ks), "level": level, "tolerance": tolerance,
    }  # fmt: skip
    source, words = ranking.provenance, redrawer.words
    return Stability(
        method=ranking.method,
        space=ranking.space,
        neurons=neuron_frame(
            ranking, {kind: orders.columns(ks, level) for kind, orders in by_kind.items()}
        ),
        likeness=_summary(by_kind, words.labels, ks, level),
        correlations={kind: orders.correlations() for kind, orders in by_kind.items()},
        level=level,
        provenance=Provenance(
            stage="analyse", model=source.model, corpus=source.corpus, sites=source.sites,
            parameters=parameters, seed=seed, inputs=(source,),
        ),
        details={
            "orders": {kind: len(orders.ranks) for kind, orders in by_kind.items()},
            "sentences": words.n_sentences,
            "words": len(words),
            "constant": int((~redrawer.changing).sum()),
            "largest_gap": {kind: orders.largest_gap for kind, orders in by_kind.items()},
            "redrawn": {kind: orders.redrawn for kind, orders in by_kind.items()},
            "not_converged": {kind: orders.open for kind, orders in by_kind.items()},
        },
    )  # fmt: skip


def redrawable() -> list[str]:
    """Return the names of the methods whose rankings can be made again on draws of their sentences."""
    return [name for name, entry in METHODS.items() if entry.redraw is not None]


def _redrawer(request: Redrawing) -> Redrawer:
    """Return the redrawer of a ranking, after checking that its method takes what is given."""
    ranking = request.ranking
    entry = method(ranking.method)
    if entry.redraw is None:
        raise ParameterError(
            f"the order of {ranking.method} cannot be made again from weighted words; the methods whose "
            f"stability can be measured are: {', '.join(redrawable())}"
        )
    if ranking.provenance.stage != "rank" or len(ranking.labels) == 1:
        raise ParameterError(
            f"this {ranking.method} ranking is that of one label, or without redundant neurons; stability "
            "needs the complete ranking that rank() returned"
        )
    for name, value, is_taken in (
        ("others", request.others, entry.needs_others),
        ("memory", request.memory, entry.takes_memory),
        ("device", request.device, entry.takes_device),
        ("tolerance", request.tolerance, entry.redraw_solves),
    ):
        if value not in (None, ()) and not is_taken:
            raise ParameterError(f"the stability of {ranking.method} takes no {name}; leave it out")
    if entry.needs_others and not request.others:
        raise ParameterError(f"{ranking.method} compares models; give the other models of the ranking (others)")
    redrawer = entry.redraw(request)
    if redrawer.words.n_sentences < 2:
        raise ParameterError("stability needs words in two or more sentences, but all are in one")
    if not redrawer.changing.any():
        raise ParameterError("no neuron changes over the words, so no order can be compared")
    return redrawer


def _draw(
    redrawer: Redrawer, resamples: int, seed: int, most: int, ranking_seed: int
) -> dict[str, DrawnOrders]:
    """Return the orders of every kind of draws; those of drawn sentences are computed together."""
    words, labels = redrawer.words, redrawer.words.labels
    rngs = {
        kind: [np.random.default_rng([seed, number, draw]) for draw in range(resamples)]
        for number, kind in enumerate(KINDS)
    }
    drawn = {
        kind: [draw_sentences(words, drawer, rng) for rng in rngs[kind]] for kind, drawer in DRAWERS.items()
    }
    often = [counts for draws in drawn.values() for parts, _ in draws for counts in parts]
    orders = list(redrawer.orders(np.stack(often)))
    by_kind = {}
    for kind, draws in drawn.items():
        parts = sum(len(counts) for counts, _ in draws)
        pairs = None if parts == resamples else np.arange(parts).reshape(-1, 2)
        redrawn = sum(lost for _, lost in draws)
        by_kind[kind] = DrawnOrders.of(
            orders[:parts], labels, most, ranking_seed,
            changing=redrawer.changing, pairs=pairs, redrawn=redrawn,
        )  # fmt: skip
        del orders[:parts]
    if redrawer.random:
        seeds = KINDS[2]
        reseeded = redrawer.reseeded([int(rng.integers(2**31)) for rng in rngs[seeds]])
        by_kind[seeds] = DrawnOrders.of(
            reseeded, labels, most, ranking_seed, changing=redrawer.changing, pairs=None
        )
    return by_kind


def _summary(
    by_kind: Mapping[str, DrawnOrders], labels: tuple[str, ...], ks: tuple[int, ...], level: float
) -> pd.DataFrame:
    tops = [(None, None), *enumerate(labels)]
    return summary_frame(
        [
            (kind, label, k, *draws.likeness(k, number, level))
            for kind, draws in by_kind.items()
            for number, label in tops
            for k in ks
        ]
    )


def _sizes(k: Sequence[int] | None, neurons: int) -> tuple[int, ...]:
    """Return the sizes of top sets, ascending, each once."""
    if k is None:
        sizes = [count for count in COUNTS if count < neurons]
        for size in (round(share * neurons) for share in SHARES):
            if size and all(abs(size - other) > NEAR * other for other in sizes):
                sizes.append(size)
        return tuple(sorted(sizes)) or (1,)
    sizes = sorted({int(size) for size in k})
    if not sizes or sizes[0] < 1 or sizes[-1] > neurons:
        raise ParameterError(f"k must be sizes of top sets from 1 to {neurons}, got {list(k)}")
    return tuple(sizes)
