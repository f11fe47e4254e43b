"""Readers against the files they are for, planted faults, and an independent parser."""

from __future__ import annotations

from pathlib import Path

import conllu
import pytest

from onegrain.corpora import FORMATS, guess_format, read_corpus, read_parallel
from onegrain.errors import CorpusError, ParameterError

WORDS = """\
# sent_id = 1
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\tVBP\tTense=Pres\t0\troot\t_\t_
2\tn't\tnot\tPART\t_\t_\t1\tadvmod\t_\t_
2.1\tgone\tgo\tVERB\tVBN\t_\t_\t_\t_\t_

1\tdogs\tdog\tNOUN\tNNS\tNumber=Plur\t0\troot\t_\t_

"""


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_conllu_layers(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path, "a.conllu", WORDS))
    assert [list(sentence) for sentence in corpus.sentences()] == [["do", "n't"], ["dogs"]]
    assert corpus.layer("upos").labels() == ["AUX", "PART", "NOUN"]
    assert corpus.layer("xpos").labels() == ["VBP", None, "NNS"]
    assert corpus.layer("feats").labels() == ["Tense=Pres", "_", "Number=Plur"]
    assert corpus.layer("Number").labels() == [None, None, "Plur"]
    assert corpus.layer("deprel").labels() == ["root", "advmod", "root"]


def test_conllu_empty_columns_give_no_layer(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path, "a.conllu", "1\thi\t_\tINTJ" + "\t_" * 6 + "\n"))
    assert sorted(corpus.layers) == ["upos"]


def test_conllu_agrees_with_the_conllu_package(data_root: Path) -> None:
    path = data_root / "ud" / "en_ewt" / "dev.conllu"
    corpus = read_corpus(path)
    with path.open(encoding="utf-8") as file:
        reference = [[word for word in s if isinstance(word["id"], int)] for s in conllu.parse_incr(file)]
    flat = [word for sentence in reference for word in sentence]
    assert (corpus.n_sentences, corpus.n_words) == (2001, 25147) == (len(reference), len(flat))
    assert list(corpus.words) == [word["form"] for word in flat]
    assert corpus.layer("xpos").labels() == [word["xpos"] for word in flat]
    assert corpus.layer("Number").labels() == [(word["feats"] or {}).get("Number") for word in flat]


def test_real_files(data_root: Path) -> None:
    assert read_corpus(data_root / "conll2000" / "test.txt").layer("chunk").counts()["B-NP"] == 12422
    reviews = data_root / "sem" / "streusle"
    corpus = read_corpus(reviews / "dev.word", labels={"supersense": reviews / "dev.label"})
    assert (corpus.n_sentences, "n.PERSON" in corpus.layer("supersense").vocabulary) == (554, True)
    brown = data_root / "brown"
    assert read_corpus(brown / "valid.word", labels=brown / "valid.pos", limit=7).layer("pos").codes.size > 7
    captions = read_parallel(data_root / "multi30k" / "val.en", data_root / "multi30k" / "val.fr")
    assert captions.target is not None
    assert captions.n_sentences == captions.target.n_sentences == 1014
    assert read_corpus(data_root / "wikitext-2" / "valid.txt", limit=5).n_sentences == 5


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("1\ta\t_\tX" + "\t_" * 5 + "\n", 1, "10 tab-separated columns, found 9"),
        (WORDS + "x\ta" + "\t_" * 8 + "\n", 9, "expected word ID 1, found 'x'"),
        (WORDS + "2\ta" + "\t_" * 8 + "\n", 9, "expected word ID 1, found '2'"),
        (WORDS + "1\t" + "\t_" * 8 + "\n", 9, "FORM"),
        (WORDS + "1\ta\t_\tX\t_\tNumber\t_\t_\t_\t_\n", 9, "'Number' is not Key=Value"),
        (WORDS.encode() + b"1\t\xe9" + b"\t_" * 8 + b"\n", 9, "not UTF-8"),
    ],
)
def test_conllu_faults_name_file_and_line(tmp_path: Path, content: str | bytes, line: int, says: str) -> None:
    path = write(tmp_path, "bad.conllu", content)
    with pytest.raises(CorpusError, match=says) as caught:
        read_corpus(path)
    assert (caught.value.path, caught.value.line) == (path, line)


