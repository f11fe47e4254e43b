from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from onegrain.errors import InputError, MismatchError, ParameterError
from onegrain.interventions import Intervention, editing, erasing
from onegrain.metrics import Perplexity
from onegrain.models import LoadedModel, load_model
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from support.planted_models import KEY, alternating_corpus, planted_nlm
from support.tiny import HIDDEN, parallel_corpus, plain_corpus, tiny_bert, tiny_gpt2, tiny_nlm, tiny_nmt

MAKERS = {"nlm": tiny_nlm, "gpt2": tiny_gpt2, "nmt": tiny_nmt, "bert": tiny_bert}
UNITS = [2, 9, 13]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    root = tmp_path_factory.mktemp("models")
    return {kind: load_model(make(root / kind), device="cpu") for kind, make in MAKERS.items()}


def hooks_of(loaded: LoadedModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in loaded.model.modules())


def outputs(loaded: LoadedModel, network: nn.Module) -> Tensor:
    """Logits (or the encoder's vectors) of all sentences of the tiny corpus, (real subwords, width)."""
    corpus = parallel_corpus()
    inputs = loaded.batch([row.ids for row in loaded.encode(list(corpus.sentences()))])
    mask = inputs["attention_mask"]
    if loaded.task == "translation":
        assert corpus.target is not None
        target = loaded.batch([row.ids for row in loaded.encode(list(corpus.target.sentences()))])
        inputs["decoder_input_ids"], mask = target["input_ids"], target["attention_mask"]
    return network(**inputs)[0][mask.bool()]


def columns(*names: str, shift: int = 0) -> Callable[[nn.Module], None]:
    """Zero the columns with which these matrices read the units."""

    def silence(network: nn.Module) -> None:
        for name in names:
            network.get_parameter(name)[:, [unit + shift for unit in UNITS]] = 0

    return silence


def rows(*names: str) -> Callable[[nn.Module], None]:
    """Zero the rows of matrices that are stored the other way round (or that make the units)."""

    def silence(network: nn.Module) -> None:
        for name in names:
            network.get_parameter(name)[UNITS] = 0

    return silence


def both(*parts: Callable[[nn.Module], None]) -> Callable[[nn.Module], None]:
    def silence(network: nn.Module) -> None:
        for part in parts:
            part(network)

    return silence


ENCODER_READERS = ("decoder.bridge.weight", "decoder.attention_keys.weight", "decoder.attention_output.weight")
BACK = "encoder.layers.1.backward_lstm.weight_ih_l0"
SAME_AS = {
    ("nlm", "embeddings"): columns("layers.0.lstm.weight_ih_l0"),
    ("nlm", "layers.0"): columns("layers.1.lstm.weight_ih_l0"),
    ("nlm", "layers.1"): columns("lm_head.weight"),
    ("nmt", "encoder.embeddings"): columns(
        "encoder.layers.0.forward_lstm.weight_ih_l0", "encoder.layers.0.backward_lstm.weight_ih_l0"
    ),
    ("nmt", "encoder.layers.0"): columns("encoder.layers.1.forward_lstm.weight_ih_l0", BACK),
    ("nmt", "encoder.layers.1"): columns(*ENCODER_READERS),
    ("nmt", "decoder.embeddings"): columns("decoder.input_gates.weight"),
    ("nmt", "decoder.layers.0"): columns("decoder.layers.1.recurrent.weight"),
    ("nmt", "decoder.layers.1"): both(
        columns("decoder.attention_output.weight", shift=HIDDEN), rows("decoder.attention_keys.weight")
    ),
    ("nmt", "decoder.attention"): columns("lm_head.weight", "decoder.layers.0.recurrent.weight"),
    ("gpt2", "embeddings"): columns("transformer.wte.weight", "transformer.wpe.weight"),
    ("gpt2", "layers.0.mlp"): rows("transformer.h.0.mlp.c_proj.weight"),
    ("gpt2", "layers.1.mlp"): rows("transformer.h.1.mlp.c_proj.weight"),
    ("bert", "layers.0.mlp"): columns("encoder.layer.0.output.dense.weight"),
    ("bert", "layers.1.mlp"): columns("encoder.layer.1.output.dense.weight"),
}


