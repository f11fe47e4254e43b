"""What every edit keeps: batch, cache, beams, padding side and release change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from onegrain.activations import live_activations
from onegrain.interventions import Intervention, Where, editing, neuron_statistics
from onegrain.metrics import BLEU, Perplexity
from onegrain.models import LoadedModel, load_model
from onegrain.models.passing import Rows, reading_rows
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics
from support.tiny import tiny_nlm, tiny_nmt
from support.zoo import Zoo, zoo_corpus

LANGUAGE = ("nlm", "gpt2", "llama")
TRANSLATION = ("nmt", "t5", "marian")
EDITS = (
    "zero",
    "mean",
    "mode",
    "resample",
    "clamp(deviations=2)",
    "scale(factor=-1)",
    "add(deviations=1)",
    "range(edit=zero, low=-1)",
)
SITES = {
    "nlm": ("layers.0", "layers.1"),
    "gpt2": ("layers.0.mlp", "layers.1.heads.1", "layers.1"),
    "llama": ("layers.0.mlp.gate", "layers.0.mlp.up", "layers.1.mlp"),
    "bert": ("layers.0.mlp", "layers.1"),
    "nmt": ("encoder.layers.0", "decoder.layers.1", "decoder.attention"),
    "t5": ("encoder.layers.0.mlp", "decoder.layers.0"),
    "marian": ("encoder.layers.1", "decoder.layers.1.mlp"),
}
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def models(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    root = tmp_path_factory.mktemp("lstm")
    lstm = {
        "nlm": load_model(tiny_nlm(root / "nlm"), device="cpu"),
        "nmt": load_model(tiny_nmt(root / "nmt"), device="cpu"),
    }
    return lstm | {name: zoo[name] for name in SITES if name not in lstm}


@pytest.fixture(scope="module")
def references(models: dict[str, LoadedModel]) -> dict[str, NeuronStatistics]:
    """Statistics of the sites of every model, of the source and the target side."""
    measured = {}
    for name, loaded in models.items():
        sides = ("source", "target") if loaded.task == "translation" else ("source",)
        parts = []
        for side in sides:
            sites = [site for site in SITES[name] if site.startswith("decoder.") == (side == "target")]
            parts.append(neuron_statistics(live_activations(loaded, zoo_corpus(), sites=sites, side=side)))
        measured[name] = joined(parts)
    return measured


def joined(parts: list[NeuronStatistics]) -> NeuronStatistics:
    """Return the statistics of several sides as one record."""
    first = parts[0]
    if len(parts) == 1:
        return first
    space = type(first.space)(
        sum((part.space.sites for part in parts), ()), sum((part.space.widths for part in parts), ())
    )
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in ("mean", "deviation", "mode")
    }
    least = min(len(part.samples) for part in parts if part.samples is not None)
    samples = np.concatenate([part.samples[:least] for part in parts if part.samples is not None], axis=1)
    return NeuronStatistics(space, columns, first.n_words, first.provenance, samples=samples)


def edit_of(name: str, text: str, where: Where | None = None) -> list[Intervention]:
    return [Intervention.of([f"{site}:2", f"{site}:5"], edit=text, where=where) for site in SITES[name]]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", [*LANGUAGE, *TRANSLATION])
def test_a_batch_of_one_is_a_batch_of_many(
    models: dict[str, LoadedModel], references: dict[str, NeuronStatistics], name: str, edit: str
) -> None:
    loaded, metric = models[name], Perplexity(zoo_corpus())
    intact = metric.measure(loaded, batch_size=8)
    with editing(loaded, edit_of(name, edit), reference=references[name]):
        alone = metric.measure(loaded, batch_size=1)
        together = metric.measure(loaded, batch_size=8)
    np.testing.assert_allclose(alone.statistics, together.statistics, rtol=1e-4)
    assert not np.allclose(alone.statistics, intact.statistics, rtol=1e-3)
    # edited, then released: as if it had never been edited, bit for bit
    assert np.array_equal(metric.measure(loaded, batch_size=8).statistics, intact.statistics)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", TRANSLATION)
def test_a_beam_of_one_is_greedy_and_batches_do_not_matter(
    models: dict[str, LoadedModel], references: dict[str, NeuronStatistics], name: str, edit: str
) -> None:
    loaded, corpus = models[name], zoo_corpus()
    intact = loaded.translate(corpus, max_new_tokens=12)
    with editing(loaded, edit_of(name, edit), reference=references[name]):
        together = loaded.translate(corpus, max_new_tokens=12)
        alone = loaded.translate(corpus, max_new_tokens=12, batch_size=1)
        beams = loaded.translate(corpus, max_new_tokens=12, beams=3)
        one_by_one = loaded.translate(corpus, max_new_tokens=12, beams=3, batch_size=1)
    assert together == alone
    assert beams == one_by_one
    assert loaded.translate(corpus, max_new_tokens=12) == intact


def generated(loaded: LoadedModel, ids: list[int], *, cache: bool) -> tuple[list[int], Tensor]:
    """Return what a language model writes after a prompt, and its scores, (steps, vocabulary)."""
    output = loaded.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones((1, len(ids)), dtype=torch.long),
        max_new_tokens=8,
        min_new_tokens=8,
        do_sample=False,
        use_cache=cache,
        return_dict_in_generate=True,
        output_logits=True,
        pad_token_id=loaded.pad_id,
    )
    return output.sequences[0].tolist(), torch.stack([step[0] for step in output.logits])


@pytest.mark.parametrize(
    "where",
    [Where(), Where(part="prompt"), Where(part="generated"), Where(positions=(1, -1))],
    ids=["everywhere", "prompt", "generated", "positions"],
)
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", LANGUAGE)
def test_the_cache_does_not_matter(
    models: dict[str, LoadedModel],
    references: dict[str, NeuronStatistics],
    name: str,
    edit: str,
    where: Where,
) -> None:
    loaded = models[name]
    ids = loaded.encode([zoo_corpus().sentence(0)])[0].ids[:6]
    with editing(loaded, edit_of(name, edit, where), reference=references[name]):
        cached, cached_scores = generated(loaded, ids, cache=True)
        anew, scores = generated(loaded, ids, cache=False)
    torch.testing.assert_close(cached_scores, scores, **CLOSE)
    assert cached == anew


def padded(rows: list[list[int]], longest: int, pad: int, *, left: bool) -> tuple[Tensor, Tensor]:
    """Return ids and mask of rows that are padded on one side."""
    ids, mask = [], []
    for row in rows:
        fill = longest - len(row)
        ids.append([pad] * fill + row if left else row + [pad] * fill)
        mask.append([0] * fill + [1] * len(row) if left else [1] * len(row) + [0] * fill)
    return torch.tensor(ids), torch.tensor(mask)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["nlm", "gpt2", "llama", "t5", "nmt"])
def test_the_side_of_the_padding_does_not_matter(
    models: dict[str, LoadedModel], references: dict[str, NeuronStatistics], name: str, edit: str
) -> None:
    """BERT and Marian count padding on the left as positions, so it changes them unedited."""
    loaded = models[name]
    rows = [row.ids[:20] for row in loaded.encode(list(zoo_corpus().sentences()))][:4]
    longest = max(map(len, rows))
    outputs = {}
    for left in (False, True):
        ids, mask = padded(rows, longest, loaded.pad_id, left=left)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if loaded.task == "translation":
            inputs["decoder_input_ids"] = torch.tensor([row[:5] for row in rows])
        elif name != "nlm":
            inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
        with editing(loaded, edit_of(name, edit), reference=references[name]):
            logits = loaded.model(**inputs).logits
        outputs[left] = logits.flatten(0, 1) if loaded.task == "translation" else logits[mask.bool()]
    torch.testing.assert_close(outputs[True], outputs[False], **CLOSE)


def test_an_lstm_without_a_unit_in_its_state_is_one_whose_matrices_lack_it(
    models: dict[str, LoadedModel],
) -> None:
    loaded, corpus = models["nlm"], zoo_corpus()
    weights = loaded.model.layers[0].lstm.weight_hh_l0
    above = loaded.model.layers[1].lstm.weight_ih_l0
    metric, units = Perplexity(corpus), [3, 7]
    names = [f"layers.0:{unit}" for unit in units]
    with editing(loaded, Intervention.of(names, recurrent=True)):
        edited = metric.measure(loaded).statistics
    with editing(loaded, Intervention.of(names)):
        hidden = metric.measure(loaded).statistics
    kept = weights.clone(), above.clone()
    try:
        weights[:, units] = 0.0
        above[:, units] = 0.0
        expected = metric.measure(loaded).statistics
    finally:
        weights.copy_(kept[0])
        above.copy_(kept[1])
    np.testing.assert_allclose(edited, expected, rtol=1e-5)
    assert not np.allclose(hidden, expected, rtol=1e-4)


@pytest.mark.parametrize("unit", [1, 12])
def test_a_bidirectional_encoder_loses_a_unit_from_the_future_of_its_direction(
    models: dict[str, LoadedModel], unit: int
) -> None:
    loaded, corpus = models["nmt"], zoo_corpus()
    layer = loaded.model.encoder.layers[0]
    half = layer.backward_lstm.hidden_size
    lstm = layer.forward_lstm if unit < half else layer.backward_lstm
    metric = Perplexity(corpus)
    with editing(loaded, Intervention.of(f"encoder.layers.0:{unit}", recurrent=True)):
        edited = metric.measure(loaded).statistics
    kept = lstm.weight_hh_l0.clone()
    try:
        lstm.weight_hh_l0[:, unit % half] = 0.0
        with editing(loaded, Intervention.of(f"encoder.layers.0:{unit}")):
            expected = metric.measure(loaded).statistics
    finally:
        lstm.weight_hh_l0.copy_(kept)
    np.testing.assert_allclose(edited, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["nlm", "nmt"])
def test_at_the_last_position_an_edit_of_the_state_is_an_edit_of_the_site(
    models: dict[str, LoadedModel], name: str
) -> None:
    loaded = models[name]
    site = "layers.1" if name == "nlm" else "decoder.layers.1"
    metric = Perplexity(zoo_corpus())
    results = []
    for recurrent in (False, True):
        each = Intervention.of(
            f"{site}:3", edit="clamp(value=5)", where=Where(positions=(-1,)), recurrent=recurrent
        )
        with editing(loaded, each):
            results.append(metric.measure(loaded).statistics)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_left_padding_reaches_the_same_words_in_the_state(models: dict[str, LoadedModel]) -> None:
    loaded = models["nlm"]
    rows = [row.ids for row in loaded.encode([zoo_corpus().sentence(0)[:4], zoo_corpus().sentence(1)[:2]])]
    longest = max(map(len, rows))
    each = Intervention.of("layers.0:3", edit="clamp(value=2)", where=Where(positions=(1,)), recurrent=True)
    outputs = []
    for left in (False, True):
        ids, mask = padded(rows, longest, loaded.pad_id, left=left)
        with editing(loaded, each):
            logits = loaded.model(input_ids=ids, attention_mask=mask).logits
        outputs.append(logits[mask.bool()])
    torch.testing.assert_close(outputs[0], outputs[1], **CLOSE)


def test_bleu_of_an_edited_model_is_that_of_its_translations(models: dict[str, LoadedModel]) -> None:
    loaded, corpus = models["nmt"], zoo_corpus()
    metric = BLEU(corpus, max_new_tokens=10)
    with editing(loaded, Intervention.of("encoder.layers.1:3", edit="clamp(value=3)")):
        measured = metric.measure(loaded)
        translated = loaded.translate(corpus, max_new_tokens=10)
    assert measured.value == metric.score(translated).value


def test_the_words_of_a_label_are_the_words_of_the_label(models: dict[str, LoadedModel]) -> None:
    """An edit of one word changes no loss before it, and some after it."""
    loaded = models["gpt2"]
    words = ["rain", "and", "wind", "and", "snow"]
    corpus = Corpus.from_sentences([words], {"kind": [["noun", None, "wind", None, "noun"]]}, source="weather")
    edit = Intervention.of("layers.0:2", edit="add(value=4)", where=Where(words="kind=wind"))
    row = loaded.encode([words])[0]
    first = row.word_of.index(2)

    def losses() -> Tensor:
        reading = Rows(corpus, np.array([0]), {"source": [row.word_of]})
        with reading_rows(reading):
            return loaded.model(torch.tensor([row.ids])).logits[0]

    intact = losses()
    with editing(loaded, edit):
        edited = losses()
    assert torch.equal(edited[:first], intact[:first])
    assert not torch.allclose(edited[first], intact[first], atol=1e-3)
