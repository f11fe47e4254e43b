"""Control: set neurons so that translations change one value of a property to another, and count successes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic, silent
from onegrain.errors import ParameterError
from onegrain.interventions.belonging import require_ranking_of
from onegrain.interventions.editing import editing
from onegrain.interventions.edits.mean import Mean
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.outcomes import Outcome
from onegrain.interventions.references import neuron_statistics
from onegrain.interventions.where import Where
from onegrain.models import LoadedModel, load_model
from onegrain.records.activations import Activations
from onegrain.records.control import COLUMNS, Control
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.value_change import ValueChange

__all__ = ["BETAS", "control"]

BETAS = (0.0, 1.0, 2.0, 4.0)


def control(
    model: str | os.PathLike[str] | LoadedModel,
    ranking: Ranking,
    change: ValueChange,
    reference: NeuronStatistics | Activations,
    *,
    k: int = 1,
    betas: Sequence[float] = BETAS,
    random_sets: int = 10,
    where: Where | None = None,
    recurrent: bool = False,
    beams: int = 1,
    max_new_tokens: int = 128,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress = automatic,
) -> Control:
    """Set the first neurons of a ranking so that translations change a value, and count how often they do.

    This is the experiment of Bau et al. [*Identifying and controlling important neurons in neural machine
    translation*, ICLR 2019]: each neuron is set to a1 + beta (a1 - a2), where a1 is its mean over the words of
    the reference with the wanted value, and a2 that over the words with the value that the sentences have. The
    same is done with random neurons, as many of each site, and the words that do not express the property are
    compared with the unedited translation.

    Args:
        model: a folder, a hub id, or a loaded translation model.
        ranking: the order of the neurons; for a label's own order, ``ranking.label(name)``.
        change: the sentences, the two values, and how translations are judged.
        reference: activations of the model whose words have the property's label layer, or statistics that
            :func:`onegrain.neuron_statistics` measured with that layer.
        k: number of neurons that are set together.
        betas: how far the means are moved apart.
        random_sets: number of random sets of k neurons.
        where: where neurons are set; by default at the source words that express the value.
        recurrent: True to set the state of LSTM layers as well; see :class:`Intervention`.
        beams: beam width; 1 is greedy search.
        max_new_tokens: the largest number of subwords of a translation.
        seed: random seed of the random sets. The first sets are the same for every number of them.
        batch_size: sentences per batch.
        progress: receives the number of translations of the corpus done.

    Raises:
        MismatchError: the ranking or the reference is of another model.
        ParameterError: the model does not translate; the reference has no words of a value; a site has too
            few neurons for random sets; no unedited translation shows the value; or a number is out of range.
    """
    search = {"beams": beams, "max_new_tokens": max_new_tokens, "batch_size": batch_size}
    for name, number in {"random_sets": random_sets, **search}.items():
        require_count(name, number)
    grid = _betas(betas)
    ranking.require_k(k)
    sets = _neuron_sets(ranking, k, random_sets, seed)
    loaded = load_model(model)
    if loaded.task != "translation":
        raise ParameterError(f"{loaded.identity.id} does not translate; control compares translations")
    require_ranking_of(loaded, ranking)
    statistics = _statistics(reference, change)
    places = Where(words=change.words) if where is None else where
    experiment = _Experiment(loaded, ranking.space, change, statistics, places, recurrent, search)
    points, draws, facts = _measure_sets(experiment, sets, grid, progress)
    return Control(
        layer=change.layer,
        value=change.value,
        wanted=change.wanted,
        judged=change.judged,
        k=k,
        points=points,
        neurons={name: [ranking.space.name(int(n)) for n in chosen] for name, chosen in sets.items()},
        signature=facts.pop("signature"),
        n_sentences=change.corpus.n_sentences,
        provenance=Provenance(
            stage="control",
            model=loaded.identity,
            corpus=CorpusIdentity.of(change.corpus),
            sites=ranking.space.sites,
            parameters={**experiment.described(), "k": k, "betas": grid, "random_sets": random_sets},
            seed=seed,
            inputs=(ranking.provenance, statistics.provenance),
        ),
        draws=draws,
        details={"order": ranking.order_hash, **facts},
    )


@dataclass(frozen=True, eq=False)
class _Experiment:
    """The settings that stay the same while the neurons and beta change."""

    model: LoadedModel
    space: NeuronSpace
    change: ValueChange
    statistics: NeuronStatistics
    where: Where
    recurrent: bool
    search: dict[str, int]

    def translate(self, chosen: np.ndarray | None, beta: float) -> list[list[str]]:
        """Return the words of each translation with some neurons (flat indices) set; with None, unedited."""
        units = {} if chosen is None else self.space.by_site(chosen)
        neurons = {site: tuple(numbers.tolist()) for site, numbers in units.items()}
        edit = Mean(label=self.change.wanted, against=self.change.value, beta=beta)
        intervention = Intervention(neurons, edit, self.where, self.recurrent)
        with editing(self.model, intervention, reference=self.statistics):
            texts = self.model.translate(self.change.corpus, progress=silent, **self.search)
        return [text.split() for text in texts]

    def described(self) -> dict[str, Any]:
        """Return what the record says of the edit and the search."""
        change = self.change
        described: dict[str, Any] = {"label": change.layer, "value": change.value, "wanted": change.wanted}
        if not self.where.everywhere:
            described["where"] = self.where.to_json()
        if self.recurrent:
            described["recurrent"] = True
        if change.expected is not None:
            described["expected"] = CorpusIdentity.of(change.expected).model_dump()
        else:
            described["lexicon"] = _lexicon_identity(change.lexicon or {})
        return described | {name: self.search[name] for name in ("beams", "max_new_tokens")}


def _lexicon_identity(lexicon: Mapping[str, str]) -> dict[str, Any]:
    """Return the number of words of a lexicon and the SHA-256 (hex) of its sorted entries."""
    entries = "\n".join(f"{word}\t{value}" for word, value in sorted(lexicon.items()))
    return {"words": len(lexicon), "hash": hashlib.sha256(entries.encode("utf-8", "surrogatepass")).hexdigest()}


def _measure_sets(
    experiment: _Experiment, sets: dict[str, np.ndarray], grid: list[float], progress: Progress
) -> tuple[pd.DataFrame, np.ndarray, dict[str, Any]]:
    """Return the points, their draws, and the signature and the examples of the first neurons by beta."""
    rows, draws, examples = [], [], {}
    with progress("control", 1 + len(sets) * len(grid), "translations") as advance:
        outcome = Outcome(experiment.change, experiment.translate(None, 0.0))
        advance(1)
        for name, chosen in sets.items():
            kind, _, number = name.partition(" ")
            for beta in grid:
                after = experiment.translate(chosen, beta)
                row, drawn = outcome.measure(after)
                rows.append({"set": kind, "number": int(number or 0), "beta": beta, **row})
                draws.append(drawn)
                if kind == "top":
                    examples[f"{beta:g}"] = outcome.examples(after)
                advance(1)
    facts = {"signature": outcome.signature, "examples": examples}
    return pd.DataFrame(rows)[COLUMNS], np.stack(draws), facts


def _betas(betas: Sequence[float]) -> list[float]:
    grid = sorted({float(beta) for beta in betas})
    if not grid or not np.isfinite(grid).all():
        raise ParameterError(f"betas must be finite numbers, one at least, got {list(betas)}")
    return grid


def _statistics(reference: NeuronStatistics | Activations, change: ValueChange) -> NeuronStatistics:
    """Return the statistics of a reference, with the means under both values."""
    if isinstance(reference, Activations):
        statistics = neuron_statistics(reference, layer=change.layer, samples=0)
    else:
        statistics = reference
    for value in (change.wanted, change.value):
        statistics.column("mean", value)
    return statistics


def _neuron_sets(ranking: Ranking, k: int, random_sets: int, seed: int) -> dict[str, np.ndarray]:
    """Return the first k neurons as ``top``, and ``random 0``, ``random 1``, ...: as many others of each site.

    Raises:
        ParameterError: a site has fewer other neurons than a set needs.
    """
    space, top = ranking.space, np.sort(ranking.order[:k])
    rng, sets = np.random.default_rng(seed), {"top": ranking.order[:k].copy()}
    for number in range(random_sets):
        drawn = []
        for site, units in space.by_site(top).items():
            others = _others(space, site, units)
            if len(others) < len(units):
                raise ParameterError(
                    f"site {site!r} has {len(others)} neurons besides the first {k}, too few for a random set "
                    f"of {len(units)}; lower k"
                )
            drawn.append(rng.choice(others, size=len(units), replace=False))
        sets[f"random {number}"] = np.concatenate(drawn)
    return sets


def _others(space: NeuronSpace, site: str, units: np.ndarray) -> np.ndarray:
    """Return the flat indices of the units of a site that are not among these."""
    span = space.slice(site)
    return np.setdiff1d(np.arange(span.start, span.stop, dtype=np.int64), units + span.start)