def untied(network: nn.Module) -> nn.Module:
    """A copy whose output projection has weights of its own, so that each can be silenced alone."""
    twin = copy.deepcopy(network)
    if hasattr(twin, "lm_head"):
        twin.lm_head.weight = nn.Parameter(twin.lm_head.weight.detach().clone())
    return twin


@torch.no_grad()
@pytest.mark.parametrize(("kind", "site"), SAME_AS)
def test_erasing_is_silencing_the_weights_that_read(
    models: dict[str, LoadedModel], kind: str, site: str
) -> None:
    loaded = models[kind]
    space = loaded.space(site)
    intact = outputs(loaded, loaded.model)
    with erasing(loaded, space, UNITS):
        erased = outputs(loaded, loaded.model)
    twin = untied(loaded.model)
    SAME_AS[kind, site](twin)
    torch.testing.assert_close(erased, outputs(loaded, twin))
    assert not torch.allclose(erased, intact, atol=1e-3)
    assert torch.equal(outputs(loaded, loaded.model), intact)


@pytest.mark.parametrize("site", ["layers.1", "layers.*"])
def test_a_language_model_without_its_last_layer_is_uniform(models: dict[str, LoadedModel], site: str) -> None:
    loaded = models["nlm"]
    space = loaded.space(site)
    with erasing(loaded, space, np.arange(space.size)):
        perplexity = Perplexity(plain_corpus()).measure(loaded).value
    assert perplexity == pytest.approx(loaded.model.config.vocab_size, rel=1e-5)


def test_one_planted_neuron_does_all_the_work(tmp_path: Path) -> None:
    loaded = load_model(planted_nlm(tmp_path / "planted"), device="cpu")
    space, metric = loaded.space("layers.0"), Perplexity(alternating_corpus())
    intact = metric.measure(loaded).value
    each = []
    for unit in range(space.size):
        with erasing(loaded, space, [unit]):
            each.append(metric.measure(loaded).value)
    assert int(np.argmax(each)) == KEY
    assert each[KEY] == pytest.approx(loaded.model.config.vocab_size, rel=1e-5)
    assert each[KEY] > 2 * intact
    assert [value for unit, value in enumerate(each) if unit != KEY] == pytest.approx([intact] * 7)


@torch.no_grad()
def test_order_and_repetition_do_not_matter(models: dict[str, LoadedModel]) -> None:
    loaded = models["nmt"]
    space = loaded.space()
    values = []
    for neurons in ([3, 20, 40], [40, 3, 20], np.array([20, 20, 40, 3, 3])):
        with erasing(loaded, space, neurons):
            values.append(outputs(loaded, loaded.model))
    assert torch.equal(values[0], values[1])
    assert torch.equal(values[0], values[2])


@torch.no_grad()
def test_nested_blocks_erase_the_union(models: dict[str, LoadedModel]) -> None:
    loaded = models["gpt2"]
    space = loaded.space("**")
    with erasing(loaded, space, [1, 30]), erasing(loaded, space, [30, 70]):
        nested = outputs(loaded, loaded.model)
    with erasing(loaded, space, [1, 30, 70]):
        union = outputs(loaded, loaded.model)
    assert torch.equal(nested, union)


@torch.no_grad()
def test_nothing_erased_changes_nothing(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]
    before = outputs(loaded, loaded.model)
    with erasing(loaded, loaded.space(), []):
        assert hooks_of(loaded) == 0
        assert torch.equal(outputs(loaded, loaded.model), before)


@pytest.mark.parametrize("ended_by", [ValueError, KeyboardInterrupt, SystemExit])
def test_hooks_come_off_however_the_block_ends(
    models: dict[str, LoadedModel], ended_by: type[BaseException]
) -> None:
    loaded = models["nmt"]

    def block() -> None:
        with erasing(loaded, loaded.space(), [0, 20, 40]):
            assert hooks_of(loaded) == 3 + 2  # three sites; encoder and model are followed
            raise ended_by

    with pytest.raises(ended_by):
        block()
    assert hooks_of(loaded) == 0


def test_hooks_come_off_when_a_generator_is_left(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]

    def losses() -> Iterator[float]:
        with erasing(loaded, loaded.space(), [0, 20]):
            yield from loaded.sentence_losses(plain_corpus())[0]

    generator = losses()
    next(generator)
    assert hooks_of(loaded) == 2 + 1
    generator.close()
    assert hooks_of(loaded) == 0


