"""Loading: a folder comes back as it was saved, and what is no model is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from onegrain.errors import ModelError, ParameterError
from onegrain.models import load_model
from onegrain.models.loading import hash_weights
from support.tiny import plain_corpus, tiny_nlm


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_nlm(tmp_path / "nlm")


TASKS = {"nlm": "language model", "gpt2": "language model", "nmt": "translation", "bert": "encoder"}


@pytest.mark.parametrize("name", TASKS)
def test_task_device_and_mode(models, name):
    loaded = models[name]
    assert loaded.task == TASKS[name]
    assert loaded.device == torch.device("cpu")
    assert not loaded.model.training
    assert loaded.identity.architecture == type(loaded.model).__name__


def test_weights_are_those_of_the_file(folder):
    loaded = load_model(folder, device="cpu")
    saved = load_file(folder / "model.safetensors")
    state = loaded.model.state_dict()
    assert set(saved) <= set(state)
    for name, weight in saved.items():
        torch.testing.assert_close(state[name], weight, rtol=0, atol=0)


def test_a_loaded_model_is_returned_as_it_is(models):
    assert load_model(models["nlm"]) is models["nlm"]


def test_the_hash_follows_the_weights_not_the_place(folder, tmp_path):
    first = load_model(folder, device="cpu")
    copied = load_model(shutil.copytree(folder, tmp_path / "copy"), device="cpu")
    assert copied.identity.weight_hash == first.identity.weight_hash
    assert copied.identity.id != first.identity.id
    other = load_model(tiny_nlm(tmp_path / "other", seed=1), device="cpu")
    assert other.identity.weight_hash != first.identity.weight_hash
    with torch.no_grad():
        copied.model.lm_head.weight[3, 3] += 1e-3
    assert hash_weights(copied.model) != first.identity.weight_hash


def test_words_and_subwords_align(models):
    corpus = plain_corpus()
    for loaded in models.values():
        for words, encoded in zip(corpus.sentences(), loaded.encode(list(corpus.sentences())), strict=True):
            assert len(encoded.ids) == len(encoded.word_of)
            for index, word in enumerate(words):
                pieces = [i for i, of in zip(encoded.ids, encoded.word_of, strict=True) if of == index]
                assert loaded.tokenizer.decode(pieces).replace(" ", "") == word
    assert models["nlm"].encode([]) == []


def test_bfloat16(folder):
    loaded = load_model(folder, device="cpu", dtype="bfloat16")
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.bfloat16}


def test_an_unknown_dtype_is_refused(folder):
    with pytest.raises(ParameterError, match="float32, float16, bfloat16, got 'int8'"):
        load_model(folder, dtype="int8")


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    for name, text in (
        ("nowhere", "not a model folder"),
        ("file", "not a model folder"),
        ("empty", "no config.json"),
    ):
        with pytest.raises(ModelError, match=text):
            load_model(tmp_path / name)


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot load the model of"):
        load_model(folder)


def test_weights_that_are_a_pickle_are_refused(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot load the model of"):
        load_model(folder, device="cpu")
    assert load_model(folder, device="cpu", allow_pickle=True).task == "language model"


def test_a_folder_without_tokenizer_is_refused(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ModelError, match="has no tokenizer; save the one that the model was trained with"):
        load_model(folder)


def test_a_broken_configuration_is_refused(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot load the model configuration"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "no-such-type"}))
    with pytest.raises(ModelError, match="cannot load the model configuration"):
        load_model(folder)


def test_truncated_weights_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(ModelError, match="cannot load the model of"):
        load_model(folder)


def test_code_from_a_repository_does_not_run(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "foreign",
        "auto_map": {"AutoConfig": "foreign.Config", "AutoModel": "foreign.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "foreign.py").write_text("from pathlib import Path\nPath('it-ran').touch()\n")
    with pytest.raises(ModelError, match="cannot load the model configuration"):
        load_model(folder)
    assert not Path("it-ran").exists()
