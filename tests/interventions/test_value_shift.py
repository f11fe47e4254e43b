"""How far an edit moves the values of an encoder."""

from __future__ import annotations

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import ParameterError
from onegrain.interventions.value_shift import value_shift
from onegrain.models import LoadedModel
from onegrain.records.corpus import Corpus


def test_the_shift_is_that_of_the_activations(models: dict[str, LoadedModel]) -> None:
    text = Corpus.from_sentences([["three", "birds", "were"]])
    edit = og.Intervention.of("layers.0.mlp:1", edit="clamp(value=4)")
    shift = value_shift(models["bert"], edit, text)
    before = og.live_activations(models["bert"], text, sites=[shift.site]).values().astype(float)
    with og.editing(models["bert"], edit):
        after = og.live_activations(models["bert"], text, sites=[shift.site]).values().astype(float)
    wanted = [np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(before, after, strict=True)]
    np.testing.assert_allclose(shift.cosine, wanted)
    np.testing.assert_allclose(
        shift.change, np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    )
    assert (shift.change > 1e-3).all()
    assert shift.words == ("three", "birds", "were")
    with pytest.raises(ParameterError, match="touched no value"):
        value_shift(models["bert"], edit, text, site="embeddings")
