"""Direct and total effects: what an edit does by itself, and what the layers above it add or repair."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from onegrain.core.bootstrap import adjusted_p_values, draw_p_values, quantile_interval
from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ModelError, ParameterError
from onegrain.interventions.belonging import require_ranking_of
from onegrain.interventions.direct_path import DirectPath, require_residual_stream
from onegrain.interventions.editing import editing
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.paired_draws import PairedRises
from onegrain.interventions.template import EditTemplate, matched_sets
from onegrain.interventions.where import Where
from onegrain.models import LoadedModel, load_model
from onegrain.models.scoring import ScoredRows, scored_batches, scored_rows
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.effects import ALL, COLUMNS, LINES, PARTS, Effects
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.records.statistics import NeuronStatistics

__all__ = ["effects"]

LEVEL = 0.95
CONVENTION = "the final norm is computed anew on the stream that the change has reached"


def effects(
    model: str | os.PathLike[str] | LoadedModel,
    ranking: Ranking,
    corpus: Corpus,
    *,
    k: int = 10,
    by_site: bool = False,
    edit: str | NeuronEdit = "zero",
    where: Where | None = None,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    random_orders: int = 5,
    resamples: int = 10_000,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress = automatic,
) -> Effects:
    """Measure the total effect of editing a ranking's first neurons on the loss, and its direct part.

    In a pre-norm transformer each block adds the outputs of its attention and its MLP to the residual stream.
    The *direct* effect is the rise of the loss if attention and MLP give in every block what they gave in the
    untouched run, so that only the stream carries the change. An edited neuron of an MLP, or an edited head,
    still goes through its own output projection; the final norm is computed anew on the changed stream.
    *Mediated* is total less direct: positive if the layers above add to the damage, negative if they repair it,
    as they do in the Hydra effect [McGrath et al. 2023, arXiv 2307.15771]. After the last block nothing is
    mediated.

    Of neurons in several layers that are edited together, each takes the values of the untouched run in the
    direct run, whatever the layers below it change.

    Args:
        model: a folder, a hub id, or a loaded model: a language model of an architecture in
            :data:`onegrain.interventions.direct_path.PRE_NORM`.
        ranking: a ranking of the model's neurons.
        corpus: the sentences to measure on.
        k: the number of neurons to edit.
        by_site: True to edit the neurons of each site alone as well.
        edit: the edit, or its text, such as ``mean``.
        where: the places; everywhere by default.
        reference: activations of the model, or statistics measured on them, for edits that need some. For
            ``optimal``, activations: the constants of every set of neurons are found on their words.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of sentence i.
        random_orders: the number of random sets, two or more, each with as many neurons of each site.
        resamples: the number of bootstrap draws; no p-value is below 2 / (resamples + 1).
        seed: random seed of the random sets and the draws.
        batch_size: sentences per batch.
        progress: receives the number of sentences done; each edited set takes three passes over them.

    Raises:
        MismatchError: the ranking or the reference belongs to another model.
        ParameterError: the model has no residual stream that a direct path could be defined on, it predicts no
            subword of the corpus, a number is out of range, or the edit lacks its reference.
        ModelError: a site of the ranking is a module path, or a loss is not finite.
    """
    ranking.require_k(k)
    require_count("random_orders", random_orders, 2)
    require_count("resamples", resamples, 100)
    loaded = load_model(model)
    require_ranking_of(loaded, ranking)
    loaded.require_loss()
    top = ranking.order[:k]
    require_residual_stream(loaded, list(ranking.space.by_site(top)))
    template = EditTemplate.of(loaded, edit, where, False, reference, pairs)
    groups = _groups(ranking.space, top, by_site)
    run = _Run(loaded, template, corpus, scored_rows(loaded, corpus), batch_size)
    sets = [
        neurons
        for group in groups.values()
        for neurons in [group, *matched_sets(ranking.space, group, random_orders, seed)]
    ]
    edits = template.on_each(ranking.space, sets, batch_size, progress)
    with progress("effects", len(sets) * corpus.n_sentences, "sentences") as advance:
        intact, subwords = loaded.sentence_losses(corpus, batch_size=batch_size)
        if not subwords.any():
            raise ParameterError(f"no subword of {corpus.source} is predicted; effects need one at least")
        rises = np.stack([run.losses(each, advance) - intact for each in edits])
    if not np.isfinite(rises).all():
        raise ModelError("a loss is not finite, so its rise is not known; edit fewer neurons, or by mean")
    parameters = {"k": k, "by_site": by_site, "random_orders": random_orders, "resamples": resamples}
    by_group = rises.reshape(len(groups), 1 + random_orders, *rises.shape[1:])
    return Effects(
        k=k,
        edit=str(template.edit),
        intact=float(intact.sum() / subwords.sum()),
        table=_table(groups, by_group, subwords, resamples, seed),
        level=LEVEL,
        provenance=template.provenance("effects", ranking, corpus, parameters, seed),
        details={
            "sentences": corpus.n_sentences,
            "subwords": int(subwords.sum()),
            "random_orders": random_orders,
            "resamples": resamples,
            "order": ranking.order_hash,
            "convention": CONVENTION,
        },
    )


def _groups(space: NeuronSpace, top: np.ndarray, by_site: bool) -> dict[str, np.ndarray]:
    """Return the sets of neurons to edit, by the name of their site; first all of them."""
    groups = {ALL: top}
    if by_site:
        for site, units in space.by_site(top).items():
            groups[site] = space.slice(site).start + units
    return groups


@dataclass(frozen=True, eq=False)
class _Run:
    """The settings that stay the same while the edited neurons change."""

    model: LoadedModel
    template: EditTemplate
    corpus: Corpus
    scored: ScoredRows
    batch_size: int

    @torch.no_grad()
    def losses(self, edits: list[Intervention], advance: Callable[[int], None]) -> np.ndarray:
        """Return the total and the direct loss of each sentence with some edits: float64 (2, sentences)."""
        losses = np.zeros((2, len(self.scored.rows)))
        path = DirectPath(self.model, [site for each in edits for site in each.neurons])
        reference, pairs = self.template.reference, self.template.pairs
        edited = editing(self.model, edits, reference=reference, pairs=pairs)
        with path.following(), edited:
            for batch in scored_batches(self.model, self.corpus, self.scored, self.batch_size):
                path.keep(batch)
                total, _ = batch.losses(self.model)
                with path.frozen():
                    direct, _ = batch.losses(self.model)
                losses[:, batch.sentences] = torch.stack([total.sum(1), direct.sum(1)]).cpu().numpy()
                advance(len(batch.sentences))
        return losses


def _table(
    groups: dict[str, np.ndarray], rises: np.ndarray, subwords: np.ndarray, resamples: int, seed: int
) -> pd.DataFrame:
    """Return the rows of all groups and lines.

    Args:
        groups: the edited neurons of each group.
        rises: float64 (groups, sets, 2, sentences), total and direct; the first set is the ranking's.
        subwords: int64 (sentences,).
        resamples: the number of draws.
        seed: their seed.
    """
    flat = rises.transpose(1, 3, 0, 2).reshape(rises.shape[1], rises.shape[3], -1)
    words = np.repeat(subwords[:, None].astype(np.float64), flat.shape[-1], axis=1)
    paired = PairedRises(flat[0], flat[1:], words)
    chosen, random = paired.means()
    values = np.stack([chosen, random.mean(axis=0)])
    draws = np.stack(paired.draws(resamples, seed))
    values = _with_parts(_with_difference(values))
    draws = _with_parts(_with_difference(draws))
    bounds = quantile_interval(draws.transpose(1, 0, 2, 3).reshape(resamples, -1), LEVEL)
    low, high = (bound.reshape(values.shape) for bound in bounds)
    p = draw_p_values(draws[..., PARTS.index("mediated")].transpose(1, 0, 2).reshape(resamples, -1))
    p = p.reshape(len(LINES), len(groups))
    rows = []
    for number, (site, neurons) in enumerate(groups.items()):
        for place, line in enumerate(LINES):
            parts = [
                float(table[place, number, part]) for part in range(len(PARTS)) for table in (values, low, high)
            ]
            q = adjusted_p_values(p[place])
            rows.append((site, line, len(neurons), *parts, float(p[place, number]), float(q[number])))
    return pd.DataFrame(rows, columns=COLUMNS)


def _with_difference(values: np.ndarray) -> np.ndarray:
    """Return the values of the chosen and the random neurons, (2, ..., cells), and the difference."""
    return np.concatenate([values, values[:1] - values[1:]])


def _with_parts(values: np.ndarray) -> np.ndarray:
    """Return the parts of the effects, (..., groups, 3), from (..., groups * 2): total and direct."""
    pairs = values.reshape(*values.shape[:-1], -1, 2)
    return np.concatenate([pairs, pairs[..., :1] - pairs[..., 1:]], axis=-1)
