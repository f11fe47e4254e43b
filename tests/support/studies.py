"""Study files of the tests."""

from __future__ import annotations

from pathlib import Path

SANDBOX_STUDY = """
title = "Killed"
show = [["nlm", "test"]]
[corpora]
train = { sandbox = { take = 0, parts = 1, sentences = 60, held_out = 20 } }
test = { sandbox = { take = "test", parts = 1, sentences = 60, held_out = 20 } }
[models.nlm]
kind = "nlm"
train = "train"
valid = "test"
test = "test"
options = { hidden_size = 8, layers = 1, vocab_size = 100, epochs = 1, batch_size = 16 }
[rankings.f]
models = ["nlm"]
method = "f-statistic"
label = "upos"
corpus = "test"
[ablations.perplexity]
models = ["nlm"]
rankings = ["f"]
metric = "perplexity"
corpus = "test"
parameters = { steps = 2, random_orders = 1 }
"""
"""Every kind of step that takes seconds, on the sandbox language."""


def write_study(folder: Path, text: str = SANDBOX_STUDY) -> Path:
    """Write a study file into a folder, and return its path."""
    path = folder / "study.toml"
    path.write_text(text)
    return path
