"""The noise of batching, beside the effects that are measured in reduced precision."""

from __future__ import annotations

from typing import Any

import pytest

import onegrain as og
from onegrain.core.progress import Progress, automatic
from onegrain.interventions import batching_noise
from onegrain.interventions.noise import noise_facts
from onegrain.metrics import Measurement, Perplexity
from onegrain.models import LoadedModel, load_model
from onegrain.records.corpus import Corpus
from support.tiny import plain_corpus
from support.zoo import Zoo


class Sized(Perplexity):
    """A metric whose value depends on the batch size alone."""

    def __init__(self, corpus: Corpus, values: dict[int, float]) -> None:
        super().__init__(corpus)
        self.values = values

    def measure(
        self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = automatic
    ) -> Measurement:
        measured = super().measure(model, batch_size=4, progress=progress)
        return Measurement(**{**vars(measured), "value": self.values[batch_size]})


@pytest.fixture(scope="module")
def halved(zoo: Zoo) -> LoadedModel:
    return load_model(zoo.path("gpt2"), device="cpu", dtype="bfloat16")


def test_the_largest_difference_of_two_batch_sizes(halved: LoadedModel) -> None:
    metric = Sized(plain_corpus(), {1: 3.0, 8: 5.5, 64: 4.0})
    assert batching_noise(halved, metric) == 2.5
    assert batching_noise(halved, Sized(plain_corpus(), {1: 3.0, 8: 3.25}), batch_size=8) == 0.25
    assert noise_facts(halved, metric, 64) == {"batching_noise": 2.5, "dtype": "bfloat16"}


def test_it_is_measured_on_the_model(halved: LoadedModel, zoo: Zoo) -> None:
    metric = Perplexity(plain_corpus())
    values = [metric.measure(halved, batch_size=size).value for size in (1, 4, 8)]
    assert batching_noise(halved, metric, batch_size=4) == max(values) - min(values)
    exact = batching_noise(zoo["gpt2"], metric, batch_size=4)
    assert exact < 1e-3 * metric.measure(zoo["gpt2"]).value
    assert noise_facts(zoo["gpt2"], metric, 4) == {}


def test_a_curve_in_bfloat16_has_its_noise(halved: LoadedModel, zoo: Zoo) -> None:
    options: dict[str, Any] = {"counts": [2], "lines": ["top"], "batch_size": 4}
    metric = Perplexity(plain_corpus())
    for model in (halved, zoo["gpt2"]):
        activations = og.live_activations(model, plain_corpus(), sites=["layers.1"])
        curve = og.ablate(model, og.rank("std", activations), metric, **options)
        if model is halved:
            noise = batching_noise(model, metric, batch_size=4)
            assert (curve.details["batching_noise"], curve.details["dtype"]) == (noise, "bfloat16")
            assert curve.summary()["noise of batching"] == noise
            assert f"batching alone moves it by up to {noise:.3g}" in og.verdict(curve)
        else:
            assert "batching_noise" not in curve.details
            assert "noise of batching" not in curve.summary()
            assert "batching alone" not in og.verdict(curve)
