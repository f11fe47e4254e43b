"""The logits after an edit are those that nnsight gives for it, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from onegrain.interventions import Intervention, editing
from onegrain.models import LoadedModel
from support.zoo import Zoo, zoo_corpus

UNITS = [1, 5, 11]
VALUE = 2.5
CASES = {
    ("gpt2", "layers.0.mlp"): ("transformer.h.0.mlp.c_proj", "input"),
    ("gpt2", "layers.1"): ("transformer.h.1", "output"),
    ("llama", "layers.0.mlp"): ("model.layers.0.mlp.down_proj", "input"),
    ("llama", "layers.1"): ("model.layers.1", "output"),
}
"""(model, site): the module that the site's value passes, and whether it is its input or its output."""


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def rows(loaded: LoadedModel) -> dict[str, Tensor]:
    """Return sentences of several lengths as the model's inputs, padded on the right."""
    return loaded.batch([row.ids for row in loaded.encode(list(zoo_corpus().sentences()))])


def edited(loaded: LoadedModel, site: str, inputs: dict[str, Tensor]) -> Tensor:
    names = [f"{site}:{unit}" for unit in UNITS]
    with editing(loaded, Intervention.of(names, edit=f"clamp(value={VALUE})")):
        return loaded.model(**inputs).logits


@pytest.mark.parametrize(("name", "site"), CASES)
def test_nnsight_gives_the_same_logits(zoo: Zoo, name: str, site: str) -> None:
    nnsight = pytest.importorskip("nnsight", reason="nnsight is not installed: pip install nnsight")
    loaded = zoo[name]
    inputs, (path, reads) = rows(loaded), CASES[name, site]
    wrapped: Any = nnsight.NNsight(loaded.model)
    module = wrapped.get(path)
    with wrapped.trace(**inputs):
        if reads == "input":
            module.input[..., UNITS] = VALUE
        else:
            module.output[..., UNITS] = VALUE
        logits = wrapped.output.logits.save()
    ours = edited(loaded, site, inputs)
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(ours[real], logits[real], rtol=0, atol=1e-5)
    assert not torch.allclose(ours[real], loaded.model(**inputs).logits[real], atol=1e-3)
