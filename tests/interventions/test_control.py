"""Control of a property of translations, on a model in which the neuron that decides it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from onegrain.activations import live_activations
from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from support.controlled import NOUN, NUMBER, SITE, UNREAD, controlled_change, controlled_corpus, controlled_nmt


@pytest.fixture(scope="module")
def nmt(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return og.load_model(controlled_nmt(tmp_path_factory.mktemp("controlled") / "nmt"), device="cpu")


@pytest.fixture(scope="module")
def reference(nmt: LoadedModel) -> Activations:
    """The words of both numbers."""
    sides = [controlled_corpus(plural) for plural in (False, True)]
    sentences = [words for side in sides for words in side.sentences()]
    labels = [label for side in sides for label in side.layer("Number").labels()]
    ends = np.cumsum([len(words) for words in sentences])
    rows = [labels[end - len(words) : end] for words, end in zip(sentences, ends, strict=True)]
    return live_activations(nmt, Corpus.from_sentences(sentences, {"Number": rows}), sites=[SITE])


def ranking(reference: Activations, *first: str) -> og.Ranking:
    """Return a ranking that begins with some neurons."""
    scores = np.zeros(reference.space.size)
    scores[[reference.space.parse(name) for name in first]] = np.arange(len(first), 0, -1)
    return og.Ranking.by_scores("std", reference.space, scores, reference.provenance)


def test_the_model_translates_as_its_weights_say(nmt: LoadedModel) -> None:
    for plural in (False, True):
        corpus = controlled_corpus(plural)
        assert corpus.target is not None
        assert nmt.translate(corpus) == [" ".join(words) for words in corpus.target.sentences()]


def test_the_neuron_that_decides_the_number_controls_it(
    nmt: LoadedModel, reference: Activations, tmp_path: Path
) -> None:
    record = og.control(
        nmt,
        ranking(reference, NUMBER),
        controlled_change(),
        reference,
        betas=(2, 0),
        random_sets=4,
        batch_size=5,
    )
    assert record.betas == (0.0, 2.0)
    assert record.neurons["top"] == [NUMBER]
    assert all(names != [NUMBER] for name, names in record.neurons.items() if name != "top")
    top = record.points[record.points["set"] == "top"]
    assert top["cases"].tolist() == top["successes"].tolist() == [18, 18]
    assert top["exact"].tolist() == top["success"].tolist() == top["low"].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(top["bleu"], 100.0)
    table = record.comparison()
    assert table["random"].tolist() == [0.0, 0.0]
    assert table["difference_low"].tolist() == table["difference"].tolist() == [1.0, 1.0]
    assert table["p"].tolist() == [0.2, 0.2]
    first = record.details["examples"]["0"][0]
    assert first == {
        "source": "the big dog sleeps",
        "before": "chien alors ici et maintenant",
        "after": "chiens alors ici et maintenant",
        "wanted": True,
    }
    record.save(tmp_path / "control.parquet")
    loaded = og.load(tmp_path / "control.parquet")
    assert isinstance(loaded, og.Control)
    assert loaded.to_pandas().equals(record.to_pandas())
    assert loaded.summary() == record.summary()
    assert np.array_equal(loaded.draws, record.draws)
    assert loaded.provenance == record.provenance
    assert loaded.provenance.parameters["where"] == {"words": "Number=Sing"}


def test_a_neuron_that_only_carries_the_number_controls_nothing(
    nmt: LoadedModel, reference: Activations
) -> None:
    options = {"betas": (0.0,), "random_sets": 1}
    record = og.control(nmt, ranking(reference, UNREAD), controlled_change(), reference, **options)
    (row,) = record.points[record.points["set"] == "top"].itertuples()
    assert (row.successes, row.exact) == (0, 0.0)
    assert row.bleu == pytest.approx(100.0)
    both = og.control(nmt, ranking(reference, UNREAD, NUMBER), controlled_change(), reference, k=2, **options)
    assert both.points["success"].tolist()[0] == 1.0
    assert len(both.neurons["random 0"]) == 2


def test_what_changes_besides_is_measured(nmt: LoadedModel, reference: Activations) -> None:
    """The mean of the noun's neuron over plural words lies between dog and cat, so beta cannot matter to it."""
    record = og.control(
        nmt,
        ranking(reference, NOUN),
        controlled_change(),
        og.neuron_statistics(reference, layer="Number"),
        betas=(0.0,),
        random_sets=1,
    )
    (row,) = record.points[record.points["set"] == "top"].itertuples()
    assert row.successes == 0
    after = [example["after"] for example in record.details["examples"]["0"]]
    assert len({words.split()[0] for words in after}) == 1
    assert row.bleu < 100.0


