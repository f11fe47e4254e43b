"""The constants with which an edited model loses least, found by gradient descent through the running model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from onegrain.activations import live_activations
from onegrain.core.options import require_count
from onegrain.core.progress import Progress, automatic, silent
from onegrain.errors import MismatchError, ParameterError
from onegrain.interventions.constants_search import ConstantsSearch, SoughtConstants
from onegrain.interventions.editing import editing
from onegrain.interventions.edits.optimal import Optimal
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.references import measure_reference
from onegrain.models import LoadedModel, load_model
from onegrain.models.differentiation import differentiable
from onegrain.models.scoring import scored_batches, scored_rows
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
        constants = SoughtConstants.of(sought, statistics, loaded.device)
        running: list[Intervention] = []
        for each in several:
            running += constants.edits_of(each) if each.edit == Optimal() else [each]
        with editing(loaded, running, reference=statistics, pairs=pairs):
            search = ConstantsSearch(loaded, batches, constants)
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
