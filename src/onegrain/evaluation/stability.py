"""Stability of an LCA ranking: its probe refitted to draws of its training sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.evaluation.refits import Draws, Refit
from onegrain.evaluation.source_words import require_whole, training_words
from onegrain.rankings.data.memory import Memory, read_size
from onegrain.rankings.elastic_net.draws import draws_bytes
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.stability import KINDS, Stability, neuron_frame, summary_frame

__all__ = ["stability"]

COUNTS = (10, 20, 50)
SHARES = (0.01, 0.05, 0.1, 0.2)
"""Default sizes of top sets: numbers of neurons, and shares of all neurons."""
NEAR = 0.1
"""A default size this close to another, relative to it, is left out."""


def stability(
    ranking: Ranking,
    activations: Activations,
    *,
    resamples: int = 20,
    k: Sequence[int] | None = None,
    seed: int = 0,
    level: float = 0.95,
    tolerance: float = 1e-2,
    memory: int | str | None = None,
    device: str | None = None,
    progress: Progress = automatic,
) -> Stability:
    """Refit a ranking's probe to draws of its training sentences, and with other seeds, and compare the orders.

    Sentences are drawn in two ways: ``bootstrap``, as many as the corpus has, with replacement [Efron and
    Tibshirani 1993]; and ``halves``, a random split into two, with a probe for each half, as in complementary
    pairs stability selection [Shah and Samworth, JRSS B 75(1), 2013]. Bootstrap draws share sentences, and with
    them the accidents of the corpus, so even noise is ordered somewhat alike. The halves of a split share no
    sentence, so what they agree on is a property of the language, as far as half of the words can show.

    ``seeds`` keeps the sentences and solves from scratch with another order of the words; only what the
    tolerance leaves open can vary. A small probe, which the solver solves without random steps, does not vary.

    Every probe has the ranking's penalties. The probes of drawn sentences start from the ranking's weights and
    are solved together; a draw is a weight for each word (draws.py). Penalties are not chosen again, and
    standardised neurons keep the scale of all training words. A draw in which a label has no word is repeated.
    The same arguments give the same record.

    Args:
        ranking: a ranking by ``lca`` of all labels.
        activations: the activations that it was made from, with the same labels.
        resamples: number of bootstrap draws, of splits, and of seeds; 2 or more. Four probes are fitted for
            each.
        k: sizes of top sets; by default 10, 20 and 50, if the model has more neurons, and 1, 5, 10 and 20 % of
            the neurons, without sizes that nearly coincide.
        seed: seed of the draws.
        level: share of the draws between ``low`` and ``high``, between 0 and 1; with few draws the bounds are
            rough. They describe how much draws of this corpus differ, and are not confidence intervals for
            another corpus; docs/validity.md reports how often they cover its ranks.
        tolerance: relative duality gap of the probes. It adds to the differences between draws, by little at
            the default; ``seeds`` shows how much.
        memory: bytes that this process may hold in total, see :func:`onegrain.rank`.
        device: where to compute, see :func:`onegrain.rank`.
        progress: receives the number of probes fitted.

    Returns:
        Ranks, top sets and their stability; see :class:`onegrain.Stability`.

    Raises:
        ParameterError: the ranking is not a complete LCA ranking, a value is impossible, or draws keep losing a
            label.
        MismatchError: the activations or their labels are not those of the ranking.
    """
    require_whole(ranking)
    ks = _sizes(k, ranking.space.size)
    _require_options(resamples, seed, level, tolerance)
    limit = None if memory is None else read_size(memory)
    storage = Memory(limit, device=device or "cpu")
    shape = activations.n_words, activations.n_neurons, len(ranking.labels)
    storage.reserve(draws_bytes(shape, 2 * resamples), "a group of draws")
    words = training_words(ranking, activations, storage)
    refit = Refit(ranking, words, storage, tolerance, max(ks))
    by_kind: dict[str, Draws] = {}
    with progress("fit probes to draws", 4 * resamples, "probes") as advance:
        for number, kind in enumerate(KINDS):
            rngs = [np.random.default_rng([seed, number, draw]) for draw in range(resamples)]
            by_kind[kind] = refit.run(kind, rngs, advance)
    parameters = {
        "analysis": "stability", "resamples": resamples, "k": list(ks), "level": level, "tolerance": tolerance,
    }  # fmt: skip
    source = ranking.provenance
    return Stability(
        method=ranking.method,
        space=ranking.space,
        neurons=neuron_frame(
            ranking, {kind: draws.columns(ks, level) for kind, draws in by_kind.items()}
        ),
        likeness=_summary(by_kind, ranking.labels, ks, level),
        correlations={kind: draws.correlations() for kind, draws in by_kind.items()},
        level=level,
        provenance=Provenance(
            stage="analyse", model=source.model, corpus=source.corpus, sites=source.sites,
            parameters=parameters, seed=seed, inputs=(source,),
        ),
        details={
            "probes": {kind: len(draws.ranks) for kind, draws in by_kind.items()},
            "sentences": refit.n_sentences,
            "words": len(words),
            "constant": int((~refit.changing).sum()),
            "largest_gap": {kind: draws.largest_gap for kind, draws in by_kind.items()},
            "redrawn": {kind: draws.redrawn for kind, draws in by_kind.items()},
            "not_converged": {kind: draws.not_converged for kind, draws in by_kind.items()},
        },
    )  # fmt: skip


def _summary(
    by_kind: dict[str, Draws], labels: tuple[str, ...], ks: tuple[int, ...], level: float
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


def _require_options(resamples: int, seed: int, level: float, tolerance: float) -> None:
    require_count("resamples", resamples, 2)
    require_count("seed", seed, 0)
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must be between 0 and 1, got {level}")
    if not 0.0 < tolerance <= 1.0:
        raise ParameterError(f"tolerance must be above 0 and at most 1, got {tolerance}")
