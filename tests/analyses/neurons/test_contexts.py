"""Words around a word, each with the neuron's own value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.analyses.neurons.contexts import ContextWord, word_contexts
from onegrain.analyses.neurons.heat import heat
from support.planted import plant


def test_every_word_has_its_value_and_deviation() -> None:
    acts = plant(40).activations
    table = heat(acts, [2], [3])[0]
    line = word_contexts(acts, 2, [(3, 1)], table.mean, table.std, width=50)[0]
    assert tuple(word.word for word in line) == acts.corpus.sentence(3)
    assert tuple(word.deviation for word in line) == table.sentences[0].deviations
    assert [word.is_centre for word in line] == [place == 1 for place in range(len(line))]
    start = int(acts.corpus.offsets[3])
    assert [word.value for word in line] == acts.neuron(2)[start : start + len(line)].tolist()


def test_a_context_ends_with_its_sentence_and_its_width() -> None:
    acts = plant(40).activations
    size = len(acts.corpus.sentence(5))
    first, last, repeated = word_contexts(acts, 0, [(5, 0), (5, size - 1), (5, 0)], 0.0, 1.0, width=1)
    assert [word.word for word in first] == list(acts.corpus.sentence(5)[:2])
    assert [word.word for word in last] == list(acts.corpus.sentence(5)[-2:])
    assert repeated == first
    assert word_contexts(acts, 0, [], 0.0, 1.0) == []


def test_words_without_an_activation_and_constant_neurons_have_no_deviation() -> None:
    acts = plant(40).activations
    missing = np.zeros(acts.n_words, dtype=bool)
    missing[0] = True
    line = word_contexts(replace(acts, missing=missing), 0, [(0, 1)], 0.0, 1.0, width=1)[0]
    assert line[0] == ContextWord(acts.corpus.words[0], None, None, False)
    constant = word_contexts(acts, 0, [(0, 0)], 0.0, 0.0, width=0)[0][0]
    assert constant.deviation is None
    assert constant.value == float(acts.neuron(0)[0])
