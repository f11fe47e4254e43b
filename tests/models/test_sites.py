"""Sites: which there are, how wide, and where in the module tree they lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    BartConfig,
    BartForCausalLM,
    CamembertConfig,
    ElectraConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianForCausalLM,
    MBartConfig,
    MBartForCausalLM,
    MT5Config,
    MT5EncoderModel,
    MT5ForConditionalGeneration,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5EncoderModel,
)

from onegrain.activations import live_activations
from onegrain.errors import MismatchError, ModelError, ParameterError
from onegrain.models import load_model
from onegrain.models.hooks import recording
from onegrain.models.sites import find_points, module_point
from onegrain.records.space import NeuronSpace
from support.tiny import plain_corpus, tiny_nmt
from support.zoo import BASE, PAIR

BLOCK = ["layers.{}", "layers.{}.attn", "layers.{}.heads.0", "layers.{}.heads.1", "layers.{}.mlp"]
DIRECTIONS = ["encoder.layers.{}", "encoder.layers.{}.forward", "encoder.layers.{}.backward"]
NAMES = {
    "nlm": ["embeddings", "layers.0", "layers.1"],
    "nmt": [
        *("encoder.embeddings", *(name.format(layer) for layer in (0, 1) for name in DIRECTIONS)),
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
    assert models[name].space(["layers.1", "layers.1.**", "layers.1.heads.*"]) == NeuronSpace(
        ("layers.1", "layers.1.attn", "layers.1.heads.0", "layers.1.heads.1", "layers.1.mlp"),
        (16, 16, 8, 8, wide),
    )
    assert models[name].space("layers.?") == NeuronSpace(("layers.0", "layers.1"), (16, 16))


def test_by_default_the_residual_stream_of_the_source_side(models):
    assert [point.name for point in models["nmt"].select()] == [
        *("encoder.embeddings", "encoder.layers.0", "encoder.layers.1")
    ]
    assert [point.name for point in models["nlm"].select()] == NAMES["nlm"]
    for name in ("bert", "gpt2"):
        assert [point.name for point in models[name].select()] == ["layers.0", "layers.1"]
        assert models[name].select() == models[name].select("layers.*")
    assert {point.side for point in models["nmt"].select("decoder.*")} == {"target"}


def test_the_sites_of_one_side(models):
    assert [point.name for point in models["nmt"].select(side="target")] == NAMES["nmt"][-4:]
    both = ["**layers.1", "lm_head"]
    chosen = {side: models["nmt"].select(both, side=side) for side in ("source", "target")}
    assert [point.name for point in chosen["source"]] == ["encoder.layers.1"]
    assert [point.name for point in chosen["target"]] == ["decoder.layers.1", "lm_head"]
    assert models["gpt2"].select("layers.*", side="target") == []


def test_directions_share_a_layer(models):
    assert models["nmt"].space(["encoder.layers.1.forward", "encoder.layers.1.backward"]) == NeuronSpace(
        ("encoder.layers.1.forward", "encoder.layers.1.backward"), (8, 8)
    )


def test_models_of_the_same_build_have_the_same_sites():
    """Families in the table that the zoo does not hold: their blocks are built as those of a sibling."""
    m2m = M2M100ForConditionalGeneration(M2M100Config(vocab_size=20, **PAIR))
    mt5 = MT5ForConditionalGeneration(
        MT5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2)
    )
    names = [[point.name for point in find_points(model, model.config.model_type)] for model in (m2m, mt5)]
    branches = [name for name in names[1] if name.endswith((".gate", ".up"))]
    assert branches == [
        f"{stack}.layers.{layer}.mlp.{branch}"
        for stack in ("encoder", "decoder")
        for layer in (0, 1)
        for branch in ("gate", "up")
    ]
    assert names[0] == [name for name in names[1] if name not in branches]
    assert "decoder.layers.1.cross_attn" in names[0]
    for model in (m2m.eval(), mt5.eval()):  # in training layers are dropped at random
        points = find_points(model, model.config.model_type)
        ids = torch.tensor([[5, 6, 7]])
        with recording(model, points) as record, torch.no_grad():
            model(input_ids=ids, decoder_input_ids=ids)
        assert {tuple(record[point.name].shape[:2]) for point in points} == {(1, 3)}
    for kind in (CamembertConfig, ElectraConfig):
        model = AutoModel.from_config(kind(vocab_size=20, embedding_size=16, **BASE))
        assert [point.name for point in find_points(model, model.config.model_type)] == NAMES["bert"]


def test_heads_that_do_not_fit_are_refused(models):
    model = models["gpt2"].model
    config = type("Config", (), {"model_type": "gpt2", "n_head": 3})
    wrong = type(
        "Wrong", (), {"config": config, "base_model": model.transformer, "base_model_prefix": "transformer"}
    )
    wrong.get_submodule = model.get_submodule
    with pytest.raises(ModelError, match=r"c_proj' reads 16 values, which 3 heads cannot share evenly"):
        find_points(wrong, "gpt2")
    config.n_head = None
    with pytest.raises(ModelError, match="does not state the number of attention heads"):
        find_points(wrong, "gpt2")


def test_globs_keep_the_order_of_the_model(models):
    chosen = models["gpt2"].select(["layers.1", "embeddings", "layers.*.mlp"])
    assert [point.name for point in chosen] == ["embeddings", "layers.0.mlp", "layers.1", "layers.1.mlp"]
    heads = models["gpt2"].select("**.heads.1")
    assert [point.name for point in heads] == ["layers.0.heads.1", "layers.1.heads.1"]


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


def test_a_model_of_an_unknown_architecture_is_read_by_module_paths(zoo, tmp_path):
    config = OPTConfig(
        vocab_size=len(zoo["gpt2"].tokenizer),
        hidden_size=16,
        word_embed_proj_dim=16,
        ffn_dim=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    OPTForCausalLM(config).save_pretrained(tmp_path)
    zoo["gpt2"].tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.points == {}
    with pytest.raises(
        ModelError, match="OPTForCausalLM is not in the table of architectures; name the sites as"
    ):
        loaded.select()
    layer, attention = "model.decoder.layers.1", "model.decoder.layers.1.self_attn"
    assert loaded.space([layer, attention]) == NeuronSpace((layer, attention), (16, 16))
    with loaded.recording(loaded.select([layer])) as record, torch.no_grad():
        states = loaded.model(**loaded.batch([[5, 6, 7]]), output_hidden_states=True).hidden_states
    torch.testing.assert_close(loaded.model.model.decoder.final_layer_norm(record[layer]), states[-1])
    offered = loaded.module_widths()
    assert offered[layer] == offered[attention] == 16
    assert offered["lm_head"] == config.vocab_size
    assert not {"model", "model.decoder.layers.0.activation_fn"} & offered.keys()
    assert loaded.space(list(offered)).widths == tuple(offered.values())


def test_no_neuron_is_chosen_twice(models, tmp_path):
    assert [point.name for point in models["bert"].select("layers.0.**")] == ["layers.0.attn", "layers.0.mlp"]
    with pytest.raises(ModelError, match=r"'encoder.layers.0.\*' matches only parts .* for example encoder"):
        models["nmt"].select("encoder.layers.0.*")
    corpus = plain_corpus()
    for name, sites in (
        ("nmt", ["encoder.layers.0", "encoder.layers.0.forward"]),
        ("bert", ["layers.0", "encoder.layer.0"]),  # a module path beside the site's name
        ("gpt2", ["layers.0.heads.0", "transformer.h.0.attn.c_proj", "layers.0.attn"]),
    ):
        with pytest.raises(ParameterError, match="hold the same neurons, which would count twice"):
            live_activations(models[name], corpus, sites=sites)
    both = ["encoder.layers.0.forward", "encoder.layers.0.backward"]
    assert live_activations(models["nmt"], corpus, sites=both).n_neurons == 16


ALONE = {
    "t5": (T5EncoderModel, T5Config, "encoder.", {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2}),
    "mt5": (MT5EncoderModel, MT5Config, "encoder.", {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2}),
    "bart": (BartForCausalLM, BartConfig, "decoder.", PAIR),
    "mbart": (MBartForCausalLM, MBartConfig, "decoder.", PAIR),
    "marian": (MarianForCausalLM, MarianConfig, "decoder.", {**PAIR, "pad_token_id": 0}),
}


@pytest.mark.parametrize("name", ALONE)
@torch.no_grad()
def test_an_encoder_or_a_decoder_alone_has_its_own_sites(name):
    kind, config, prefix, sizes = ALONE[name]
    heads = {"num_heads": 2} if prefix == "encoder." else {}
    model = kind(config(vocab_size=20, **sizes, **heads)).eval()
    points = find_points(model, model.config.model_type)
    block = [*BLOCK, "layers.{}.mlp.gate", "layers.{}.mlp.up"] if name == "mt5" else BLOCK
    names = [f"{prefix}embeddings", *(prefix + part.format(layer) for layer in (0, 1) for part in block)]
    assert [point.name for point in points] == names
    assert {point.side for point in points} == {"source"}
    with recording(model, points) as record:
        model(input_ids=torch.tensor([[5, 6, 7]]))
    assert {tuple(record[point.name].shape[:2]) for point in points} == {(1, 3)}
    module = "encoder.block.0" if prefix == "encoder." else "model.decoder.layers.0"
    assert module_point(model, module).side == "source"


def test_a_model_lists_its_sites(tmp_path: Path) -> None:
    loaded = load_model(tiny_nmt(tmp_path / "nmt"), device="cpu")
    table = loaded.to_pandas()
    space = loaded.space(list(loaded.points))
    assert (tuple(table["site"]), tuple(table["width"])) == (space.sites, space.widths)
    assert set(table["words"]) == {"source", "target"}
    assert loaded.summary()["sites"] == len(table)
    assert "<td>decoder.layers.1</td>" in loaded._repr_html_()
