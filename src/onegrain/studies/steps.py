"""What each kind of step does: read the records it needs, call its stage, write one record."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from onegrain.activations import extract, open_activations
from onegrain.core.progress import Progress, automatic
from onegrain.core.sealing import write_sealed_json
from onegrain.errors import ParameterError
from onegrain.evaluation import evaluate, stability
from onegrain.interventions import ablate
from onegrain.metrics import BLEU, Perplexity, create_metric, unigram_perplexity
from onegrain.models import LoadedModel, TrainingOptions, load_model, train_nlm, train_nmt
from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.ranking import Ranking
from onegrain.studies.entries import Comparison, MethodRanking, Probe
from onegrain.studies.plan import Step, activations_path, ranking_path
from onegrain.studies.read_corpora import load_corpus
from onegrain.studies.study import Study

__all__ = ["Workshop", "perform", "training_options"]


@dataclass(frozen=True)
class Workshop:
    """Where a study works: its specification, its data and its folder of records."""

    study: Study
    beside: Path
    data: Path
    out: Path

    def corpus(self, name: str) -> Corpus:
        """A corpus of the study."""
        return load_corpus(self.study.corpora[name], self.data)

    def model(self, name: str) -> LoadedModel:
        """A model of the study, under the name that the study gives it."""
        source = self.study.models[name]
        path = source.path
        if path is None:
            return load_model(self.out / "models" / name, name=name)
        local = self.beside / path
        return load_model(
            local if local.exists() else path,
            name=name,
            source_language=source.source_language,
            target_language=source.target_language,
        )

    def activations(self, model: str, corpus: str, sites: tuple[str, ...] | None) -> Activations:
        """The activations of some sites of a model on a corpus, which an earlier step extracted."""
        return open_activations(self.out / activations_path(model, corpus)).restrict(sites)

    def held_out(
        self, model: str, entry: Probe | MethodRanking | Comparison, sites: tuple[str, ...] | None
    ) -> dict[str, Any]:
        """The held-out words that an entry names."""
        return {
            name: None if corpus is None else self.activations(model, corpus, sites)
            for name, corpus in (("dev", entry.dev), ("test", entry.test))
        }


def perform(shop: Workshop, step: Step, progress: Progress = automatic) -> None:
    """Do one step. What is there already of its output is replaced, or gone on with where that is possible."""
    actions: dict[str, Callable[[Workshop, Step, Progress], None]] = {
        "train": _train,
        "measure": _measure,
        "extract": _extract,
        "rank": _rank,
        "stability": _stability,
        "evaluate": _evaluate,
        "ablate": _ablate,
    }
    actions[step.stage](shop, step, progress)


def training_options(study: Study, model: str) -> TrainingOptions:
    """Return how a study trains a model.

    Raises:
        ParameterError: an option does not exist or has an impossible value; table and key are named.
    """
    options = study.models[model].options
    known = [option.name for option in fields(TrainingOptions)]
    for name in options:
        if name not in known:
            raise ParameterError(
                f"[models] {model}.options: there is no option {name!r}; there are: {', '.join(known)}"
            )
    try:
        return TrainingOptions(**{"seed": study.seed, **options})
    except ParameterError as error:
        raise ParameterError(f"[models] {model}.options: {error}") from None


def _train(shop: Workshop, step: Step, progress: Progress) -> None:
    model = shop.study.models[step.entry["model"]]
    options = training_options(shop.study, step.entry["model"])
    train = {"nlm": train_nlm, "nmt": train_nmt}[str(model.kind)]
    corpora = (shop.corpus(str(model.train)), shop.corpus(str(model.valid)))
    train(*corpora, shop.out / step.output, options=options, progress=progress)


def _measure(shop: Workshop, step: Step, progress: Progress) -> None:
    name = step.entry["model"]
    source = shop.study.models[name]
    loaded, test = shop.model(name), shop.corpus(str(source.test))
    facts: dict[str, Any] = {"kind": loaded.task, "neurons": loaded.space().size}
    perplexity = Perplexity(test).measure(loaded, progress=progress)
    facts |= {"perplexity": perplexity.value}
    if source.train is not None:
        facts["unigram perplexity"] = unigram_perplexity(loaded, shop.corpus(source.train), test).value
    if loaded.task == "translation":
        bleu = BLEU(test).measure(loaded, progress=progress)
        facts |= {"BLEU": bleu.value, "BLEU low": bleu.low, "BLEU high": bleu.high, "signature": bleu.signature}
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in sorted(facts.items())
    }
    write_sealed_json(shop.out / step.output, {"record": "measures", **finite}, force=True)


def _extract(shop: Workshop, step: Step, progress: Progress) -> None:
    extract(
        shop.model(step.entry["model"]),
        shop.corpus(step.entry["corpus"]),
        shop.out / step.output,
        aggregate=shop.study.aggregate,
        dtype=shop.study.dtype,
        progress=progress,
    )


def _rank(shop: Workshop, step: Step, progress: Progress) -> None:
    model, study = step.entry["model"], shop.study
    given: dict[str, Any]
    if "probe" in step.entry:
        probe = study.probes[step.entry["probe"]]
        method, corpus, sites, parameters = "lca", probe.train, probe.sites, probe.parameters
        given = {"label": probe.label, **shop.held_out(model, probe, sites)}
    elif "crossmodel" in step.entry:
        cross = study.crossmodel[step.entry["crossmodel"]]
        method, corpus, sites, parameters = cross.method, cross.corpus, cross.sites, cross.parameters
        given = {"others": [shop.activations(one, corpus, sites) for one in cross.models if one != model]}
    else:
        entry = study.rankings[step.entry["ranking"]]
        method, corpus, sites, parameters = entry.method, entry.corpus, entry.sites, entry.parameters
        given = {"label": entry.label, **shop.held_out(model, entry, sites)}
    own = shop.activations(model, corpus, sites)
    ranking = rank(method, own, seed=study.seed, progress=progress, **given, **parameters)
    ranking.save(shop.out / step.output, force=True)


def _evaluate(shop: Workshop, step: Step, progress: Progress) -> None:
    name, model = step.entry["comparison"], step.entry["model"]
    comparison = shop.study.comparisons[name]
    rankings = {one: Ranking.load(shop.out / ranking_path(one, model)) for one in comparison.rankings}
    sites = next(iter(rankings.values())).space.sites
    found = evaluate(
        rankings,
        shop.activations(model, comparison.train, sites),
        label=comparison.label,
        seed=shop.study.seed,
        progress=progress,
        **shop.held_out(model, comparison, sites),
        **comparison.parameters,
    )
    found.save(shop.out / step.output, force=True)


def _stability(shop: Workshop, step: Step, progress: Progress) -> None:
    name, model = step.entry["probe"], step.entry["model"]
    probe = shop.study.probes[name]
    read = shop.activations(model, probe.train, probe.sites)
    ranking = Ranking.load(shop.out / ranking_path(name, model))
    parameters = {"seed": shop.study.seed, **(probe.stability or {})}
    try:
        found = stability(ranking, read, progress=progress, **parameters)
    except TypeError as error:
        raise ParameterError(f"probes.{name}.stability: {error}") from None
    found.save(shop.out / step.output, force=True)


def _ablate(shop: Workshop, step: Step, progress: Progress) -> None:
    ablation = shop.study.ablations[step.entry["ablation"]]
    corpus = shop.corpus(ablation.corpus)
    model = step.entry["model"]
    curve = ablate(
        shop.model(model),
        Ranking.load(shop.out / ranking_path(step.entry["ranking"], model)),
        create_metric(ablation.metric, corpus, **ablation.metric_parameters),
        seed=shop.study.seed,
        progress=progress,
        **ablation.parameters,
    )
    curve.save(shop.out / step.output, force=True)
