"""Steering: what a model writes before and after neurons are set, with the changed words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import onegrain as og
from onegrain.activations import live_activations
from onegrain.errors import CorpusError, MismatchError, ParameterError
from onegrain.interventions.steering import Steering
from onegrain.models import LoadedModel
from onegrain.records.corpus import Corpus
from support.controlled import NUMBER, controlled_corpus, controlled_nmt
from support.tiny import SENTENCES
from support.zoo import Zoo

SITES = {"nlm": "layers.1", "gpt2": "layers.1.mlp", "llama": "layers.1.mlp.gate"}
PROMPTS = ["the old dog", "three birds were singing", "Anna does", "rain", "he runs faster"]


@pytest.fixture(params=SITES)
def language_model(request: pytest.FixtureRequest, models: dict[str, LoadedModel], zoo: Zoo) -> LoadedModel:
    return zoo["llama"] if request.param == "llama" else models[request.param]


def strong(name: str) -> og.Intervention:
    site = next(site for key, site in SITES.items() if key in name)
    return og.Intervention.of([f"{site}:1", f"{site}:3"], edit="clamp(value=40)")


def greedy(loaded: LoadedModel, text: str, steps: int) -> str:
    """Continue one text, one forward pass without a cache for each subword."""
    (encoded,) = loaded.encode([text.split()])
    last = max(index for index, word in enumerate(encoded.word_of) if word >= 0)
    row = ([] if loaded.bos_id is None else [loaded.bos_id]) + encoded.ids[: last + 1]
    start = len(row)
    with torch.no_grad():
        for _ in range(steps):
            row.append(int(loaded.forward([row]).logits[0, -1].argmax()))
            if row[-1] == loaded.tokenizer.eos_token_id:
                break
    return loaded.tokenizer.decode(
        row[start:], skip_special_tokens=True, clean_up_tokenization_spaces=False
    ).strip()


def test_a_continuation_is_the_one_of_single_steps(language_model: LoadedModel) -> None:
    edit = strong(language_model.identity.id)
    steering = og.steer(language_model, edit, PROMPTS, max_new_tokens=6, batch_size=2)
    assert list(steering.texts) == PROMPTS
    assert list(steering.before) == [greedy(language_model, text, 6) for text in PROMPTS]
    with og.editing(language_model, edit):
        edited = [greedy(language_model, text, 6) for text in PROMPTS]
    assert list(steering.after) == edited
    assert any(steering.changed())
    alone = og.steer(language_model, edit, PROMPTS[1], max_new_tokens=6)
    assert (alone.before[0], alone.after[0]) == (steering.before[1], steering.after[1])


def test_the_part_that_is_generated_can_be_edited_alone(models: dict[str, LoadedModel]) -> None:
    """The first generated subword depends on the prompt only."""
    edit = og.Intervention.of("layers.1.mlp:1", edit="clamp(value=40)", where=og.Where(part="generated"))
    first = og.steer(models["gpt2"], edit, PROMPTS, max_new_tokens=2)
    one = [greedy(models["gpt2"], text, 1) for text in PROMPTS]
    assert all(text.startswith(start) for text, start in zip(first.after, one, strict=True))


def test_a_translation_before_and_after(tmp_path: Path) -> None:
    model = og.load_model(controlled_nmt(tmp_path / "nmt"), device="cpu")
    corpus = controlled_corpus(plural=False)
    reference = live_activations(model, controlled_corpus(plural=True), sites=["encoder.layers.0"])
    where = og.Where(words="Number=Sing")
    edit = og.Intervention.of(NUMBER, edit="mean(label=Plur)", where=where)
    og.save_interventions([edit], tmp_path / "edits.json")
    steering = og.steer(model, tmp_path / "edits.json", corpus.head(1), reference=reference)
    assert steering.translated
    assert steering.texts == ("the big dog sleeps",)
    assert [(part.before, part.after) for part in steering.differences(0) if part.changed] == [
        (("chien",), ("chiens",))
    ]
    assert steering.to_pandas()["marked"].tolist() == ["[-chien-] {+chiens+} alors ici et maintenant"]
    page = steering._repr_html_()
    assert ">chien</del>" in page
    assert ">chiens</ins> alors ici et maintenant" in page
    assert "[-chien-] {+chiens+}" in repr(steering)
    assert steering.to_json()["outputs"][0]["changes"] == [[["chien"], ["chiens"]]]
    assert steering.summary()["changed"] == 1


def test_text_is_not_read_as_html() -> None:
    edit = og.Intervention.of("layers.0:1")
    steering = Steering("m", (edit,), False, ("<b>\x1b[0m",), ("<i>x",), ("<i>y",))
    page = steering._repr_html_()
    assert "<b>" not in page
    assert "<i>" not in page
    assert "\x1b" not in page + repr(steering)


def test_what_cannot_be_steered_is_refused(models: dict[str, LoadedModel]) -> None:
    edit = og.Intervention.of("layers.1:1")
    with pytest.raises(ParameterError, match="is an encoder"):
        og.steer(models["bert"], edit, "the old dog")
    with pytest.raises(ParameterError, match="no neuron is set"):
        og.steer(models["nlm"], [], "the old dog")
    with pytest.raises(ParameterError, match="there is no text"):
        og.steer(models["nlm"], edit, [])
    with pytest.raises(CorpusError, match="no words to continue"):
        og.steer(models["nlm"], edit, ["rain", ""])
    with pytest.raises(CorpusError, match="reads at most 64"):
        og.steer(models["gpt2"], edit, " ".join(SENTENCES))
    with pytest.raises(MismatchError, match="does not have these neurons"):
        og.steer(models["nlm"], og.Intervention.of("layers.7:1"), "the old dog")
    with pytest.raises(ParameterError, match="needs a reference"):
        og.steer(models["nlm"], og.Intervention.of("layers.1:1", edit="mean"), "the old dog")
    with pytest.raises(ParameterError, match="max_new_tokens must be a whole number from 1"):
        og.steer(models["nlm"], edit, "the old dog", max_new_tokens=0)


def test_a_prompt_near_the_limit_is_continued_as_far_as_it_goes(models: dict[str, LoadedModel]) -> None:
    loaded = models["gpt2"]
    words = ["rain"]
    while len(loaded.encode([[*words, "rain"]])[0].ids) < 60:
        words.append("rain")
    steering = og.steer(loaded, strong("gpt2"), Corpus.from_sentences([words]), max_new_tokens=50)
    assert len(steering.before) == 1
