"""Neuron cards as the files that Neuronpedia imports.

The layout is that of Neuronpedia's page *Exports* (https://docs.neuronpedia.org/api-and-data/exports).
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
    """Return True if a source in the folder says that onegrain wrote it."""
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
    """Write cards as Neuronpedia's exports are: a folder ``MODEL_ID/LAYER-SOURCE_SET`` for each layer.

    A neuron is a feature whose index is its unit. Its top activations are the sentences of the contexts that
    move it up, whole, with its value at every word. A word is a token; all but the first begin with a space.
    Words without activation are left out. What moves a neuron down has no place in the format. The same
    arguments give the same bytes.

    Args:
        cards: made from these activations.
        activations: give the values at every word of a sentence.
        folder: is made, with everything below it.
        release: the names at Neuronpedia.
        force: replace the folder if it is there already.

    Returns:
        The folders of the sources, in the order of their layers.

    Raises:
        MismatchError: the activations are of other neurons, words or values than the cards.
        ParameterError: a site is not ``...layers.N...``, or two sites are of the same layer.
    """
    sources = _sources(cards)
    cards.require_of(activations)
    if cards.corpus.content_hash != activations.corpus.content_hash:
        raise MismatchError(
            f"the cards are of the words of {cards.corpus.source} ({cards.corpus.content_hash[:12]}), "
            f"{activations.describe()} of those of {activations.corpus.source} "
            f"({activations.corpus.content_hash[:12]}); give the activations that the cards were made from"
        )
    sentences = _Sentences(cards, activations)
    with whole_folder(folder, force=force, ours=LAYOUT) as partial:
        for layer, own in sources.items():
            source_id = f"{layer}-{release.source_set}"
            place = partial / release.model_id / source_id
            place.mkdir(parents=True)
            for name, row in head_rows(cards, release, source_id).items():
                (place / f"{name}.jsonl").write_text(_line(row), encoding="utf-8")
            for number, first in enumerate(range(0, len(own), FEATURES_PER_FILE)):
                features, found = _batch(own[first : first + FEATURES_PER_FILE], sentences, release, source_id)
                _write(place / "features" / f"batch-{number}.jsonl.gz", features)
                _write(place / "activations" / f"batch-{number}.jsonl.gz", found)
    return [Path(folder) / release.model_id / f"{layer}-{release.source_set}" for layer in sources]


def _sources(cards: NeuronCards) -> dict[int, list[NeuronCard]]:
    """The cards by layer, ascending, each source's by unit."""
    sites: dict[int, str] = {}
    for card in cards.cards:
        found = LAYER.search(card.site)
        if not found:
            raise ParameterError(
                f"a source at Neuronpedia begins with its layer, and {card.site!r} names none; export cards of "
                "sites layers.N"
            )
        first = sites.setdefault(int(found[1]), card.site)
        if first != card.site:
            raise ParameterError(
                f"{first!r} and {card.site!r} are of the same layer, and a source set has one source a layer; "
                "export them apart, as two source sets"
            )
    ordered = sorted(cards.cards, key=lambda card: card.unit)
    return {layer: [card for card in ordered if card.site == sites[layer]] for layer in sorted(sites)}


class _Sentences:
    """The values of the cards' neurons at every word of the sentences of their contexts."""

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
            raise MismatchError(f"a card names sentence {number}, and {corpus.source} has {corpus.n_sentences}")
        rows = np.arange(corpus.offsets[number], corpus.offsets[number + 1])
        table = self._activations.take(rows, self._wanted[number]).astype(np.float64)
        for neuron, values in zip(self._wanted[number], table.T, strict=True):
            self._kept[number, neuron] = values

    def of(self, card: NeuronCard, context: CardContext) -> tuple[list[str], list[float], int]:
        """The words that have an activation, as tokens, the values there, and where the context's word is."""
        neuron = self._activations.space.index(card.site, card.unit)
        values = self._kept[context.sentence, neuron]
        if context.position >= len(values) or values[context.position] != context.value:
            raise MismatchError(
                f"the card of {card.name} has {context.value:.6g} at word {context.position} of sentence "
                f"{context.sentence}, {self._activations.describe()} has not; give the activations that the "
                "cards were made from"
            )
        there = np.flatnonzero(np.isfinite(values))
        words = self._activations.corpus.sentence(context.sentence)
        tokens = [f" {words[at]}" if nth else words[at] for nth, at in enumerate(there.tolist())]
        return tokens, values[there].tolist(), int(there.searchsorted(context.position))


def _batch(
    cards: list[NeuronCard], sentences: _Sentences, release: NeuronpediaRelease, source_id: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of some neurons, and of their top activations."""
    features, every = [], []
    for card in cards:
        found = [
            activation_row(
                card,
                sentences.of(card, context),
                (context.sentence, context.position),
                release,
                source_id,
            )
            for context in card.high.contexts
        ]
        features.append(feature_row(card, found, release, source_id))
        every += found
    return features, every


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A gzipped file of one row a line, without a time in it; none where there are no rows."""
    data = "".join(map(_line, rows)).encode()
    if data:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(data, compresslevel=5, mtime=0))
