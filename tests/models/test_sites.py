"""Sites: which there are, how wide, and where in the module tree they lie."""

from __future__ import annotations

import pytest
from torch import nn

from onegrain.core.space import NeuronSpace
from onegrain.errors import MismatchError, ModelError
from onegrain.models.sites import find_points, module_point

BLOCK = ["layers.{}", "layers.{}.attn", "layers.{}.mlp"]
NAMES = {
    "nlm": ["embeddings", "layers.0", "layers.1"],
    "nmt": [
        *("encoder.embeddings", "encoder.layers.0", "encoder.layers.1"),
        *("decoder.embeddings", "decoder.layers.0", "decoder.layers.1", "decoder.attention"),
    ],
    "bert": ["embeddings", *(name.format(layer) for layer in (0, 1) for name in BLOCK)],
    "gpt2": ["embeddings", *(name.format(layer) for layer in (0, 1) for name in BLOCK)],
}


@pytest.mark.parametrize("name", NAMES)
def test_every_site_in_order(models, name):
    assert list(models[name].points) == NAMES[name]


@pytest.mark.parametrize(("name", "wide"), [("bert", 32), ("gpt2", 64)])
def test_widths_are_measured(models, name, wide):
    assert models[name].space("layers.1*") == NeuronSpace(
        ("layers.1", "layers.1.attn", "layers.1.mlp"), (16, 16, wide)
    )


def test_by_default_the_source_side(models):
    assert [point.name for point in models["nmt"].select()] == NAMES["nmt"][:3]
    assert {point.side for point in models["nmt"].select("decoder.*")} == {"target"}


def test_globs_keep_the_order_of_the_model(models):
    chosen = models["gpt2"].select(["layers.1", "embeddings", "layers.*.mlp"])
    assert [point.name for point in chosen] == ["embeddings", "layers.0.mlp", "layers.1", "layers.1.mlp"]


def test_any_module_is_a_site(models):
    space = models["gpt2"].space(["layers.0", "transformer.h.1.mlp.c_fc"])
    assert space == NeuronSpace(("layers.0", "transformer.h.1.mlp.c_fc"), (16, 64))


def test_a_site_that_does_not_exist_names_those_that_do(models):
    with pytest.raises(ModelError, match=r"no site matches 'layers\.7'; the sites are: embeddings, layers\.0"):
        models["bert"].select("layers.7")
    with pytest.raises(ModelError, match="no module 'nowhere' in BertModel; it has embeddings"):
        module_point(models["bert"].model, "nowhere")


def test_an_unknown_architecture_has_no_named_sites(models):
    assert find_points(models["bert"].model, "no-such-type") == []


@pytest.mark.parametrize(
    ("name", "path", "side"),
    [
        ("nmt", "encoder.layers.0.forward_lstm", "source"),
        ("nmt", "decoder.input_gates", "target"),
        ("nmt", "lm_head", "target"),
        ("gpt2", "lm_head", "source"),
        ("bert", "encoder.layer.0", "source"),
    ],
)
def test_the_side_of_a_module(models, name, path, side):
    assert module_point(models[name].model, path).side == side


def test_in_a_translation_model_only_the_encoder_reads_the_source():
    class Wrapped(nn.Module):
        """Built as BART and Marian are: both halves below ``model``."""

        def __init__(self) -> None:
            super().__init__()
            self.config = type("Config", (), {"is_encoder_decoder": True})
            self.model = nn.ModuleDict(
                {
                    "encoder": nn.ModuleDict({"0": nn.Linear(2, 2)}),
                    "decoder": nn.ModuleDict({"0": nn.Linear(2, 2)}),
                }
            )

    assert module_point(Wrapped(), "model.encoder.0").side == "source"
    assert module_point(Wrapped(), "model.decoder.0").side == "target"


def test_neurons_of_another_model_are_refused(models):
    space = models["nlm"].space("layers.1")
    assert [point.name for point in models["nlm"].require_space(space)] == ["layers.1"]
    with pytest.raises(MismatchError, match="does not have these neurons"):
        models["nmt"].require_space(space)
    with pytest.raises(MismatchError, match=r"expected neurons of layers\.1 \(16\), got layers\.1 \(500\)"):
        models["nlm"].require_space(NeuronSpace(("layers.1",), (500,)))
