"""Fixtures of the tests of the command line: a function that runs it, and models with texts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from onegrain.cli import main
from support.commands import Run
from support.tiny import parallel_corpus, tiny_nlm, tiny_nmt


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["onegrain", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, texts with labels, and a store with its ranking."""
    folder = tmp_path_factory.mktemp("inputs")
    tiny_nlm(folder / "nlm")
    tiny_nmt(folder / "nmt")
    corpus = parallel_corpus()
    assert corpus.target is not None
    sentences = [list(words) for words in corpus.sentences()] * 6
    (folder / "words.txt").write_text("".join(" ".join(words) + "\n" for words in sentences))
    (folder / "target.txt").write_text("".join(" ".join(w) + "\n" for w in list(corpus.target.sentences()) * 6))
    labels = [["punct" if not w.isalpha() else "long" if len(w) > 3 else "short" for w in s] for s in sentences]
    (folder / "words.kind").write_text("".join(" ".join(row) + "\n" for row in labels))
    return folder
