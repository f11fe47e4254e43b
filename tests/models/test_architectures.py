"""Every site of every architecture of the zoo, against the models' own hidden states and weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from onegrain.records.space import NeuronSpace
from support.zoo import HEADS, INNER, LANGUAGE_MODELS, LAYERS, TRANSLATION_MODELS, WIDTH, ZOO, zoo_corpus

HEAD = {**dict.fromkeys(("qwen3", "gemma", "gemma2", "gemma3", "t5"), 12)}
"""Units of a head, where it is not its even share of the residual stream."""

BLOCKS: dict[str, str] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), "encoder.layer"),
    "distilbert": "transformer.layer",
    "gpt2": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
    **dict.fromkeys([name for name in LANGUAGE_MODELS if not name.startswith("gpt")], "model.layers"),
}
STACKS = [(name, "", BLOCKS[name]) for name in BLOCKS] + [
    (name, f"{side}.", f"{side}.block" if name == "t5" else f"model.{side}.layers")
    for name in TRANSLATION_MODELS
    for side in ("encoder", "decoder")
]
"""Model, what its sites' names begin with, its list of blocks."""


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


GATED = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3")


def sites(prefix: str, head: int, *, gated: bool = False) -> list[tuple[str, int]]:
    """The sites of one stack with their widths, from the bottom up."""
    expected = [(f"{prefix}embeddings", WIDTH)]
    for layer in range(LAYERS):
        site = f"{prefix}layers.{layer}"
        expected += [(site, WIDTH), (f"{site}.attn", WIDTH)]
        if prefix == "decoder.":
            expected.append((f"{site}.cross_attn", WIDTH))
        expected += [(f"{site}.heads.{number}", head) for number in range(HEADS)]
        expected.append((f"{site}.mlp", INNER))
        expected += [(f"{site}.mlp.{branch}", INNER) for branch in ("gate", "up") if gated]
    return expected


