"""How long a row may be, and whether words see what follows: tried on every architecture."""

from __future__ import annotations

import pytest
import torch

from zoo import ENCODERS, LANGUAGE_MODELS, POSITIONS, ZOO

LEARNED = (*ENCODERS, "gpt2", "bart", "mbart", "marian")
"""Models with a table of positions, which ends."""


def row(loaded, length: int) -> list[int]:
    """Subwords none of which is special."""
    special = set(loaded.tokenizer.all_special_ids)
    ids = [subword for subword in range(len(loaded.tokenizer)) if subword not in special]
    return (ids * length)[:length]


def run(loaded, length: int) -> torch.Tensor:
    ids = row(loaded, length)
    with torch.no_grad():
        return loaded.forward([ids], [ids] if loaded.task == "translation" else None)[0]


@pytest.mark.parametrize("name", ZOO)
def test_the_longest_row_runs(zoo, name):
    loaded = zoo[name]
    assert loaded.longest == (None if name == "t5" else POSITIONS)
    assert bool(run(loaded, POSITIONS).isfinite().all())


@pytest.mark.parametrize("name", LEARNED)
def test_one_subword_more_does_not(zoo, name):
    with pytest.raises((IndexError, RuntimeError)):
        run(zoo[name], POSITIONS + 1)


def test_models_without_positions_have_no_bound(zoo, models):
    for loaded in (zoo["t5"], models["nlm"], models["nmt"]):
        assert loaded.longest is None
        assert run(loaded, 3 * POSITIONS).shape[1] == 3 * POSITIONS


def test_the_tokenizer_may_bound_a_row_closer(zoo, models, monkeypatch):
    assert models["nlm"].tokenizer.model_max_length == 64
    loaded = zoo["llama"]
    monkeypatch.setattr(loaded.tokenizer, "model_max_length", 20)
    monkeypatch.delitem(loaded.__dict__, "longest", raising=False)
    assert loaded.longest == 20
    monkeypatch.delitem(loaded.__dict__, "longest")


@pytest.mark.parametrize("name", ZOO)
def test_whether_words_see_what_follows(zoo, name):
    assert zoo[name].causal == (name in LANGUAGE_MODELS)


def test_lstm_language_models_are_causal(models):
    assert models["nlm"].causal
    assert not models["nmt"].causal


def test_a_language_model_without_its_head_is_causal(zoo, tmp_path):
    """Loaded as an encoder, for all its configuration says."""
    from onegrain.models import load_model

    zoo["gpt2"].model.transformer.save_pretrained(tmp_path)
    zoo["gpt2"].tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.task == "encoder"
    assert loaded.causal
