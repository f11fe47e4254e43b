"""Files of minimal pairs, as BLiMP has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onegrain.corpora import guess_format, read_corpus
from onegrain.errors import CorpusError
from onegrain.metrics import MinimalPairs

GOOD, BAD = "Anna can't help herself, said Ben.", "Anna can't help himself, said Ben."


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def pair(good: str = GOOD, bad: str = BAD, uid: str | None = "gender") -> dict[str, str | None]:
    return {"sentence_good": good, "sentence_bad": bad, "UID": uid, "field": "morphology"}


def test_pairs_become_good_and_bad_sentences_in_turn(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", pair(), pair("It  rains.", "It  rain."))
    assert guess_format(path) == "pairs"
    corpus = read_corpus(path)
    assert list(corpus.texts()) == [GOOD, BAD, "It rains.", "It rain."]
    assert corpus.sentence(0) == ("Anna", "can't", "help", "herself", ",", "said", "Ben", ".")
    assert corpus.layer("acceptability").labels()[:9] == ["good"] * 8 + ["bad"]
    assert corpus.layer("paradigm").vocabulary == ("gender",)
    assert MinimalPairs(corpus).parameters == {"paradigm": "gender"}
    assert read_corpus(path, limit=1).n_sentences == 2


def test_pairs_need_no_uid(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "pairs.jsonl", pair(uid=None), pair("a b", "a c", None)))
    assert "paradigm" not in corpus.layers
    assert MinimalPairs(corpus).parameters == {}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (pair(uid="number"), r":2: a pair of the UID 'number', but the pairs before are of 'gender'"),
        (pair("A dog .", "A  dog ."), r":2: sentence_good and sentence_bad are equal, 'A dog .'; remove"),
        ({"sentence_good": "a", "UID": "gender"}, r":2: a minimal pair has a sentence under 'sentence_bad'"),
        (pair(bad=""), r":2: a minimal pair has a sentence under 'sentence_bad'"),
        ([1], r":2: expected one JSON object per line"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, record: object, message: str) -> None:
    path = write(tmp_path / "pairs.jsonl", pair(), record)
    with pytest.raises(CorpusError, match=message):
        read_corpus(path)


def test_blimp_files_are_read_as_they_are(data_root: Path) -> None:
    files = sorted((data_root / "blimp").glob("*.jsonl"))
    assert len(files) > 30
    for path in files[::6]:
        records = [json.loads(line) for line in path.read_text().splitlines()[:20]]
        names = ("sentence_good", "sentence_bad")
        texts = [" ".join(record[name].split()) for record in records for name in names]
        corpus = read_corpus(path, limit=20)
        assert list(corpus.texts()) == texts
        assert MinimalPairs(corpus).parameters["paradigm"] == path.stem


def test_json_lines_may_label_sentences(tmp_path: Path) -> None:
    path = write(
        tmp_path / "rated.jsonl",
        {"words": ["good", "film"], "label": "positive", "id": 3},
        {"words": ["rain"], "label": None},
        {"words": ["oh"], "label": 0},
    )
    corpus = read_corpus(path)
    assert set(corpus.layers) == {"label"}
    assert corpus.layer("label").labels() == ["positive", "positive", None, "0"]