@pytest.mark.parametrize("name", ZOO)
def test_every_site_and_its_width(zoo, name):
    head = HEAD.get(name, WIDTH // HEADS)
    stacks = ("encoder.", "decoder.") if name in TRANSLATION_MODELS else ("",)
    every = [site for prefix in stacks for site in sites(prefix, head, gated=name in GATED)]
    names, widths = zip(*every, strict=True)
    assert zoo[name].space(list(zoo[name].points)) == NeuronSpace(names, widths)
    sides = {point.name: point.side for point in zoo[name].points.values()}
    assert sides == {site: "target" if site.startswith("decoder.") else "source" for site in names}


def some_rows(loaded) -> tuple[list[list[int]], list[list[int]] | None]:
    """Rows of very different lengths, and for a decoder others in another order."""
    corpus = zoo_corpus()
    rows = [encoded.ids[:40] for encoded in loaded.encode(list(corpus.sentences()))]
    if loaded.task != "translation":
        return rows, None
    return rows, [encoded.ids[:40] for encoded in loaded.encode_target(list(corpus.target.sentences()))]


def recorded(
    loaded, rows, targets, patterns: str | tuple[str, ...] = ("**", "**.heads.*")
) -> dict[str, Tensor]:
    points = loaded.select(patterns)
    with loaded.recording(points) as record:
        loaded.forward(rows, targets)
        return {point.name: record[point.name] for point in points}


def final_norm(name: str, model: nn.Module, prefix: str) -> Callable[[Tensor], Tensor]:
    """What a stack makes of its last block's output before it calls it the last hidden state."""
    base = model if name in ("t5", "bert", "distilbert", "roberta", "xlm-roberta") else model.base_model
    stack = getattr(base, prefix.strip(".")) if prefix else base
    for norm in ("norm", "ln_f", "final_layer_norm", "layer_norm"):
        if isinstance(getattr(stack, norm, None), nn.Module):
            return getattr(stack, norm)
    return nn.Identity()


@pytest.mark.parametrize(("name", "prefix", "blocks"), STACKS)
def test_residual_sites_are_the_hidden_states(zoo, name, prefix, blocks):
    """Of a batch of many, against each row alone in a pass that asks the model for its hidden states."""
    loaded = zoo[name]
    rows, targets = some_rows(loaded)
    mine = recorded(loaded, rows, targets, ["**embeddings", "**layers.?"])
    kind = f"{prefix.strip('.')}_hidden_states" if prefix else "hidden_states"
    top = final_norm(name, loaded.model, prefix)
    assert isinstance(top, nn.Identity) == (
        name in ("bert", "distilbert", "roberta", "xlm-roberta", "bart", "marian")
    )
    for number, row in enumerate(rows):
        inputs = {"input_ids": torch.tensor([row])}
        if targets is not None:
            inputs["decoder_input_ids"] = torch.tensor([targets[number]])
        states = getattr(loaded.model(**inputs, output_hidden_states=True), kind)
        assert len(states) == LAYERS + 1
        length = len(targets[number] if targets is not None and prefix == "decoder." else row)
        values = [mine[f"{prefix}{site}"][number, :length] for site in ("embeddings", "layers.0", "layers.1")]
        values[-1] = top(values[-1])
        for state, value in zip(states, values, strict=True):
            torch.testing.assert_close(value, state[0], rtol=1e-4, atol=1e-4)


def attention_projections(name: str, model: nn.Module, block: str) -> list[nn.Module]:
    """The output projections of self-attention and, in a decoder, of cross-attention, in that order."""
    inside = model.get_submodule(block)
    if name == "t5":
        return [module.o for module in inside.modules() if hasattr(module, "o")]
    if name in ("bert", "roberta", "xlm-roberta"):
        return [inside.attention.output.dense]
    ends = ("out_lin", "c_proj", "dense", "o_proj", "out_proj")
    within = ("attn", "attention", "self_attn", "encoder_attn")
    return [
        module
        for path, module in inside.named_modules()
        if path.rpartition(".")[2] in ends and path.split(".")[0] in within
    ]


@pytest.mark.parametrize(("name", "prefix", "blocks"), STACKS)
def test_heads_together_make_the_attention(zoo, name, prefix, blocks):
    """concat(heads) through the output projection's weights is what the block is given as attention."""
    loaded = zoo[name]
    rows, targets = some_rows(loaded)
    mine = recorded(loaded, rows, targets)
    for layer in range(LAYERS):
        projection, *cross = attention_projections(name, loaded.model, f"{blocks}.{layer}")
        assert len(cross) == (prefix == "decoder.")
        site = f"{prefix}layers.{layer}"
        joined = torch.cat([mine[f"{site}.heads.{head}"] for head in range(HEADS)], dim=-1)
        weight = projection.weight if name == "gpt2" else projection.weight.T
        attention = joined @ weight + (0 if getattr(projection, "bias", None) is None else projection.bias)
        torch.testing.assert_close(attention, mine[f"{site}.attn"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "prefix", "blocks"), STACKS)
def test_parts_make_the_block(zoo, name, prefix, blocks):
    """The residual stream after a block, put together again from what entered it and the recorded parts."""
    loaded = zoo[name]
    rows, targets = some_rows(loaded)
    mine = recorded(loaded, rows, targets)
    for layer in range(LAYERS):
        block = loaded.model.get_submodule(f"{blocks}.{layer}")
        below = mine[f"{prefix}layers.{layer - 1}" if layer else f"{prefix}embeddings"]
        parts = {part: mine.get(f"{prefix}layers.{layer}.{part}") for part in ("attn", "cross_attn", "mlp")}
        output = REBUILD.get(name, pre_norm)(block, below, **parts)
        torch.testing.assert_close(output, mine[f"{prefix}layers.{layer}"], rtol=1e-4, atol=1e-4)


def pre_norm(block, below, attn, cross_attn, mlp):
    """Norms stand inside the branches (Llama and its like): parts are added up."""
    return below + attn + block.mlp.down_proj(mlp)


def gpt2(block, below, attn, cross_attn, mlp):
    return below + attn + block.mlp.c_proj(mlp)


def gpt_neox(block, below, attn, cross_attn, mlp):
    return below + attn + block.mlp.dense_4h_to_h(mlp)


def sandwich(block, below, attn, cross_attn, mlp):
    """Gemma 2 and 3 norm what a branch made, too."""
    after = below + block.post_attention_layernorm(attn)
    return after + block.post_feedforward_layernorm(block.mlp.down_proj(mlp))


def bert(block, below, attn, cross_attn, mlp):
    attended = block.attention.output.LayerNorm(attn + below)
    return block.output.LayerNorm(block.output.dense(mlp) + attended)


def distilbert(block, below, attn, cross_attn, mlp):
    attended = block.sa_layer_norm(attn + below)
    return block.output_layer_norm(block.ffn.lin2(mlp) + attended)


def t5(block, below, attn, cross_attn, mlp):
    state = below + attn if cross_attn is None else below + attn + cross_attn
    return state + block.layer[-1].DenseReluDense.wo(mlp)


def bart(block, below, attn, cross_attn, mlp):
    """BART and Marian norm the stream after each branch."""
    state = block.self_attn_layer_norm(below + attn)
    if cross_attn is not None:
        state = block.encoder_attn_layer_norm(state + cross_attn)
    return block.final_layer_norm(state + block.fc2(mlp))


def mbart(block, below, attn, cross_attn, mlp):
    state = below + attn if cross_attn is None else below + attn + cross_attn
    return state + block.fc2(mlp)


REBUILD = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), bert),
    **dict.fromkeys(("bart", "marian"), bart),
    **dict.fromkeys(("gemma2", "gemma3"), sandwich),
    "distilbert": distilbert,
    "gpt2": gpt2,
    "gpt_neox": gpt_neox,
    "mbart": mbart,
    "t5": t5,
}


