"""The commands and the Python of docs/sweeps.md run as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

import onegrain as og
from docs.test_analysis_pages import run_page
from onegrain.interventions.matching import MATCHES, STRATA
from support import ROOT
from support.tiny import plain_corpus, tiny_nlm


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model and the words that the page names."""
    tiny_nlm(tmp_path / "model")
    sentences = [list(words) for words in plain_corpus().sentences()] * 4
    (tmp_path / "words.txt").write_text("".join(" ".join(words) + "\n" for words in sentences))
    kinds = [" ".join("long" if len(word) > 3 else "short" for word in words) for words in sentences]
    (tmp_path / "words.kind").write_text("\n".join(kinds) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("sweeps.md", monkeypatch)
    assert isinstance(names["sweep"], og.Sweep)
    assert isinstance(names["curve"], og.Curve)
    record = og.load(place / "sweep.parquet")
    assert record.lines == ("top", "random", "keep")
    assert record.rankings == ("probeless", "f-statistic")
    assert not list(place.glob(".*.checkpoint"))


def test_what_the_page_says_of_matching_is_so() -> None:
    page = (ROOT / "docs" / "sweeps.md").read_text()
    assert all(f'match="{name}"' in page for name in MATCHES)
    assert STRATA == 10
    assert "same tenth" in page