def test_byte_order_mark_windows_ends_and_limit(tmp_path: Path) -> None:
    plain = read_corpus(write(tmp_path, "a.conllu", WORDS))
    marked = read_corpus(write(tmp_path, "b.conllu", b"\xef\xbb\xbf" + WORDS.replace("\n", "\r\n").encode()))
    assert marked.words == plain.words
    assert marked.layer("xpos").labels() == plain.layer("xpos").labels()
    assert read_corpus(write(tmp_path, "a.conllu", WORDS), limit=1).n_sentences == 1


def test_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such file"):
        read_corpus(tmp_path / "none.txt")
    with pytest.raises(CorpusError, match="folder"):
        read_corpus(tmp_path, format="plain")
    with pytest.raises(CorpusError, match="empty"):
        read_corpus(write(tmp_path, "empty.txt", "\n \n"))
    with pytest.raises(CorpusError, match="only comments"):
        read_corpus(write(tmp_path, "comments.conllu", "# nothing\n"))


def test_guesses(tmp_path: Path) -> None:
    assert guess_format(write(tmp_path, "words", WORDS)) == "conllu"
    assert guess_format(write(tmp_path, "chunks", "a DT B-NP\ndog NN I-NP\n\nit PRP B-NP\n")) == "columns"
    assert guess_format(write(tmp_path, "text", "a dog sleeps\nit barks\n\nall day\n")) == "plain"


def test_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "c.txt", "-DOCSTART- X O\n\na DT B-NP\ndog NN I-NP\n\nit PRP B-NP\n")
    corpus = read_corpus(path, format="columns")
    assert (corpus.n_sentences, corpus.layer("chunk").labels()) == (2, ["B-NP", "I-NP", "B-NP"])
    named = read_corpus(path, columns=("word", "_", "np"))
    assert sorted(named.layers) == ["np"]
    assert sorted(read_corpus(write(tmp_path, "d.txt", "a DT\nb NN\n"), format="columns").layers) == ["column2"]
    with pytest.raises(CorpusError, match=r"c2.txt:2: expected 3 columns .*found 2"):
        read_corpus(write(tmp_path, "c2.txt", "a DT B\nb NN\n"), format="columns")
    with pytest.raises(ParameterError, match="'word' once"):
        read_corpus(path, columns=("a", "b", "c"))


def test_word_and_label_lines(tmp_path: Path) -> None:
    words = write(tmp_path, "t.word", "a  dog \nit\u00a0is\n\n")
    corpus = read_corpus(words, labels=write(tmp_path, "t.pos", "DT NN\nX\n"))
    assert corpus.words == ("a", "dog", "it\u00a0is")
    assert corpus.layer("pos").labels() == ["DT", "NN", "X"]
    with pytest.raises(CorpusError, match=r"t.word:2: 1 words, but 2 labels in .*u.pos:2"):
        read_corpus(words, labels=write(tmp_path, "u.pos", "DT NN\nX Y\n"))
    with pytest.raises(CorpusError, match=r"t.word: 2 lines, but 1 in .*v.pos"):
        read_corpus(words, labels=write(tmp_path, "v.pos", "DT NN\n"))
    with pytest.raises(CorpusError, match=r"w.word:2: a blank line"):
        read_corpus(write(tmp_path, "w.word", "a\n\nb\n"), format="lines")


def test_parallel(tmp_path: Path) -> None:
    source, target = write(tmp_path, "a.en", "a dog\nit is\n"), write(tmp_path, "a.fr", "un chien\nil est là\n")
    corpus = read_parallel(source, target, limit=1)
    assert corpus.target is not None
    assert (corpus.words, corpus.target.words) == (("a", "dog"), ("un", "chien"))
    with pytest.raises(CorpusError, match=r"a.en: 2 lines, but 1 in .*b.fr"):
        read_parallel(source, write(tmp_path, "b.fr", "un chien\n"))
    with pytest.raises(CorpusError, match=r"c.fr:1: a blank line"):
        read_parallel(source, write(tmp_path, "c.fr", "\nun chien\n"))


def test_wrong_options(tmp_path: Path) -> None:
    path = write(tmp_path, "t.txt", "a b\n")
    with pytest.raises(ParameterError, match=", ".join(FORMATS)):
        read_corpus(path, format="xml")
    with pytest.raises(ParameterError, match="limit must be 1"):
        read_corpus(path, limit=0)
    for options in ({"format": "conllu", "labels": path}, {"format": "plain", "columns": ("word",)}):
        with pytest.raises(ParameterError, match="belongs to the format"):
            read_corpus(path, **options)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="different formats"):
        read_corpus(path, labels=path, columns=("word",))