def test_a_lexicon_judges_as_the_right_translations_do(nmt: LoadedModel, reference: Activations) -> None:
    lexicon = {"chien": "Sing", "chat": "Sing", "chiens": "Plur", "chats": "Plur"}
    corpus = controlled_corpus(plural=False)
    change = og.ValueChange.with_lexicon(corpus, "Number", "Sing", "Plur", lexicon)
    assert change.corpus.n_sentences == corpus.n_sentences
    record = og.control(nmt, ranking(reference, NUMBER), change, reference, betas=(0.0,), random_sets=1)
    assert record.judged == "lexicon"
    assert record.points["success"].tolist() == [1.0, 0.0]
    assert record.points["exact"].isna().all()
    assert record.provenance.parameters["lexicon"]["words"] == 4


def test_random_sets_have_as_many_neurons_of_each_site_and_are_a_prefix(
    nmt: LoadedModel, reference: Activations
) -> None:
    options = {"k": 3, "betas": (0.0,), "seed": 5}
    order = ranking(reference, NUMBER, UNREAD, NOUN)
    few, many = (
        og.control(nmt, order, controlled_change(), reference, random_sets=sets, **options) for sets in (2, 3)
    )
    assert [many.neurons[f"random {number}"] for number in (0, 1)] == [
        few.neurons[f"random {number}"] for number in (0, 1)
    ]
    for number in range(3):
        names = many.neurons[f"random {number}"]
        assert len(set(names)) == 3
        assert not set(names) & {NUMBER, UNREAD, NOUN}


def test_what_cannot_be_measured_is_refused(
    nmt: LoadedModel, reference: Activations, models: dict[str, LoadedModel]
) -> None:
    order, change = ranking(reference, NUMBER), controlled_change()
    for options, message in (
        ({"k": 0}, "k must be from 1"),
        ({"k": 9}, "too few for a random set"),
        ({"betas": ()}, "betas must be finite numbers"),
        ({"betas": (float("nan"),)}, "betas must be finite numbers"),
        ({"random_sets": 0}, "random_sets must be a whole number from 1"),
    ):
        with pytest.raises(ParameterError, match=message):
            og.control(nmt, order, change, reference, **options)
    with pytest.raises(ParameterError, match="does not translate"):
        og.control(models["nlm"], order, change, reference)
    with pytest.raises(MismatchError):
        og.control(models["nmt"], order, change, reference)
    with pytest.raises(ParameterError, match="the reference has no label 'Plur'"):
        og.control(nmt, order, change, og.neuron_statistics(reference))
    plural = og.ValueChange(
        corpus=controlled_corpus(plural=True),
        layer="Number",
        value="Sing",
        wanted="Plur",
        words="Number=Plur",
        expected=controlled_corpus(plural=True).target,
    )
    with pytest.raises(ParameterError, match="none of the 18 unedited translations shows Number=Sing"):
        og.control(nmt, order, plural, reference)


def test_a_change_that_makes_no_sense_is_refused() -> None:
    corpus = controlled_corpus(plural=False)
    lexicon = {"chien": "Sing", "chiens": "Plur"}
    with pytest.raises(ParameterError, match="are both 'Sing'"):
        og.ValueChange.with_lexicon(corpus, "Number", "Sing", "Sing", lexicon)
    with pytest.raises(ParameterError, match="no sentence with Number=Plur"):
        og.ValueChange.with_lexicon(corpus, "Number", "Plur", "Sing", lexicon)
    with pytest.raises(ParameterError, match="the lexicon has no word with Number=Plur"):
        og.ValueChange.with_lexicon(corpus, "Number", "Sing", "Plur", {"chien": "Sing"})
    with pytest.raises(LabelError, match="no label layer 'Tense'"):
        og.ValueChange.with_lexicon(corpus, "Tense", "Sing", "Plur", lexicon)
    with pytest.raises(ParameterError, match="give one"):
        og.ValueChange(corpus, "Number", "Sing", "Plur", "Number=Sing")
