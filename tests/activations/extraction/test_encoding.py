"""Test encoded corpora: unusual words, too long sentences, special tokens and words that are not read."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import onegrain as og
from onegrain.activations import extract
from onegrain.activations.extraction.encoding import EncodedCorpus
from onegrain.activations.extraction.options import EncodingOptions
from onegrain.activations.extraction.special_tokens import with_special_tokens
from onegrain.activations.extraction.windows import cut, shorten, specials
from onegrain.analyses import top_words
from onegrain.errors import CorpusError, ParameterError
from onegrain.records.corpus import Corpus, LabelLayer
from support.tiny import parallel_corpus, plain_corpus
from support.zoo import LANGUAGE_MODELS, ZOO

ODD = [
    ["the", "the", "dog"],
    ["the", "the", "dog"],
    ["日本語", "の", "文", "です"],
    ["👩‍👩‍👧", "smiles", "🙂🙂"],
    ["cafe\u0301", "naïve", "Å", "A\u030a"],
    ["שלום", "עולם", "مرحبا", "بالعالم"],
    ["10 000", "New York", "a  b"],
    ["\u200b", "a", "\u00ad", "\ufe0f"],
    ["unbelievably" * 3, "-", "—", "…", "''", "``"],
]


@pytest.mark.parametrize("name", ZOO)
def test_any_text_is_read_and_alike_words_have_alike_rows(zoo, tmp_path, name):
    """Each word's value is that of a pass over its sentence alone; words without a subword are marked."""
    loaded, corpus = zoo[name], Corpus.from_sentences(ODD)
    site = "encoder.layers.1" if loaded.task == "translation" else "layers.1"
    store = extract(loaded, corpus, tmp_path / "a.zarr", sites=site)
    values, present = store.values(), store.present
    assert present[: corpus.offsets[2]].all()
    np.testing.assert_array_equal(np.isnan(values).all(axis=1), ~present)
    np.testing.assert_array_equal(values[:3], values[3:6])
    without = [
        not any(of == word for of in encoded.word_of)
        for words, encoded in zip(ODD, loaded.encode(ODD), strict=True)
        for word in range(len(words))
    ]
    assert (~present).tolist() == without
    for number, words in enumerate(ODD):
        alone = extract(loaded, Corpus.from_sentences([words, ["a"]]), tmp_path / f"{number}.zarr", sites=site)
        rows_of_sentence = slice(int(corpus.offsets[number]), int(corpus.offsets[number + 1]))
        mine, scale = values[rows_of_sentence], np.nanmax(np.abs(values))
        np.testing.assert_allclose(mine, alone.values()[:-1], rtol=1e-4, atol=1e-4 * scale)


def holes() -> Corpus:
    """Return labelled words for which no tokenizer has a subword."""
    sentences = [["a", "dog"], ["the", "", "dog"], [""], ["", "rain", ""]]
    labels = [["D", "N"], ["D", "N", "N"], ["D"], ["N", "N", "D"]]
    return Corpus.from_sentences(5 * sentences, {"upos": 5 * labels}, source="holes")


def test_words_without_subword_are_flagged_counted_and_left_out_of_everything(models, tmp_path):
    store = extract(models["nlm"], holes(), tmp_path / "a.zarr")
    assert np.flatnonzero(store.missing).tolist() == [
        9 * turn + position for turn in range(5) for position in (3, 5, 6, 8)
    ]
    assert np.isnan(store.values()[store.missing]).all()
    words = 5 * [["a", "dog"], ["the", "dog"], ["rain"]]
    dense = extract(models["nlm"], Corpus.from_sentences(words), tmp_path / "b.zarr")
    np.testing.assert_allclose(store.values()[store.present], dense.values(), rtol=1e-5, atol=1e-6)
    known = og.rank("lca", store, label="upos", lambda1=[1e-3], lambda2=[1e-3], min_count=1, evaluate=False)
    parts = [known.details[part] for part in ("train", "dev")]
    assert sum(part["left_out"].get("no_activation", 0) for part in parts) == 20
    assert sum(part["words"] for part in parts) == 25
    other = extract(models["gpt2"], holes(), tmp_path / "c.zarr")
    compared = og.rank("maxcorr", store, others=[other])
    rows = store.present & other.present
    correlated = np.corrcoef(store.values()[rows].T, other.values()[rows].T)[
        : store.n_neurons, store.n_neurons :
    ]
    np.testing.assert_allclose(compared.scores, np.abs(correlated).max(axis=1), rtol=1e-5, atol=1e-6)
    (top,) = top_words(store, [0], 3)
    assert "" not in top.words["word"].tolist()
    assert top.mean == pytest.approx(float(store.values()[store.present, 0].mean()), rel=1e-5)


