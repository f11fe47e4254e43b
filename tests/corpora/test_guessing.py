"""The guess of a format: words are never labels, IDs or comments, and in doubt the guess asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from onegrain.corpora import FORMATS, guess_format, read_corpus
from onegrain.errors import CorpusError

EMPTY_NODE = "0.1\tRan" + "\t_" * 8 + "\n1\tAnna" + "\t_" * 8 + "\n2\thome" + "\t_" * 8 + "\n"
WIDE = (
    "1\tAnna\t_\t_\tNNP" + "\t_" * 9 + "\n2\tran\t_\t_\tVBD" + "\t_" * 10 + "\n\n"
    "1\tRain\t_\t_\tNN" + "\t_" * 9 + "\n"
)
PLUS = (
    "# global.columns = ID FORM UPOS X:NER\n# text = Anna ran\n"
    "1\tAnna\tPROPN\tB\n2\tran\tVERB\t_\n\n1\tRain\tNOUN\t_\n"
)

READ = {
    "an empty node first": (EMPTY_NODE, "conllu", "Anna home"),
    "a comment and an empty node": ("# sent_id = 1\n" + EMPTY_NODE, "conllu", "Anna home"),
    "CoNLL-2009": (WIDE, "conll2009", "Anna ran|Rain"),
    "CoNLL-U Plus": (PLUS, "conllup", "Anna ran|Rain"),
    "one sentence with labels": ("EU B-ORG\nsaid O\nno O\n", "columns", "EU said no"),
    "comments before sentences": (
        "# id 1 domain=en\nEU B-ORG\nsaid O\n\n# id 2 domain=en\nRain O\n",
        "columns",
        "EU said|Rain",
    ),
    "documents": (
        "-DOCSTART- -X- O\n\nEU NNP B-NP\nsays VBZ B-VP\n\nRain NN B-NP\n",
        "columns",
        "EU says|Rain",
    ),
    "CoNLL-2000": ("a DT B-NP\ndog NN I-NP\n\nit PRP B-NP\n", "columns", "a dog|it"),
    "small labels": ("the det\ndog noun\nruns verb\n\nrain noun\n", "columns", "the dog runs|rain"),
    "a hard space in a word": (
        "10\u00a0000 CD\ndogs NNS\n\nrain NN\nfalls VBZ\n",
        "columns",
        "10\u00a0000 dogs|rain falls",
    ),
    "a header of columns": ("word pos\nthe DT\ndog NN\n\nrain NN\n", "columns", "the dog|rain"),
    "a word called word": ("word\tNN\nthe\tDT\n\nwords\tNN\n", "columns", "word the|words"),
    "CSV": ("word,pos,sentence\nthe,DT,1\ndog,NN,1\nrain,NN,2\n", "csv", "the dog|rain"),
    "CSV with semicolons": ("word;pos;sent_id\nthe;DT;1\n", "csv", "the"),
    "CSV with a cell per sentence": (
        "Sentence #,Word,POS\nSentence: 1,The,DT\n,dog,NN\nSentence: 2,Rain,NN\n",
        "csv",
        "The dog|Rain",
    ),
    "TSV": ("token\tner\nEU\tB-ORG\nsaid\tO\n\nRain\tO\n", "tsv", "EU said|Rain"),
    "JSON lines": (
        '{"words": ["a", "dog"], "pos": ["DT", "NN"], "id": 3}\n{"words": ["rain"]}\n',
        "jsonl",
        "a dog|rain",
    ),
    "two words a line": (
        "good morning\nhow are\n\nsee you\nthank you\n",
        "plain",
        "good morning|how are|see you|thank you",
    ),
    "sentences that end alike": ("I sleep .\nHe runs .\n\nWe go .\n", "plain", "I sleep .|He runs .|We go ."),
    "one sentence": ("Made in USA\n", "plain", "Made in USA"),
    "one word a sentence": ("rain\nsnow\n", "plain", "rain|snow"),
    "a headline": ("# Title\n\nSome text\nmore\n", "plain", "# Title|Some text|more"),
    "words in brackets": ("[laughter] the dog\n{ yes }\n", "plain", "[laughter] the dog|{ yes }"),
    "a tab in a sentence": (
        "the dog\tbarks\nrain falls\nsun shines\n",
        "plain",
        "the dog barks|rain falls|sun shines",
    ),
}


@pytest.mark.parametrize(("text", "format", "sentences"), READ.values(), ids=READ)
def test_words_are_words(tmp_path: Path, text: str, format: str, sentences: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(text.encode())
    assert guess_format(path) == format
    assert format in FORMATS
    corpus = read_corpus(path)
    assert "|".join(" ".join(words) for words in corpus.sentences()) == sentences
    for ends in ("\r\n", "\r"):
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", ends).encode())
        again = read_corpus(path)
        assert again.words == corpus.words
        assert {name: layer.labels() for name, layer in again.layers.items()} == {
            name: layer.labels() for name, layer in corpus.layers.items()
        }


ASKED = {
    "a tag missing": ("EU B-ORG\nsaid O\nno O\n\nAnna B-PER\nran\n\nRain O\n! O\n", ":6: expected 2 columns"),
    "a tag missing behind a tab": ("EU\tB-ORG\nsaid\tO\nno\n\nRain\tO\n", ":3: expected 2 columns"),
    "a tag that is empty": ("EU\tB-ORG\nsaid\t\n", ":2: expected 2 columns"),
    "nine columns": (
        "1\ta" + "\t_" * 7 + "\n2\tb" + "\t_" * 8 + "\n3\tc" + "\t_" * 8 + "\n",
        ":1: expected 10",
    ),
    "IDs before three columns": (
        "1\tthe\tDT\n2\tdog\tNN\n\n1\train\tNN\n",
        "counts the words of each sentence",
    ),
    "IDs from 0": ("0\tthe\tDT\n1\tdog\tNN\n\n0\train\tNN\n", "counts the words of each sentence"),
    "IDs without tabs": ("1 the DT\n2 dog NN\n\n1 rain NN\n", "begins with a number that counts the lines"),
    "numbered sentences": ("1 the dog barks\n2 it rains\n", "begins with a number that counts the lines"),
    "labels first": ("DT the\nNN dog\nVB barks\n\nNN rain\n", "a sentence, or a word with its labels"),
    "documents first": ("d1\tthe\tDT\nd1\tdog\tNN\n\nd1\truns\tVB\nd1\t.\t.\n", "may not hold the words"),
    "few small values": ("dog n\nruns v\n\ncat n\nsleeps v\n", "a sentence, or a word with its labels"),
    "lemmas": ("dogs dog\nbark bark\n\nrun run\nthe the\n", "a sentence, or a word with its labels"),
    "numbers as labels": ("good 1\nbad 0\nfine 1\n", "a sentence, or a word with its labels"),
    "one word a line": ("the\ndog\n\nrain\n!\n", "one word on each line"),
    "CSV without words": ("text,label\nthe dog,1\nrain,0\n", "no column holds words"),
    "CSV without header": ("the,DT\ndog,NN\n", "no column holds words"),
    "cells without header": ("the|DT\ndog|NN\n", "cells with '|' between them"),
    "CSV with a bare quotation mark": ('word,pos,sent\n",P,1\nthe,D,1\n",P,2\n', ":2: a quoted cell goes over"),
    "sentences with labels": ("the movie was great\tpositive\nit was bad\tnegative\n", "hold several words"),
    "a translation": ("hello\tbonjour\ngood bye\tau revoir\n", "hold several words"),
    "tagged words": ("the/DT dog/NN barks/VBZ\n", "words that carry tags, such as 'the/DT'"),
    "tagged words by underscores": ("the_DT dog_NN ._.\n", "words that carry tags"),
    "comments in text": ("# text = foo\nthe dog barks today\nrain\n", ":1: a comment among lines of text"),
    "a comment or the word #": (
        "# doc1\nEU B-ORG\nsaid O\n\n# doc2\nRain O\n! O\n",
        ":1: a comment, or the word '#'",
    ),
    "only comments": ("# one\n", "only comments"),
    "XML": ('<?xml version="1.0"?>\n<a>b</a>\n', "XML or HTML"),
    "a vertical file": ("<s>\nthe\tDT\n</s>\n<s>\nrain\tNN\n</s>\n", "tag of markup"),
    "a JSON array": ('[{"words": ["a"]}]\n', ":1: expected one JSON object per line, got list"),
    "half of an object": ('{"words": ["a"]}\n{"words": ["a"\n', ":2: not JSON"),
}


@pytest.mark.parametrize(("text", "says"), ASKED.values(), ids=ASKED)
def test_in_doubt_the_guess_asks(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(text.encode())
    with pytest.raises(CorpusError) as caught:
        read_corpus(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_question_is_answered_by_the_format(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("dog n\nruns v\n\ncat n\nsleeps v\n")
    with pytest.raises(CorpusError, match=r"which format is it \(--format, format=\): columns .* or plain"):
        guess_format(path)
    assert read_corpus(path, format="columns").words == ("dog", "runs", "cat", "sleeps")
    assert read_corpus(path, format="plain").sentence(1) == ("runs", "v")
    path.write_text("1\tthe\tDT\n2\tdog\tNN\n")
    with pytest.raises(CorpusError, match="--columns _,word,column3"):
        read_corpus(path, format="columns")
    assert read_corpus(path, columns=("_", "word", "pos")).words == ("the", "dog")


def test_many_lines_with_few_last_words_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(
        "".join(f"w{number} {'ab'[number % 2]}\n" + "\n" * (number % 3 == 0) for number in range(60))
    )
    assert guess_format(path) == "columns"
