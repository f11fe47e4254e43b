"""Words and subwords: against the tokenizers' own reading of running text, on every tokenizer of the zoo."""

from __future__ import annotations

import json
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import pytest
import sentencepiece
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers import models as backends
from transformers import PreTrainedTokenizerFast

from onegrain.errors import ModelError
from onegrain.models import words as words_module
from onegrain.models.batching import Encoded
from onegrain.models.words import WordEncoder, decoder_inputs
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form
from support.tiny import parallel_corpus
from support.zoo import TRANSLATION_MODELS, ZOO, zoo_corpus

SPACED = ("roberta", "gpt2", "gpt_neox", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "bart")
"""Tokenizers to which the first word of a text is another than the same word behind a space."""

FAST = [name for name in ZOO if name != "marian"]

FRAMES = {
    "bert": (["[CLS]"], ["[SEP]"]),
    "distilbert": (["[CLS]"], ["[SEP]"]),
    **dict.fromkeys(("roberta", "xlm-roberta", "bart"), (["<s>"], ["</s>"])),
    **dict.fromkeys(("gpt2", "gpt_neox", "qwen2", "qwen3"), ([], [])),
    **dict.fromkeys(("llama", "mistral"), (["<s>"], [])),
    **dict.fromkeys(("gemma", "gemma2", "gemma3"), (["<bos>"], [])),
    **dict.fromkeys(("t5", "marian"), ([], ["</s>"])),
    "mbart": ([], ["</s>", "en_XX"]),
}

WORDS = st.text(alphabet="abz'.,-19éß我寿🙂\u200d👩\u0301\u05e9\u0644\u0627", min_size=1, max_size=5)


def natural(name: str, words: list[str]) -> str:
    return (" " if name in SPACED else "") + " ".join(words)


@pytest.mark.parametrize("name", ZOO)
def test_words_are_what_they_are_in_running_text(zoo, name):
    loaded = zoo[name]
    for words, encoded in zip(
        zoo_corpus().sentences(), loaded.encode(list(zoo_corpus().sentences())), strict=True
    ):
        assert encoded.ids == loaded.tokenizer(natural(name, list(words)))["input_ids"]


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "llama", "qwen2", "gemma", "t5", "marian"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(words=st.lists(WORDS, min_size=1, max_size=4))
def test_so_are_words_of_any_script(zoo, name, words):
    loaded = zoo[name]
    assert loaded.encode([words])[0].ids == loaded.tokenizer(natural(name, words))["input_ids"]


@pytest.mark.parametrize("name", FAST)
def test_subwords_belong_to_the_word_in_which_they_lie(zoo, name):
    """By the offsets of the text's subwords; a word owns the space before it."""
    loaded = zoo[name]
    for words in zoo_corpus().sentences():
        text = natural(name, list(words))
        ends = list(accumulate(len(word) + 1 for word in words))
        ends = [end - (name not in SPACED) for end in ends]
        read = loaded.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        expected = [
            -1 if special else bisect_right(ends, max(stop - 1, start))
            for (start, stop), special in zip(read["offset_mapping"], read["special_tokens_mask"], strict=True)
        ]
        assert loaded.encode([list(words)])[0].word_of == expected


@pytest.mark.parametrize("name", ZOO)
def test_words_with_spaces_and_words_of_nothing(zoo, name):
    loaded = zoo[name]
    words = ["New York", "", "dog", ""]
    encoded = loaded.encode([words])[0]
    before, after = loaded.frame
    pieces_by_word = [
        [i for i, of in zip(encoded.ids, encoded.word_of, strict=True) if of == index]
        for index in range(len(words))
    ]
    assert pieces_by_word[1] == pieces_by_word[3] == []
    split = loaded.encode([["New", "York", "dog"]])[0].ids
    assert [*before, *pieces_by_word[0], *pieces_by_word[2], *after] == split == encoded.ids
    assert encoded.word_of == sorted(encoded.word_of[: len(encoded.ids) - len(after)]) + [-1] * len(after)


def test_a_word_may_have_no_subword(zoo):
    """BERT's tokenizer drops marks and invisible characters."""
    encoded = zoo["bert"].encode([["a", "\u200b", "\u0301", "dog"]])[0]
    assert set(encoded.word_of) == {-1, 0, 3}


@pytest.mark.parametrize("name", ZOO)
def test_a_sentence_of_no_words_is_its_frame(zoo, name):
    before, after = zoo[name].frame
    assert zoo[name].encode([[]]) == [Encoded(before + after, [-1] * (len(before) + len(after)))]
    assert zoo[name].encode([]) == []


