from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from onegrain.models.lstm.tokenization import SPECIAL_TOKENS, train_tokenizer
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus, plain_corpus


def trained(*, starts_with_bos: bool = True, vocab_size: int = 140) -> PreTrainedTokenizerFast:
    corpus = parallel_corpus()
    assert corpus.target is not None
    return train_tokenizer([corpus, corpus.target], vocab_size, starts_with_bos=starts_with_bos, max_length=64)


def test_special_subwords_come_first() -> None:
    tokenizer = trained()
    assert tokenizer.convert_ids_to_tokens(range(4)) == list(SPECIAL_TOKENS)
    assert [tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id] == [0, 1, 2]
    assert tokenizer.unk_token_id == 3
    assert len(tokenizer) == 140


@pytest.mark.parametrize(("starts_with_bos", "first"), [(True, [1]), (False, [])])
def test_a_sentence_ends_and_may_start(starts_with_bos: bool, first: list[int]) -> None:
    tokenizer = trained(starts_with_bos=starts_with_bos)
    with_marks = tokenizer([["the", "dog"]], is_split_into_words=True)["input_ids"][0]
    bare = tokenizer([["the", "dog"]], is_split_into_words=True, add_special_tokens=False)["input_ids"][0]
    assert with_marks == [*first, *bare, 2]


def test_decoding_gives_the_words_back() -> None:
    tokenizer = trained()
    corpus = parallel_corpus()
    assert corpus.target is not None
    for side in (corpus, corpus.target):
        for sentence in side.sentences():
            ids = tokenizer([list(sentence)], is_split_into_words=True)["input_ids"][0]
            assert tokenizer.decode(ids, skip_special_tokens=True).split() == list(sentence)


def test_every_word_has_subwords_of_its_own() -> None:
    tokenizer = trained()
    for sentence in plain_corpus().sentences():
        batch = tokenizer([list(sentence)], is_split_into_words=True)
        named = [word for word in batch.word_ids(0) if word is not None]
        assert named == sorted(named)
        assert set(named) == set(range(len(sentence)))


def test_words_do_not_depend_on_their_neighbours() -> None:
    tokenizer = trained()

    def bare(words: list[str]) -> list[int]:
        return tokenizer([words], is_split_into_words=True, add_special_tokens=False)["input_ids"][0]

    assert bare(["dog", "the", "dog"]) == bare(["dog"]) + bare(["the"]) + bare(["dog"])


def test_an_unseen_character_is_unknown_and_its_word_stays() -> None:
    tokenizer = trained()
    batch = tokenizer([["the", "日", "dog"]], is_split_into_words=True)
    positions = [place for place, word in enumerate(batch.word_ids(0)) if word == 1]
    assert positions
    assert tokenizer.unk_token_id in [batch["input_ids"][0][place] for place in positions]


def test_decomposed_accents_are_the_composed_ones() -> None:
    tokenizer = trained()
    composed, decomposed = "schläft", "schla\u0308ft"
    ids = tokenizer([[composed], [decomposed]], is_split_into_words=True)["input_ids"]
    assert ids[0] == ids[1]


def test_the_same_corpus_gives_the_same_tokenizer() -> None:
    assert trained().backend_tokenizer.to_str() == trained().backend_tokenizer.to_str()


def test_the_order_of_sentences_does_not_matter() -> None:
    corpus = plain_corpus()
    backwards = corpus.select(range(corpus.n_sentences)[::-1])

    def vocabulary(of: Corpus) -> dict[str, int]:
        return train_tokenizer([of], 120, starts_with_bos=True, max_length=64).get_vocab()

    assert vocabulary(corpus) == vocabulary(backwards)


def test_a_saved_tokenizer_reads_the_same(tmp_path: Path) -> None:
    tokenizer = trained()
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    sentences = [list(sentence) for sentence in plain_corpus().sentences()]
    before = tokenizer(sentences, is_split_into_words=True)
    after = again(sentences, is_split_into_words=True)
    assert again.is_fast
    assert before["input_ids"] == after["input_ids"]
    assert all(before.word_ids(number) == after.word_ids(number) for number in range(len(sentences)))
    assert again.decode(after["input_ids"][0]) == tokenizer.decode(before["input_ids"][0])


def test_characters_beyond_the_alphabet_are_chosen_alike_in_every_process() -> None:
    """1,500 characters of one occurrence each, of which a thousand are kept: the first by code point."""
    words = [[chr(0x4E00 + number)] for number in range(1500)] + [["the", "cat"]] * 3
    tokenizer = train_tokenizer([Corpus.from_sentences(words)], 1200, starts_with_bos=True, max_length=20)
    kept = {token for token in tokenizer.get_vocab() if len(token) == 1}
    assert len(kept) == 1000
    assert {chr(0x4E00 + number) for number in range(990)} <= kept
    assert "▁" in kept
