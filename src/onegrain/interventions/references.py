"""The sources of the values of edits: statistics over a reference corpus, and paired sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onegrain.core.moments import Spread
from onegrain.core.options import require_count
from onegrain.errors import CorpusError, MismatchError, ParameterError
from onegrain.interventions.edits.edit import NeuronEdit, SiteReference
from onegrain.models import LoadedModel
from onegrain.models.batching import by_length
from onegrain.models.passing import trial
from onegrain.models.sites import SitePoint
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import Provenance
from onegrain.records.statistics import NeuronStatistics

__all__ = ["References", "measure_reference", "neuron_statistics"]

SAMPLES = 256
BINS = 100


def neuron_statistics(
    activations: Activations,
    *,
    layer: str | None = None,
    samples: int = SAMPLES,
    bins: int = BINS,
    seed: int = 0,
) -> NeuronStatistics:
    """Measure what each neuron does over the words of a corpus, as a reference for edits.

    The activations are read twice. Words without an activation are left out.

    Args:
        activations: a store, or the activations of a running model.
        layer: a label layer, to measure means and deviations over the words of each label as well.
        samples: the number of words whose values are kept, drawn at random; fewer if there are fewer.
        bins: the number of equal bins, from a neuron's least to its largest value, in which the mode is found.
        seed: random seed of the sample.

    Raises:
        ParameterError: an activation is not finite, there is no word, or a number is out of range.
        LabelError: the layer does not exist.
    """
    require_count("samples", samples, 0)
    require_count("bins", bins, 2)
    present = np.flatnonzero(activations.present)
    if not len(present):
        raise ParameterError("the reference has no word with an activation")
    vocabulary: tuple[str, ...] = ()
    codes = np.full(activations.n_words, -1, dtype=np.int64)
    if layer is not None:
        labelled = activations.layer(layer)
        codes, vocabulary = labelled.codes.astype(np.int64), labelled.vocabulary
    neurons = activations.n_neurons
    spread, per_label = Spread.none(neurons), [Spread.none(neurons) for _ in vocabulary]
    least, largest = np.full(neurons, np.inf), np.full(neurons, -np.inf)
    for start, block in activations.blocks():
        kept = activations.present[start : start + len(block)]
        values, labels = block[kept], codes[start : start + len(block)][kept]
        if not len(values):
            continue
        activations.require_finite(block, start)
        spread = spread.merged(Spread.of(values))
        least, largest = np.minimum(least, values.min(axis=0)), np.maximum(largest, values.max(axis=0))
        for code in np.unique(labels[labels >= 0]):
            per_label[code] = per_label[code].merged(Spread.of(values[labels == code]))
    drawn = np.sort(np.random.default_rng(seed).permutation(present)[:samples])
    columns = {
        **_moments(spread),
        "least": least,
        "largest": largest,
        "mode": _modes(activations, least, largest, bins),
    }
    for label, part in zip(vocabulary, per_label, strict=True):
        if part.words:
            columns |= {f"{name}:{label}": values for name, values in _moments(part).items()}
    return NeuronStatistics(
        space=activations.space,
        columns=columns,
        n_words=spread.words,
        provenance=Provenance(
            stage="statistics",
            parameters={"layer": layer, "samples": samples, "bins": bins},
            seed=seed,
            inputs=(activations.provenance,),
        ),
        layer=layer,
        words_of={label: part.words for label, part in zip(vocabulary, per_label, strict=True) if part.words},
        samples=activations.take(drawn) if samples else None,
        details={"bins": bins},
    )


def measure_reference(activations: Activations, edits: Sequence[NeuronEdit]) -> NeuronStatistics:
    """Measure what some edits need of a reference: with the label layer that has the labels they name.

    Raises:
        ParameterError: no layer has all labels, or several have; see also :func:`neuron_statistics`.
    """
    return neuron_statistics(activations, layer=_layer_of(activations, edits))


def _moments(spread: Spread) -> dict[str, np.ndarray]:
    return {"mean": spread.mean, "deviation": np.sqrt(spread.squares / spread.words)}


def _modes(activations: Activations, least: np.ndarray, largest: np.ndarray, bins: int) -> np.ndarray:
    """Return the middle of each neuron's fullest bin, float64 (neurons,); of equally full ones, the lowest."""
    width = (largest - least) / bins
    counts = np.zeros((activations.n_neurons, bins), dtype=np.int64)
    rows = np.arange(activations.n_neurons)[None, :] * bins
    scale = np.divide(1.0, width, out=np.zeros_like(width), where=width > 0.0)
    for start, block in activations.blocks():
        values = block[activations.present[start : start + len(block)]]
        numbers = np.minimum(((values - least) * scale).astype(np.int64), bins - 1)
        counts += np.bincount((rows + numbers).ravel(), minlength=counts.size).reshape(counts.shape)
    return least + (counts.argmax(axis=1) + 0.5) * width * (width > 0.0)


