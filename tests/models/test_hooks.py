"""Recording and editing: against the models' own outputs, and off again whatever happens."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from onegrain.errors import ModelError
from onegrain.models.hooks import editing
from onegrain.models.sites import SitePoint, module_point
from support.tiny import parallel_corpus, plain_corpus

HEADS = [
    ("gpt2", "transformer.h.1.attn.c_proj.weight", "source"),
    ("bert", "encoder.layer.1.attention.output.dense.weight", "source"),
    ("qwen3", "model.layers.1.self_attn.o_proj.weight", "source"),
    ("gemma2", "model.layers.1.self_attn.o_proj.weight", "source"),
    ("t5", "encoder.block.1.layer.0.SelfAttention.o.weight", "source"),
    ("bart", "model.decoder.layers.1.self_attn.out_proj.weight", "target"),
]


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
    with loaded.recording(loaded.select("**")) as record:
        states = loaded.model(**inputs, output_hidden_states=True).hidden_states
    top = loaded.model.transformer.ln_f if name == "gpt2" else torch.nn.Identity()
    for number, site in enumerate(("embeddings", "layers.0")):
        torch.testing.assert_close(record[site][real], states[number][real])
    torch.testing.assert_close(top(record["layers.1"])[real], states[2][real])


def test_parts_of_a_gpt2_block_add_up(models):
    """The residual stream after a block is what entered it, plus attention, plus the projected neurons."""
    loaded = models["gpt2"]
    with loaded.recording(loaded.select("**")) as record:
        loaded.forward(rows(loaded))
    for layer, below in ((0, "embeddings"), (1, "layers.0")):
        project = loaded.model.transformer.h[layer].mlp.c_proj
        total = record[below] + record[f"layers.{layer}.attn"] + project(record[f"layers.{layer}.mlp"])
        torch.testing.assert_close(total, record[f"layers.{layer}"], rtol=1e-4, atol=1e-5)


def test_parts_of_a_bert_block_make_its_output(models):
    loaded = models["bert"]
    with loaded.recording(loaded.select("**")) as record:
        loaded.forward(rows(loaded))
    for number, below in ((0, "embeddings"), (1, "layers.0")):
        block = loaded.model.encoder.layer[number]
        attended = block.attention.output.LayerNorm(record[f"layers.{number}.attn"] + record[below])
        output = block.output(record[f"layers.{number}.mlp"], attended)
        torch.testing.assert_close(output, record[f"layers.{number}"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["nlm", "gpt2", "bert"])
def test_an_edit_that_changes_nothing_changes_nothing(models, name):
    loaded = models[name]
    before = loaded.forward(rows(loaded))[0]
    with loaded.editing({point: lambda value: value.clone() for point in loaded.select("**")}):
        torch.testing.assert_close(loaded.forward(rows(loaded))[0], before, rtol=0, atol=0)


@pytest.mark.parametrize("site", ["embeddings", "layers.0", "layers.0.mlp", "layers.1"])
def test_the_model_runs_on_the_edited_value(models, site):
    loaded = models["gpt2"]
    inputs = loaded.batch(rows(loaded))
    unedited = loaded.model(**inputs).logits
    point = loaded.points[site]
    with loaded.editing({point: lambda value: value * 0.0}), loaded.recording([point]) as record:
        edited = loaded.model(**inputs).logits
    assert bool((record[site] == 0).all())
    assert not torch.allclose(edited, unedited)
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


def zeros(value: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(value)


@contextmanager
def cut(weight: torch.Tensor, rows: slice | tuple):
    """Zero part of a weight for as long as the block lasts."""
    kept = weight.clone()
    weight[rows] = 0.0
    try:
        yield
    finally:
        weight.copy_(kept)


@pytest.mark.parametrize(("name", "path", "side"), HEADS)
def test_a_zeroed_head_equals_zeroed_columns_of_the_projection(zoo, name, path, side):
    loaded, corpus = zoo[name], plain_corpus()
    stack = {"source": "", "target": "decoder."}[side] if loaded.task == "translation" else ""
    stack = "encoder." if loaded.task == "translation" and side == "source" else stack
    point = loaded.points[f"{stack}layers.1.heads.1"]
    ids = rows(loaded, corpus)
    target = [row[:5] for row in ids] if loaded.task == "translation" else None
    unedited = loaded.forward(ids, target)[0]
    with loaded.editing({point: zeros}):
        hooked = loaded.forward(ids, target)[0]
    weight = loaded.model.get_parameter(path)
    width = (weight.shape[0] if name == "gpt2" else weight.shape[1]) // 2
    half = slice(width, 2 * width)
    with cut(weight, half if name == "gpt2" else (slice(None), half)):
        expected = loaded.forward(ids, target)[0]
    torch.testing.assert_close(hooked, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(hooked, unedited, atol=1e-3)


@pytest.mark.parametrize(("direction", "units"), [("forward", slice(0, 8)), ("backward", slice(8, 16))])
def test_a_zeroed_direction_equals_zeroed_weights_of_its_readers(models, direction, units):
    """The first layer of the encoder is read by both LSTMs of the second, and by nothing else."""
    loaded, ids = models["nmt"], rows(models["nmt"])
    with loaded.editing({loaded.points[f"encoder.layers.0.{direction}"]: zeros}):
        hooked = loaded.model.encoder(**loaded.batch(ids)).last_hidden_state
    above = loaded.model.encoder.layers[1]
    with (
        cut(above.forward_lstm.weight_ih_l0, (slice(None), units)),
        cut(above.backward_lstm.weight_ih_l0, (slice(None), units)),
    ):
        expected = loaded.model.encoder(**loaded.batch(ids)).last_hidden_state
    torch.testing.assert_close(hooked, expected, rtol=1e-5, atol=1e-5)


def test_a_part_holds_its_units_of_the_whole(models):
    for name, site, parts in (
        ("nmt", "encoder.layers.1", ["encoder.layers.1.forward", "encoder.layers.1.backward"]),
        ("gpt2", "layers.1.attn", ["layers.1.heads.0", "layers.1.heads.1"]),
    ):
        loaded = models[name]
        points = loaded.select([site, *parts])
        with loaded.recording(points) as record:
            ids = rows(loaded)
            loaded.forward(ids, ids if name == "nmt" else None)
        joined = torch.cat([record[part] for part in parts], dim=-1)
        if name == "gpt2":
            joined = loaded.model.transformer.h[1].attn.c_proj(joined)
        torch.testing.assert_close(joined, record[site])


def test_sites_that_share_a_module_share_a_hook(models):
    loaded = models["gpt2"]
    before = hooks_left(loaded)
    with loaded.recording(loaded.select("layers.0.heads.*")):
        assert hooks_left(loaded) == before + 1
    with loaded.recording(loaded.select(["layers.0.heads.*", "layers.0.attn"])):
        assert hooks_left(loaded) == before + 2  # its input and its output
    assert hooks_left(loaded) == before


def test_edits_of_parts_and_of_the_whole_run_in_order(models):
    loaded = models["nmt"]
    attention, ahead, back = loaded.select(
        ["encoder.layers.0", "encoder.layers.0.forward", "encoder.layers.0.backward"]
    )
    seen: list[torch.Tensor] = []

    def see(value: torch.Tensor) -> torch.Tensor:
        seen.append(value)
        return value

    pairs = [
        (attention, lambda value: torch.ones_like(value)),
        (ahead, lambda value: value * 3),
        (ahead, see),
        (ahead, lambda value: value + 1),
        (back, zeros),
        (attention, lambda value: value * 2),
    ]
    with editing(loaded.model, pairs), loaded.recording([attention, ahead]) as record:
        loaded.model.encoder(**loaded.batch(rows(loaded)))
    assert bool((record["encoder.layers.0"] == torch.tensor([8.0] * 8 + [0.0] * 8)).all())
    assert bool((record["encoder.layers.0.forward"] == 8).all())
    assert bool((seen[0] == 3).all())  # what came later did not write into it


def test_an_edit_that_changes_the_shape_of_a_part_is_refused(models):
    loaded = models["gpt2"]
    point = loaded.points["layers.0.heads.0"]
    refused = pytest.raises(ModelError, match=r"heads\.0' made \(8, \d+, 1\) of \(8, \d+, 8\)")
    with loaded.editing({point: lambda value: value[..., :1]}), refused:
        loaded.forward(rows(loaded))


def test_a_module_that_returns_a_tuple_is_a_site(zoo):
    """T5's blocks do; so does a block of a model whose architecture is unknown."""
    loaded = zoo["t5"]
    point = module_point(loaded.model, "encoder.block.0")
    ids = rows(loaded)
    with loaded.recording([point, loaded.points["encoder.layers.0"]]) as record:
        loaded.forward(ids, ids)
    torch.testing.assert_close(record["encoder.block.0"], record["encoder.layers.0"])
    with loaded.editing({point: zeros}):
        edited = loaded.model.encoder(**loaded.batch(ids)).last_hidden_state
    assert not torch.allclose(edited, loaded.model.encoder(**loaded.batch(ids)).last_hidden_state)


def test_a_stepwise_decoder_is_recorded_step_by_step(models):
    loaded, corpus = models["nmt"], parallel_corpus()
    source, target = rows(loaded), rows(loaded, corpus.target)
    with loaded.recording(loaded.select("**")) as record:
        logits = loaded.forward(source, target).logits
    time = max(len(row) for row in target)
    assert record["decoder.layers.1"].shape == record["decoder.embeddings"].shape == (len(target), time, 16)
    torch.testing.assert_close(loaded.model.lm_head(record["decoder.attention"]), logits)
    with loaded.recording(loaded.select("decoder.**")) as record:
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
