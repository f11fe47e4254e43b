"""docs/interventions.md: its blocks run as they stand, and its table names every edit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import onegrain as og
from docs.test_analysis_pages import DOCS, run_page
from onegrain.interventions import EDITS, parse_edit
from support.controlled import controlled_corpus, controlled_nmt
from support.tiny import plain_corpus, tiny_nlm

PAGE = (DOCS / "interventions.md").read_text()


def write_conllu(path: Path, sentences: list[tuple[str, ...]], columns: list[list[str]]) -> None:
    """Write words with the columns from the part of speech on."""
    lines = []
    for words, labels in zip(sentences, columns, strict=True):
        for number, (word, label) in enumerate(zip(words, labels, strict=True), 1):
            lines.append(f"{number}\t{word}\t_\t{label}" + "\t_" * 4)
        lines.append("")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the models and the words that the page names."""
    tiny_nlm(tmp_path / "model")
    controlled_nmt(tmp_path / "nmt")
    plain = list(plain_corpus().sentences())
    tags = [["PUNCT" if not w.isalpha() else "NOUN" if len(w) > 3 else "DET" for w in words] for words in plain]
    write_conllu(tmp_path / "words.conllu", plain, [[f"{tag}\t_\t_" for tag in row] for row in tags])
    both = [controlled_corpus(plural) for plural in (False, True)]
    numbered = [words for corpus in both for words in corpus.sentences()]
    labels = iter([label for corpus in both for label in corpus.layer("Number").labels()])
    feats = [
        ["_" if (label := next(labels)) is None else f"Number={label}" for _ in words] for words in numbered
    ]
    write_conllu(tmp_path / "number.conllu", numbered, [[f"X\t_\t{feat}" for feat in row] for row in feats])
    (tmp_path / "french.tsv").write_text("chien\tSing\nchat\tSing\nchiens\tPlur\nchats\tPlur\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("interventions.md", monkeypatch)
    assert not names["edited"].equal(names["untouched"])
    assert names["hidden"].points["value"].iloc[1] != names["removed"].points["value"].iloc[1]
    assert names["record"].comparison()["success"].tolist()[0] == 1.0
    assert og.load(place / "control.parquet").points["success"].iloc[0] == 1.0


def test_the_table_names_every_edit() -> None:
    table = PAGE.split("| edit |", 1)[1].split("\n\n", 1)[0]
    texts = [text for row in table.splitlines()[2:] for text in re.findall(r"`([^`]+)`", row.split("|")[1])]
    edits = {"scale": "scale(factor=2)"}
    assert {parse_edit(edits.get(text, text)).kind for text in texts} == set(EDITS)