@pytest.mark.parametrize("name", ZOO)
def test_what_stands_around_a_sentence(zoo, name):
    loaded = zoo[name]
    assert tuple(loaded.tokenizer.convert_ids_to_tokens(ids) for ids in loaded.frame) == FRAMES[name]


def test_the_start_that_a_sentence_lacks(zoo, models):
    lacking = {name: zoo[name].bos_id for name in ZOO if zoo[name].bos_id is not None}
    assert lacking == {name: zoo[name].tokenizer.bos_token_id for name in ("gpt2", "gpt_neox")}
    assert models["nlm"].bos_id is None


def pieces(loaded, side: str, text: str) -> list[int]:
    """Marian's ids by its files: SentencePiece and a vocabulary, and the end."""
    folder = loaded.identity.id
    vocabulary = json.loads(Path(folder, "vocab.json").read_text())
    model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/{side}.spm")
    texts = model.encode(text, out_type=str)
    return [*(vocabulary.get(piece, vocabulary["<unk>"]) for piece in texts), vocabulary["</s>"]]


def test_marian_reads_and_writes_with_two_models(zoo):
    loaded, corpus = zoo["marian"], parallel_corpus()
    assert not loaded.tokenizer.is_fast
    source = [pieces(loaded, "source", " ".join(words)) for words in corpus.sentences()]
    target = [pieces(loaded, "target", " ".join(words)) for words in corpus.target.sentences()]
    for _ in range(2):  # the one leaves the other as it was
        assert [row.ids for row in loaded.encode(list(corpus.sentences()))] == source
        assert [row.ids for row in loaded.encode_labels(list(corpus.target.sentences()))] == target
    assert target != [row.ids for row in loaded.encode(list(corpus.target.sentences()))]


@pytest.mark.parametrize("name", TRANSLATION_MODELS)
@torch.no_grad()
def test_the_decoder_reads_what_the_model_makes_of_the_labels(zoo, name):
    loaded, corpus = zoo[name], parallel_corpus()
    sentences = [words[:6] for words in corpus.target.sentences()]
    for words, shown in zip(sentences, loaded.encode_target(sentences), strict=True):
        labels = loaded.tokenizer(text_target=natural(name, list(words)), return_tensors="pt")["input_ids"]
        logits = loaded.model(input_ids=torch.tensor([[5, 6]]), labels=labels).logits
        torch.testing.assert_close(loaded.forward([[5, 6]], [shown.ids]).logits, logits)
        for index, word in enumerate(words):
            mine = [i for i, of in zip(shown.ids, shown.word_of, strict=True) if of == index]
            (alone,) = loaded.encode_labels([[word]])
            assert mine == [i for i, of in zip(alone.ids, alone.word_of, strict=True) if of == 0]


def test_marks_of_language_follow_the_tokenizer(zoo, monkeypatch):
    loaded = zoo["mbart"]
    english, german = (loaded.tokenizer.convert_tokens_to_ids(name) for name in ("en_XX", "de_DE"))
    assert loaded.encode([["rain"]])[0].ids[-1] == english
    assert loaded.encode_labels([["rain"]])[0].ids[-1] == german
    shown = loaded.encode_target([["rain"]])[0]
    assert (shown.ids[0], shown.word_of[0]) == (german, -1)
    french = loaded.tokenizer.convert_tokens_to_ids("fr_XX")
    monkeypatch.setattr(loaded.tokenizer, "tgt_lang", "fr_XX")
    assert loaded.encode_target([["rain"]])[0].ids == [french, *shown.ids[1:]]


def test_the_lstm_decoder_reads_the_start_and_then_the_words(models):
    loaded, sentences = models["nmt"], list(parallel_corpus().target.sentences())
    start = loaded.model.config.decoder_start_token_id
    for labels, shown in zip(loaded.encode(sentences), loaded.encode_target(sentences), strict=True):
        assert shown == Encoded([start, *labels.ids[:-1]], [-1, *labels.word_of[:-1]])
    assert decoder_inputs(loaded.model, Encoded([7, 8], [0, 1])) == Encoded([start, 7, 8], [-1, 0, 1])
    assert decoder_inputs(loaded.model, Encoded([], [])) == Encoded([start], [-1])


def test_a_language_that_is_not_known_is_refused(zoo, monkeypatch):
    monkeypatch.setattr(zoo["mbart"].tokenizer, "tgt_lang", None)
    with pytest.raises(
        ModelError, match="MBartTokenizer does not know which language the model writes; give target_language"
    ):
        zoo["mbart"].encode_labels([["Regen"]])


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_a_decoder_without_start_is_refused(zoo, monkeypatch, name):
    monkeypatch.setattr(zoo[name].model.config, "decoder_start_token_id", None)
    with pytest.raises(ModelError, match="names no decoder_start_token_id"):
        zoo[name].encode_target([["Regen"]])


