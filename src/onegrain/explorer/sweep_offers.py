"""The models that can be swept, and what can be measured of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.study_corpora import missing_corpora, study_corpora
from onegrain.explorer.sweep_query import SweepQuery, chosen_by_name
from onegrain.explorer.tasks import architecture_of, continues, translates
from onegrain.explorer.typed import reads_translations
from onegrain.explorer.work.models import model_place
from onegrain.library import ACTIVATIONS
from onegrain.metrics.registry import metric_title
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.ranking import Ranking

__all__ = [
    "Offer",
    "SweptModel",
    "chosen_model",
    "chosen_offer",
    "offers_of",
    "stores_of",
    "swept_models",
    "untranslated",
]

SANDBOX = "sandbox"
SANDBOX_SEED = 1_000_003
"""Seed of the sandbox text that sweeps measure on; the sentences of models' corpora have other seeds."""
PARALLEL = ("fr", "de")
TRANSLATION_METRICS = ("bleu", "chrf", "perplexity")


@dataclass(frozen=True)
class SweptModel:
    """A model that has rankings and can be loaded here.

    Attributes:
        name: its name.
        weights: SHA-256 of its weights.
        rankings: the names of its rankings.
    """

    name: str
    weights: str
    rankings: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """Something that can be measured: a metric on a corpus.

    Attributes:
        name: ``METRIC@CORPUS``, as addresses name it.
        title: for readers.
        metric: the metric's registered name.
        corpus: returns the corpus with at most some number of sentences.
    """

    name: str
    title: str
    metric: str
    corpus: Callable[[int], Corpus]


def swept_models(collection: Collection) -> tuple[SweptModel, ...]:
    """Return the models that have rankings and can be loaded here, in the order of their names."""
    models: dict[str, list[Entry]] = {}
    for entry in collection.of_kind("ranking"):
        if entry.weights:
            models.setdefault(entry.weights, []).append(entry)
    swept = []
    for weights, entries in models.items():
        try:
            model_place(collection, entries[0])
        except NotFoundError:
            continue
        swept.append(SweptModel(entries[0].model, weights, tuple(entry.name for entry in entries)))
    return tuple(sorted(swept, key=lambda model: model.name))


def chosen_model(models: Sequence[SweptModel], query: SweepQuery) -> SweptModel | None:
    """Return the model of a state: the one that it names, else that of its first ranking, else the first.

    Raises:
        NotFoundError: it names none of the models.
    """
    name = query.model
    if not name and query.ranking:
        name = next((model.name for model in models if query.ranking[0] in model.rankings), "")
    return chosen_by_name(models, name, f"no model {name!r} with rankings can be loaded here")


def offers_of(collection: Collection, model: SweptModel) -> tuple[Offer, ...]:
    """Return what can be measured of a model: metrics of its task on corpora that are here.

    A language model is measured on the corpora of its stores, a translation model on the parallel corpora that
    study files name for it. Models of the sandbox language are measured on new text of it as well.
    """
    stores = stores_of(collection, model)
    architecture = _architecture(collection, model)
    is_continuing, is_translating = continues(architecture), translates(architecture)
    offers: dict[str, Offer] = {}

    def add(metric: str, name: str, title: str, corpus: Callable[[int], Corpus]) -> None:
        offer = Offer(f"{metric}@{name}", f"{metric_title(metric, first=True)} on {title}", metric, corpus)
        offers.setdefault(offer.name, offer)

    for entry, activations in stores:
        corpus = activations.corpus
        if is_continuing:
            add("perplexity", entry.name, entry.title, corpus.head)
        if is_translating and corpus.target is not None and not reads_translations(activations.provenance):
            for metric in TRANSLATION_METRICS:
                add(metric, entry.name, entry.title, corpus.head)
    for parallel in study_corpora(collection, model.name) if is_translating else ():
        for metric in TRANSLATION_METRICS:
            add(metric, f"study/{parallel.name}", parallel.name, parallel.read)
    if any(activations.corpus.source.startswith(SANDBOX) for _, activations in stores):
        _add_sandbox(add, is_continuing=is_continuing, is_translating=is_translating)
    return tuple(offers.values())


def untranslated(offers: Sequence[Offer], collection: Collection, model: SweptModel) -> str:
    """Return why translations of a model cannot be measured here; empty if they can, or if it writes none."""
    architecture = _architecture(collection, model)
    if not translates(architecture) or any(offer.metric in TRANSLATION_METRICS for offer in offers):
        return ""
    missing = missing_corpora(collection, model.name)
    if missing:
        return (
            f"BLEU and chrF cannot be measured: the files of the parallel corpora {', '.join(missing)} are not "
            "where the study's file says; set ONEGRAIN_DATA to the folder that its paths start from."
        )
    return (
        "BLEU and chrF need source and target sentences, and stores keep only the words that the model reads. "
        "Give the study's file to onegrain explore beside its folder, and they are measured on the parallel "
        "corpora that it names."
    )


def _add_sandbox(add: Callable[..., None], *, is_continuing: bool, is_translating: bool) -> None:
    """Add the metrics on new text of the sandbox language."""
    from onegrain.synthetic import sandbox, sandbox_pairs

    if is_continuing:
        add(
            "minimal_pairs",
            "sandbox-pairs",
            "verbs of the sandbox",
            lambda sentences: sandbox_pairs(max(1, sentences // 2), seed=SANDBOX_SEED),
        )
    for language in PARALLEL if is_translating else ():

        def parallel(sentences: int, language: str = language) -> Corpus:
            return sandbox(sentences, seed=SANDBOX_SEED, parallel=language)

        title = {"fr": "French", "de": "German"}[language]
        for metric in ("bleu", "chrf"):
            add(metric, f"sandbox-{language}", f"the sandbox, English to {title}", parallel)


def chosen_offer(offers: Sequence[Offer], query: SweepQuery) -> Offer | None:
    """Return what a state measures: the offer that it names, else the first.

    Raises:
        NotFoundError: it names none of the offers.
    """
    return chosen_by_name(offers, query.measure, f"{query.measure!r} cannot be measured here")


def stores_of(collection: Collection, model: SweptModel) -> list[tuple[Entry, Activations]]:
    """Return the stores of a model, in the order of their names."""
    return [(entry, collection.store(entry.name)) for entry in collection.about(model.weights, ACTIVATIONS)]


def _architecture(collection: Collection, model: SweptModel) -> str:
    ranking: Ranking = collection.record(model.rankings[0], "ranking")
    return architecture_of(ranking.provenance)
