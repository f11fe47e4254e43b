"""Interventions as values, the places they reach, and what is refused before any work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import onegrain as og
from onegrain.activations import live_activations
from onegrain.errors import InputError, MismatchError, ModelError, ParameterError, RecordError
from onegrain.interventions import (
    Intervention,
    Where,
    editing,
    load_interventions,
    neuron_statistics,
    parse_edit,
    save_interventions,
)
from onegrain.metrics import Perplexity
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics
from support.zoo import Zoo, zoo_corpus

SITE = "layers.0.mlp"


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def gpt2(zoo: Zoo) -> LoadedModel:
    return zoo["gpt2"]


def labelled() -> Corpus:
    """Sentences whose words are labelled by their length."""
    sentences = list(zoo_corpus().sentences())
    lengths = [["short" if len(word) < 4 else "long" for word in words] for words in sentences]
    return Corpus.from_sentences(sentences, {"size": lengths}, source="sizes")


@pytest.fixture(scope="module")
def activations(gpt2: LoadedModel) -> Activations:
    with torch.no_grad():
        return live_activations(gpt2, labelled(), sites=[SITE])


def test_an_intervention_prints_compares_and_is_saved(tmp_path: Path) -> None:
    several = [
        Intervention.of([f"{SITE}:3", "layers.1:0", f"{SITE}:1"], edit="clamp(value=2)"),
        Intervention.of("layers.1:5", where=Where(words="upos=NOUN", positions=(0, -1), part="prompt")),
        Intervention.of("layers.0:5", edit="range(edit=mean, low=0)", recurrent=True),
    ]
    save_interventions(several, tmp_path / "edits.json")
    assert load_interventions(tmp_path / "edits.json") == several
    assert str(several[0]) == f"clamp(value=2) of {SITE}:1, {SITE}:3, layers.1:0"
    assert str(several[1]) == "zero of layers.1:5 at words upos=NOUN, positions [0, -1], part prompt"
    assert str(several[2]).endswith("of layers.0:5, in the state")
    assert several[0] == Intervention({"layers.1": (0,), SITE: (3, 1, 1)}, parse_edit("clamp(value=2)"))
    assert len({*several, Intervention.of("layers.1:5")}) == 4
    assert several[0].size == 3


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"record": "interventions"}',
        '{"record": "interventions", "interventions": [3]}',
        '{"record": "interventions", "interventions": [{"neurons": {"a": [1.5]}, "edit": {"kind": "zero"}}]}',
        '{"record": "interventions", "interventions": [{"neurons": {"a": [-1]}, "edit": {"kind": "zero"}}]}',
        '{"record": "interventions", "interventions": [{"neurons": {}, "edit": {"kind": "sponge"}}]}',
        '{"record": "interventions", "interventions": [{"neurons": {}, "edit": {"kind": "zero"}, "where": 3}]}',
    ],
)
def test_a_file_that_holds_no_interventions_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "edits.json"
    path.write_text(content)
    with pytest.raises(RecordError, match=r"edits\.json"):
        load_interventions(path)


def test_statistics_are_those_of_the_values(activations: Activations, tmp_path: Path) -> None:
    values, layer = np.asarray(activations), activations.layer("size")
    statistics = neuron_statistics(activations, layer="size", samples=20, bins=10, seed=3)
    np.testing.assert_allclose(statistics.column("mean"), values.mean(axis=0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(statistics.column("deviation"), values.std(axis=0), rtol=1e-4)
    assert np.array_equal(statistics.column("least"), values.min(axis=0))
    assert np.array_equal(statistics.column("largest"), values.max(axis=0))
    short = values[layer.codes == layer.vocabulary.index("short")]
    np.testing.assert_allclose(statistics.column("mean", "short"), short.mean(axis=0), rtol=1e-5, atol=1e-7)
    assert statistics.words_of == {"long": len(values) - len(short), "short": len(short)}
    for neuron in range(values.shape[1]):
        counts, edges = np.histogram(values[:, neuron], bins=10)
        middles = (edges[:-1] + edges[1:]) / 2
        fullest = middles[counts == counts.max()]
        assert np.abs(fullest - statistics.column("mode")[neuron]).min() < 1e-5
    samples = statistics.samples
    assert samples is not None
    assert all((values == row).all(axis=1).any() for row in samples)
    statistics.save(tmp_path / "statistics.parquet")
    loaded = NeuronStatistics.load(tmp_path / "statistics.parquet")
    assert loaded.space == statistics.space
    assert loaded.provenance == statistics.provenance
    pd_equal = loaded.to_pandas().equals(statistics.to_pandas())
    assert pd_equal
    assert np.array_equal(loaded.samples, samples)
    assert isinstance(og.load(tmp_path / "statistics.parquet"), NeuronStatistics)


def test_a_mean_edit_sets_the_mean_of_the_label(gpt2: LoadedModel, activations: Activations) -> None:
    statistics = neuron_statistics(activations, layer="size")
    edit = Intervention.of([f"{SITE}:1", f"{SITE}:4"], edit="mean(label=short)")
    ids = torch.tensor([gpt2.encode([["the", "rain"]])[0].ids])
    for reference in (activations, statistics):
        with editing(gpt2, edit, reference=reference), gpt2.recording(gpt2.select([SITE])) as record:
            gpt2.model(ids)
        expected = torch.from_numpy(statistics.column("mean", "short")[[1, 4]]).float()
        torch.testing.assert_close(record[SITE][0][:, [1, 4]], expected.expand(ids.shape[1], 2))


def test_interchange_takes_the_values_of_the_paired_sentence(gpt2: LoadedModel) -> None:
    """With all units of the residual stream interchanged, the model says what it says of the pair."""
    corpus = zoo_corpus()
    first, second = corpus.select([0, 4]), corpus.select([0, 4])
    words = [tuple(reversed(words)) for words in second.sentences()]
    pairs = Corpus.from_sentences(words, source="reversed")
    whole = Intervention.of(gpt2.space("layers.1"), np.arange(16), "interchange")
    with editing(gpt2, whole, pairs=pairs):
        edited, _ = gpt2.sentence_losses(first)
    with gpt2.recording(gpt2.select(["layers.1"])) as record:
        row = gpt2.encode([words[0]])[0].ids
        gpt2.model(torch.tensor([[gpt2.bos_id, *row] if gpt2.bos_id is not None else row]))
        paired = record["layers.1"]
    logits = gpt2.model.lm_head(gpt2.model.transformer.ln_f(paired))[0]
    target = gpt2.encode([first.sentence(0)])[0].ids
    target = [gpt2.bos_id, *target] if gpt2.bos_id is not None else target
    expected = -torch.log_softmax(logits[: len(target) - 1].double(), 1)[
        torch.arange(len(target) - 1), torch.tensor(target[1:])
    ].sum()
    assert edited[0] == pytest.approx(float(expected), rel=1e-5)


def test_interchange_refuses_pairs_of_another_length(gpt2: LoadedModel) -> None:
    corpus = zoo_corpus().select([0])
    pairs = Corpus.from_sentences([["rain"]], source="short")
    edit = Intervention.of(f"{SITE}:0", edit="interchange")
    with pytest.raises(ParameterError, match="pairs of equal length"), editing(gpt2, edit, pairs=pairs):
        gpt2.sentence_losses(corpus)


def test_words_of_both_labels_are_all_words(gpt2: LoadedModel) -> None:
    """Where no special subword is edited, an edit at short words and one at long words are one everywhere."""
    corpus = labelled()
    metric = Perplexity(corpus)
    both = [
        Intervention.of(f"{SITE}:2", edit="add(value=3)", where=Where(words=f"size={label}"))
        for label in ("short", "long")
    ]
    special = [place for place in (0,) if gpt2.bos_id is not None or gpt2.frame[0]]
    everywhere = [Intervention.of(f"{SITE}:2", edit="add(value=3)")]
    if special:
        everywhere.append(Intervention.of(f"{SITE}:2", edit="add(value=-3)", where=Where(positions=(0,))))
    with editing(gpt2, both):
        apart = metric.measure(gpt2)
    with editing(gpt2, everywhere):
        together = metric.measure(gpt2)
    np.testing.assert_allclose(apart.statistics, together.statistics, rtol=1e-5)


def test_target_words_are_edited_in_the_decoder(zoo: Zoo) -> None:
    loaded, corpus = zoo["marian"], zoo_corpus()
    assert corpus.target is not None
    sentences = list(corpus.target.sentences())
    kinds = [["first" if number == 0 else "other" for number in range(len(words))] for words in sentences]
    target = Corpus.from_sentences(sentences, {"place": kinds}, source="zoo-de")
    metric = Perplexity(corpus.with_target(target))
    intact = metric.measure(loaded)
    with editing(loaded, Intervention.of("decoder.layers.1:2", where=Where(words="place=first"))):
        edited = metric.measure(loaded)
    assert not np.allclose(edited.statistics[:, 0], intact.statistics[:, 0])
    with (
        pytest.raises(ParameterError, match="which words are read"),
        editing(loaded, Intervention.of("decoder.layers.1:2", where=Where(words="place=first"))),
    ):
        loaded.translate(corpus, max_new_tokens=3)


def test_an_edit_that_touched_nothing_is_an_error(gpt2: LoadedModel) -> None:
    edit = Intervention.of(f"{SITE}:0")
    with (
        pytest.raises(ParameterError, match="because nothing passed it"),
        editing(gpt2, edit),
    ):
        pass
    for edit in (
        Intervention.of(f"{SITE}:0", where=Where(positions=(60,))),
        Intervention.of(f"{SITE}:0", edit="range(edit=zero, low=1e9)"),
    ):
        with pytest.raises(ParameterError, match="touched no value, although"), editing(gpt2, edit):
            gpt2.sentence_losses(labelled().select([0]))
    with pytest.raises(ZeroDivisionError), editing(gpt2, Intervention.of(f"{SITE}:0")):
        raise ZeroDivisionError


def test_what_cannot_be_done_is_refused_before_any_work(
    gpt2: LoadedModel, zoo: Zoo, activations: Activations
) -> None:
    refusals = [
        (MismatchError, "does not have these neurons", Intervention.of("layers.9:0"), {}),
        (ModelError, "units 0..23, not 24", Intervention.of(f"{SITE}:24"), {}),
        (ParameterError, "edit mean needs a reference", Intervention.of(f"{SITE}:0", edit="mean"), {}),
        (ParameterError, "interchange needs pairs", Intervention.of(f"{SITE}:0", edit="interchange"), {}),
        (ParameterError, "no state to edit", Intervention.of(f"{SITE}:0", recurrent=True), {}),
        (
            ParameterError,
            "no layer of the reference has the labels tall",
            Intervention.of(f"{SITE}:0", edit="mean(label=tall)"),
            {"reference": activations},
        ),
        (
            MismatchError,
            "the reference has no site 'layers.1'",
            Intervention.of("layers.1:0", edit="mean"),
            {"reference": activations},
        ),
    ]
    for kind, message, intervention, options in refusals:
        with pytest.raises(kind, match=message), editing(gpt2, intervention, **options):
            pytest.fail("the block ran")
    edit, llama = Intervention.of(f"{SITE}:0", edit="mean"), zoo["llama"]
    with pytest.raises(MismatchError, match="different models"), editing(llama, edit, reference=activations):
        pytest.fail("the block ran")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": "upos"}, "LAYER=LABEL"),
        ({"words": "=NOUN"}, "LAYER=LABEL"),
        ({"positions": ()}, "whole numbers"),
        ({"positions": (1.5,)}, "whole numbers"),
        ({"part": "middle"}, "part must be one of prompt, generated"),
    ],
)
def test_places_that_do_not_exist_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Where(**arguments)


def test_a_generated_part_needs_a_generation(gpt2: LoadedModel) -> None:
    edit = Intervention.of(f"{SITE}:0", where=Where(part="generated"))
    with pytest.raises(ParameterError, match="needs a generation"), editing(gpt2, edit):
        gpt2.sentence_losses(zoo_corpus())


def test_nothing_is_edited_in_place_and_nested_blocks_add_up(gpt2: LoadedModel) -> None:
    ids = torch.tensor([gpt2.encode([zoo_corpus().sentence(0)])[0].ids])
    with gpt2.recording(gpt2.select([SITE])) as record:
        gpt2.model(ids)
        before = record[SITE]
    kept = before.clone()
    added = Intervention.of(f"{SITE}:3", edit="add(value=1)")
    doubled = Intervention.of(f"{SITE}:3", edit="scale(factor=2)")
    with editing(gpt2, added), editing(gpt2, doubled), gpt2.recording(gpt2.select([SITE])) as record:
        gpt2.model(ids)
        nested = record[SITE]
    assert torch.equal(before, kept)
    torch.testing.assert_close(nested[0, :, 3], 2 * (before[0, :, 3] + 1))


def test_an_input_error_names_a_neuron_that_is_none() -> None:
    with pytest.raises(InputError, match="write SITE:UNIT"):
        Intervention.of("layers.0")
