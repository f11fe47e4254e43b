"""Export neuron cards as files that Neuronpedia can import.

The layout follows Neuronpedia's page *Exports* (https://docs.neuronpedia.org/api-and-data/exports).
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onegrain.core.output import Layout, whole_folder
from onegrain.errors import MismatchError, ParameterError
from onegrain.formats.neuronpedia.rows import NeuronpediaRelease, activation_row, feature_row, head_rows
from onegrain.records.activations import Activations
from onegrain.records.cards import NeuronCards
from onegrain.records.neuron_card import CardContext, NeuronCard

__all__ = ["LAYOUT", "export_neuronpedia"]

FEATURES_PER_FILE = 1024
LAYER = re.compile(r"(?:^|\.)layers\.(\d+)(?:\.|$)")


def _marks(folder: Path) -> bool:
    """Return True if the notes of a source in the folder name onegrain as its writer."""
    files = folder.glob("*/*/source.jsonl")
    return any('"notes": "onegrain ' in file.read_text(encoding="utf-8", errors="replace") for file in files)


LAYOUT = Layout(
    "an export for Neuronpedia",
    _marks,
    (
        *(f"*/*/{name}.jsonl" for name in ("release", "model", "sourceset", "source")),
        "*/*/features/batch-*.jsonl.gz",
        "*/*/activations/batch-*.jsonl.gz",
    ),
)


def export_neuronpedia(
    cards: NeuronCards,
    activations: Activations,
    folder: str | os.PathLike[str],
    release: NeuronpediaRelease,
    *,
    force: bool = False,
) -> list[Path]:
    """Write neuron cards in Neuronpedia's layout: a folder ``MODEL_ID/LAYER-SOURCE_SET`` for each layer.

    A neuron becomes a feature whose index is its unit. Its top activations are the full sentences of the
    contexts with its highest values, with its value at every word. Each word becomes a token; every token but
    the first begins with a space. Words without an activation are left out. The format cannot represent the
    contexts with a neuron's lowest values. The same arguments give the same bytes.

    Args:
        cards: the neuron cards.
        activations: the activations from which the cards were computed; they give the value at every word.
        folder: the folder to create.
        release: the names under which the neurons appear at Neuronpedia.
        force: replace the folder if it exists.

    Returns:
        The folders of the sources, in the order of their layers.

    Raises:
        MismatchError: the neurons, words or values of the activations differ from those of the cards.
        ParameterError: a site's name does not contain ``layers.N``, or two sites belong to the same layer.
        OutputExistsError: the folder exists and ``force`` is not set, or onegrain did not write it.
    """
    sources = _sources(cards)
    cards.require_of(activations)
    if cards.corpus.content_hash != activations.corpus.content_hash:
        raise MismatchError(
            f"the cards were computed on {cards.corpus.source} ({cards.corpus.content_hash[:12]}), but "
            f"{activations.describe()} on {activations.corpus.source} "
            f"({activations.corpus.content_hash[:12]}); give the activations that the cards were made from"
        )
    sentences = _Sentences(cards, activations)
    with whole_folder(folder, force=force, ours=LAYOUT) as partial:
        for layer, layer_cards in sources.items():
            source_id = f"{layer}-{release.source_set}"
            place = partial / release.model_id / source_id
            place.mkdir(parents=True)
            for name, row in head_rows(cards, release, source_id).items():
                (place / f"{name}.jsonl").write_text(_line(row), encoding="utf-8")
            for number, first in enumerate(range(0, len(layer_cards), FEATURES_PER_FILE)):
                batch = layer_cards[first : first + FEATURES_PER_FILE]
                features, top_activations = _batch(batch, sentences, release, source_id)
                _write(place / "features" / f"batch-{number}.jsonl.gz", features)
                _write(place / "activations" / f"batch-{number}.jsonl.gz", top_activations)
    return [Path(folder) / release.model_id / f"{layer}-{release.source_set}" for layer in sources]


def _sources(cards: NeuronCards) -> dict[int, list[NeuronCard]]:
    """Return the cards of each layer, in increasing order of layers and units."""
    sites: dict[int, str] = {}
    for card in cards.cards:
        match = LAYER.search(card.site)
        if match is None:
            raise ParameterError(
                f"the name of a source at Neuronpedia begins with its layer, but {card.site!r} contains no "
                "layer; export cards of sites layers.N"
            )
        first = sites.setdefault(int(match[1]), card.site)
        if first != card.site:
            raise ParameterError(
                f"{first!r} and {card.site!r} belong to the same layer, but a source set has one source per "
                "layer; export them separately, as two source sets"
            )
    ordered = sorted(cards.cards, key=lambda card: card.unit)
    return {layer: [card for card in ordered if card.site == sites[layer]] for layer in sorted(sites)}


class _Sentences:
    """A table of the values of each card's neuron at every word of the sentences of its contexts."""

    def __init__(self, cards: NeuronCards, activations: Activations) -> None:
        self._activations = activations
        self._wanted: dict[int, list[int]] = {}
        for card in cards.cards:
            neuron = activations.space.index(card.site, card.unit)
            for number in dict.fromkeys(context.sentence for context in card.high.contexts):
                self._wanted.setdefault(number, []).append(neuron)
        self._kept: dict[tuple[int, int], np.ndarray] = {}
        for number in sorted(self._wanted):
            self._read(number)

    def _read(self, number: int) -> None:
        corpus = self._activations.corpus
        if number >= corpus.n_sentences:
            raise MismatchError(
                f"a card refers to sentence {number}, but {corpus.source} has {corpus.n_sentences} sentences"
            )
        rows = np.arange(corpus.offsets[number], corpus.offsets[number + 1])
        table = self._activations.take(rows, self._wanted[number]).astype(np.float64)
        for neuron, values in zip(self._wanted[number], table.T, strict=True):
            self._kept[number, neuron] = values

    def of(self, card: NeuronCard, context: CardContext) -> tuple[list[str], list[float], int]:
        """Return the sentence of a context as tokens, their values, and the index of the context's word.

        Words without an activation are left out.
        """
        neuron = self._activations.space.index(card.site, card.unit)
        values = self._kept[context.sentence, neuron]
        if context.position >= len(values) or values[context.position] != context.value:
            raise MismatchError(
                f"the card of {card.name} has {context.value:.6g} at word {context.position} of sentence "
                f"{context.sentence}, but {self._activations.describe()} has another value; give the "
                "activations that the cards were made from"
            )
        present = np.flatnonzero(np.isfinite(values))
        words = self._activations.corpus.sentence(context.sentence)
        tokens = [f" {words[word]}" if index else words[word] for index, word in enumerate(present.tolist())]
        return tokens, values[present].tolist(), int(present.searchsorted(context.position))


def _batch(
    cards: list[NeuronCard], sentences: _Sentences, release: NeuronpediaRelease, source_id: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of neurons, and the rows of all their top activations."""
    features, activations = [], []
    for card in cards:
        top_activations = [
            activation_row(
                card,
                sentences.of(card, context),
                (context.sentence, context.position),
                release,
                source_id,
            )
            for context in card.high.contexts
        ]
        features.append(feature_row(card, top_activations, release, source_id))
        activations += top_activations
    return features, activations


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a gzipped file with one row per line and no timestamp; write no file without rows."""
    data = "".join(map(_line, rows)).encode()
    if data:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(data, compresslevel=5, mtime=0))
