"""The commands and the Python of docs/causes.md run as they stand; its architectures are the code's."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.test_analysis_pages import run_page
from onegrain.interventions.direct_path import PRE_NORM
from support import ROOT
from support.tiny import plain_corpus, tiny_gpt2


def test_the_page_of_causes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_gpt2(tmp_path / "model")
    sentences = [list(words) for words in plain_corpus().sentences()]
    for name, chosen in (("train", sentences * 4), ("test", sentences[::-1] * 2)):
        lines = []
        for words in chosen:
            for number, word in enumerate(words, 1):
                tag = "PUNCT" if not word.isalpha() else "NOUN" if len(word) > 3 else "DET"
                lines.append(f"{number}\t{word}\t_\t{tag}" + "\t_" * 6)
            lines.append("")
        (tmp_path / f"{name}.conllu").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    names = run_page("causes.md", monkeypatch)
    assert names["matrix"].edited == ("DET", "NOUN", "PUNCT")
    assert names["paths"].sites == ("all", *dict.fromkeys(names["paths"].table["site"][3:]))
    assert names["sets"].count >= 0
    losses = names["constants"].details["losses"]
    assert losses["optimal"] <= min(losses["zero"], losses["mean"])
    assert names["optimal"].value > 1.0


def test_the_architectures_of_effects_are_listed() -> None:
    page = " ".join((ROOT / "docs" / "causes.md").read_text(encoding="utf-8").split())
    assert f"language models {', '.join(PRE_NORM[:-1])} and {PRE_NORM[-1]}." in page
