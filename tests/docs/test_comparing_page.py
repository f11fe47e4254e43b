"""The commands and the Python of docs/comparing.md run as they stand, and its numbers are the code's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from docs.test_analysis_pages import DOCS, run_page
from onegrain.evaluation.options import EvaluationOptions
from support.tiny import plain_corpus, tiny_nlm


def write_words(folder: Path, name: str, sentences: list[list[str]]) -> None:
    lines = []
    for words in sentences:
        for number, word in enumerate(words, 1):
            tag = "PUNCT" if not word.isalpha() else "NOUN" if len(word) > 3 else "DET"
            lines.append(f"{number}\t{word}\t_\t{tag}" + "\t_" * 6)
        lines.append("")
    (folder / f"{name}.conllu").write_text("\n".join(lines) + "\n")
    (folder / f"{name}.txt").write_text("".join(" ".join(words) + "\n" for words in sentences))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model and the words that the page names."""
    tiny_nlm(tmp_path / "model")
    sentences = [list(words) for words in plain_corpus().sentences()] * 6
    rng = np.random.default_rng(0)
    write_words(tmp_path, "train", sentences)
    write_words(tmp_path, "test", [rng.permutation(words).tolist() for words in sentences])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("comparing.md", monkeypatch)
    assert names["comparison"].measured == ("masking", "retraining", "ablation")
    assert names["vote"].order_hash == og.Ranking.load(place / "compared" / "neuron-vote.parquet").order_hash
    for folder in ("compared", "compared-in-python"):
        assert (place / folder / "comparison.png").exists()


def test_what_the_page_says_of_numbers_is_so() -> None:
    page = " ".join((DOCS / "comparing.md").read_text().split())
    options = EvaluationOptions()
    assert [round(100 * share) for share in options.shares or ()] == [1, 2, 5, 10, 20, 50, 100]
    assert "1, 2, 5, 10, 20, 50 and 100 % of the neurons" in page
    assert options.test_share == 0.2
    assert f"`min_count` ({options.min_count})" in page
    assert f"({options.resamples:,})" in page
