"""Test corpora from Python: lists, tagged sentences, mappings, data frames, data sets."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from onegrain.corpora import as_corpus, read_corpus
from onegrain.errors import CorpusError, LabelError, ParameterError
from onegrain.records.corpus import Corpus

WORDS = [["the", "dog"], ["rain"]]
TAGS = [[0, 1], [None]]
LABELS = ["0", "1", None]


class ClassLabel:
    names = ("O", "B-PER")


class Sequence:
    feature = ClassLabel()


class Text:
    pass


class FakeDataset:
    """What the reader asks of a data set of Hugging Face's: column names, features, and rows."""

    column_names = ("id", "tokens", "ner_tags")

    def __init__(self, tags: list[list[Any]], feature: Any) -> None:
        self.features = {"id": Text(), "tokens": Text(), "ner_tags": feature}
        self.tags = tags

    def __iter__(self) -> Any:
        for number, (words, tags) in enumerate(zip(WORDS, self.tags, strict=True)):
            yield {"id": str(number), "tokens": words, "ner_tags": tags}


def flat(labels: list[list[Any]]) -> list[Any]:
    return [label for sentence in labels for label in sentence]


SOURCES = {
    "lists and labels": (WORDS, {"labels": {"tag": TAGS}}),
    "a pair": ((WORDS, {"tag": TAGS}), {}),
    "tagged words": ([[("the", 0), ("dog", 1)], [("rain", None)]], {"columns": ("word", "tag")}),
    "mappings": ([{"words": w, "tag": t, "id": 3} for w, t in zip(WORDS, TAGS, strict=True)], {}),
    "a frame of words": (pd.DataFrame({"sent_id": [7, 7, 8], "Word": flat(WORDS), "tag": flat(TAGS)}), {}),
    "a frame of sentences": (pd.DataFrame({"tokens": WORDS, "tag": TAGS}), {}),
    "a frame with other names": (
        pd.DataFrame({"s": [1, None, 2], "w": flat(WORDS), "i": [0, 1, 2], "t": flat(TAGS)}),
        {"columns": ("sentence", "word", "_", "tag")},
    ),
}


@pytest.mark.parametrize(("data", "options"), SOURCES.values(), ids=SOURCES)
def test_all_are_read_alike(data: Any, options: dict[str, Any]) -> None:
    corpus = read_corpus(data, **options)
    assert [list(words) for words in corpus.sentences()] == WORDS
    assert list(corpus.layers) == ["tag"]
    assert corpus.layer("tag").labels() == LABELS
    assert read_corpus(data, limit=1, **options).words == ("the", "dog")


def test_a_corpus_stays_itself() -> None:
    corpus = Corpus.from_sentences(WORDS)
    assert as_corpus(corpus) is corpus
    assert as_corpus(WORDS).words == corpus.words


@pytest.mark.parametrize("feature", [Sequence(), [ClassLabel()]])
def test_classes_of_a_data_set_have_names(feature: Any) -> None:
    corpus = read_corpus(FakeDataset([[0, 1], [-1]], feature))
    assert corpus.layer("ner_tags").labels() == ["O", "B-PER", None]
    assert list(corpus.layers) == ["ner_tags"]
    with pytest.raises(LabelError, match="'ner_tags': class 2 is not among the 2"):
        read_corpus(FakeDataset([[0, 2], [0]], feature))
    named = read_corpus(FakeDataset([[0, 1], [0]], feature), columns=("_", "word", "ner"))
    assert named.layer("ner").labels() == ["O", "B-PER", "O"]


def test_a_real_data_set() -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
    if not hasattr(datasets, "Dataset"):
        pytest.skip("another package of the name datasets")
    classes = datasets.ClassLabel(names=["O", "B-PER"])
    listed = getattr(datasets, "List", datasets.Sequence)
    features = datasets.Features({"tokens": listed(datasets.Value("string")), "ner": listed(classes)})
    data = datasets.Dataset.from_dict({"tokens": WORDS, "ner": [[0, 1], [0]]}, features=features)
    assert read_corpus(data).layer("ner").labels() == ["O", "B-PER", "O"]
    with pytest.raises(CorpusError, match="one split"):
        read_corpus(datasets.DatasetDict({"train": data}))


REFUSED = {
    "a sentence as one string": (["the dog barks"], "sentence 0 .* is one string"),
    "a missing word": (pd.DataFrame({"sent_id": [1, 1], "word": ["a", float("nan")]}), "row 1 .*missing value"),
    "a word that is a number": (
        pd.DataFrame({"sent_id": [1], "word": [2020]}),
        r"row 0 .*2020 \(int\), not a word",
    ),
    "no sentence column": (pd.DataFrame({"word": ["a"], "x": [1]}), "no column tells sentences apart.*word, x"),
    "no words": (pd.DataFrame({"text": ["a"], "sent_id": [1]}), "no column holds words.*text, sent_id"),
    "two columns of words": (pd.DataFrame({"word": ["a"], "form": ["a"]}), "several columns hold words"),
    "sentences in a frame": (
        pd.DataFrame({"sent_id": [1, 2], "words": ["the dog barks", "it rains"]}),
        "row 0 .*'the dog barks' is a sentence",
    ),
    "a sentence that comes back": (
        pd.DataFrame({"sent_id": [1, 2, 1], "word": ["a", "b", "c"]}),
        "row 2 .*sentence '1' begins again",
    ),
    "a first row of no sentence": (
        pd.DataFrame({"sent_id": [None, 2], "word": ["a", "b"]}),
        "row 0 .*which sentence",
    ),
    "an empty frame": (pd.DataFrame({"sent_id": [], "word": []}), "without rows"),
    "labels that do not fit": ([{"words": ["a", "b"], "tag": [1]}], "row 0 .*2 words, but 1 labels in 'tag'"),
    "text for words": ([{"words": "the dog"}], "row 0 .*the words are one string"),
    "two lists of words": ([{"words": ["a"], "tokens": ["a"]}], "several lists of words"),
    "no list of words": ([{"text": ["a"]}], "no list of words.*text"),
    "tuples of several lengths": ([[("a", 1)], [("b", 1, 2)]], "sentence 1, word 0 .*a tuple of 2"),
    "splits": ({"train": WORDS, "test": WORDS}, "a mapping of train, test; give one split"),
    "a number": (7, "got int"),
    "nothing": ([], "no sentences"),
}


@pytest.mark.parametrize(("data", "says"), REFUSED.values(), ids=REFUSED)
def test_what_could_be_misread_is_refused(data: Any, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        read_corpus(data)


def test_options_that_do_not_belong_are_refused() -> None:
    frame = pd.DataFrame({"sent_id": [1], "word": ["a"]})
    for data, options, says in (
        (WORDS, {"format": "plain"}, "about files"),
        (WORDS, {"labels": "a.pos"}, "a label file belongs to a word file"),
        (WORDS, {"columns": ("word",)}, "columns= names the columns of a table"),
        (frame, {"labels": {"x": [[1]]}}, "labels= goes with lists of words"),
        (Corpus.from_sentences(WORDS), {"labels": {"x": [[1]]}}, "labels= goes with lists of words"),
        (WORDS, {"limit": 0}, "limit must be 1"),
    ):
        with pytest.raises(ParameterError, match=says):
            read_corpus(data, **options)  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="1 names of columns for 2 columns: sent_id, word"):
        read_corpus(frame, columns=("word",))