def test_hooks_come_off_when_an_edit_fails_in_the_forward_pass(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]
    wide = NeuronSpace(("layers.0",), (HIDDEN,))

    def block() -> None:
        with erasing(loaded, wide, [0]):
            loaded.model(torch.tensor([[10**6]]))  # no such subword

    with pytest.raises(IndexError):
        block()
    assert hooks_of(loaded) == 0


def test_sites_the_model_does_not_have_are_refused(models: dict[str, LoadedModel]) -> None:
    for space in (NeuronSpace(("layers.7",), (HIDDEN,)), NeuronSpace(("layers.0",), (HIDDEN + 1,))):
        with pytest.raises(MismatchError), erasing(models["nlm"], space, [0]):
            pytest.fail("the block ran")
    assert hooks_of(models["nlm"]) == 0


@pytest.mark.parametrize("neurons", [[-1], [0, 3 * HIDDEN]])
def test_neurons_outside_the_space_are_refused(models: dict[str, LoadedModel], neurons: list[int]) -> None:
    loaded = models["nlm"]
    with pytest.raises(ParameterError, match=r"outside 0\.\.47"), erasing(loaded, loaded.space(), neurons):
        pytest.fail("the block ran")


def test_an_unknown_edit_is_refused(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]
    with (
        pytest.raises(ParameterError, match="the edits are"),
        editing(loaded, Intervention.of(loaded.space(), [0], "sponge")),
    ):
        pytest.fail("the block ran")


def ranking_of(loaded: LoadedModel, seed: int = 0) -> Ranking:
    space = loaded.space("layers.*")
    scores = np.random.default_rng(seed).permutation(space.size).astype(float)
    return Ranking.by_scores("random", space, scores, Provenance(stage="rank", model=loaded.identity))


@torch.no_grad()
def test_neurons_are_erased_by_name_and_by_ranking(models: dict[str, LoadedModel]) -> None:
    loaded = models["gpt2"]
    ranking = ranking_of(loaded)
    top = ranking.order[:5]
    with erasing(loaded, ranking.space, top):
        expected = outputs(loaded, loaded.model)
    assert not torch.equal(expected, outputs(loaded, loaded.model))
    for arguments in (
        (ranking, 5),
        (ranking, ranking.top(5)),
        (ranking.space, ranking.top(5)),
        (ranking.space, [*ranking.top(3), *top[3:].tolist()]),
        (ranking.space, np.isin(np.arange(ranking.space.size), top)),
        (ranking.top(5),),
    ):
        with erasing(loaded, *arguments):
            assert torch.equal(outputs(loaded, loaded.model), expected)
    name = "layers.1.mlp:7"
    with erasing(loaded, loaded.space("layers.1.mlp"), [7]):
        expected = outputs(loaded, loaded.model)
    with erasing(loaded, name):
        assert torch.equal(outputs(loaded, loaded.model), expected)


def test_neurons_that_cannot_be_resolved_are_refused(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]
    ranking = ranking_of(loaded)
    refusals = [
        (
            InputError,
            "no neuron 'layers.9:0': no site 'layers.9'; the sites are: layers.0",
            (ranking, "layers.9:0"),
        ),
        (InputError, "layers.9", ("layers.9:0",)),
        (InputError, "write SITE:UNIT", ("layers.0",)),
        (ParameterError, "a mask of 3 for", (ranking, np.ones(3, dtype=bool))),
        (ParameterError, "names such as 'layers.0:0' or whole numbers", (ranking.space, [0.5])),
        (ParameterError, "k must be from 1", (ranking, 10_000)),
        (ParameterError, "say which neurons", (ranking,)),
        (ParameterError, "say which neurons", (ranking.space, 3)),
        (ParameterError, "flat indices need a space", ("layers.0:0", [1])),
        (ParameterError, "named SITE:UNIT", ([3],)),
        (MismatchError, "of different models", (ranking_of(models["gpt2"]), 3)),
    ]
    for kind, message, arguments in refusals:
        with pytest.raises(kind, match=message), erasing(loaded, *arguments):
            pytest.fail("the block ran")
