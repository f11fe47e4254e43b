"""Cards of neurons: what they say, that they come back as they went, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import onegrain
from onegrain.analyses import neuron_cards, top_words
from onegrain.core.ordering import order_by_score
from onegrain.errors import InputError, MismatchError, ParameterError, RecordError
from onegrain.records.activations import Activations
from onegrain.records.cards import NeuronCards
from onegrain.records.corpus import Corpus
from onegrain.records.neuron_card import CardStatistics
from onegrain.records.provenance import CorpusIdentity, ModelIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from support.planted import plant


@pytest.fixture(scope="module")
def acts() -> Activations:
    return plant(120, model="abcdefabcdef0").activations


@pytest.fixture(scope="module")
def rankings(acts: Activations) -> dict[str, Ranking]:
    return {
        "f": onegrain.rank("f-statistic", acts, label="upos"),
        "std of layer 1": onegrain.rank("std", acts.restrict("layers.1")),
    }


@pytest.fixture(scope="module")
def cards(acts: Activations, rankings: dict[str, Ranking]) -> NeuronCards:
    constant = plant(120).constant[0]
    return neuron_cards(acts, ["layers.1:4", 3, constant, 3], rankings=rankings, n=4, min_count=2)


def test_a_card_says_what_the_activations_and_the_rankings_say(
    acts: Activations, rankings: dict[str, Ranking], cards: NeuronCards
) -> None:
    constant = acts.space.name(plant(120).constant[0])
    assert [card.name for card in cards.cards] == ["layers.1:4", "layers.0:3", constant]
    values = acts.values().astype(np.float64)
    for card in cards.cards:
        neuron = acts.space.parse(card.name)
        column, known = values[:, neuron], card.statistics
        assert known.words == acts.n_words
        assert (known.minimum, known.maximum) == (column.min(), column.max())
        np.testing.assert_allclose(
            [known.mean, known.std], [column.mean(), column.std()], rtol=1e-9, atol=1e-15
        )
        assert (known.share_positive, known.share_negative) == ((column > 0).mean(), (column < 0).mean())
        assert known.constant == (card.name == constant)
        place, ranking = card.rankings["f"], rankings["f"]
        assert ranking.order[place.rank - 1] == neuron
        assert place.ranked == (place.rank <= ranking.n_ranked)
        assert ranking.label_scores is not None
        told = {name: np.nan if score is None else score for name, score in place.label_scores.items()}
        np.testing.assert_array_equal(list(told.values()), ranking.label_scores[:, neuron])
        assert tuple(told) == ranking.labels
        words = top_words(acts, [neuron], 4, min_count=2)[0]
        for way in ("high", "low"):
            side, direction = words.words[words.words["direction"] == way], getattr(card, way)
            assert [(word.word, word.count) for word in direction.words] == list(
                zip(side["word"], side["count"], strict=True)
            )
            for context in direction.contexts:
                row = acts.corpus.offsets[context.sentence] + context.position
                assert acts.corpus.words[row] == context.word
                assert column[row] == context.value
    assert set(cards.cards[0].rankings) == {"f", "std of layer 1"}
    assert set(cards.cards[1].rankings) == {"f"}
    unranked = cards.cards[2].rankings["f"]
    assert (unranked.ranked, unranked.score) == (False, None)
    assert cards.cards[2].high.words == cards.cards[2].low.contexts == ()
    assert cards.model == acts.provenance.model
    assert cards.corpus.content_hash == acts.corpus.content_hash
    assert cards.rankings["f"].provenance == rankings["f"].provenance
    assert cards.provenance.inputs == (acts.provenance,)


def test_cards_come_back_as_they_went(cards: NeuronCards, tmp_path: Path) -> None:
    cards.save(tmp_path / "a.json")
    back = NeuronCards.load(tmp_path / "a.json")
    assert back == cards
    back.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    frame = back.to_pandas()
    assert frame["unit"].tolist() == [4, 3, cards.cards[2].unit]
    assert frame["rank:f"].tolist() == [card.rankings["f"].rank for card in cards.cards]
    assert frame["rank:std of layer 1"].notna().tolist() == [True, False, cards.cards[2].site == "layers.1"]
    with pytest.raises(onegrain.core.output.OutputExistsError, match="--force"):
        cards.save(tmp_path / "a.json")


TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)
NUMBER = st.floats(-1e6, 1e6, width=32)
SCORE = st.one_of(st.floats(), st.just(np.inf), st.just(np.nan))


@given(data=st.data())
def test_whatever_the_words_values_and_scores_are(data: st.DataObject, tmp_path_factory: Any) -> None:
    sentences = data.draw(st.lists(st.lists(TEXT, min_size=1, max_size=4), min_size=1, max_size=4))
    corpus = Corpus.from_sentences(sentences, source=data.draw(TEXT))
    sites = tuple(data.draw(st.lists(TEXT, min_size=1, max_size=3, unique=True)))
    space = NeuronSpace(sites, tuple(data.draw(st.integers(1, 3)) for _ in sites))
    rows = st.lists(NUMBER, min_size=space.size, max_size=space.size)
    table = data.draw(st.lists(rows, min_size=corpus.n_words, max_size=corpus.n_words))
    acts = Activations.from_array(np.array(table, dtype=np.float32), corpus, space)
    scores = np.array(data.draw(st.lists(SCORE, min_size=space.size, max_size=space.size)))
    labels = tuple(sorted(data.draw(st.lists(TEXT, max_size=2, unique=True))))
    ranking = Ranking(
        method="made",
        space=space,
        order=order_by_score(scores),
        scores=scores,
        n_ranked=int(np.isfinite(scores).sum()),
        provenance=Provenance(stage="rank"),
        labels=labels,
        label_scores=np.stack([scores] * len(labels)) if labels else None,
    )
    record = neuron_cards(acts, range(space.size), rankings={data.draw(TEXT): ranking}, n=2)
    path = tmp_path_factory.mktemp("cards") / "c.json"
    record.save(path)
    json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert NeuronCards.load(path) == record
    for neuron, card in enumerate(record.cards):
        (place,) = card.rankings.values()
        assert place.score == (None if np.isnan(scores[neuron]) else scores[neuron])


def broken(change: Callable[[dict], object]) -> Callable[[dict], dict]:
    def apply(content: dict) -> dict:
        change(content)
        return content

    return apply


def setting(*where: str | int, value: object) -> Callable[[dict], dict]:
    """The file with one field set."""

    def change(content: dict) -> None:
        inner: Any = content
        for step in where[:-1]:
            inner = inner[step]
        inner[where[-1]] = value

    return broken(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("record", value="ranking"), "its record is not 'neuron cards'"),
        (
            setting("schema_version", value=2),
            "schema_version is 2, and this onegrain reads up to 1; install a newer",
        ),
        (setting("schema_version", value=0), "schema_version: Input should be 1"),
        (setting("schema_version", value="1"), "schema_version: Input should be 1"),
        (setting("extra", value=1), "extra: Extra inputs are not permitted"),
        (setting("cards", 0, "unit", value="4"), r"cards\.0\.unit: Input should be a valid integer"),
        (setting("cards", 1, "unit", value=-1), r"cards\.1\.unit: Input should be greater than or equal to 0"),
        (setting("cards", 1, "site", value=""), r"cards\.1\.site: String should have at least 1 character"),
        (setting("cards", 0, "statistics", "mean", value=None), r"cards\.0\.statistics\.mean: Input should be"),
        (
            setting("cards", 0, "statistics", "mean", value=float("nan")),
            r"cards\.0\.statistics\.mean: .*finite",
        ),
        (
            setting("cards", 0, "statistics", "share_positive", value=1.5),
            r"share_positive: Input should be less",
        ),
        (
            setting("cards", 0, "statistics", "constant", value=True),
            r"cards\.0\.statistics: constant, std, minimum",
        ),
        (
            setting("cards", 0, "statistics", "minimum", value=1e9),
            r"cards\.0\.statistics: minimum is above maximum",
        ),
        (
            setting("cards", 0, "high", "words", 1, "count", value=0),
            r"cards\.0\.high\.words\.1\.count: Input should",
        ),
        (
            setting("cards", 0, "high", "words", 0, "word", value=7),
            r"words\.0\.word: Input should be a valid string",
        ),
        (
            setting("cards", 0, "low", "contexts", 2, "sentence", value=1.5),
            r"low\.contexts\.2\.sentence: Input",
        ),
        (
            setting("cards", 0, "rankings", "f", "score", value="high"),
            r"cards\.0\.rankings\.f\.score: Input should",
        ),
        (
            setting("cards", 0, "rankings", "f", "score", value=float("nan")),
            r"rankings\.f\.score: a score that is",
        ),
        (setting("cards", 0, "rankings", "f", "rank", value=33), r"the rank of layers\.1:4 in 'f' is outside"),
        (
            setting("cards", 0, "rankings", "f", "ranked", value=False),
            r"the rank of layers\.1:4 in 'f' is outside",
        ),
        (
            setting("cards", 0, "rankings", "f", "label_scores", "X", value=1.0),
            "label_scores of layers.1:4 in 'f'",
        ),
        (
            setting("rankings", "f", "provenance", "stage", value=1),
            r"rankings\.f\.provenance\.stage: Input should be",
        ),
        (setting("model", "weight_hash", value="another"), "model and corpus are not those of provenance"),
        (setting("corpus", "n_words", value="many"), r"corpus\.n_words: Input should be a valid integer"),
        (broken(lambda content: content["rankings"].pop("f")), "cites a ranking 'f' that rankings lacks"),
        (broken(lambda content: content["cards"].append(content["cards"][0])), "cards has a neuron twice"),
        (broken(lambda content: content["cards"][0].pop("low")), r"cards\.0\.low: Field required"),
        (
            broken(lambda content: content["cards"][0]["low"].clear()),
            r"low\.words: Field required \(and 1 more fields",
        ),
        (broken(lambda content: content.pop("schema_version")), "schema_version: Field required"),
    ],
)
def test_a_broken_file_is_refused_by_file_and_field(
    cards: NeuronCards, tmp_path: Path, change: Callable[[dict], dict], message: str
) -> None:
    path = tmp_path / "theirs.json"
    cards.save(path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(RecordError, match=message) as refused:
        NeuronCards.load(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_what_is_no_file_of_cards_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text, message in (
        ("{", "is not a JSON file"),
        ("[1]", "not neuron cards"),
        ("\xff", "is not a JSON file"),
    ):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(RecordError, match=message):
            NeuronCards.load(path)
    with pytest.raises(RecordError, match="does not exist"):
        NeuronCards.load(tmp_path / "none.json")
    with pytest.raises(RecordError, match="is not a JSON file"):
        NeuronCards.load(tmp_path)


def test_cards_of_another_model_are_refused_by_name(acts: Activations, cards: NeuronCards) -> None:
    cards.require_of(acts)
    cards.require_of(plant(50, seed=9, model="abcdefabcdef0").activations)
    other = plant(120, model="0123456789abc").activations
    message = r"cards: of abcdefabcdef0 \(weights abcdefabcdef\); .*: of 0123456789abc \(weights 0123456789ab\)"
    with pytest.raises(MismatchError, match=message):
        cards.require_of(other)
    identity = other.provenance.model
    assert identity is not None
    with pytest.raises(MismatchError, match=message):
        cards.require_model(identity)
    cards.require_model(identity.model_copy(update={"weight_hash": "abcdefabcdef0"}))
    with pytest.raises(
        MismatchError, match=r"cards: neuron layers\.0:3 is not in abcdefabcdef0, which has layers\.1"
    ):
        cards.require_of(acts.restrict("layers.1"))
    narrow = Activations(
        acts.array[:, :16], NeuronSpace(("layers.0", "layers.1"), (12, 4)), acts.corpus, acts.provenance
    )
    with pytest.raises(MismatchError, match=r"neuron layers\.1:4 is not in"):
        cards.require_of(narrow)


def test_latents_of_another_dictionary_are_refused(acts: Activations) -> None:
    def of(identity: str) -> Activations:
        told = acts.provenance.model_copy(update={"parameters": {"dictionaries": {"layers.0": identity}}})
        return replace(acts, provenance=told)

    neuron_cards(of("a" * 20), [0]).require_of(of("a" * 20))
    with pytest.raises(
        MismatchError, match=r"latents of dictionary aaaaaaaaaaaa at 'layers.0'; .*bbbbbbbbbbbb"
    ):
        neuron_cards(of("a" * 20), [0]).require_of(of("b" * 20))


def test_what_cannot_be_written_down_is_refused(acts: Activations, rankings: dict[str, Ranking]) -> None:
    for neurons, message in (
        ([], "neurons must be one or more of 0..31"),
        ([32], "neuron 32 is outside 0..31"),
        (["layers.0"], "write SITE:UNIT"),
        (["layers.2:0"], "no neuron 'layers.2:0': no site 'layers.2'; the sites are: layers.0, layers.1"),
    ):
        with pytest.raises(InputError, match=message):
            neuron_cards(acts, neurons)
    with pytest.raises(ParameterError, match="n and min_count must be at least 1"):
        neuron_cards(acts, [0], n=0)
    other = plant(120, model="b").activations
    with pytest.raises(MismatchError, match="ranking 'mine': of abcdefabcdef0"):
        neuron_cards(other, [0], rankings={"mine": rankings["f"]})
    wide = replace(acts, space=NeuronSpace(("layers.0", "layers.1"), (20, 12)))
    with pytest.raises(MismatchError, match=r"ranking 'mine' has 12 neurons at 'layers.0', and .* 20"):
        neuron_cards(wide, [0], rankings={"mine": rankings["f"]})


def test_a_card_is_found_by_its_name(cards: NeuronCards) -> None:
    assert cards.card("layers.0:3") is cards.cards[1]
    assert len(cards) == 3
    with pytest.raises(
        ParameterError, match=r"no card of 'layers.0:4'; the cards are of layers.1:4, layers.0:3"
    ):
        cards.card("layers.0:4")


def test_a_record_that_contradicts_itself_cannot_be_made() -> None:
    known = {"words": 3, "mean": 0.0, "std": 0.0, "minimum": 0.0, "maximum": 0.0}
    shares = {"share_positive": 0.0, "share_negative": 0.0}
    assert CardStatistics(**known, **shares, constant=True).constant
    with pytest.raises(ValueError, match="contradict"):
        CardStatistics(**known, **shares, constant=False)
    corpus = CorpusIdentity(source="s", content_hash="h", n_sentences=1, n_words=3)
    model = ModelIdentity(id="m", architecture="A", weight_hash="w")
    with pytest.raises(ValueError, match="not those of provenance"):
        NeuronCards(
            model=model,
            corpus=corpus,
            rankings={},
            cards=(),
            provenance=Provenance(stage="cards", corpus=corpus),
        )
