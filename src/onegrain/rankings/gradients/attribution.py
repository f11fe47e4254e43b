"""Integrated gradients of a model's task loss at its sites, summed over words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from onegrain.activations.extraction.live import LiveArray
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
"""By name, the power p of the nodes t**p: how much closer they lie near the baseline.

A layer norm gives the same for a value and for a share of it, until that is as small as the norm's epsilon, so
on the way from zero all happens at the very beginning.
"""


@dataclass(frozen=True)
class StraightPath:
    """The straight way from a baseline to a site's value, and in how many steps it is walked.

    Attributes:
        steps: how many gradients are taken on the way.
        baseline: the ``mean`` of each neuron over the subwords of the corpus's words, or ``zero``.
    """

    steps: int = 16
    baseline: str = "mean"

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ParameterError(f"steps must be a whole number of at least 1, got {self.steps!r}")
        if self.baseline not in BASELINES:
            raise ParameterError(f"baseline must be one of {', '.join(BASELINES)}, got {self.baseline!r}")

    def nodes(self) -> list[tuple[float, float]]:
        """Shares of the way, between 0 and 1, with weights that sum to 1.

        Those of Gauss and Legendre for the integral of f(t**p) p t**(p - 1) over t from 0 to 1, which is that
        of f; p is 1 from the mean and 4 from zero.
        """
        power = BASELINES[self.baseline]
        x, w = np.polynomial.legendre.leggauss(self.steps)
        t = (x + 1) / 2
        weights = w * t ** (power - 1)
        return list(zip((t**power).tolist(), (weights / weights.sum()).tolist(), strict=True))


@dataclass(frozen=True)
class SiteLosses:
    """What the attributions of a site add up to, and what they should, in nats over the whole corpus.

    Attributes:
        site: its name.
        loss: negative log-likelihood of all predicted subwords.
        baseline_loss: the same where every value of the site is the baseline.
        attributed: sum of the attributions over all neurons and time steps.
        special: the part of it that lies at special subwords.
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
        absolute: float64 (neurons,), of the absolute value of each word's attribution.
        signed: float64 (neurons,), of the attribution.
        words: how many words that is.
        predicted: how many subwords the model predicts.
        sites: what they add up to at each site.
    """

    absolute: Float64[np.ndarray, " neurons"]
    signed: Float64[np.ndarray, " neurons"]
    words: int
    predicted: int
    sites: tuple[SiteLosses, ...]


def integrated_gradients(
    activations: Activations, path: StraightPath, *, progress: Progress = automatic
) -> Attributions:
    """Integrated gradients [Sundararajan, Taly and Yan 2017] of the task loss, at one site after another.

    For a site's value z at all time steps of a row, the baseline b, and L the negative log-likelihood (nats) of
    what is predicted from the row, the attribution of a neuron at a time step is (z - b) times the mean of
    dL/dz over the values b + a (z - b), a from 0 to 1. All time steps and neurons of the site move together;
    other sites move only as they follow from it. A word's attribution is the sum over its subwords, in every
    window in which they stand.

    The model is left as it was, also after an error: no parameter gets a gradient, and the hooks come off.

    Args:
        activations: live activations, or a view of some of their sites.
        path: baseline and steps.
        progress: told of rows, once for each site.

    Raises:
        ParameterError: the activations are not of a running model, the model predicts nothing, or no subword of
            this corpus, or none of its words has a subword.
        CorpusError: a sentence longer than the model reads.
        ModelError: a site that cannot be read word by word, or a gradient that is not finite.
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
            f"no subword of {reader.encoded.corpus.source} is predicted; a loss needs one at least"
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
        np.concatenate([one.absolute for one in sums]),
        np.concatenate([one.signed for one in sums]),
        words,
        predicted,
        tuple(one.losses for one in sums),
    )


@dataclass(frozen=True)
class _Sums:
    absolute: np.ndarray
    signed: np.ndarray
    losses: SiteLosses


