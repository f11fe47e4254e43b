"""docs/data.md: its blocks run, its formats are those that are read, and its rule of labels is the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onegrain.corpora import FORMATS
from support import ROOT
from support.tiny import SENTENCES, tiny_gpt2

PAGE = ROOT / "docs" / "data.md"


def test_the_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert SENTENCES
    tiny_gpt2(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert "2 sentences, 3 words" in capsys.readouterr().out
    assert names["by_model"].n_ranked


def test_the_table_names_every_format() -> None:
    table = PAGE.read_text().split("| format |", 1)[1].split("\n\n", 1)[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(FORMATS)
