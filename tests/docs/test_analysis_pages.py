"""The commands and the Python of docs/clusters.md, docs/cards.md and docs/search.md run as they stand."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

import onegrain as og
from onegrain.cli import main
from onegrain.records.cards import NeuronCards
from onegrain.records.ranking import Ranking
from support import ROOT
from support.tiny import plain_corpus, tiny_nlm

DOCS = ROOT / "docs"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model and the words that the pages name."""
    tiny_nlm(tmp_path / "model")
    lines, sentences = [], [list(words) for words in plain_corpus().sentences()] * 4
    for words in sentences:
        for number, word in enumerate(words, 1):
            tag = "PUNCT" if not word.isalpha() else "NOUN" if len(word) > 3 else "DET"
            lines.append(f"{number}\t{word}\t_\t{tag}" + "\t_" * 6)
        lines.append("")
    (tmp_path / "words.conllu").write_text("\n".join(lines) + "\n")
    (tmp_path / "words.txt").write_text("".join(" ".join(words) + "\n" for words in sentences))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_page(page: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Every block in its order; what the Python left behind."""
    names: dict = {}
    blocks = re.findall(r"```(sh|python)\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert {language for language, _ in blocks} == {"sh", "python"}
    for language, block in blocks:
        if language == "python":
            exec(compile(block, page, "exec"), names)
            continue
        for command in block.replace("\\\n", " ").strip().splitlines():
            monkeypatch.setattr(sys, "argv", shlex.split(command))
            assert code() == 0, command
    return names


def code() -> int:
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_page_of_clusters(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("clusters.md", monkeypatch)
    once = Ranking.load(place / "once.parquet")
    assert once.n_ranked == names["once"].n_ranked == len(names["groups"]) <= names["ranking"].n_ranked
    assert (place / "once-curve.parquet").exists()


def test_the_page_of_cards(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("cards.md", monkeypatch)
    assert NeuronCards.load(place / "mine.json") == names["cards"]
    sources = sorted(path.name for path in (place / "exports" / "my-model").iterdir())
    assert sources == sorted({f"{card.site[-1]}-onegrain-ewt" for card in names["theirs"].cards})


def test_what_the_pages_say_of_numbers_is_so() -> None:
    from onegrain.analyses.neurons import words
    from onegrain.analyses.redundancy import correlations
    from onegrain.records.cards import SCHEMA_VERSION

    clusters, cards = ((DOCS / name).read_text() for name in ("clusters.md", "cards.md"))
    assert f"in blocks of {correlations.BLOCK_ROWS:,}" in clusters
    pairs = correlations.correlations_bytes(10_000, 10_000) - correlations.correlations_bytes(0, 10_000)
    assert pairs - 12 * correlations.BLOCK_ROWS * 10_000 == 1.2e9
    assert f"`neuron cards`, and {SCHEMA_VERSION}" in cards
    assert words.CONTEXT == 6


def test_the_page_of_search(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("search.md", monkeypatch)
    assert names["noun"].label == "DET"
    assert (len(names["neuron"].samples), len(names["neuron"].counts)) == (5, 40)
    assert len(names["table"]) == len(names["index"]) == names["nouns"].space.size
    assert names["index"].options.bins == 20
    assert og.load(place / "noun.parquet").concept == og.load(place / "nouns.parquet").concept
