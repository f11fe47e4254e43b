"""Words around a word, each with the neuron's own value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.analyses.neurons.contexts import WIDTH, ContextWord, rows_around, word_contexts
from onegrain.analyses.neurons.heat import heat
from onegrain.records.activations import Activations
from onegrain.searching.describing import NeuronDescriptions
from support.planted import plant


def values_around(acts: Activations, neuron: int, places: list[tuple[int, int]]) -> list[list[float | None]]:
    """Return the values around places, word by word."""
    column = acts.neuron(neuron).tolist()
    around = []
    for sentence, position in places:
        start, stop = (int(edge) for edge in acts.corpus.offsets[sentence : sentence + 2])
        near = range(start + position - WIDTH, start + position + WIDTH + 1)
        around.append([column[row] if start <= row < stop and acts.present[row] else None for row in near])
    return around


def test_every_word_has_its_value_and_deviation() -> None:
    acts = plant(40).activations
    table = heat(acts, [2], [3])[0]
    words, deviations = acts.corpus.sentence(3), table.sentences[0].deviations
    values = values_around(acts, 2, [(3, 1)])
    (line,) = word_contexts(acts.corpus, [(3, 1)], values, table.mean, table.std)
    assert tuple(word.word for word in line) == words[: WIDTH + 2]
    assert tuple(word.deviation for word in line) == deviations[: WIDTH + 2]
    assert [word.is_centre for word in line] == [place == 1 for place in range(len(line))]
    start = int(acts.corpus.offsets[3])
    assert [word.value for word in line] == acts.neuron(2)[start : start + len(line)].tolist()


def test_a_context_ends_with_its_sentence_and_its_width() -> None:
    acts = plant(400).activations
    sentence = int(np.argmax(np.diff(acts.corpus.offsets)))
    words = acts.corpus.sentence(sentence)
    places = [(sentence, 0), (sentence, len(words) - 1), (sentence, 0)]
    first, last, repeated = word_contexts(acts.corpus, places, values_around(acts, 0, places), 0.0, 1.0)
    assert tuple(word.word for word in first) == words[: WIDTH + 1]
    assert tuple(word.word for word in last) == words[-WIDTH - 1 :]
    assert repeated == first
    assert word_contexts(acts.corpus, [], [], 0.0, 1.0) == []


def test_words_without_an_activation_and_constant_neurons_have_no_deviation() -> None:
    acts = plant(40).activations
    missing = np.zeros(acts.n_words, dtype=bool)
    missing[0] = True
    values = values_around(replace(acts, missing=missing), 0, [(0, 1)])
    (line,) = word_contexts(acts.corpus, [(0, 1)], values, 0.0, 1.0)
    assert line[0] == ContextWord(acts.corpus.words[0], None, None, False)
    ((constant, *_),) = word_contexts(acts.corpus, [(0, 0)], values_around(acts, 0, [(0, 0)]), 0.0, 0.0)
    assert constant.deviation is None
    assert constant.value == float(acts.neuron(0)[0])


def test_rows_end_with_the_sentence() -> None:
    acts = plant(40).activations
    second = int(acts.corpus.offsets[1])
    rows, inside = rows_around(acts.corpus, np.array([0, second]))
    assert not inside[:, :WIDTH].any()
    assert rows[1, WIDTH] == second
    assert inside[1].sum() == min(WIDTH + 1, len(acts.corpus.sentence(1)))


def test_a_described_neuron_has_the_values_around_each_context() -> None:
    acts = plant(60).activations
    missing = np.zeros(acts.n_words, dtype=bool)
    missing[::7] = True
    acts = replace(acts, missing=missing)
    neuron = NeuronDescriptions(acts).neuron(3)
    contexts = [*neuron.high.contexts, *neuron.low.contexts]
    contexts += [context for sample in neuron.samples for context in sample.contexts]
    places = [(context.sentence, context.position) for context in contexts]
    assert len(places) > 20
    assert neuron.around == tuple(tuple(values) for values in values_around(acts, 3, places))