class _Site:
    """Attributions at one site of a model in :func:`differentiable`."""

    def __init__(self, loaded: LoadedModel, point: SitePoint, path: StraightPath) -> None:
        self._loaded = loaded
        self._point = point
        self._path = path

    def sums(self, units: Sequence[Unit], advance: Callable[[int], None]) -> _Sums:
        """The sums over all words, and what they should add up to; a word's subwords lie in one unit."""
        mean = self._mean(units) if self._path.baseline == "mean" else None
        absolute = signed = torch.zeros((), dtype=torch.float64)
        loss = baseline_loss = special = 0.0
        for unit in units:
            words = torch.zeros((), dtype=torch.float64)
            for batch in unit.batches:
                value, own = self._clean(batch)
                base = torch.zeros_like(value) if mean is None else mean.to(value).expand_as(value).clone()
                with torch.no_grad():
                    baseline_loss += float(self._loss(batch, base))
                made = self._of_subwords(batch, self._attributions(batch, value, base))
                if not bool(torch.isfinite(made).all()):
                    raise self._not_finite(made, own)
                found, beside = _by_word(made, batch, unit)
                words, special, loss = words + found, special + beside, loss + own
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
        """(value - base) times the mean gradient on the way from one to the other."""
        exact = torch.promote_types(value.dtype, torch.float32)
        way, slope = value.to(exact) - base.to(exact), torch.zeros_like(value, dtype=exact)
        for share, weight in self._path.nodes():
            at = (base.to(exact) + share * way).to(value.dtype).requires_grad_()
            with torch.enable_grad():
                loss = self._loss(batch, at)
            if loss.requires_grad:  # else nothing that is predicted reads the site
                slope += weight * torch.autograd.grad(loss, at)[0]
        return way * slope

    def _loss(self, batch: ScoredBatch, values: Float[Tensor, "rows time width"]) -> Float64[Tensor, ""]:
        """The loss (nats) where the site has these values."""
        with self._loaded.editing({self._point: GivenValues(values)}):
            each, _ = subword_losses(self._loaded, batch.ids, batch.labels)
        return each.double().sum()

    @torch.no_grad()
    def _clean(self, batch: ScoredBatch) -> tuple[Float[Tensor, "rows time width"], float]:
        """The site's value in the model as it is, and the loss (nats)."""
        with self._loaded.recording([self._point]) as record:
            each, _ = subword_losses(self._loaded, batch.ids, batch.labels)
        return recorded_value(record, self._point, batch.shape), float(each.double().sum())

    def _mean(self, units: Sequence[Unit]) -> Float64[Tensor, " width"]:
        """The mean of each neuron over the subwords of words, each where its word is read."""
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
        """What is no padding, on the CPU."""
        steps = torch.from_numpy(batch.steps).to(values.device)
        return values.flatten(0, 1).index_select(0, steps).cpu().double()

    def _not_finite(self, made: Float64[Tensor, "subwords width"], loss: float) -> ModelError:
        unit = int(torch.nonzero(~torch.isfinite(made))[0, 1])
        return ModelError(
            f"the loss of {self._loaded.identity.id} ({loss:g} nats) has no finite gradient at "
            f"{self._point.name}:{unit}; load the model in float32, or leave out that site"
        )


def _by_word(
    made: Float64[Tensor, "subwords width"], batch: ScoredBatch, unit: Unit
) -> tuple[Float64[Tensor, "words width"], float]:
    """The sum of each of a unit's words, and that of the subwords that belong to none."""
    own = batch.word_of >= 0
    places = torch.from_numpy(np.searchsorted(unit.words, batch.word_of[own]))
    words = torch.zeros(len(unit.words), made.shape[1], dtype=torch.float64)
    mask = torch.from_numpy(own)
    return words.index_add_(0, places, made[mask]), float(made[~mask].sum())
