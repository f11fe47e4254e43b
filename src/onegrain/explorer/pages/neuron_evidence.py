"""The evidence of what a neuron responds to: statistics, words and contexts, from its store's index."""

from __future__ import annotations

from dataclasses import dataclass

from onegrain.analyses.neurons.contexts import ContextWord, word_contexts
from onegrain.explorer.addresses import PageQuery, address, changed, link
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.orders import Order
from onegrain.explorer.pages.page import Choice
from onegrain.records.corpus import Corpus
from onegrain.records.indexed_neuron import IndexedNeuron, QuantileSample
from onegrain.records.neuron_card import CardContext, CardStatistics, CardWord

__all__ = ["Context", "Evidence", "Sample", "neuron_evidence"]


@dataclass(frozen=True)
class Context:
    """A word in its sentence, with the neuron's values at the words around it.

    Attributes:
        card: the word, as the neuron's card has it.
        words: the words around it and itself.
        address: the page of its sentence.
    """

    card: CardContext
    words: tuple[ContextWord, ...]
    address: str


@dataclass(frozen=True)
class Sample:
    """Words drawn from one range of the values.

    Attributes:
        low, high: shares of the words below the range, and up to its end.
        minimum, maximum: the least and the largest value in it.
        contexts: the drawn words, by rising value.
    """

    low: float
    high: float
    minimum: float
    maximum: float
    contexts: tuple[Context, ...]


@dataclass(frozen=True)
class Evidence:
    """The statistics, words and contexts of a neuron, from the index of its store.

    Attributes:
        statistics: over the words that have an activation.
        quantiles: pairs (share of the words, value).
        top_words, bottom_words: the word types that raise and lower it most.
        top, bottom: the single words that raise and lower it most, in context.
        samples: words from ranges of its values, the highest range first.
        layers: the label layers to choose from; the shown one is current.
        layer: the shown layer; empty if the corpus has no labels.
        labels_left_out: number of its labels that are too rare to be shown.
    """

    statistics: CardStatistics
    quantiles: tuple[tuple[float, float], ...]
    top_words: tuple[CardWord, ...]
    bottom_words: tuple[CardWord, ...]
    top: tuple[Context, ...]
    bottom: tuple[Context, ...]
    samples: tuple[Sample, ...]
    layers: tuple[Choice, ...]
    layer: str
    labels_left_out: int


def neuron_evidence(
    corpus: Corpus, indexed: IndexedNeuron, query: PageQuery, layer: str, order: Order | None
) -> Evidence:
    """Return what a neuron responds to.

    Args:
        corpus: the words of the store.
        indexed: the neuron in its index.
        query: the state of its page, in which the addresses of other layers differ by ``layer``.
        layer: the label layer to show; by default that of the order, else a common one.
        order: the chosen order, or None.

    Raises:
        NotFoundError: the store has no such label layer.
    """
    layers = [name for name in sorted(corpus.layers) if indexed.labels_of(name)]
    layer = _layer(corpus, layers, layer, order)
    choices = tuple(
        Choice(name, name, address("neuron", changed(query, layer=name)), current=name == layer)
        for name in layers
    )
    cards = [*indexed.high.contexts, *indexed.low.contexts]
    cards += [card for sample in indexed.samples for card in sample.contexts]
    contexts = iter(_contexts(corpus, indexed, cards, query))
    top, bottom = (tuple(next(contexts) for _ in part.contexts) for part in (indexed.high, indexed.low))
    samples = [_sample(sample, tuple(next(contexts) for _ in sample.contexts)) for sample in indexed.samples]
    return Evidence(
        statistics=indexed.statistics,
        quantiles=indexed.quantiles,
        top_words=indexed.high.words,
        bottom_words=indexed.low.words,
        top=top,
        bottom=bottom,
        samples=tuple(reversed(samples)),
        layers=choices,
        layer=layer,
        labels_left_out=_labels_left_out(corpus, indexed, layer),
    )


def _labels_left_out(corpus: Corpus, indexed: IndexedNeuron, layer: str) -> int:
    """Return the number of labels of a layer that the index does not keep because they are rare."""
    every = len(corpus.layers[layer].vocabulary) if layer else 0
    return every - len(indexed.labels_of(layer))


def _layer(corpus: Corpus, layers: list[str], chosen: str, order: Order | None) -> str:
    """Return the layer that is shown: the chosen one, else the ranking's, else upos, else the first."""
    if chosen:
        if chosen not in corpus.layers:
            known = ", ".join(sorted(corpus.layers)) or "none"
            raise NotFoundError(f"no label layer {chosen!r} in this store; it has: {known}")
        return chosen
    wanted = (order.ranking.layer if order is not None else None, "upos", "xpos")
    return next((name for name in (*wanted, *layers) if name in layers), "") or ""


def _contexts(
    corpus: Corpus, indexed: IndexedNeuron, cards: list[CardContext], query: PageQuery
) -> list[Context]:
    statistics = indexed.statistics
    pins = query.pin if indexed.name in query.pin else query.with_pin(indexed.name).pin
    places = [(card.sentence, card.position) for card in cards]
    pieces = word_contexts(corpus, places, indexed.around, statistics.mean, statistics.std)
    return [
        Context(card, words, link("text", query, pin=pins, sentence=card.sentence))
        for card, words in zip(cards, pieces, strict=True)
    ]


def _sample(sample: QuantileSample, contexts: tuple[Context, ...]) -> Sample:
    return Sample(sample.low, sample.high, sample.minimum, sample.maximum, contexts)
