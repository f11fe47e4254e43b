"""Control tasks: one label a type, the train distribution, and no dependence on order."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.corpora import annotate_words, control_task
from onegrain.errors import LabelError, ParameterError
from onegrain.records.corpus import Corpus
from onegrain.synthetic import sandbox


def test_one_label_a_type_in_all_corpora() -> None:
    train, test = control_task(sandbox(300, seed=1), sandbox(300, seed=2), layer="upos", seed=5)
    label: dict[str, str | None] = {}
    for corpus in (train, test):
        for word, code in zip(corpus.words, corpus.layer("upos-control").labels(), strict=True):
            assert label.setdefault(word, code) == code


def test_labels_follow_the_train_distribution() -> None:
    words = [[f"w{number}"] for number in range(20000)]
    train = Corpus.from_sentences(words, {"y": [["a"] if n % 10 else ["b"] for n in range(20000)]})
    (controlled,) = control_task(train, layer="y")
    share = controlled.layer("y-control").counts()["b"] / 20000
    assert abs(share - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 20000)


def test_train_does_not_depend_on_sentence_order_or_on_the_others() -> None:
    train = sandbox(200, seed=1)
    alone = control_task(train, layer="upos", seed=3)[0].layer("upos-control")
    beside = control_task(train, sandbox(100, seed=9), layer="upos", seed=3)[0].layer("upos-control")
    assert alone.labels() == beside.labels()
    back = np.arange(200)[::-1]
    turned = control_task(train.select(back), layer="upos", seed=3)[0].select(back).layer("upos-control")
    assert turned.labels() == alone.labels()
    assert alone.labels() != control_task(train, layer="upos", seed=4)[0].layer("upos-control").labels()


def test_unlabelled_words_stay_so_and_refusals() -> None:
    corpus = annotate_words(Corpus.from_sentences([["a", "b", "a"]]), "y", {"a": "A"})
    assert control_task(corpus, layer="y")[0].layer("y-control").labels() == ["A", None, "A"]
    with pytest.raises(LabelError, match="no label layer 'z'"):
        control_task(corpus, layer="z")
    with pytest.raises(LabelError, match="labels no word"):
        control_task(corpus.select([]), layer="y")
    with pytest.raises(ParameterError, match="seed"):
        control_task(corpus, layer="y", seed=-1)