def test_a_tokenizer_that_joins_words_is_refused():
    vocabulary = {"a": 0, "the": 1, "a a": 2, "the the": 3, "?": 4}
    joining = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(backends.WordLevel(vocabulary, unk_token="?")), unk_token="?"
    )
    with pytest.raises(ModelError, match="encodes two words otherwise than one after the other"):
        WordEncoder(joining).encode([["a"]])


def test_words_are_forgotten_and_learnt_again(zoo, monkeypatch):
    sentences = list(zoo_corpus().sentences())
    before = zoo["llama"].encode(sentences)
    monkeypatch.setattr(words_module, "MOST_KNOWN", 3)
    assert [zoo["llama"].encode([words])[0] for words in sentences] == before


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert", "t5"])
@torch.no_grad()
def test_rows_are_padded_on_the_right_whatever_the_tokenizer_says(zoo, monkeypatch, name):
    loaded = zoo[name]
    rows = [encoded.ids for encoded in loaded.encode(list(zoo_corpus().sentences()))]
    rows = [row[:60] for row in rows]
    values = {}
    for side in ("left", "right"):
        monkeypatch.setattr(loaded.tokenizer, "padding_side", side)
        assert bool(loaded.batch(rows)["attention_mask"][:, 0].all())
        target = rows if loaded.task == "translation" else None
        values[side] = loaded.forward(rows, target)[0]
    torch.testing.assert_close(values["left"], values["right"], rtol=0, atol=0)
    for number, row in enumerate(rows):
        alone = loaded.forward([row], [row] if target else None)[0][0]
        torch.testing.assert_close(values["left"][number, : len(row)], alone, rtol=1e-4, atol=1e-4)


FORMS_OF_TEXT = st.lists(st.tuples(WORDS, st.booleans()), min_size=1, max_size=6)


@pytest.mark.parametrize("name", FAST)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(pairs=FORMS_OF_TEXT)
def test_words_without_a_space_between_them_are_read_as_running_text(zoo, name, pairs):
    """Ids as the tokenizer reads the text, and each subword with the word in which its first character lies."""
    loaded, words = zoo[name], [word for word, _ in pairs]
    corpus = Corpus.from_sentences([words], forms=[[Form(*pair) for pair in pairs]])
    lead = " " if name in SPACED else ""
    text = lead + next(corpus.texts())
    read = loaded.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    (encoded,) = loaded.encode([words], corpus.forms())
    assert encoded.ids == read["input_ids"]
    starts, position = [], len(lead)
    for word, space in pairs:
        starts.append(position)
        position += len(word) + space
    expected = []
    for (start, stop), special in zip(read["offset_mapping"], read["special_tokens_mask"], strict=True):
        first = start + (stop > start and text[start:stop].startswith(" "))  # a word owns the space before it
        expected.append(-1 if special else max(0, bisect_right(starts, max(first, starts[0])) - 1))
    running, most = [], 0
    for word in expected:
        most = max(most, word)
        running.append(-1 if word < 0 else most)
    assert encoded.word_of == running
    for word, (owner, last) in encoded.shares.items():
        assert word not in encoded.word_of
        assert owner < word
        assert 0 < last <= encoded.word_of.count(owner)


def test_marian_reads_running_text_too(zoo):
    loaded = zoo["marian"]
    forms = [[Form("the"), Form("dog", False), Form("'s", False), Form("…"), Form("fire", False), Form(".")]]
    words = [[form.text for form in forms[0]]]
    (encoded,) = loaded.encode(words, forms)
    assert encoded.ids == pieces(loaded, "source", "the dog's… fire.")
    assert set(encoded.word_of) | set(encoded.shares) == {-1, 0, 1, 2, 3, 4, 5}


def test_each_word_by_itself_where_a_tokenizer_does_not_show_what_it_spells(zoo, monkeypatch):
    monkeypatch.setattr(words_module, "spell", lambda text, pieces: None)
    encoder = WordEncoder(zoo["marian"].tokenizer)
    apart = encoder.encode([["dog", "'s"]])[0]
    assert encoder.encode([["dog", "'s"]], [[Form("dog", False), Form("'s")]])[0] == apart


def test_a_word_inside_another_subword_shares_it(zoo):
    loaded = zoo["gpt2"]
    forms = [[Form("th", False), Form("e"), Form("fire", False), Form("")]]
    (encoded,) = loaded.encode([["th", "e", "fire", "x"]], forms)
    assert loaded.tokenizer.convert_ids_to_tokens(encoded.ids[:1]) == ["Ġthe"]
    pieces_of_word = encoded.word_of.count(2)
    assert encoded.shares == {1: (0, 1), 3: (2, pieces_of_word)}
