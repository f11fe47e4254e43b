"""Recording and editing: against the models' own outputs, and off again whatever happens."""

from __future__ import annotations

import pytest
import torch

from onegrain.errors import ModelError
from onegrain.models.hooks import editing
from onegrain.models.sites import SitePoint, module_point
from tiny import parallel_corpus, plain_corpus


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def rows(loaded, corpus=None) -> list[list[int]]:
    return [encoded.ids for encoded in loaded.encode(list((corpus or plain_corpus()).sentences()))]


def hooks_left(loaded) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in loaded.model.modules())


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_recorded_states_are_the_hidden_states(models, name):
    loaded = models[name]
    inputs = loaded.batch(rows(loaded))
    real = inputs["attention_mask"].bool()
    with loaded.recording(loaded.select()) as record:
        states = loaded.model(**inputs, output_hidden_states=True).hidden_states
    top = loaded.model.transformer.ln_f if name == "gpt2" else torch.nn.Identity()
    for at, site in enumerate(("embeddings", "layers.0")):
        torch.testing.assert_close(record[site][real], states[at][real])
    torch.testing.assert_close(top(record["layers.1"])[real], states[2][real])


def test_parts_of_a_gpt2_block_add_up(models):
    """The residual stream after a block is what entered it, plus attention, plus the projected neurons."""
    loaded = models["gpt2"]
    with loaded.recording(loaded.select()) as record:
        loaded.forward(rows(loaded))
    for layer, below in ((0, "embeddings"), (1, "layers.0")):
        project = loaded.model.transformer.h[layer].mlp.c_proj
        made = record[below] + record[f"layers.{layer}.attn"] + project(record[f"layers.{layer}.mlp"])
        torch.testing.assert_close(made, record[f"layers.{layer}"], rtol=1e-4, atol=1e-5)


def test_parts_of_a_bert_block_make_its_output(models):
    loaded = models["bert"]
    with loaded.recording(loaded.select()) as record:
        loaded.forward(rows(loaded))
    for number, below in ((0, "embeddings"), (1, "layers.0")):
        block = loaded.model.encoder.layer[number]
        attended = block.attention.output.LayerNorm(record[f"layers.{number}.attn"] + record[below])
        made = block.output(record[f"layers.{number}.mlp"], attended)
        torch.testing.assert_close(made, record[f"layers.{number}"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["nlm", "gpt2", "bert"])
def test_an_edit_that_changes_nothing_changes_nothing(models, name):
    loaded = models[name]
    before = loaded.forward(rows(loaded))[0]
    with loaded.editing({point: lambda value: value.clone() for point in loaded.select()}):
        torch.testing.assert_close(loaded.forward(rows(loaded))[0], before, rtol=0, atol=0)


@pytest.mark.parametrize("site", ["embeddings", "layers.0", "layers.0.mlp", "layers.1"])
def test_the_model_runs_on_the_edited_value(models, site):
    loaded = models["gpt2"]
    inputs = loaded.batch(rows(loaded))
    whole = loaded.model(**inputs).logits
    point = loaded.points[site]
    with loaded.editing({point: lambda value: value * 0.0}), loaded.recording([point]) as record:
        edited = loaded.model(**inputs).logits
    assert bool((record[site] == 0).all())
    assert not torch.allclose(edited, whole)
    if site == "layers.1":
        expected = loaded.model.lm_head(loaded.model.transformer.ln_f(torch.zeros_like(record[site])))
        torch.testing.assert_close(edited, expected)


def test_zeroed_mlp_neurons_equal_zeroed_weights(models):
    loaded = models["gpt2"]
    ids = rows(loaded)
    project = loaded.model.transformer.h[0].mlp.c_proj

    def erase(value: torch.Tensor) -> torch.Tensor:
        value = value.clone()
        value[..., [3, 40]] = 0.0
        return value

    with loaded.editing({loaded.points["layers.0.mlp"]: erase}):
        hooked = loaded.forward(ids).logits
    kept = project.weight.clone()
    try:
        project.weight[[3, 40]] = 0.0
        cut = loaded.forward(ids).logits
    finally:
        project.weight.copy_(kept)
    torch.testing.assert_close(hooked, cut)


def test_a_stepwise_decoder_is_recorded_step_by_step(models):
    loaded, corpus = models["nmt"], parallel_corpus()
    source, target = rows(loaded), rows(loaded, corpus.target)
    with loaded.recording(loaded.select("*")) as record:
        logits = loaded.forward(source, target).logits
    time = max(len(row) for row in target)
    assert record["decoder.layers.1"].shape == record["decoder.embeddings"].shape == (len(target), time, 16)
    torch.testing.assert_close(loaded.model.lm_head(record["decoder.attention"]), logits)
    with loaded.recording(loaded.select("decoder.*")) as record:
        loaded.forward(source, [row[:1] for row in target])
    assert record["decoder.layers.0"].shape == (len(target), 1, 16)


def test_edits_of_one_point_run_in_order(models):
    loaded = models["nlm"]
    point = loaded.points["layers.1"]
    pairs = [(point, lambda value: value * 0 + 1), (point, lambda value: value * 3)]
    with editing(loaded.model, pairs), loaded.recording([point]) as record:
        loaded.forward(rows(loaded))
    assert bool((record["layers.1"] == 3).all())


def test_the_hooks_come_off_whatever_happens(models):
    loaded = models["gpt2"]
    before = hooks_left(loaded)

    def fail(value: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), loaded.editing({loaded.points["layers.0"]: fail}):
        loaded.forward(rows(loaded))
    with (
        pytest.raises(AttributeError),
        loaded.recording([loaded.points["layers.0"], SitePoint("nowhere", "nowhere")]),
    ):
        pass
    assert hooks_left(loaded) == before


def test_what_is_no_tensor_is_refused(models):
    loaded = models["bert"]
    with pytest.raises(ModelError, match="the output of module 'encoder' is BaseModelOutput"):
        loaded.space("encoder")


def test_a_module_that_runs_twice_is_refused(models):
    loaded = models["gpt2"]
    point = module_point(loaded.model, "transformer.wte")
    with loaded.recording([point]) as record:
        loaded.forward([[1, 5]])
        loaded.forward([[1, 5, 6]])
    with pytest.raises(
        ModelError, match=r"passed 2 times in one forward pass, by values of shape \(1, 2, 16\)"
    ):
        record["transformer.wte"]
    record.clear()
    assert "transformer.wte" not in record
