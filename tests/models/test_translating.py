"""Translation with every encoder-decoder of the zoo, against argmax over full passes."""

from __future__ import annotations

import pytest
import torch

from onegrain.core.corpus import Corpus
from zoo import TRANSLATION_MODELS

LONGEST = 5


def by_argmax(loaded, ids: list[int], start: list[int]) -> list[int]:
    made = list(start)
    while len(made) < len(start) + LONGEST and (made == start or made[-1] != loaded.tokenizer.eos_token_id):
        logits = loaded.model(torch.tensor([ids]), decoder_input_ids=torch.tensor([made])).logits[0, -1]
        made.append(int(logits.argmax()))
    return made


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
        made = by_argmax(loaded, encoded.ids, start)
        expected.append(loaded.tokenizer.decode(made, skip_special_tokens=True).strip())
    assert loaded.translate(corpus, max_new_tokens=LONGEST) == expected
    assert any(expected)


def test_the_language_that_is_written_is_the_tokenizers(zoo, monkeypatch):
    """mBART writes behind the mark of a language: another mark, another translation."""
    loaded = zoo["mbart"]
    corpus = Corpus.from_sentences([["rain", "!"], ["the", "old", "dog"]])
    german = loaded.translate(corpus, max_new_tokens=LONGEST)
    monkeypatch.setattr(loaded.tokenizer, "tgt_lang", "fr_XX")
    assert loaded.translate(corpus, max_new_tokens=LONGEST) != german
