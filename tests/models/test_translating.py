"""Translation with every encoder-decoder of the zoo, against argmax over full passes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from onegrain.metrics import BLEU
from onegrain.models import load_model
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus
from support.zoo import TRANSLATION_MODELS, Zoo

LONGEST = 5


def by_argmax(loaded, ids: list[int], start: list[int]) -> list[int]:
    written = list(start)
    while len(written) < len(start) + LONGEST and (
        written == start or written[-1] != loaded.tokenizer.eos_token_id
    ):
        logits = loaded.model(torch.tensor([ids]), decoder_input_ids=torch.tensor([written])).logits[0, -1]
        written.append(int(logits.argmax()))
    return written


@torch.no_grad()
@pytest.mark.parametrize("name", TRANSLATION_MODELS)
def test_greedy_translation_is_argmax_behind_the_start(zoo, name):
    loaded = zoo[name]
    convert = loaded.tokenizer.convert_tokens_to_ids
    start = {
        "t5": [loaded.pad_id],
        "marian": [loaded.pad_id],
        "bart": [convert("</s>"), convert("<s>")],
        "mbart": [convert("de_DE")],
    }[name]
    corpus = Corpus.from_sentences([["rain", "!"], ["the", "old", "dog"], ["寿司"]])
    expected = []
    for encoded in loaded.encode(list(corpus.sentences())):
        decoded = by_argmax(loaded, encoded.ids, start)
        expected.append(loaded.tokenizer.decode(decoded, skip_special_tokens=True).strip())
    assert loaded.translate(corpus, max_new_tokens=LONGEST) == expected
    assert any(expected)


def test_the_language_that_is_written_is_the_tokenizers(zoo, monkeypatch):
    """mBART writes behind the mark of a language: another mark, another translation."""
    loaded = zoo["mbart"]
    corpus = Corpus.from_sentences([["rain", "!"], ["the", "old", "dog"]])
    german = loaded.translate(corpus, max_new_tokens=LONGEST)
    monkeypatch.setattr(loaded.tokenizer, "tgt_lang", "fr_XX")
    assert loaded.translate(corpus, max_new_tokens=LONGEST) != german


@pytest.mark.parametrize(
    "extra",
    [
        {"num_return_sequences": 2, "num_beams": 4},
        {"return_dict_in_generate": True, "output_scores": True},
        {"penalty_alpha": 0.6, "top_k": 4},
        {"no_repeat_ngram_size": 2, "repetition_penalty": 3.0},
        {"do_sample": True, "temperature": 9.0},
        {"length_penalty": -9.0, "early_stopping": True},
        {"bad_words_ids": [[7]], "suppress_tokens": [8, 9]},
        {"forced_bos_token_id": 9, "min_new_tokens": 20, "max_length": 3},
    ],
    ids=lambda extra: "+".join(extra),
)
def test_generation_settings_of_a_folder_change_no_search(
    zoo: Zoo, tmp_path: Path, extra: dict[str, Any]
) -> None:
    folder = shutil.copytree(zoo.path("bart"), tmp_path / "bart")
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | extra))
    loaded, corpus = load_model(folder, device="cpu"), parallel_corpus().select([0, 1, 4])
    before = loaded.model.generation_config
    for beams in (1, 2):
        expected = zoo["bart"].translate(corpus, beams=beams, max_new_tokens=12)
        assert loaded.translate(corpus, beams=beams, max_new_tokens=12) == expected
        assert loaded.generation_settings(beams) == zoo["bart"].generation_settings(beams)
    assert loaded.model.generation_config is before


def test_what_was_used_is_in_the_signature(zoo: Zoo) -> None:
    signature = BLEU(parallel_corpus().select([4]), beams=2, max_new_tokens=4).measure(zoo["bart"]).signature
    assert "|do_sample:false|length_penalty:1.0|early_stopping:false|eos_token_id:" in signature
    assert signature.endswith("|beams:2")
