"""Integrated gradients of a model's task loss at its sites, summed over words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from onegrain.activations.extraction.live import LiveArray
from onegrain.core.options import require_choice, require_count
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ModelError, ParameterError
from onegrain.models.differentiation import GivenValues, differentiable
from onegrain.models.hooks import recorded_value
from onegrain.models.loaded import LoadedModel
from onegrain.models.padding import losses_need_equal_rows
from onegrain.models.scoring import subword_losses
from onegrain.models.sites import SitePoint
from onegrain.rankings.gradients.loss_batches import ScoredBatch, Unit, scored_sentences, units_of
from onegrain.records.activations import Activations

__all__ = ["BASELINES", "Attributions", "SiteLosses", "StraightPath", "integrated_gradients"]

BASELINES = {"mean": 1, "zero": 4}
"""Baselines by name, with the power p of the nodes t**p: a higher power puts more nodes near the baseline.

A layer norm maps a value and a fraction of it to the same output until the fraction is as small as the norm's
epsilon, so on the path from zero all change happens at the very beginning.
"""


@dataclass(frozen=True)
class StraightPath:
    """The straight path from a baseline to a site's value, divided into steps.

    Attributes:
        steps: number of gradients computed along the path.
        baseline: the ``mean`` of each neuron over the subwords of the corpus's words, or ``zero``.
    """

    steps: int = 16
    baseline: str = "mean"

    def __post_init__(self) -> None:
        require_count("steps", self.steps)
        require_choice("baseline", self.baseline, tuple(BASELINES))

    def nodes(self) -> list[tuple[float, float]]:
        """Return shares of the path, between 0 and 1, each with its weight; the weights sum to 1.

        They are the Gauss-Legendre nodes of the integral of f(t**p) p t**(p - 1) over t from 0 to 1, which
        equals the integral of f; p is 1 from the mean and 4 from zero.
        """
        power = BASELINES[self.baseline]
        x, w = np.polynomial.legendre.leggauss(self.steps)
        t = (x + 1) / 2
        weights = w * t ** (power - 1)
        return list(zip((t**power).tolist(), (weights / weights.sum()).tolist(), strict=True))


@dataclass(frozen=True)
class SiteLosses:
    """The sum of a site's attributions and the losses that it should match, in nats over the corpus.

    Attributes:
        site: name of the site.
        loss: negative log-likelihood of all predicted subwords.
        baseline_loss: the same with every value of the site at the baseline.
        attributed: sum of the attributions over all neurons and time steps.
        special: the part of ``attributed`` at special subwords.
    """

    site: str
    loss: float
    baseline_loss: float
    attributed: float
    special: float


@dataclass(frozen=True)
class Attributions:
    """Sums of attributions (nats) over the words that have a subword.

    Attributes:
        absolute: float64 (neurons,), sum of the absolute values of the words' attributions.
        signed: float64 (neurons,), sum of the attributions.
        words: number of words.
        predicted: number of subwords that the model predicts.
        sites: losses and sums of attributions of each site.
    """

    absolute: Float64[np.ndarray, " neurons"]
    signed: Float64[np.ndarray, " neurons"]
    words: int
    predicted: int
    sites: tuple[SiteLosses, ...]


def integrated_gradients(
    activations: Activations, path: StraightPath, *, progress: Progress = automatic
) -> Attributions:
    """Return integrated gradients [Sundararajan, Taly and Yan 2017] of the task loss, site by site.

    For a site's value z at all time steps of a row, the baseline b, and L the negative log-likelihood (nats) of
    the subwords predicted from the row, the attribution of a neuron at a time step is (z - b) times the mean of
    dL/dz over the values b + a (z - b), a from 0 to 1. All time steps and neurons of the site move together;
    other sites change only as a consequence. A word's attribution is the sum over its subwords in every window
    that contains them.

    The model is unchanged afterwards, even after an error: no parameter has a gradient, and the hooks are
    removed.

    Args:
        activations: live activations, or a view of some of their sites.
        path: baseline and steps.
        progress: receives the number of rows done, once for each site.

    Raises:
        ParameterError: the activations are not those of a running model, the model predicts nothing, or no
            subword of this corpus, or no word has a subword.
        CorpusError: a sentence is longer than the model reads.
        ModelError: a site cannot be read word by word, or a gradient is not finite.
    """
    if not isinstance(activations.array, LiveArray):
        raise ParameterError(
            f"gradients need the running model, and {activations.describe()} holds values only; give "
            "live_activations(model, corpus), on the command line a model and --corpus"
        )
    reader = activations.array.reader
    sentences = scored_sentences(reader.encoded)
    equal = losses_need_equal_rows(reader.loaded) or reader.equal_rows
    units = units_of(sentences, reader.batch_size, equal_rows=equal)
    batches = [batch for unit in units for batch in unit.batches]
    predicted = sum(batch.predicted for batch in batches)
    if not predicted:
        raise ParameterError(
            f"no subword of {reader.encoded.corpus.source} is predicted; a loss needs at least one"
        )
    words = sum(len(unit.words) for unit in units)
    if not words:
        raise ParameterError(f"no word of {reader.encoded.corpus.source} has a subword that the model reads")
    points = {point.name: point for point in reader.points}
    chosen = [points[site] for site in activations.space.sites]
    rows = sum(batch.shape[0] for batch in batches)
    with progress("attribute", rows * len(chosen), "rows") as advance, differentiable(reader.loaded.model):
        sums = [_Site(reader.loaded, point, path).sums(units, advance) for point in chosen]
    return Attributions(
        np.concatenate([site.absolute for site in sums]),
        np.concatenate([site.signed for site in sums]),
        words,
        predicted,
        tuple(site.losses for site in sums),
    )


@dataclass(frozen=True)
class _Sums:
    absolute: np.ndarray
    signed: np.ndarray
    losses: SiteLosses


class _Site:
    """Attributions at one site of a model inside :func:`differentiable`."""

    def __init__(self, loaded: LoadedModel, point: SitePoint, path: StraightPath) -> None:
        self._loaded = loaded
        self._point = point
        self._path = path

    def sums(self, units: Sequence[Unit], advance: Callable[[int], None]) -> _Sums:
        """Return the sums over all words, and the losses that they should match."""
        mean = self._mean(units) if self._path.baseline == "mean" else None
        absolute = signed = torch.zeros((), dtype=torch.float64)
        loss = baseline_loss = special = 0.0
        for unit in units:
            words = torch.zeros((), dtype=torch.float64)
            for batch in unit.batches:
                value, batch_loss = self._clean(batch)
                base = torch.zeros_like(value) if mean is None else mean.to(value).expand_as(value).clone()
                with torch.no_grad():
                    baseline_loss += float(self._loss(batch, base))
                attributions = self._of_subwords(batch, self._attributions(batch, value, base))
                if not bool(torch.isfinite(attributions).all()):
                    raise self._not_finite(attributions, batch_loss)
                by_word, rest = _by_word(attributions, batch, unit)
                words, special, loss = words + by_word, special + rest, loss + batch_loss
                advance(batch.shape[0])
            absolute, signed = absolute + words.abs().sum(0), signed + words.sum(0)
        attributed = float(signed.sum()) + special
        losses = SiteLosses(self._point.name, loss, baseline_loss, attributed, special)
        return _Sums(absolute.numpy(), signed.numpy(), losses)

    def _attributions(
        self,
        batch: ScoredBatch,
        value: Float[Tensor, "rows time width"],
        base: Float[Tensor, "rows time width"],
    ) -> Float[Tensor, "rows time width"]:
        """Return (value - base) times the mean gradient along the path."""
        exact = torch.promote_types(value.dtype, torch.float32)
        path, slope = value.to(exact) - base.to(exact), torch.zeros_like(value, dtype=exact)
        for share, weight in self._path.nodes():
            values = (base.to(exact) + share * path).to(value.dtype).requires_grad_()
            with torch.enable_grad():
                loss = self._loss(batch, values)
            if loss.requires_grad:  # otherwise the predictions do not depend on the site
                slope += weight * torch.autograd.grad(loss, values)[0]
        return path * slope

    def _loss(self, batch: ScoredBatch, values: Float[Tensor, "rows time width"]) -> Float64[Tensor, ""]:
        """Return the loss (nats) with the site set to these values."""
        with self._loaded.editing({self._point: GivenValues(values)}):
            each, _ = subword_losses(self._loaded, batch.ids, batch.labels)
        return each.double().sum()

    @torch.no_grad()
    def _clean(self, batch: ScoredBatch) -> tuple[Float[Tensor, "rows time width"], float]:
        """Return the site's value in the unedited model, and the loss (nats)."""
        with self._loaded.recording([self._point]) as record:
            each, _ = subword_losses(self._loaded, batch.ids, batch.labels)
        return recorded_value(record, self._point, batch.shape), float(each.double().sum())

    def _mean(self, units: Sequence[Unit]) -> Float64[Tensor, " width"]:
        """Return the mean of each neuron over the subwords of words, each counted in one window."""
        first: Tensor | None = None
        total, count = torch.zeros((), dtype=torch.float64), 0
        for batch in (batch for unit in units for batch in unit.batches):
            read = self._of_subwords(batch, self._clean(batch)[0])[torch.from_numpy(batch.read)]
            if len(read):
                first = read[0] if first is None else first
                total, count = total + (read - first).sum(0), count + len(read)
        assert first is not None, "units without words are refused"
        return first + total / count

    def _of_subwords(
        self, batch: ScoredBatch, values: Float[Tensor, "rows time width"]
    ) -> Float64[Tensor, "subwords width"]:
        """Return the values that are not padding, on the CPU."""
        steps = torch.from_numpy(batch.steps).to(values.device)
        return values.flatten(0, 1).index_select(0, steps).cpu().double()

    def _not_finite(self, attributions: Float64[Tensor, "subwords width"], loss: float) -> ModelError:
        unit = int(torch.nonzero(~torch.isfinite(attributions))[0, 1])
        return ModelError(
            f"the loss of {self._loaded.identity.id} ({loss:g} nats) has no finite gradient at "
            f"{self._point.name}:{unit}; load the model in float32, or leave out that site"
        )


def _by_word(
    attributions: Float64[Tensor, "subwords width"], batch: ScoredBatch, unit: Unit
) -> tuple[Float64[Tensor, "words width"], float]:
    """Return the sum over each word of a unit, and the sum over subwords that belong to no word."""
    in_word = batch.word_of >= 0
    places = torch.from_numpy(np.searchsorted(unit.words, batch.word_of[in_word]))
    words = torch.zeros(len(unit.words), attributions.shape[1], dtype=torch.float64)
    mask = torch.from_numpy(in_word)
    return words.index_add_(0, places, attributions[mask]), float(attributions[~mask].sum())