class References:
    """The sources from which the edits of a block take their values.

    Args:
        model: the model that is edited.
        statistics: statistics over a reference; activations are measured as far as the edits need it.
        pairs: a corpus whose sentence i is the pair of sentence i.

    Raises:
        MismatchError: the reference is of another model.
        ParameterError: an edit needs what is not given.
    """

    def __init__(
        self,
        model: LoadedModel,
        edits: Sequence[NeuronEdit],
        statistics: NeuronStatistics | Activations | None,
        pairs: Corpus | None,
    ) -> None:
        self._model, self._pairs = model, pairs
        self._paired: dict[str, list[Tensor]] = {}
        for edit in edits:
            if (edit.statistics or edit.needs_samples) and statistics is None:
                raise ParameterError(
                    f"the edit {edit} needs a reference: activations of this model, or the statistics that "
                    "onegrain.neuron_statistics measures on them"
                )
            if edit.needs_pairs and pairs is None:
                raise ParameterError(
                    f"the edit {edit} needs pairs: a corpus with one sentence for each sentence"
                )
        if statistics is not None:
            identity = Provenance(stage="model", model=model.identity)
            statistics.provenance.require_same_model("the reference", identity, "the model")
        self._statistics = (
            measure_reference(statistics, edits) if isinstance(statistics, Activations) else statistics
        )

    def of(self, point: SitePoint, units: np.ndarray) -> SiteReference:
        """Return what is known of some units (int64) of a site."""
        return _SiteReference(self, point, units)

    @property
    def statistics(self) -> NeuronStatistics:
        """The statistics of the reference."""
        if self._statistics is None:
            raise ParameterError("there is no reference")
        return self._statistics

    def columns(self, point: SitePoint, units: np.ndarray) -> np.ndarray:
        """Return the flat indices of some units of a site in the reference.

        Raises:
            MismatchError: the reference lacks the site or a unit.
        """
        space = self.statistics.space
        if point.name not in space.sites:
            raise MismatchError(f"the reference has no site {point.name!r}; it has: {', '.join(space.sites)}")
        span = space.slice(point.name)
        if len(units) and int(units.max()) >= span.stop - span.start:
            raise MismatchError(f"the reference has {span.stop - span.start} units at {point.name!r}")
        return span.start + units

    def paired_values(self, point: SitePoint) -> list[Tensor]:
        """Return the unedited values of a site on every paired sentence, each (subwords, width)."""
        if point.name not in self._paired:
            self._paired[point.name] = self._read_pairs(point)
        return self._paired[point.name]

    @torch.no_grad()
    def _read_pairs(self, point: SitePoint) -> list[Tensor]:
        assert self._pairs is not None
        model, pairs = self._model, self._pairs
        rows = [encoded.ids for encoded in model.encode(list(pairs.sentences()), pairs.forms())]
        if model.task == "language model" and model.bos_id is not None:
            rows = [[model.bos_id, *row] for row in rows]
        if point.side == "target":
            raise ParameterError(f"interchange edits what the source words are read to, not {point.name!r}")
        model.require_fitting(pairs, rows)
        values: list[Tensor] = [torch.empty(0)] * len(rows)
        for batch in by_length([len(row) for row in rows], 1):
            with trial(), model.recording([point]) as record:
                source = [rows[number] for number in batch]
                if model.task == "translation":
                    model.model.get_encoder()(**model.batch(source))
                else:
                    model.forward(source)
                for row, number in enumerate(batch):
                    values[number] = record[point.name][row, : len(rows[number])].clone()
        return values

    def require_pairs_of(self, sentence: int) -> None:
        """Raise CorpusError if a sentence has no pair."""
        assert self._pairs is not None
        if sentence >= self._pairs.n_sentences:
            raise CorpusError(
                f"sentence {sentence} (counted from 0) has no pair among {self._pairs.n_sentences}",
                self._pairs.source,
            )


class _SiteReference:
    """See :class:`SiteReference`."""

    def __init__(self, references: References, point: SitePoint, units: np.ndarray) -> None:
        self._references, self._point, self.units = references, point, units

    def statistic(self, name: str, label: str | None = None) -> np.ndarray:
        columns = self._references.columns(self._point, self.units)
        return self._references.statistics.column(name, label)[columns]

    def samples(self) -> np.ndarray:
        columns = self._references.columns(self._point, self.units)
        samples: Any = self._references.statistics.samples
        if samples is None or not len(samples):
            raise ParameterError("the reference was measured without samples, which resample needs")
        return np.asarray(samples[:, columns])

    def paired(self, sentence: int) -> Tensor:
        values = self._references.paired_values(self._point)
        self._references.require_pairs_of(sentence)
        return values[sentence][:, torch.from_numpy(self.units).to(values[sentence].device)]


def _layer_of(activations: Activations, edits: Sequence[NeuronEdit]) -> str | None:
    """Return the label layer that has the labels of the edits; None if they name none.

    Raises:
        ParameterError: no layer has all labels, or several have.
    """
    labels = {label for edit in edits for label in _labels(edit)}
    if not labels:
        return None
    layers = [name for name, layer in activations.corpus.layers.items() if labels <= set(layer.vocabulary)]
    if len(layers) == 1:
        return layers[0]
    named = ", ".join(sorted(labels))
    problem = f"the layers {', '.join(layers)} all have" if layers else "no layer of the reference has"
    raise ParameterError(
        f"{problem} the labels {named}; choose it with onegrain.neuron_statistics(activations, layer=...)"
    )


def _labels(edit: NeuronEdit) -> set[str]:
    """Return the labels that an edit, and an edit inside it, names."""
    parameters = edit.parameters()
    named = {parameters[name] for name in ("label", "against") if name in parameters}
    inner = parameters.get("edit")
    return named | (_labels(inner) if isinstance(inner, NeuronEdit) else set())