def pieces(lengths: list[int], around: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a row whose words have these numbers of subwords; an id shows its position."""
    word_of = [-1] * around[0] + np.repeat(np.arange(len(lengths)), lengths).tolist() + [-1] * around[1]
    return np.arange(len(word_of)), np.array(word_of)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(3, 12),
    st.booleans(),
)
def test_windows_read_each_word_once_where_it_has_most_context(lengths, before, after, room, causal):
    """Compare with a loop over all windows: complete words, within the limit, each read in its best window."""
    ids, word_of = pieces(lengths, (before, after))
    longest = room + before + after
    windows = cut(ids, word_of, longest, (before, after), causal=causal)
    read: dict[int, int] = {}
    spans = []
    for number, window in enumerate(windows):
        assert len(window.ids) == len(window.word_of) <= longest
        body = window.ids[before : len(window.ids) - after]
        assert (window.ids[:before] == ids[:before]).all()
        assert (window.ids[len(window.ids) - after :] == ids[len(ids) - after :]).all()
        assert (np.diff(body) == 1).all()
        spans.append((int(body[0]), int(body[-1]) + 1))
        for word in np.unique(window.word_of[window.word_of >= 0]).tolist():
            assert word not in read
            read[word] = number
            assert (window.word_of == word).sum() == lengths[word]
    readable = [word for word, length in enumerate(lengths) if 0 < length <= room]
    assert sorted(read) == readable
    first, last = before, len(ids) - after
    for word in readable:
        subwords = np.flatnonzero(word_of == word)

        def context(span, subwords=subwords):
            left = subwords[0] - span[0] + (10**6 if span[0] == first else 0)
            right = span[1] - subwords[-1] - 1 + (10**6 if span[1] == last else 0)
            return left if causal else min(left, right)

        inside = [
            number for number, span in enumerate(spans) if span[0] <= subwords[0] and subwords[-1] < span[1]
        ]
        assert context(spans[read[word]]) == max(context(spans[number]) for number in inside)
    covered = sum(lengths[word] for word in readable)
    assert len(windows) <= max(1, 4 * covered // max(1, room - 4) + lengths.count(0) + len(lengths))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.integers(4, 12))
def test_a_truncated_row_holds_the_first_words_that_fit(lengths, room):
    ids, word_of = pieces(lengths, (1, 1))
    (window,) = shorten(ids, word_of, room + 2, specials(word_of))
    fitting = int((np.cumsum(lengths) <= room).sum())
    assert np.unique(window.word_of[1:-1]).tolist() == list(range(fitting))
    assert window.ids.tolist() == [0, *range(1, 1 + sum(lengths[:fitting])), len(ids) - 1]


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_long_sentences_by_windows_and_truncated(zoo, tmp_path, name):
    """Values equal those of direct passes over the windows; short sentences do not change."""
    loaded, words = zoo[name], list(dict.fromkeys(plain_corpus().words + parallel_corpus().target.words))
    corpus = Corpus.from_sentences([["a", "dog"], words, ["rain", "!"]])
    short = Corpus.from_sentences([["a", "dog"], ["rain", "!"]])
    with pytest.raises(CorpusError, match=r"sentence 1 .*use long=window or long=truncate \(--long\)"):
        extract(loaded, corpus, tmp_path / "a.zarr", sites="layers.1")
    options = {"sites": "layers.1", "bos": False}
    windowed = extract(loaded, corpus, tmp_path / "w.zarr", long="window", **options)
    truncated = extract(loaded, corpus, tmp_path / "t.zarr", long="truncate", **options)
    usual = extract(loaded, short, tmp_path / "s.zarr", **options)
    assert windowed.missing is None
    for store in (windowed, truncated):
        ends = np.concatenate([store.values()[:2], store.values()[-2:]])
        np.testing.assert_allclose(ends, usual.values(), rtol=1e-4, atol=1e-5)
    encoded = loaded.encode([words])[0]
    fitting = np.flatnonzero(truncated.missing)[0] - 2
    assert truncated.missing[2 + fitting : -2].all()
    assert not truncated.missing[: 2 + fitting].any()
    ids, word_of = np.array(encoded.ids), np.array(encoded.word_of)
    states = direct(loaded, ids, word_of, 0, fitting)
    np.testing.assert_allclose(truncated.values()[2 : 2 + fitting], states, rtol=1e-4, atol=1e-4)
    rows = EncodedCorpus(loaded, corpus, "source", EncodingOptions(long="window", bos=False)).sentence(1)
    assert len(rows) > 2
    for row in rows:
        inner = np.isin(np.arange(len(row.ids)), np.arange(*specials_span(loaded, row)))
        first = int(word_of[find(ids, row.ids[inner])])
        mine = windowed.values()[row.words]
        expected = direct(loaded, ids, word_of, first, first + n_words(word_of, ids, row.ids[inner]))
        np.testing.assert_allclose(mine, expected[row.words - 2 - first], rtol=1e-4, atol=1e-4)


def specials_span(loaded, row) -> tuple[int, int]:
    before, after = (len(part) for part in loaded.frame)
    return before, len(row.ids) - after


def find(ids: np.ndarray, inner: np.ndarray) -> int:
    """Return the index at which a sequence of ids begins."""
    views = np.lib.stride_tricks.sliding_window_view(ids, len(inner))
    (start,) = np.flatnonzero((views == inner).all(axis=1))[:1]
    return int(start)


def n_words(word_of: np.ndarray, ids: np.ndarray, inner: np.ndarray) -> int:
    start = find(ids, inner)
    return len(np.unique(word_of[start : start + len(inner)]))


@torch.no_grad()
def direct(loaded, ids: np.ndarray, word_of: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return ``layers.1`` at the last subwords of some words, (words, width), read between special tokens."""
    inside = (word_of >= first) & (word_of < last)
    before, after = loaded.frame
    row = [*before, *ids[inside].tolist(), *after]
    owners = word_of[inside]
    ends = [len(before) + int(np.flatnonzero(owners == word)[-1]) for word in range(first, last)]
    with loaded.recording(loaded.select("layers.1")) as record:
        loaded.forward([row])
        return record["layers.1"][0, ends].numpy()


def test_a_word_longer_than_a_window_is_flagged(zoo, tmp_path):
    words = ["a", "dog", "x" * 300, "rain", "!"]
    store = extract(zoo["gpt2"], Corpus.from_sentences([words]), tmp_path / "a.zarr", long="window")
    assert np.flatnonzero(store.missing).tolist() == [2]


@pytest.mark.parametrize("name", ["bert", "llama", "marian"])
def test_special_tokens_have_rows_if_they_are_wanted(zoo, tmp_path, name):
    loaded, corpus = zoo[name], plain_corpus().head(3)
    site = "encoder.layers.1" if loaded.task == "translation" else "layers.1"
    usual = extract(loaded, corpus, tmp_path / "a.zarr", sites=site)
    store = extract(loaded, corpus, tmp_path / "b.zarr", sites=site, special_tokens=True)
    before, after = (loaded.tokenizer.convert_ids_to_tokens(part) for part in loaded.frame)
    assert before or after
    assert store.corpus.sentence(1) == (*before, *corpus.sentence(1), *after)
    special = np.array([word in (*before, *after) for word in store.corpus.words])
    assert special.sum() == 3 * len([*before, *after])
    np.testing.assert_array_equal(store.values()[~special], usual.values())
    assert {store.layer("length").labels()[position] for position in np.flatnonzero(special)} == {None}
    labels = [label for label, odd in zip(store.layer("length").labels(), special, strict=True) if not odd]
    assert labels == corpus.layer("length").labels()
    with torch.no_grad(), loaded.recording(loaded.select(site)) as record:
        loaded.batch([loaded.encode([corpus.sentence(0)])[0].ids])
        row = loaded.encode([corpus.sentence(0)])[0].ids
        if loaded.task == "translation":
            loaded.model.get_encoder()(**loaded.batch([row]))
        else:
            loaded.forward([row])
        states = record[site][0].numpy()
    places = np.flatnonzero(special[: store.corpus.offsets[1]])
    positions = [*range(len(before)), *range(len(row) - len(after), len(row))]
    np.testing.assert_allclose(store.values()[places], states[positions], rtol=1e-4, atol=1e-4)


def test_no_special_tokens_no_rows_of_theirs(zoo, tmp_path):
    assert zoo["gpt2"].frame == ([], [])
    with pytest.raises(ParameterError, match="adds no special tokens around a sentence"):
        extract(zoo["gpt2"], plain_corpus(), tmp_path / "a.zarr", special_tokens=True, bos=False)


@pytest.mark.parametrize("name", [name for name in LANGUAGE_MODELS if name in ("gpt2", "qwen2", "gpt_neox")])
def test_the_start_token_is_put_where_it_is_wanted(zoo, tmp_path, name):
    loaded, corpus = zoo[name], plain_corpus().head(4)
    if loaded.bos_id is None:
        with pytest.raises(ParameterError, match="has no start token, or adds it itself"):
            extract(loaded, corpus, tmp_path / "a.zarr", bos=True)
        return
    usual = extract(loaded, corpus, tmp_path / "a.zarr", sites="layers.1", bos=False)
    begun = extract(loaded, corpus, tmp_path / "b.zarr", sites="layers.1", bos=True)
    assert begun.corpus.words == usual.corpus.words
    assert not np.allclose(begun.values(), usual.values(), rtol=1e-2)
    for number, words in enumerate(corpus.sentences()):
        encoded = loaded.encode([words])[0]
        with torch.no_grad(), loaded.recording(loaded.select("layers.1")) as record:
            loaded.forward([[loaded.bos_id, *encoded.ids]])
            states = record["layers.1"][0].numpy()
        ends = [
            1 + max(position for position, owner in enumerate(encoded.word_of) if owner == word)
            for word in range(len(words))
        ]
        rows_of_sentence = slice(int(corpus.offsets[number]), int(corpus.offsets[number + 1]))
        np.testing.assert_allclose(begun.values()[rows_of_sentence], states[ends], rtol=1e-4, atol=1e-4)
    both = extract(loaded, corpus, tmp_path / "c.zarr", sites="layers.1", bos=True, special_tokens=True)
    start = loaded.tokenizer.convert_ids_to_tokens([loaded.bos_id])[0]
    assert both.corpus.sentence(0)[0] == start
    assert both.provenance.parameters["bos"] is True


def test_impossible_encoding_options_are_refused(models, tmp_path):
    with pytest.raises(ParameterError, match="long must be one of error, truncate, window, got 'cut'"):
        extract(models["nlm"], plain_corpus(), tmp_path / "a.zarr", long="cut")
    target = plain_corpus().with_target(plain_corpus())
    with pytest.raises(ParameterError, match="decoder's row always begins with its start token"):
        extract(models["nmt"], target, tmp_path / "a.zarr", side="target", bos=True)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("long", ["window", "truncate"])
def test_long_targets_are_read_beside_their_source(zoo, tmp_path, long):
    loaded = zoo["bart"]
    words = (plain_corpus().words * 3)[:120]
    source = Corpus.from_sentences([["a", "dog"], ["rain", "!"]])
    corpus = source.with_target(Corpus.from_sentences([["a"], words]))
    store = extract(loaded, corpus, tmp_path / "a.zarr", side="target", sites="decoder.layers.1", long=long)
    assert (store.missing is None) == (long == "window")
    short_target = corpus.with_target(Corpus.from_sentences([["a"], words[:5]]))
    few = extract(loaded, short_target, tmp_path / "b.zarr", side="target", sites="decoder.layers.1")
    np.testing.assert_allclose(store.values(0, 6), few.values(), rtol=1e-4, atol=1e-4)
    swapped = Corpus.from_sentences([["a"], words]).with_target(source)
    if long == "window":
        with pytest.raises(CorpusError, match="use long=truncate"):
            extract(loaded, swapped, tmp_path / "c.zarr", side="target", long=long)
        return
    read = extract(loaded, swapped, tmp_path / "c.zarr", side="target", long=long)
    assert read.n_words == 4
    assert read.missing is None


def test_the_scan_finds_a_late_long_sentence_early(zoo, tmp_path, monkeypatch):
    """If the last of many sentences is too long, the run ends before half of the words are read."""
    monkeypatch.setattr("onegrain.activations.store.layout.MOST_ROWS", 64)
    monkeypatch.setattr("onegrain.activations.extraction.extract.READ_BYTES", 1)
    corpus = Corpus.from_sentences([["a", "dog"]] * 4000 + [["dog"] * 80])
    reported: list[int] = []

    def progress(*_):
        return nullcontext(reported.append)

    with pytest.raises(CorpusError, match="sentence 4000"):
        extract(zoo["gpt2"], corpus, tmp_path / "a.zarr", sites="layers.0", batch_size=2, progress=progress)
    assert sum(reported) < 4000
    assert not (tmp_path / "a.zarr").exists()


def test_layers_of_labels_follow_special_tokens():
    layer = LabelLayer.from_labels("x", ["a", None, "b"])
    corpus = Corpus.from_sentences([["1"], [], ["2", "3"]]).with_layer(layer)
    extended = with_special_tokens(corpus, ["<s>"], ["</s>", "<e>"])
    assert extended.words == ("<s>", "1", "</s>", "<e>", "<s>", "</s>", "<e>", "<s>", "2", "3", "</s>", "<e>")
    assert extended.layer("x").labels() == [None, "a", *[None] * 6, None, "b", None, None]
    assert extended.offsets.tolist() == [0, 4, 7, 12]