@pytest.mark.parametrize("name", ZOO)
def test_a_row_alone_and_in_a_padded_batch(zoo, name):
    loaded = zoo[name]
    rows, targets = some_rows(loaded)
    together = recorded(loaded, rows, targets)
    assert len({len(row) for row in rows}) > 3
    for number, row in enumerate(rows):
        target = None if targets is None else [targets[number]]
        alone = recorded(loaded, [row], target)
        for site, value in alone.items():
            mine = together[site][number, : value.shape[1]]
            assert (mine - value[0]).abs().max() <= 1e-4 * value.abs().max(), site


@pytest.mark.parametrize("name", ZOO)
def test_mlp_neurons_are_past_the_non_linearity(zoo, name):
    """Against the block's own activation, called on what its first projections make."""
    loaded = zoo[name]
    rows, targets = some_rows(loaded)
    stacks = [(prefix, blocks) for which, prefix, blocks in STACKS if which == name]
    for prefix, blocks in stacks:
        block = loaded.model.get_submodule(f"{blocks}.1")
        entered: list[Tensor] = []
        path = MLP_INPUT.get(name, "mlp.gate_proj").format(1 if prefix == "encoder." else 2)
        first = block.get_submodule(path)
        handle = first.register_forward_pre_hook(lambda module, inputs, into=entered: into.append(inputs[0]))
        mine = recorded(loaded, rows, targets)[f"{prefix}layers.1.mlp"]
        handle.remove()
        neurons = ACTIVATE.get(name, gated)(block, entered[0])
        torch.testing.assert_close(mine, neurons, rtol=1e-4, atol=1e-4)


def gated(block, x):
    return block.mlp.act_fn(block.mlp.gate_proj(x)) * block.mlp.up_proj(x)


gelu = nn.functional.gelu

MLP_INPUT = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), "intermediate.dense"),
    **dict.fromkeys(("bart", "mbart", "marian"), "fc1"),
    "distilbert": "ffn.lin1",
    "gpt2": "mlp.c_fc",
    "gpt_neox": "mlp.dense_h_to_4h",
    "t5": "layer.{}.DenseReluDense.wi",
}
ACTIVATE = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), lambda block, x: gelu(block.intermediate.dense(x))),
    **dict.fromkeys(("bart", "mbart", "marian"), lambda block, x: gelu(block.fc1(x))),
    "distilbert": lambda block, x: gelu(block.ffn.lin1(x)),
    "gpt2": lambda block, x: gelu(block.mlp.c_fc(x), approximate="tanh"),
    "gpt_neox": lambda block, x: gelu(block.mlp.dense_h_to_4h(x)),
    "t5": lambda block, x: block.layer[-1].DenseReluDense.wi(x).relu(),
}


@pytest.mark.parametrize("name", GATED)
def test_the_neurons_of_a_gated_mlp_are_the_product_of_its_branches(zoo, name):
    rows, _ = some_rows(zoo[name])
    values = recorded(zoo[name], rows, None, ("layers.*.mlp", "layers.*.mlp.gate", "layers.*.mlp.up"))
    for layer in range(LAYERS):
        neurons, gate, up = (values[f"layers.{layer}.mlp{branch}"] for branch in ("", ".gate", ".up"))
        torch.testing.assert_close(gate * up, neurons)
        assert float(gate.min()) < 0.0


def test_branches_of_a_gated_mlp_are_read_only_if_they_are_named(zoo):
    llama = zoo["llama"]
    assert "layers.0.mlp.gate" not in [point.name for point in llama.select("**")]
    gates = [point.name for point in llama.select("layers.*.mlp.gate")]
    assert gates == ["layers.0.mlp.gate", "layers.1.mlp.gate"]
