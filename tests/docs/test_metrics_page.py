"""The commands and the Python of docs/metrics.md run as they stand, and its table names every metric."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from onegrain.cli import main
from onegrain.metrics import METRICS
from onegrain.records.corpus import Corpus
from onegrain.records.curve import Curve
from support import ROOT
from support.tiny import SENTENCES, tiny_gpt2

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_gpt2(tmp_path / "gpt2")
    (tmp_path / "words.txt").write_text("".join(f"{line}\n" for line in SENTENCES))
    pair = {"sentence_good": "It rains.", "sentence_bad": "It rain.", "UID": "a"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for language, block in re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL):
        if language == "python":
            exec(compile(block, "metrics.md", "exec"), names)
            continue
        for command in block.replace("\\\n", " ").strip().splitlines():
            monkeypatch.setattr(sys, "argv", shlex.split(command))
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code, command
    assert Curve.load("documents.parquet").metric == "document_perplexity"
    pairs = names["translated"]
    assert isinstance(pairs, Corpus)
    assert pairs.n_sentences == 40


def test_the_table_names_every_metric() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])] == sorted(
        METRICS, key=lambda name: PAGE.index(f"`{name}`")
    )
    for row in rows:
        assert ("higher" in row) != ("lower" in row)
